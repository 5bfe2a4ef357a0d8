"""Owns the life of one simulated process: its steps, its death between any two, its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any

__all__ = ["LIFE", "Died", "Life", "task_factory"]

LIFE: ContextVar[Life | None] = ContextVar("LIFE", default=None)
"""Whose work is being done; empty for Safaricom, Telegram and the judge."""


class Died(BaseException):
    """The process is gone: nothing that it was about to do happens."""


class Life:
    """From one start of the process to its end. Everything it does to the world is a step."""

    def __init__(
        self,
        number: int,
        *,
        dies_at: int | None,
        note: Callable[[str], None],
        dies_in: str | None = None,
    ) -> None:
        self.number = number
        self.steps = 0
        self.dies_at = dies_at
        self.dies_in = dies_in  # the name of a step that comes too seldom to be met by chance
        self.dead = asyncio.Event()
        self.died_in: str | None = None
        self.tasks: set[asyncio.Task[Any]] = set()
        self.connections: list[Any] = []
        self.context: Context | None = None
        self.stalled = False
        self.stalled_at_s = 0.0
        self.silent = False  # stalled, or not heard of again since
        self.held: list[Any] = []  # what the loop would have run meanwhile
        self.went_on = asyncio.Event()
        self._note = note

    @property
    def alive(self) -> bool:
        return not self.dead.is_set()

    def step(self, name: str) -> None:
        """About to do, or just having done, *name*. Raises Died."""
        if self.dead.is_set():
            raise Died
        self.steps += 1
        self._note(f"{self.number}:{name}")
        if self.steps == self.dies_at or name == self.dies_in:
            self.die(name)
            raise Died

    def die(self, where: str) -> None:
        """kill -9."""
        self.died_in = where
        self._note(f"{self.number}:died")
        self.dead.set()
        for connection in self.connections:
            connection.cut()

    def stall(self) -> None:
        """SIGSTOP: a `StallingLoop` runs nothing of ours until it is told to go on."""
        self.stalled = self.silent = True
        self.stalled_at_s = asyncio.get_running_loop().time()
        self._note(f"{self.number}:stalled")

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start work as this process."""
        assert self.context is not None, "a life has begun"
        return asyncio.get_running_loop().create_task(work, context=self.context.copy())

    async def bury(self) -> None:
        """Let go of every task; none of them can do anything any more."""
        for _ in range(100):
            left = {task for task in self.tasks if not task.done()}
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=0.001)
        raise AssertionError(f"tasks outlive their process: {left}")


def task_factory(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **kwargs: Any
) -> asyncio.Task[Any]:
    """Tasks know whose they are: that of the life in whose context they are made."""
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **kwargs)
    context: Context | None = kwargs.get("context")
    life = LIFE.get() if context is None else context.get(LIFE)
    if life is not None:
        life.tasks.add(task)
        task.add_done_callback(life.tasks.discard)
    return task
