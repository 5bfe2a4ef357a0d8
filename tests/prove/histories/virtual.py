"""Owns virtual time: an event loop whose clock jumps to the next timer, and a wall clock on it."""

from __future__ import annotations

import asyncio
import heapq
import selectors
from collections import deque
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.prove.histories.life import LIFE, Life
from tests.prove.histories.papers import done_in_a_thread

__all__ = ["START", "StallingLoop", "VirtualLoop", "WallClock", "micros_now", "passes"]

START = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


class Stuck(Exception):
    """Nobody will ever wake up again: a deadlock."""


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the loop's time on to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            # What comes from outside comes only between moments, or no run would be like another.
            return []
        if timeout is None:
            raise Stuck("every task waits, and no timer is set")
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs days in the time their work takes, and the same way each time."""

    def __init__(self) -> None:
        self.jumping = _Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now_s

    def run_in_executor(  # type: ignore[override]  # done when it returns
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Work meant for a thread is done at once, in this one."""
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(done_in_a_thread(func, args))
        except BaseException as exc:
            done.set_exception(exc)
        return done


class _Gate:
    """What would be run of a stalled life waits until it goes on, in its order."""

    _life: Life | None

    def waits(self) -> bool:
        life = self._life
        if life is None or not life.stalled:
            return False
        life.held.append(self)
        return True


def _whose(context: Context | None) -> Life | None:
    return LIFE.get() if context is None else context.get(LIFE)


class _Handle(asyncio.Handle, _Gate):
    def _run(self) -> None:
        if not self.waits():
            super()._run()


class _Timer(asyncio.TimerHandle, _Gate):
    def _run(self) -> None:
        if not self.waits():
            super()._run()


class StallingLoop(VirtualLoop):
    """A loop in which one life can be stopped, as SIGSTOP does, while the others go on."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def _call_soon(
        self, callback: Callable[..., Any], args: Any, context: Context | None
    ) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        handle._life = _whose(context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # any callable, as asyncio has it
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        timer._life = _whose(context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]  # so that cancelling it is counted
        return timer

    def go_on(self, life: Life) -> None:
        """SIGCONT."""
        life.stalled = False
        held, life.held = life.held, []
        self._ready.extend(each for each in held if not each.cancelled())


class WallClock:
    """The machine's clock: follows the loop's time, and may be set wrong."""

    def __init__(self) -> None:
        self.wrong_by = timedelta()

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time()) + self.wrong_by

    async def sleep(self, seconds: float) -> None:
        await passes(seconds)


def micros_now() -> int:
    """The true time, in microseconds since 1970."""
    since_s = asyncio.get_running_loop().time()
    return round((START.timestamp() + since_s) * 1_000_000)


async def passes(seconds: float) -> None:
    """Virtual time: on a `VirtualLoop` this takes none of ours."""
    await asyncio.sleep(max(0.0, seconds))
