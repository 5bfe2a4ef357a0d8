"""Claims alarm: operators hear of payments that were only posted, and that no book has named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.core.eat import day_of
from bot.core.ports import Clock
from bot.core.settle import Settle
from bot.core.status_answers import NOT_OURS
from storage.engine import Store
from storage.records import Alarm, NewNotice

__all__ = ["ClaimsAlarm"]

BOOKS_HAVE = timedelta(hours=24)
"""By then the list, or an answer about it, has named a payment if ever they will."""


class ClaimsAlarm:
    """Rings for what the books leave out, once in a day of Nairobi at most."""

    def __init__(
        self, *, store: Store, settle: Settle, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._wake = wake

    async def waiting(self) -> int:
        """How many were posted so long ago, and neither the books nor a payment has them."""
        before = self._clock.now() - BOOKS_HAVE
        async with self._store.read() as tx:
            return await tx.record.count_unnamed(before=before, but=NOT_OURS)

    async def ring(self) -> None:
        """
        Whatever has come to be a day old rings on that day, or else on the next.

        The newest is enough: whoever is told of it is told how many there are. One that was told
        rings no more, so that what a liar posted, which no book will ever name, does not for ever.
        """
        now = self._clock.now()
        async with self._store.read() as tx:
            newest = await tx.record.newest_unnamed(before=now - BOOKS_HAVE, but=NOT_OURS)
            if newest is None:
                return
            old_at = newest + BOOKS_HAVE
            own, following = self._of(old_at), self._of(old_at + timedelta(days=1))
            told_at = await tx.notices.last_owed([each.key for each in (*own, *following)])
        if told_at is not None and told_at >= old_at:
            return
        if told_at is not None and day_of(now) == day_of(old_at):
            return
        owed = own if told_at is None else following
        await self._store.write(lambda tx: tx.notices.owe(owed, now=now))
        self._wake()

    def _of(self, at: datetime) -> tuple[NewNotice, ...]:
        return self._settle.alarm(Alarm.CLAIMS_WAIT, None, key=day_of(at).strftime("%Y%m%d"))
