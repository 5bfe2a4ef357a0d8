"""Post: what we owe the chats, handed out one per chat, and what became of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from bot.core.people import close
from bot.core.ports import Clock, SteadyClock
from storage.engine import Store
from storage.notices import CLOSED_OUT, SET_ASIDE
from storage.records import Closing, Notice, Whisper
from storage.tx import Tx

__all__ = ["Post", "chat_now"]

MOVED = "moved:"

LEASE = timedelta(seconds=120)
"""Longer than any one call to Telegram may take."""

BEGIN_WITHIN = timedelta(seconds=45)
"""Of the lease. What has not begun to leave by then stays, and the rest is time for the call."""

PUT_OFF_MAX_S = 300.0
"""Less than `storage.notice_picks.FAR`. Where Telegram wants a longer silence, its lane knows."""


TRIED_EVERY, TRIED_FOR = timedelta(hours=1), timedelta(days=7)


class Post:
    """The outbox, as the chat side uses it."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._steady = SteadyClock(clock)
        self.wake = asyncio.Event()

    async def say(self, closing: Closing) -> None:
        """Owe the replies and mark the update done, in one commit."""

        async def run(tx: Tx) -> None:
            await close(tx, closing, self._clock)

        await self._store.write(run)
        self.wake.set()

    async def start(self) -> None:
        """At start: what the process before us was sending is due again."""
        if self._store.exclusive:

            async def run(tx: Tx) -> int:
                return await tx.notices.release_all(now=self._clock.now())

            await self._store.write(run)
        self.wake.set()

    async def due(self, *, limit: int = 100) -> list[Notice]:
        """Claim the next notice of each chat that has one due; marked `sending` first."""
        if not self._store.presence.sure:
            return []  # what we took would be taken for a dead process's
        now, since = self._clock.now(), self._steady.now()
        async with self._store.read() as tx:
            if not await tx.notices.any_due(now=now):
                return []

        async def run(tx: Tx) -> list[Notice]:
            return await tx.notices.claim(now=now, lease=LEASE, limit=limit)

        # From before the claim: by our clock the time is shorter than by the one of the lease.
        begin_by = since + BEGIN_WITHIN
        claimed = await self._store.write(run)
        return [replace(notice, begin_by=begin_by) for notice in claimed]

    def holds(self, notice: Notice) -> bool:
        """
        Whether a notice that was handed out is still ours to tell: to be asked at the very last.

        Whoever was stopped for a minute finds that it is not: another process, or another task
        of this one, has taken it over. A clock that is set back makes the time no longer.
        """
        if notice.begin_by is None:
            return True
        return self._store.presence.sure and self._steady.now() <= notice.begin_by

    async def sent(
        self, notice: Notice, *, message_id: int | None, whisper: Whisper | None = None
    ) -> bool:
        """
        It was told; *whisper* is where it goes on, None: nowhere but in its own chat.

        False: another process has told it meanwhile, by a message of its own.
        """

        async def run(tx: Tx) -> bool:
            now = self._clock.now()
            # Nothing said, or one edited that stands there, does not show that it takes a new one.
            if notice.chat_id < 0 and message_id not in (None, notice.message_id):
                await tx.notices.reopened(notice.chat_id, now=now)
            return await tx.notices.told(notice, whisper=whisper, message_id=message_id, now=now)

        goes_on = await self._store.write(run)
        self.wake.set()
        return goes_on

    async def later(self, notice: Notice, *, after_s: float, why: str, counts: bool = True) -> None:
        """Try again in *after_s*; a try that was Telegram's wish (429) does not count."""
        due_at = self._clock.now() + timedelta(seconds=min(after_s, PUT_OFF_MAX_S))

        async def run(tx: Tx) -> None:
            await tx.notices.later(notice, due_at=due_at, why=why, counts=counts)

        await self._store.write(run)
        self.wake.set()

    async def undeliverable(self, notice: Notice, *, why: str, shut_out: bool = False) -> None:
        """
        It cannot be told.

        If they have *shut us out* of their private chat, the group is where they are told that
        something waits for them, until they write to us again.
        """

        async def run(tx: Tx) -> None:
            if await tx.notices.dead(notice, why=why) and shut_out:
                await tx.people.set_reachable(notice.chat_id, False)

        await self._store.write(run)
        self.wake.set()

    async def set_aside(self, notice: Notice, *, why: str) -> None:
        """It failed again and again, and nobody knows why: what waits behind it comes first."""
        await self.undeliverable(notice, why=f"{SET_ASIDE}{why}")

    async def closed_out(self, notice: Notice, *, why: str) -> None:
        """The group is closed for members like us, for a night say: nobody tells us of the end."""
        await self.undeliverable(notice, why=f"{CLOSED_OUT}{why}")

    async def try_set_aside(self) -> None:
        """
        Try once more what was set aside about money; once an hour, for a week. A job.

        A group that was closed for longer is told with the first message that it takes again.
        """
        now = self._clock.now()

        async def run(tx: Tx) -> int:
            return await tx.notices.try_set_aside(
                now=now, tried_before=now - TRIED_EVERY, since=now - TRIED_FOR
            )

        if await self._store.write(run):
            self.wake.set()

    async def returned(self, chat_id: int) -> None:
        """Whoever could not be told (they had blocked us) opened the chat again: tell them now."""

        async def run(tx: Tx) -> None:
            await tx.notices.revive(chat_id, now=self._clock.now())

        await self._store.write(run)
        self.wake.set()

    async def lost_message(self, notice: Notice) -> None:
        """The message to edit is gone: send it anew."""

        async def run(tx: Tx) -> None:
            await tx.notices.lost_message(notice, now=self._clock.now())

        await self._store.write(run)
        self.wake.set()

    async def migrated(self, *, old_chat_id: int, new_chat_id: int) -> None:
        """A group became a supergroup: everything owed to it goes there."""

        async def run(tx: Tx) -> None:
            await tx.notices.migrate(old_chat_id=old_chat_id, new_chat_id=new_chat_id)
            await tx.buttons.move(old_chat_id=old_chat_id, new_chat_id=new_chat_id)
            # What somebody is describing in private just now names the group as it was.
            await tx.shared.put(f"{MOVED}{old_chat_id}", str(new_chat_id).encode())
            for drive_id in await tx.drives.move(old_chat_id=old_chat_id, new_chat_id=new_chat_id):
                await tx.touched.touch(f"d:{drive_id}")

        await self._store.write(run)
        self.wake.set()

    async def chat_now(self, chat_id: int) -> int:
        """The chat that a group is by now, where it became a supergroup."""
        async with self._store.read() as tx:
            return await chat_now(tx, chat_id)

    async def owed(self) -> int:
        async with self._store.read() as tx:
            return await tx.notices.owed()


async def chat_now(tx: Tx, chat_id: int) -> int:
    """See `Post.chat_now`."""
    moved = await tx.shared.get(f"{MOVED}{chat_id}")
    return chat_id if moved is None else int(moved)
