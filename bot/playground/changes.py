"""Owns waiting: everything that changes is announced here, so nobody has to poll or sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Changes:
    """A broadcast without memory: `notify` wakes everybody who waits at that moment."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    def ticket(self) -> asyncio.Event:
        """An event that is set by the next change; take it before you look."""
        return self._event

    async def next(self, timeout_s: float | None = None) -> bool:
        """True after the next change, False when `timeout_s` passes first."""
        event = self._event
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        return True

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Return once `condition()` holds; raises TimeoutError after `timeout_s` seconds."""
        async with asyncio.timeout(timeout_s):
            while True:
                # Taken before the look, so that a change between look and wait is not missed.
                event = self._event
                if condition():
                    return
                await event.wait()
