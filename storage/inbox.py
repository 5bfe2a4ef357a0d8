"""The inbox: every Telegram update, committed before Telegram may forget it, and in whose hands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
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
from sqlalchemy.sql.dml import ReturningUpdate

from storage.crypt import Crypt
from storage.errors import NotHeld, WrongKey
from storage.leases import ME, Holder, lease_end, lease_over
from storage.records import InboxItem, NewUpdate
from storage.schema import Instant, inbox
from storage.setwise import padded

__all__ = ["Inbox"]

CHATS_CLASS = 0x4C495042  # any fixed number: of the advisory locks that keep a chat in order
_OTHER = inbox.alias("other")
_WAITING = select(inbox.c.update_id, inbox.c.body, inbox.c.tries).where(inbox.c.done_at.is_(None))


# Built once, for each clock that leases may go by.
_NOT_MINE = or_(_OTHER.c.holder.is_(None), _OTHER.c.holder != ME)
_NOT_ANOTHERS = or_(inbox.c.holder.is_(None), inbox.c.holder == ME)


@cache
def _takeable(by_server: bool) -> ColumnElement[bool]:
    """In nobody's hands, and nothing of its chat before it, or in the hands of another."""
    over = lease_over(_OTHER.c.lease_until, by_server=by_server)
    held = and_(_OTHER.c.holder.is_not(None), ~over)
    blocked = exists().where(
        _OTHER.c.chat_id == inbox.c.chat_id,
        _OTHER.c.update_id != inbox.c.update_id,
        _OTHER.c.done_at.is_(None),
        _NOT_MINE,
        or_(_OTHER.c.update_id < inbox.c.update_id, held),
    )
    nobodys = or_(
        inbox.c.holder.is_(None),
        and_(inbox.c.holder != ME, lease_over(inbox.c.lease_until, by_server=by_server)),
    )
    return and_(nobodys, ~blocked)


@cache
def _any_takeable(by_server: bool) -> Select[tuple[int]]:
    waiting = and_(inbox.c.done_at.is_(None), _takeable(by_server))
    return select(inbox.c.update_id).where(waiting).limit(1)


@cache
def _pick(by_server: bool) -> Select[tuple[int, int | None]]:
    return (
        select(inbox.c.update_id, inbox.c.chat_id)
        .where(inbox.c.done_at.is_(None), _takeable(by_server))
        .order_by(inbox.c.update_id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )


@cache
def _hold(by_server: bool, also_ours: bool) -> ReturningUpdate[Any]:
    """Take those of these in hand whose turn has come; perhaps also those that we have."""
    wanted: BindParameter[int] = bindparam("these", expanding=True)
    free = _takeable(by_server)
    return (
        update(inbox)
        .where(
            inbox.c.done_at.is_(None),
            inbox.c.update_id.in_(wanted),
            or_(free, inbox.c.holder == ME) if also_ours else free,
        )
        .values(
            holder=ME,
            lease_until=lease_end(by_server=by_server),
            lease_gen=inbox.c.lease_gen + 1,
        )
        .returning(inbox.c.update_id)
    )


@cache
def _keep(by_server: bool) -> ReturningUpdate[Any]:
    return (
        update(inbox)
        .where(inbox.c.done_at.is_(None), inbox.c.holder == ME)
        .values(lease_until=lease_end(by_server=by_server))
        .returning(inbox.c.update_id)
    )


_DONE = (
    update(inbox)
    .where(inbox.c.update_id == bindparam("key"), inbox.c.done_at.is_(None), _NOT_ANOTHERS)
    .values(done_at=bindparam("now", type_=Instant()), body=None)
)
_PUT = {
    name: make(inbox).on_conflict_do_nothing(index_elements=["update_id"])
    for name, make in (("sqlite", sqlite_insert), ("postgresql", pg_insert))
}


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
        await self._connection.execute(_PUT[self._connection.dialect.name], rows)

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
        held = await self._hold(free, now, lease, also_ours=True)
        taken = set(held)
        while held and len(taken) < len(free):
            # What came second in its chat has become the next.
            rest = [each for each in free if each not in taken]
            held = await self._hold(rest, now, lease)
            taken.update(held)
        return taken

    async def any_takeable(self, *, now: datetime) -> bool:
        """Whether `claim` might find something; a look that takes no write lock."""
        query, bound = _any_takeable(self._holder.by_server), self._holder.bound(now)
        return (await self._connection.execute(query, bound)).first() is not None

    async def claim(self, *, now: datetime, lease: timedelta, limit: int) -> list[InboxItem]:
        """
        Take in hand what waits and nobody has, or had and is gone: the oldest of each chat.

        Taken until nothing is found, it gives every chat's updates in their order.
        """
        picked, bound = _pick(self._holder.by_server), self._holder.bound(now)
        found = (await self._connection.execute(picked, {"most": limit, **bound})).all()
        locked = await self._lock_chats([row.chat_id for row in found if row.chat_id is not None])
        wanted = [row.update_id for row in found if row.chat_id is None or row.chat_id in locked]
        if not wanted:
            return []
        # Looked at once more: the chat's lock may have shown us what a rival had just begun.
        taken = await self._hold(wanted, now, lease)
        return await self._items(
            _WAITING.where(inbox.c.update_id.in_(taken)).order_by(inbox.c.update_id)
        )

    async def keep(self, *, now: datetime, lease: timedelta) -> list[int]:
        """Go on holding what we hold; which updates that is."""
        kept, bound = _keep(self._holder.by_server), self._holder.bound(now, lease)
        return sorted((await self._connection.execute(kept, bound)).scalars())

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
        values = {"key": update_id, "now": at, "me": self._holder.number}
        changed = await self._connection.execute(_DONE, values)
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

    async def _hold(
        self, update_ids: Sequence[int], now: datetime, lease: timedelta, *, also_ours: bool = False
    ) -> list[int]:
        if not update_ids:
            return []
        values = {"these": padded(update_ids), **self._holder.bound(now, lease)}
        taken = _hold(self._holder.by_server, also_ours)
        return list((await self._connection.execute(taken, values)).scalars())

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
