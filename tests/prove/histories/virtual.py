"""Owns virtual time: an event loop whose clock jumps to the next timer, and a wall clock on it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["START", "VirtualLoop", "WallClock", "passes"]

START = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
NETWORK_PATIENCE_S = 30.0


class Stuck(Exception):
    """Nobody will ever wake up again: a deadlock."""


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the loop's time on to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.in_flight = 0  # requests to a real server whose answers are awaited

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            # What comes from outside comes only between moments, or no run would be like another.
            return []
        if self.in_flight:
            found = super().select(NETWORK_PATIENCE_S)
            if not found:
                raise Stuck(f"{self.in_flight} requests to the database are not answered")
            return found
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
            done.set_result(func(*args))
        except BaseException as exc:
            done.set_exception(exc)
        return done


class WallClock:
    """The machine's clock: follows the loop's time, and may be set wrong."""

    def __init__(self) -> None:
        self.wrong_by = timedelta()

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time()) + self.wrong_by

    async def sleep(self, seconds: float) -> None:
        await passes(seconds)


async def passes(seconds: float) -> None:
    """Virtual time: on a `VirtualLoop` this takes none of ours."""
    await asyncio.sleep(max(0.0, seconds))
