"""Inbox: Telegram's updates, kept until their effect is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from bot.core.people import close
from bot.core.ports import Clock
from storage.engine import Store
from storage.errors import NotHeld
from storage.records import Closing, InboxItem, NewUpdate
from storage.tx import Tx

__all__ = ["Inbox", "NotHeld"]

log = logging.getLogger(__name__)

TRIES_MAX = 5
LEASE = timedelta(seconds=30)
CLAIM_AT_ONCE = 200
REMEMBER = timedelta(days=7)
REMEMBER_QUARANTINED = timedelta(days=30)


class Inbox:
    """What the chat side needs of the inbox."""

    def __init__(self, *, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake

    async def take(self, update_id: int, body: str, *, chat_id: int | None = None) -> bool:
        """Keep one update; True if it is in our hands now. See `take_all`."""
        new = NewUpdate(update_id=update_id, body=body, chat_id=chat_id)
        return bool(await self.take_all([new]))

    async def take_all(self, new: Sequence[NewUpdate]) -> set[int]:
        """
        Keep updates; those that are in our hands now. Returns after COMMIT. Raises NotKept.

        Not in our hands are those that are done, those that another process has, and those that
        come after one of their chat that nobody, or another process, has: `claim` finds them.
        """
        now = self._clock.now()

        async def run(tx: Tx) -> set[int]:
            await tx.inbox.put(new, at=now)
            return await tx.inbox.take(new, now=now, lease=LEASE)

        return await self._store.write(run)

    async def start(self) -> None:
        """At start: what the process before us had in hand is anybody's, and that is us."""
        if self._store.exclusive:
            await self._store.write(lambda tx: tx.inbox.release_all())

    async def claim(self) -> list[InboxItem]:
        """
        Take what waits and nobody has, or whoever had it is gone; oldest first.

        There may be more, of the same chats: come again until nothing is found.
        """
        if not self._store.presence.sure:
            return []  # what we took would be taken for a dead process's
        now = self._clock.now()
        async with self._store.read() as tx:
            if not await tx.inbox.any_takeable(now=now):
                return []

        async def run(tx: Tx) -> list[InboxItem]:
            return await tx.inbox.claim(now=now, lease=LEASE, limit=CLAIM_AT_ONCE)

        return await self._store.write(run)

    async def keep(self) -> list[int]:
        """Hold what we hold for another while; the numbers of all that is in our hands."""

        async def run(tx: Tx) -> list[int]:
            return await tx.inbox.keep(now=self._clock.now(), lease=LEASE)

        return await self._store.write(run)

    async def held(self, update_ids: Collection[int]) -> list[InboxItem]:
        """Those of these that are in our hands and not carried out, oldest first."""
        async with self._store.read() as tx:
            return await tx.inbox.held(update_ids)

    async def waiting(self) -> list[InboxItem]:
        """What was taken and not carried out, by whomever, oldest first."""
        async with self._store.read() as tx:
            return await tx.inbox.waiting()

    async def done(self, update_id: int) -> None:
        """Nothing (more) is to be done for it. Raises NotHeld."""

        async def run(tx: Tx) -> None:
            await tx.inbox.done(update_id, at=self._clock.now())

        await self._store.write(run)

    async def failed(self, update_id: int, closing_if_over: Closing | None = None) -> float | None:
        """
        Count a failed try: seconds until the next one, or None after the last.

        An update that always fails is set aside, so that the others move on, and
        *closing_if_over* is said. Raises NotHeld.
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
        """Forget what is long done: updates, plain messages that were told, drafts, buttons."""
        now = self._clock.now()
        before = now - REMEMBER

        async def run(tx: Tx) -> None:
            await tx.inbox.purge(done_before=before, quarantined_before=now - REMEMBER_QUARANTINED)
            await tx.notices.purge(before=before)
            await tx.drafts.purge(before=before)
            await tx.buttons.purge(before=before)
            await tx.page_prompts.purge(before=before)

        await self._store.write(run)
