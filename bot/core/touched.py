"""
Touched: drives, invoices and later attempts whose payments have moved are looked at again, soon.

Settling notes what was touched in its own commit and waits for nobody; here it is taken up, by
whichever process comes first, together with all that it leads to (a card, thanks, news).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from bot.core.attempts import say_others_anew
from bot.core.ports import Clock
from storage.engine import Store
from storage.touched import ATTEMPT
from storage.tx import Tx

__all__ = ["Look", "TouchedSubjects"]

log = logging.getLogger(__name__)

AT_ONCE = 100
LONGEST_WAIT = timedelta(minutes=5)

Look = Callable[[Tx, str], Awaitable[None]]
"""
Looks at one subject ("d:<id>", "i:<id>", "a:<payment>", "b:<payment>") and owes what follows, in
the transaction that took it.

It may read payments but must lock none: settling locks a payment before it touches a subject.
"""


class TouchedSubjects:
    """Hands every touched subject to whoever knows its kind."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        looks: Mapping[str, Look],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        # By what stands before the colon.
        self._looks = {**looks, ATTEMPT: self._attempt}
        self._wake = wake
        self._failing: dict[str, tuple[int, datetime]] = {}  # tries so far, and when the next is

    async def run_due(self) -> None:
        """Look at all that was touched; one that fails is tried again later, and alone."""
        now = self._clock.now()
        async with self._store.read() as tx:
            waiting = await tx.touched.waiting(limit=AT_ONCE + len(self._failing))
        for subject in waiting:
            _, not_before = self._failing.get(subject, (0, now))
            if not_before <= now:
                await self._one(subject, now)
        if waiting:
            self._wake()

    async def _attempt(self, tx: Tx, subject: str) -> None:
        await say_others_anew(tx, subject, now=self._clock.now())

    async def _one(self, subject: str, now: datetime) -> None:
        async def run(tx: Tx) -> None:
            if await tx.touched.take(subject):
                await self._looks[subject.partition(":")[0]](tx, subject)

        try:
            await self._store.write(run)
        except Exception:
            tries = self._failing.get(subject, (0, now))[0] + 1
            wait = min(timedelta(seconds=2**tries), LONGEST_WAIT)
            self._failing[subject] = tries, now + wait
            log.exception("subject.not_looked_at subject=%s try=%d", subject, tries)
        else:
            self._failing.pop(subject, None)
