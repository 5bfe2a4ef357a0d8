"""Clock steps: a clock that is set back keeps no check waiting, and each step hurries them once."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from bot.core.ports import Clock
from storage.columns import MICROSECOND
from storage.engine import Store
from storage.set_back import FAR_AHEAD
from storage.tx import Tx

__all__ = ["ClockSteps"]

log = logging.getLogger(__name__)

HURRIED = "checks-hurried-us"
"""By how much, all together, checks were put earlier: what all processes know of each other's."""


class ClockSteps:
    """
    Sees the clock set back, and puts the checks earlier by as much.

    Whoever is at work on the same machine sees the same step a moment before or after: what they
    have put earlier since this process looked last is not done once more.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._latest = clock.now()
        self._hurried_us = 0

    async def start(self) -> None:
        """The clock may have been set right while nobody was at work."""
        self._hurried_us = await self._by_all()
        now = self._clock.now()
        await self._store.write(lambda tx: tx.payments.set_back(None, now=now))

    async def look(self) -> datetime:
        """What time it is; once it is put right what a step back has put off, if there was one."""
        # Read before the clock is: else of a step between the two it might look as if what others
        # did about it were older than our last look.
        hurried_us = self._hurried_us if self._store.exclusive else await self._by_all()
        now = self._clock.now()
        if now < self._latest - FAR_AHEAD:
            hurried_us = await self._set_back(self._latest - now, now)
        self._latest, self._hurried_us = now, hurried_us
        return now

    async def _by_all(self) -> int:
        async with self._store.read() as tx:
            return _read(await tx.shared.get(HURRIED))

    async def _set_back(self, by: timedelta, now: datetime) -> int:
        """Nobody waits until the clock shows again what it has shown before."""
        log.warning("reconcile.clock_set_back by_s=%d", by.total_seconds())

        async def run(tx: Tx) -> int:
            await tx.shared.add(HURRIED, b"0")
            hurried_us = _read(await tx.shared.lock(HURRIED))
            left = by - (hurried_us - self._hurried_us) * MICROSECOND
            if left <= FAR_AHEAD:
                return hurried_us
            if self._store.exclusive:
                await tx.payments.release_checks()
            await tx.payments.set_back(left, now=now)
            hurried_us += left // MICROSECOND
            await tx.shared.put(HURRIED, str(hurried_us).encode())
            return hurried_us

        return await self._store.write(run)


def _read(written: bytes | None) -> int:
    return int(written or b"0")
