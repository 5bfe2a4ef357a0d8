"""Paces: how often something may be done by all processes of one database together."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

from bot.core.ports import Clock, Pace
from storage.engine import Store
from storage.presence import Presence

__all__ = ["SharedPace", "Turns", "pace_of"]


class Turns(Protocol):
    """Turns, evenly spaced. `Pace` is one for a process alone, `SharedPace` for several."""

    async def turn(self) -> None:
        """Wait until it is our turn. Raises NotKept when nobody can say."""
        ...

    async def take(self, wanted: int) -> int:
        """The turns that are free right now, *wanted* at the most. Raises NotKept."""
        ...

    async def give_back(self, count: int) -> None: ...


def pace_of(store: Store, clock: Clock, name: str, *, per_second: float) -> Turns:
    """The pace of that name: in memory where there is one process, else in the database."""
    if store.exclusive:
        return Pace(clock, per_second=per_second)
    return SharedPace(store.presence, clock, name, per_second=per_second)


class SharedPace:
    """
    Turns from the queue in the database.

    Whoever waits while the database is asked shares the next question: a burst of a hundred
    pushes is a few statements, not a hundred.
    """

    def __init__(self, presence: Presence, clock: Clock, name: str, *, per_second: float) -> None:
        self._presence = presence
        self._clock = clock
        self._name = name
        self._gap = timedelta(seconds=1 / per_second)
        self._burst = max(1, int(per_second))
        self._asking = asyncio.Lock()
        self._waiting = 0
        self._reserved: list[datetime] = []  # when turns that are ours begin, the last first

    async def turn(self) -> None:
        self._waiting += 1
        async with self._asking:
            self._waiting -= 1
            if not self._reserved:
                await self._reserve(1 + self._waiting)
            begins_at = self._reserved.pop()
        wait = begins_at - self._clock.now()
        if wait > timedelta():
            await self._clock.sleep(wait.total_seconds())

    async def take(self, wanted: int) -> int:
        return await self._presence.take(
            self._name, gap=self._gap, burst=self._burst, wanted=wanted
        )

    async def give_back(self, count: int) -> None:
        await self._presence.give_back(self._name, gap=self._gap, count=count)

    async def _reserve(self, count: int) -> None:
        first_s = await self._presence.reserve(self._name, gap=self._gap, count=count)
        first_at = self._clock.now() + timedelta(seconds=first_s)
        self._reserved = [first_at + place * self._gap for place in reversed(range(count))]
