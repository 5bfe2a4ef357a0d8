"""Notices: the outbox. What we owe the chats, until it is told or cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.errors import WrongKey
from storage.leases import Holder
from storage.notice_picks import FAR, any_ready, mark, pick
from storage.notice_returns import CLOSED_OUT, SET_ASIDE, owe_again
from storage.notice_tells import TELL, TELL_ONCE_MORE
from storage.notice_words import read_whisper, unpack
from storage.owing import owe_notices
from storage.records import Alarm, NewNotice, Notice, NoticeKind, Reply, Whisper
from storage.schema import DEAD, OWED, Instant, intents, notices
from storage.setwise import padded

__all__ = ["CLOSED_OUT", "SET_ASIDE", "Notices"]

KEYS_AT_ONCE = 256

LOOKED_BACK = 50_000
"""So many notices of all chats: more than are told while a question is open."""


def _still_held(notice: Notice) -> ColumnElement[bool]:
    """Nobody has taken it over since: what a process that was away too long writes hits no row."""
    return and_(
        notices.c.id == notice.id,
        notices.c.state == "sending",
        notices.c.lease_gen == notice.lease_gen,
    )


class Notices:
    """The outbox, inside one open transaction."""

    def __init__(
        self, connection: AsyncConnection, crypt: Crypt, holder: Holder | None = None
    ) -> None:
        self._connection = connection
        self._crypt = crypt
        self._holder = holder  # None for whoever only owes

    async def owe(self, new: Sequence[NewNotice], *, now: datetime) -> None:
        """
        Owe these notices. A known key is owed once only; a STATUS or CARD is edited anew.

        A notice without a chat goes where its payment was asked for.
        """
        await self._connection.run_sync(owe_notices, self._crypt, new, now=now)

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
        and a chat that must wait delays nobody else. What was put off on purpose (a card that is
        edited every few seconds, thanks that are being gathered) lets the others pass, and so
        does a receipt's file that is being sent.
        """
        holder = self._holder
        assert holder is not None, "only a process that has a name may claim"
        bound = holder.bound(now, lease)
        values = {"now": now, "far": now + FAR, "most": limit, **bound}
        found = (await self._connection.execute(pick(holder.by_server), values)).all()
        if not found:
            return []
        stale = {row.id for row in found if row.state == "sending"}
        wanted = padded([row.id for row in found])
        marked = await self._connection.execute(mark(holder.by_server), {"these": wanted, **bound})
        rows = marked.mappings().all()
        return sorted(
            (self._read(row, stale=row["id"] in stale) for row in rows), key=lambda each: each.id
        )

    async def any_due(self, *, now: datetime) -> bool:
        """Whether `claim` might find something; a look that takes no write lock."""
        holder = self._holder
        assert holder is not None, "only a process that has a name may claim"
        found = await self._connection.execute(
            any_ready(holder.by_server), {"now": now, "far": now + FAR, **holder.bound(now)}
        )
        return found.first() is not None

    async def told(
        self,
        notice: Notice,
        *,
        message_id: int | None,
        whisper: Whisper | None = None,
        now: datetime,
    ) -> bool:
        """
        It arrived. A status that changed meanwhile is due again at once.

        *whisper* is where it is told from now on; None: nowhere but in its own chat. Returns
        whether this message goes on. False: another took the notice over while ours was on its
        way, and what it stands for is told by a message of theirs.
        """
        done = await self._connection.execute(
            TELL,
            {
                "held": notice.id,
                "taken": notice.lease_gen,
                "version": notice.wanted,
                "message": message_id,
                "whisper_chat": None if whisper is None else whisper.chat_id,
                "whisper": None if whisper is None else whisper.message_id,
                "now": now,
            },
        )
        if notice.whisper is not None and whisper is None:
            await self._ring_no_more(notice)
        return bool(done.rowcount) or await self._goes_on(notice, message_id, now)

    async def _goes_on(self, notice: Notice, message_id: int | None, now: datetime) -> bool:
        """What came of a message of which we were not sure any more when we sent it."""
        asked = select(notices.c.lease_gen, notices.c.message_id).where(notices.c.id == notice.id)
        row = (await self._connection.execute(asked)).one_or_none()
        if row is None or row.lease_gen == notice.lease_gen:
            return True  # nobody has; this is written down for the second time, or was let go
        # Ours may have been written over what they wrote: then theirs has to be written again.
        await self._connection.execute(TELL_ONCE_MORE, {"held": notice.id, "now": now})
        return message_id is None or row.message_id == message_id

    async def _ring_no_more(self, notice: Notice) -> None:
        """What was whispered was told as a new message, to its last word: that has rung."""
        this = notices.alias()
        last = select(this.c.id).where(this.c.id == notice.id, this.c.state == "told")
        await self._connection.execute(
            delete(notices).where(
                notices.c.payment_id == notice.payment_id,
                notices.c.kind == NoticeKind.RING.value,
                notices.c.state == "due",
                last.exists(),
            )
        )

    async def later(self, notice: Notice, *, due_at: datetime, why: str, counts: bool) -> None:
        """
        Try again at *due_at*; with `counts` false the try is forgiven (a 429, say).

        A try that counts may have arrived: also over what another has written meanwhile.
        """
        done = await self._connection.execute(
            update(notices)
            .where(_still_held(notice))
            .values(
                state="due",
                due_at=due_at,
                lease_until=None,
                why=why,
                tries=notices.c.tries if counts else notices.c.tries - 1,
            )
        )
        if counts and not done.rowcount:
            await self._goes_on(notice, None, due_at)

    async def dead(self, notice: Notice, *, why: str) -> bool:
        """It cannot be told; kept, with why. False: another has taken it over since."""
        done = await self._connection.execute(
            update(notices)
            .where(_still_held(notice))
            .values(state="dead", lease_until=None, owed_at=None, why=why)
        )
        return done.rowcount == 1

    async def revive(self, chat_id: int, *, now: datetime, why: str = "") -> int:
        """Somebody who had blocked us is back: owe again what is about money (see `owe_again`)."""
        which = [notices.c.chat_id == chat_id]
        if why:
            which.append(notices.c.why.startswith(why))
        again = {"due_at": now, "owed_at": now, "tries": 0, "why": None}
        return await owe_again(self._connection, *which, **again)

    async def reopened(self, chat_id: int, *, now: datetime) -> None:
        """A group took a message: owe again what it did not take while it was closed."""
        await self.revive(chat_id, now=now, why=CLOSED_OUT)

    async def try_set_aside(self, *, now: datetime, tried_before: datetime, since: datetime) -> int:
        """Owe once more what is about money, came *since* then and was not refused for good."""
        return await owe_again(
            self._connection,
            or_(notices.c.why.startswith(SET_ASIDE), notices.c.why.startswith(CLOSED_OUT)),
            notices.c.due_at <= tried_before,
            notices.c.created_at >= since,
            due_at=now,
            owed_at=now,
        )

    async def lost_message(self, notice: Notice, *, now: datetime) -> None:
        """The message to edit is gone: the next try sends a new one."""
        await self._connection.execute(
            update(notices)
            .where(_still_held(notice))
            .values(state="due", due_at=now, lease_until=None, message_id=None)
        )

    async def send_anew(self, key: str, *, now: datetime) -> None:
        """
        The message of this notice has gone out of sight: tell it as a new one, at the end.

        An edit that is on its way is no longer what tells it; a new message that is, is that one.
        """
        edited = and_(notices.c.state == "sending", notices.c.message_id.is_not(None))
        await self._connection.execute(
            update(notices)
            .where(notices.c.key == key, or_(notices.c.state.in_(("due", "told")), edited))
            .values(
                lease_gen=notices.c.lease_gen + 1,
                state="due",
                due_at=now,
                owed_at=func.coalesce(notices.c.owed_at, literal(now, Instant())),
                message_id=None,
                lease_until=None,
            )
        )

    async def release_all(self, *, now: datetime) -> int:
        """At the start of the only process: whatever was being sent is due again."""
        released = await self._connection.execute(
            update(notices)
            .where(OWED, notices.c.state == "sending")
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
        await self._connection.execute(
            update(notices)
            .where(notices.c.whisper_chat_id == old_chat_id)
            .values(whisper_chat_id=new_chat_id, whisper_id=None)
        )

    async def edited_at(self, key: str) -> datetime | None:
        """When a card was last sent or edited; None if that is yet to come."""
        query = select(notices.c.due_at).where(notices.c.key == key, notices.c.state == "told")
        return (await self._connection.execute(query)).scalar()

    async def made_at(self, key: str) -> datetime | None:
        """When a notice of this key was first owed."""
        query = select(notices.c.created_at).where(notices.c.key == key)
        return (await self._connection.execute(query)).scalar()

    async def message_of(self, key: str) -> int | None:
        """The message by which a notice was told; None if it has not been told so far."""
        query = select(notices.c.message_id).where(notices.c.key == key)
        return (await self._connection.execute(query)).scalar()

    async def copies(self, key: str) -> tuple[int, Reply] | None:
        """
        Of a message that may stand in its chat more than once, or that nobody knows to stand there:
        after which number its copies can be, and its words. None: it was sent once.

        A chat reads in order, so what it was told before is above.
        """
        query = select(notices.c.id, notices.c.chat_id, notices.c.body).where(notices.c.key == key)
        row = (await self._connection.execute(query)).one_or_none()
        words = None if row is None else self._words(row.body)
        if row is None or words is None:
            return None
        above = select(func.coalesce(func.max(notices.c.message_id), 0)).where(
            notices.c.id.between(row.id - LOOKED_BACK, row.id - 1), notices.c.chat_id == row.chat_id
        )
        return (await self._connection.execute(above)).scalar_one(), words

    async def known(self, key: str) -> bool:
        """Whether a notice of this key was ever owed."""
        query = select(notices.c.id).where(notices.c.key == key)
        return (await self._connection.execute(query)).first() is not None

    async def known_of(self, keys: Sequence[str]) -> set[str]:
        """Those of these keys of which a notice was ever owed."""
        found: set[str] = set()
        for start in range(0, len(keys), KEYS_AT_ONCE):
            wanted = padded(keys[start : start + KEYS_AT_ONCE])
            query = select(notices.c.key).where(notices.c.key.in_(wanted))
            found |= set((await self._connection.execute(query)).scalars())
        return found

    async def perhaps_read(self, keys: Sequence[str]) -> set[str]:
        """Those of these keys that are told, or may be; locked, so that none is begun meanwhile."""
        columns = (notices.c.key, notices.c.state, notices.c.tries)
        query = select(*columns).where(notices.c.key.in_(keys)).order_by(notices.c.id)
        found = await self._connection.execute(query.with_for_update())
        # In hand, or tried and not answered: it may have arrived. A dead one's last try did not.
        sure = ("told", "sending")
        return {
            each.key for each in found if each.state in sure or each.tries > (each.state == "dead")
        }

    async def owes(self, key: str) -> bool:
        """Whether a notice of this key is neither told nor dead."""
        query = select(notices.c.id).where(notices.c.key == key, OWED)
        return (await self._connection.execute(query)).first() is not None

    async def waiting(self, chat_id: int) -> int:
        """How many messages wait to be told to a chat."""
        query = select(func.count()).where(notices.c.chat_id == chat_id, OWED)
        return (await self._connection.execute(query)).scalar_one()

    async def owed(self) -> int:
        """How many are neither told nor dead."""
        query = select(func.count()).select_from(notices).where(OWED)
        return (await self._connection.execute(query)).scalar_one()

    async def last_owed(self, keys: Sequence[str]) -> datetime | None:
        """When the newest of these was owed first; None if none ever was."""
        query = select(func.max(notices.c.created_at)).where(notices.c.key.in_(keys))
        last: datetime | None = (await self._connection.execute(query)).scalar_one()
        return last

    async def purge(self, *, before: datetime) -> int:
        """Forget plain messages told before *before*; one with a topic may be told yet."""
        gone = await self._connection.execute(
            delete(notices).where(
                notices.c.kind == NoticeKind.SAY.value,
                or_(notices.c.state == "told", and_(DEAD, notices.c.topic == "")),
                notices.c.created_at < before,
            )
        )
        return gone.rowcount

    def _read(self, row: Any, *, stale: bool) -> Notice:
        return Notice(
            id=row["id"],
            kind=NoticeKind(row["kind"]),
            chat_id=row["chat_id"],
            payment_id=row["payment_id"],
            alarm=None if row["alarm"] is None else Alarm(row["alarm"]),
            reply=self._words(row["body"]),
            message_id=row["message_id"],
            wanted=row["wanted"],
            tries=row["tries"],
            resent=row["resent"] or stale,
            lease_gen=row["lease_gen"],
            subject=row["subject"],
            topic=row["topic"],
            whisper=read_whisper(row),
            made_at=row["created_at"],
        )

    def _words(self, body: bytes | None) -> Reply | None:
        """None also where nobody can read them: that notice is set aside, the others are told."""
        if body is None:
            return None
        try:
            return unpack(self._crypt.open_text(body))
        except (WrongKey, ValueError, LookupError, TypeError):
            return None
