"""Books alarm: operators hear of what opens between the two books, once an hour at most."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.core.ports import Clock
from bot.core.settle import Settle
from storage.engine import Store
from storage.records import Alarm, NewNotice, OpenKind
from storage.tx import Tx

__all__ = ["BooksAlarm", "hour_of"]


class BooksAlarm:
    """Rings for what was opened."""

    def __init__(
        self, *, store: Store, settle: Settle, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._wake = wake

    async def ring(self, tx: Tx, now: datetime) -> None:
        """Something was opened: operators are told, once in an hour of the clock."""
        await tx.notices.owe(self._of(now), now=now)

    async def ring_again(self) -> None:
        """
        What was opened after the alarm of its hour, and is open still, has the next hour's.

        The newest is enough: whoever is told of it looks at all. What is only ours was shown to
        whoever handed the statement in.
        """
        now = self._clock.now()
        async with self._store.read() as tx:
            newest = await tx.record.newest(but=OpenKind.ONLY_OURS)
            if newest is None:
                return
            own, following = (
                self._of(newest.found_at),
                self._of(newest.found_at + timedelta(hours=1)),
            )
            told_at = await tx.notices.last_owed([each.key for each in (*own, *following)])
        untold = told_at is None or told_at < newest.found_at
        if untold and hour_of(now) > hour_of(newest.found_at):
            await self._store.write(lambda tx: tx.notices.owe(following, now=now))
            self._wake()

    def _of(self, at: datetime) -> tuple[NewNotice, ...]:
        return self._settle.alarm(Alarm.UNMATCHED, None, key=hour_of(at))


def hour_of(at: datetime) -> str:
    """An hour of the clock, as keys name it."""
    return at.strftime("%Y%m%d%H")
