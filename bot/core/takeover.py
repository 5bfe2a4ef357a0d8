"""Takeover: what a process that died, or was stopped, had in hand goes to those that are alive."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bot.core.ports import Clock
from storage.engine import Store

__all__ = ["Takeover"]

log = logging.getLogger(__name__)


class Takeover:
    """
    Frees the work of dead processes, within seconds; leases alone would take a minute or two.

    Where we are the only process there is nobody to take over from: the start does it.
    """

    def __init__(self, *, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake

    async def run(self) -> None:
        """Look for the dead among those who hold something. A job; all processes may run it."""
        if self._store.exclusive:
            return
        async with self._store.read() as tx:
            holders = await tx.leases.holders()
        for number in sorted(holders):
            if await self._store.presence.bury(number):
                await self._free(number)

    async def _free(self, number: int) -> None:
        now = self._clock.now()
        try:
            freed = await self._store.write(lambda tx: tx.leases.release([number], now=now))
        finally:
            await self._store.presence.buried(number)
        if freed:
            log.warning("takeover.freed holder=%d pieces=%d", number, freed)
            self._wake()
