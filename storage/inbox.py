"""The inbox: every Telegram update, committed before Telegram may forget it, and in whose hands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.errors import NotHeld, WrongKey
from storage.leases import Holder
from storage.records import InboxItem, NewUpdate
from storage.schema import inbox

__all__ = ["Inbox"]

CHATS_CLASS = 0x4C495042  # any fixed number: of the advisory locks that keep a chat in order
_OTHER = inbox.alias("other")
_WAITING = select(inbox.c.update_id, inbox.c.body, inbox.c.tries).where(inbox.c.done_at.is_(None))


def _lock_key(chat_id: int) -> int:
    return chat_id & 0x7FFFFFFF


class Inbox:
    """
    Updates, inside one open transaction.

    One process has an update in hand, by a lease. The updates of one chat are in the hands of
    one process at a time, and taken oldest first, so that a chat is answered in its order.
    """

    def __init__(self, connection: AsyncConnection, crypt: Crypt, holder: Holder) -> None:
        self._connection = connection
        self._crypt = crypt
        self._holder = holder

    async def put(self, new: Sequence[NewUpdate], *, at: datetime) -> None:
        """Keep updates; those that were here before (Telegram redelivers) are left as they are."""
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        rows = [
            {
                "update_id": each.update_id,
                "body": self._crypt.seal_text(each.body),
                "taken_at": at,
                "tries": 0,
                "quarantined": False,
                "chat_id": each.chat_id,
                "lease_gen": 0,
            }
            for each in new
        ]
        await self._connection.execute(
            make(inbox).on_conflict_do_nothing(index_elements=["update_id"]), rows
        )

    async def waiting(self) -> list[InboxItem]:
        """Updates whose effect is not committed, oldest first; one nobody can read is empty."""
        return await self._items(_WAITING.order_by(inbox.c.update_id))

    async def take(self, new: Sequence[NewUpdate], *, now: datetime, lease: timedelta) -> set[int]:
        """
        Take those of these in hand whose turn in their chat has come; which these are.

        Also those that are in our hands already: the caller knows of which it knows.
        """
        locked = await self._lock_chats({each.chat_id for each in new if each.chat_id is not None})
        free = [each.update_id for each in new if each.chat_id is None or each.chat_id in locked]
        ours = inbox.c.holder == self._holder.number
        held = await self._hold(
            and_(inbox.c.update_id.in_(free), or_(self._takeable(now), ours)), now, lease
        )
        taken = set(held)
        while held and len(taken) < len(free):
            # What came second in its chat has become the next.
            rest = [each for each in free if each not in taken]
            held = await self._hold(
                and_(inbox.c.update_id.in_(rest), self._takeable(now)), now, lease
            )
            taken.update(held)
        return taken

    async def any_takeable(self, *, now: datetime) -> bool:
        """Whether `claim` might find something; a look that takes no write lock."""
        query = select(inbox.c.update_id).where(inbox.c.done_at.is_(None), self._takeable(now))
        return (await self._connection.execute(query.limit(1))).first() is not None

    async def claim(self, *, now: datetime, lease: timedelta, limit: int) -> list[InboxItem]:
        """
        Take in hand what waits and nobody has, or had and is gone: the oldest of each chat.

        Taken until nothing is found, it gives every chat's updates in their order.
        """
        picked = (
            select(inbox.c.update_id, inbox.c.chat_id)
            .where(inbox.c.done_at.is_(None), self._takeable(now))
            .order_by(inbox.c.update_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        found = (await self._connection.execute(picked)).all()
        locked = await self._lock_chats([row.chat_id for row in found if row.chat_id is not None])
        wanted = [row.update_id for row in found if row.chat_id is None or row.chat_id in locked]
        if not wanted:
            return []
        # Looked at once more: the chat's lock may have shown us what a rival had just begun.
        taken = await self._hold(
            and_(inbox.c.update_id.in_(wanted), self._takeable(now)), now, lease
        )
        return await self._items(
            _WAITING.where(inbox.c.update_id.in_(taken)).order_by(inbox.c.update_id)
        )

    async def keep(self, *, now: datetime, lease: timedelta) -> list[int]:
        """Go on holding what we hold; which updates that is."""
        kept = (
            update(inbox)
            .where(inbox.c.done_at.is_(None), inbox.c.holder == self._holder.number)
            .values(lease_until=self._holder.moment(now, later=lease))
            .returning(inbox.c.update_id)
        )
        return sorted((await self._connection.execute(kept)).scalars())

    async def held(self, update_ids: Collection[int]) -> list[InboxItem]:
        """Those of these that are still to be carried out, and by us."""
        return await self._items(
            _WAITING.where(
                inbox.c.update_id.in_(update_ids), inbox.c.holder == self._holder.number
            ).order_by(inbox.c.update_id)
        )

    async def release_all(self) -> None:
        """At the start of the only process: what the last one had in hand is free again."""
        await self._connection.execute(
            update(inbox)
            .where(inbox.c.done_at.is_(None), inbox.c.holder != self._holder.number)
            .values(holder=None, lease_until=None)
        )

    async def done(self, update_id: int, *, at: datetime) -> None:
        """
        Its effect is in this transaction; the words are not needed any more.

        Raises:
            NotHeld: another process has it in hand, or has done it: roll the effect back.
        """
        changed = await self._connection.execute(
            update(inbox)
            .where(inbox.c.update_id == update_id, inbox.c.done_at.is_(None), self._not_anothers())
            .values(done_at=at, body=None)
        )
        if changed.rowcount == 0:
            await self._refuse_if_anothers(update_id)

    async def failed(self, update_id: int) -> int:
        """Count one more failed try; returns how many there were. Raises NotHeld like `done`."""
        statement = (
            update(inbox)
            .where(inbox.c.update_id == update_id, self._not_anothers())
            .values(tries=inbox.c.tries + 1)
            .returning(inbox.c.tries)
        )
        tries: int | None = (await self._connection.execute(statement)).scalar()
        if tries is None:
            await self._refuse_if_anothers(update_id)
        return tries or 0

    async def quarantine(self, update_id: int, *, at: datetime) -> None:
        """Give up on an update that always fails; its body stays for whoever mends the cause."""
        await self._connection.execute(
            update(inbox)
            .where(inbox.c.update_id == update_id, self._not_anothers())
            .values(done_at=at, quarantined=True)
        )

    def _not_anothers(self) -> ColumnElement[bool]:
        return or_(inbox.c.holder.is_(None), inbox.c.holder == self._holder.number)

    async def _refuse_if_anothers(self, update_id: int) -> None:
        anothers = select(inbox.c.update_id).where(
            inbox.c.update_id == update_id, ~self._not_anothers()
        )
        if (await self._connection.execute(anothers)).first() is not None:
            raise NotHeld(f"update {update_id} is in the hands of another process")

    def _takeable(self, now: datetime) -> ColumnElement[bool]:
        """In nobody's hands, and nothing of its chat before it, or in the hands of another."""
        me = self._holder.number
        not_mine = or_(_OTHER.c.holder.is_(None), _OTHER.c.holder != me)
        held = and_(_OTHER.c.holder.is_not(None), ~self._holder.free(_OTHER.c.lease_until, now))
        blocked = exists().where(
            _OTHER.c.chat_id == inbox.c.chat_id,
            _OTHER.c.update_id != inbox.c.update_id,
            _OTHER.c.done_at.is_(None),
            not_mine,
            or_(_OTHER.c.update_id < inbox.c.update_id, held),
        )
        nobodys = or_(
            inbox.c.holder.is_(None),
            and_(inbox.c.holder != me, self._holder.free(inbox.c.lease_until, now)),
        )
        return and_(nobodys, ~blocked)

    async def _hold(self, which: ColumnElement[bool], now: datetime, lease: timedelta) -> list[int]:
        taken = (
            update(inbox)
            .where(inbox.c.done_at.is_(None), which)
            .values(
                holder=self._holder.number,
                lease_until=self._holder.moment(now, later=lease),
                lease_gen=inbox.c.lease_gen + 1,
            )
            .returning(inbox.c.update_id)
        )
        return list((await self._connection.execute(taken)).scalars())

    async def _lock_chats(self, chat_ids: Collection[int]) -> set[int]:
        """
        The chats that no other process is taking an update of right now, until we commit.

        Never waits: whoever finds a chat locked comes back. SQLite has one process anyway.
        """
        chats = set(chat_ids)
        if not chats or self._connection.dialect.name != "postgresql":
            return chats
        keys = literal(sorted({_lock_key(chat_id) for chat_id in chats}), ARRAY(Integer))
        key = func.unnest(keys).column_valued("key")
        locked = select(key).where(func.pg_try_advisory_xact_lock(CHATS_CLASS, key))
        got = set((await self._connection.execute(locked)).scalars())
        return {chat_id for chat_id in chats if _lock_key(chat_id) in got}

    async def _items(self, query: Select[tuple[int, bytes | None, int]]) -> list[InboxItem]:
        return [
            InboxItem(update_id=row.update_id, body=self._words(row.body), tries=row.tries)
            for row in await self._connection.execute(query)
        ]

    async def purge(self, *, done_before: datetime, quarantined_before: datetime) -> int:
        """
        Forget done updates (Telegram redelivers for a day at most), and in the end those that
        were set aside too: nobody's words are kept for ever because of a bug of ours.
        """
        gone = await self._connection.execute(
            delete(inbox).where(
                or_(
                    and_(inbox.c.done_at < done_before, ~inbox.c.quarantined),
                    inbox.c.done_at < quarantined_before,
                )
            )
        )
        return gone.rowcount

    def _words(self, body: bytes) -> str:
        try:
            return self._crypt.open_text(body)
        except (WrongKey, ValueError):
            return ""
