"""Notices: the outbox. What we owe the chats, until it is told or cannot be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.records import (
    Alarm,
    Button,
    Keyboard,
    NewNotice,
    Notice,
    NoticeKind,
    Reply,
)
from storage.schema import Instant, intents, notices, payments

__all__ = ["Notices"]

_OWED = ("due", "sending")

# Built once: a status message is asked for anew by every move of every payment.
_WANT_AGAIN = (
    update(notices)
    .where(notices.c.key == bindparam("wanted_key"))
    .values(
        wanted=notices.c.wanted + 1,
        # One that is being sent right now comes back by itself: `told` sees the newer version.
        state=case((notices.c.state == "sending", "sending"), else_="due"),
        due_at=case(
            (notices.c.state == "told", bindparam("now", type_=Instant())), else_=notices.c.due_at
        ),
    )
)


def _pack(reply: Reply) -> str:
    return json.dumps(asdict(reply), ensure_ascii=False)


def _unpack(text: str) -> Reply:
    raw: dict[str, Any] = json.loads(text)
    keyboard = raw.pop("keyboard")
    if keyboard is not None:
        keyboard["rows"] = tuple(
            tuple(Button(**button) for button in row) for row in keyboard["rows"]
        )
        keyboard["other_keys"] = tuple(keyboard["other_keys"])
        keyboard = Keyboard(**keyboard)
    return Reply(**raw, keyboard=keyboard)


class Notices:
    """The outbox, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def owe(self, new: Sequence[NewNotice], *, now: datetime) -> None:
        """
        Owe these notices. A known key is owed once only; a STATUS is edited anew.

        A notice without a chat goes where its payment was asked for.
        """
        status_keys = [each.key for each in new if each.kind is NoticeKind.STATUS]
        homes = await self._homes([each for each in new if each.chat_id is None])
        rows = [self._row(each, homes, now) for each in new]
        rows = [row for row in rows if row["chat_id"] is not None]
        known: set[str] = set()
        if status_keys:
            found = select(notices.c.key).where(notices.c.key.in_(status_keys))
            known = set((await self._connection.execute(found)).scalars())
            again = [{"wanted_key": key, "now": now} for key in sorted(known)]
            if again:
                await self._connection.execute(_WANT_AGAIN, again)
        rows = [row for row in rows if row["key"] not in known]
        if rows:
            postgres = self._connection.dialect.name == "postgresql"
            make = pg_insert if postgres else sqlite_insert
            await self._connection.execute(
                make(notices).on_conflict_do_nothing(index_elements=["key"]), rows
            )

    async def say(self, replies: Sequence[Reply], *, keys: Sequence[str], now: datetime) -> None:
        """Owe plain messages; *keys* make a repeated closing of one update say them once."""
        await self.owe(
            [
                NewNotice(key=key, kind=NoticeKind.SAY, chat_id=reply.chat_id, reply=reply)
                for key, reply in zip(keys, replies, strict=True)
            ],
            now=now,
        )

    async def claim(self, *, now: datetime, lease: timedelta, limit: int) -> list[Notice]:
        """
        Mark the next due notice of each chat as `sending`, and hand it out.

        Only the oldest owed notice of a chat is ever handed out, so a chat reads them in order
        and a chat that must wait delays nobody else.
        """
        heads = (
            select(func.min(notices.c.id))
            .where(notices.c.state.in_(_OWED))
            .group_by(notices.c.chat_id)
        )
        ready = or_(
            and_(notices.c.state == "due", notices.c.due_at <= now),
            and_(notices.c.state == "sending", notices.c.lease_until <= now),
        )
        picked = (
            select(notices.c.id, notices.c.state)
            .where(notices.c.id.in_(heads), ready)
            .order_by(notices.c.due_at, notices.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        found = (await self._connection.execute(picked)).all()
        if not found:
            return []
        stale = {row.id for row in found if row.state == "sending"}
        marked = (
            update(notices)
            .where(notices.c.id.in_([row.id for row in found]))
            .values(
                state="sending",
                lease_until=now + lease,
                tries=notices.c.tries + 1,
                resent=or_(notices.c.resent, notices.c.state == "sending"),
            )
            .returning(notices)
        )
        rows = (await self._connection.execute(marked)).mappings().all()
        return sorted(
            (self._read(row, stale=row["id"] in stale) for row in rows), key=lambda each: each.id
        )

    async def any_due(self, *, now: datetime) -> bool:
        """Whether `claim` might find something; a look that takes no write lock."""
        query = select(notices.c.id).where(
            or_(
                and_(notices.c.state == "due", notices.c.due_at <= now),
                and_(notices.c.state == "sending", notices.c.lease_until <= now),
            )
        )
        return (await self._connection.execute(query.limit(1))).first() is not None

    async def told(self, notice: Notice, *, message_id: int | None, now: datetime) -> None:
        """It arrived. A status that changed meanwhile is due again at once."""
        newer = notices.c.wanted > notice.wanted
        values: dict[str, Any] = {
            "told": notice.wanted,
            "state": case((newer, "due"), else_="told"),
            "due_at": now,
            "lease_until": None,
            "tries": 0,
            "resent": False,
            "why": None,
            "body": None,
        }
        if message_id is not None:
            values["message_id"] = message_id
        await self._connection.execute(
            update(notices)
            .where(notices.c.id == notice.id, notices.c.state == "sending")
            .values(**values)
        )

    async def later(self, notice: Notice, *, due_at: datetime, why: str, counts: bool) -> None:
        """Try again at *due_at*; with `counts` false the try is forgiven (a 429, say)."""
        await self._connection.execute(
            update(notices)
            .where(notices.c.id == notice.id, notices.c.state == "sending")
            .values(
                state="due",
                due_at=due_at,
                lease_until=None,
                why=why,
                tries=notices.c.tries if counts else notices.c.tries - 1,
            )
        )

    async def dead(self, notice: Notice, *, why: str) -> None:
        """It cannot be told; kept, with why."""
        await self._connection.execute(
            update(notices)
            .where(notices.c.id == notice.id)
            .values(state="dead", lease_until=None, why=why)
        )

    async def revive(self, chat_id: int, *, now: datetime) -> int:
        """Somebody who had blocked us is back: owe again what payments came to meanwhile."""
        revived = await self._connection.execute(
            update(notices)
            .where(
                notices.c.chat_id == chat_id,
                notices.c.state == "dead",
                notices.c.payment_id.is_not(None),
            )
            .values(state="due", due_at=now, tries=0, why=None)
        )
        return revived.rowcount

    async def lost_message(self, notice: Notice, *, now: datetime) -> None:
        """The message to edit is gone: the next try sends a new one."""
        await self._connection.execute(
            update(notices)
            .where(notices.c.id == notice.id)
            .values(state="due", due_at=now, lease_until=None, message_id=None)
        )

    async def release_all(self, *, now: datetime) -> int:
        """At the start of the only process: whatever was being sent is due again."""
        released = await self._connection.execute(
            update(notices)
            .where(notices.c.state == "sending")
            .values(state="due", due_at=now, lease_until=None, resent=True)
        )
        return released.rowcount

    async def migrate(self, *, old_chat_id: int, new_chat_id: int) -> None:
        """A group became a supergroup; its messages stay behind, so statuses are sent anew."""
        await self._connection.execute(
            update(intents).where(intents.c.chat_id == old_chat_id).values(chat_id=new_chat_id)
        )
        await self._connection.execute(
            update(notices)
            .where(notices.c.chat_id == old_chat_id)
            .values(chat_id=new_chat_id, message_id=None)
        )

    async def owed(self) -> int:
        """How many are neither told nor dead."""
        query = select(func.count()).where(notices.c.state.in_(_OWED))
        return (await self._connection.execute(query)).scalar_one()

    async def purge(self, *, before: datetime) -> int:
        """Forget plain messages told before *before*."""
        gone = await self._connection.execute(
            delete(notices).where(
                notices.c.kind == NoticeKind.SAY.value,
                notices.c.state.in_(("told", "dead")),
                notices.c.created_at < before,
            )
        )
        return gone.rowcount

    async def _homes(self, homeless: Sequence[NewNotice]) -> dict[str, int]:
        if not homeless:
            return {}
        query = (
            select(payments.c.id, intents.c.chat_id)
            .join(intents, payments.c.intent_id == intents.c.id)
            .where(payments.c.id.in_({each.payment_id for each in homeless}))
        )
        return {row.id: row.chat_id for row in await self._connection.execute(query)}

    def _row(self, new: NewNotice, homes: dict[str, int], now: datetime) -> dict[str, Any]:
        chat_id = new.chat_id
        if chat_id is None:
            chat_id = homes.get(new.payment_id or "")
        return {
            "key": new.key,
            "kind": new.kind.value,
            "chat_id": chat_id,
            "payment_id": new.payment_id,
            "alarm": None if new.alarm is None else new.alarm.value,
            "body": None if new.reply is None else self._crypt.seal_text(_pack(new.reply)),
            "message_id": None,
            "wanted": 1,
            "told": 0,
            "state": "due",
            "due_at": now,
            "lease_until": None,
            "tries": 0,
            "resent": False,
            "why": None,
            "created_at": now,
        }

    def _read(self, row: Any, *, stale: bool) -> Notice:
        body = row["body"]
        return Notice(
            id=row["id"],
            kind=NoticeKind(row["kind"]),
            chat_id=row["chat_id"],
            payment_id=row["payment_id"],
            alarm=None if row["alarm"] is None else Alarm(row["alarm"]),
            reply=None if body is None else _unpack(self._crypt.open_text(body)),
            message_id=row["message_id"],
            wanted=row["wanted"],
            tries=row["tries"],
            resent=row["resent"] or stale,
        )
