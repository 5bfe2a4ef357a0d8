"""Inbox: Telegram's updates, kept until their effect is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from bot.core.people import close
from bot.core.ports import Clock
from storage.engine import Store
from storage.records import Closing, InboxItem
from storage.tx import Tx

__all__ = ["Inbox"]

log = logging.getLogger(__name__)

TRIES_MAX = 5
REMEMBER = timedelta(days=7)
REMEMBER_QUARANTINED = timedelta(days=30)


class Inbox:
    """What the chat side needs of the inbox."""

    def __init__(self, *, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake

    async def take(self, update_id: int, body: str) -> bool:
        """Keep one update; True if it is new. Returns after COMMIT. Raises NotKept."""

        async def run(tx: Tx) -> bool:
            return await tx.inbox.put(update_id, body, at=self._clock.now())

        return await self._store.write(run)

    async def waiting(self) -> list[InboxItem]:
        """What was taken and not carried out, oldest first: to be replayed at start."""
        async with self._store.read() as tx:
            return await tx.inbox.waiting()

    async def done(self, update_id: int) -> None:
        """Nothing (more) is to be done for it."""

        async def run(tx: Tx) -> None:
            await tx.inbox.done(update_id, at=self._clock.now())

        await self._store.write(run)

    async def failed(self, update_id: int, closing_if_over: Closing | None = None) -> float | None:
        """
        Count a failed try: seconds until the next one, or None after the last.

        An update that always fails is set aside, so that the others move on, and
        *closing_if_over* is said.
        """

        async def run(tx: Tx) -> int:
            tries = await tx.inbox.failed(update_id)
            if tries >= TRIES_MAX:
                if closing_if_over is not None:
                    await close(tx, closing_if_over, self._clock)
                await tx.inbox.quarantine(update_id, at=self._clock.now())
            return tries

        tries = await self._store.write(run)
        if tries < TRIES_MAX:
            return 2.0**tries / 2
        log.error("update.quarantined id=%d", update_id)
        self._wake()
        return None

    async def purge(self) -> None:
        """Forget what is long done: updates, plain messages that were told, stale drafts."""
        now = self._clock.now()
        before = now - REMEMBER

        async def run(tx: Tx) -> None:
            await tx.inbox.purge(done_before=before, quarantined_before=now - REMEMBER_QUARANTINED)
            await tx.notices.purge(before=before)
            await tx.drafts.purge(before=before)

        await self._store.write(run)
