"""Owns the simulator's time: the real clock, and one that tests move by hand."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

EAT = timezone(timedelta(hours=3), "EAT")
"""East Africa Time: no daylight saving, so a fixed offset is exact."""

TURNS_AFTER_WAKING = 20
"""Loop turns given to what a woken sleeper starts, before time moves on."""


class Clock(Protocol):
    """Where the simulator's time comes from."""

    def now(self) -> datetime:
        """The present, aware, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Return when that many seconds have passed on this clock; at once if not positive."""


class RealClock:
    """The clock on the wall."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep in real time."""
        await asyncio.sleep(max(seconds, 0))


class ManualClock:
    """Time that stands still until `advance` moves it, for tests and virtual days."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 15, 5, tzinfo=UTC)) -> None:
        assert start.tzinfo is not None, "the clock needs an aware time"
        self._now = start.astimezone(UTC)
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._slept = 0

    def now(self) -> datetime:
        """The present on this clock, aware, UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has passed that many seconds."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slept += 1
        due = self._now + timedelta(seconds=seconds)
        heapq.heappush(self._sleepers, (due, self._slept, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move time on, waking sleepers in the order of their hour.

        What a sleeper starts gets a few turns of the loop before the next one is woken; work that
        waits for the network (a callback on its way) may end after time has moved on.
        """
        target = self._now + timedelta(seconds=seconds)
        await self._take_turns()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self._now = max(self._now, due)
            woken.set_result(None)
            await self._take_turns()
        self._now = target

    async def _take_turns(self) -> None:
        for _ in range(TURNS_AFTER_WAKING):
            await asyncio.sleep(0)


def stamp(at: datetime) -> str:
    """The fourteen digits Safaricom writes for a moment: YYYYMMDDHHmmss, East Africa Time."""
    return at.astimezone(EAT).strftime("%Y%m%d%H%M%S")


def seconds_to_midnight(at: datetime) -> float:
    """How long until the next midnight in East Africa, in seconds, always more than zero."""
    local = at.astimezone(EAT)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - local).total_seconds()
