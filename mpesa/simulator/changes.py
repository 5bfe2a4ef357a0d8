"""Owns the news of the simulator: who listens, and waiting until something is so."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import StrEnum

QUEUE_LENGTH = 1_000
"""News kept for one slow listener; the oldest is dropped first, since each only says "look"."""


class Topic(StrEnum):
    """What changed."""

    PHONE = "phone"
    PUSH = "push"
    STATEMENT = "statement"
    DELIVERY = "delivery"


@dataclass(frozen=True)
class Change:
    """Something changed; read the simulator to see what it is now."""

    topic: Topic
    phone: str | None = None


class Changes:
    """Tells listeners that something changed."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Change], None]] = []
        self._changed = asyncio.Event()

    def announce(self, topic: Topic, phone: str | None = None) -> None:
        """Tell every listener, and wake everybody in `until`."""
        self._changed.set()
        self._changed = asyncio.Event()
        for listener in tuple(self._listeners):
            listener(Change(topic, phone))

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call the listener, in the loop's thread, on every change; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def stream(self) -> AsyncGenerator[Change, None]:
        """Every change from now on; close the generator (`contextlib.aclosing`) to stop."""
        queue: asyncio.Queue[Change] = asyncio.Queue(QUEUE_LENGTH)

        def put(change: Change) -> None:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(change)

        stop = self.listen(put)
        try:
            while True:
                yield await queue.get()
        finally:
            stop()

    async def until(self, condition: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
        """Return once the condition holds, looking again at each change.

        Raises TimeoutError after `timeout_s` real seconds.
        """
        async with asyncio.timeout(timeout_s):
            while not condition():
                await self._changed.wait()
