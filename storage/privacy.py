"""Privacy: all that is kept about one person, how they are forgotten, and what goes with time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.lines import Lines
from storage.payment_rows import read_payment
from storage.privacy_keys import PrivacyInKeys
from storage.record_tables import receipt_claims, record_unread
from storage.records import LOOKED_AT_DRIVE, OPEN, Kind, NoticeKind, Payment, Status
from storage.schema import (
    OWED,
    drafts,
    evidence,
    inbox,
    intents,
    lines,
    looks,
    notices,
    orphans,
    payments,
    people,
)

__all__ = ["Asked", "PrivacyBook"]

STILL_OPEN = (*OPEN, Status.CONFIRMING, Status.REVIEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One payment that a person asked for, with what of it is theirs."""

    payment: Payment
    phone: str = field(repr=False)  # 2547…
    note: str = field(repr=False)
    account: str  # by which it could be paid by hand
    pasted: tuple[str, ...] = field(default=(), repr=False)  # M-PESA messages, as they wrote them
    looks: tuple[datetime, ...] = ()  # when somebody was shown the whole number


class PrivacyBook:
    """One person's data, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def asked(self, person_id: int, *, limit: int) -> list[Asked]:
        """What they asked for, the newest first."""
        query = (
            select(payments, lines.c.phone, intents.c.note, intents.c.by_hand_ref)
            .join(intents, payments.c.intent_id == intents.c.id)
            .join(lines, payments.c.line_id == lines.c.id)
            .where(intents.c.asked_by == person_id)
            .order_by(payments.c.id.desc())
            .limit(limit)
        )
        rows = (await self._connection.execute(query)).mappings().all()
        pasted = await self._pasted(person_id)
        looked = await self._looked(person_id)
        return [
            Asked(
                payment=read_payment(row),
                phone=self._crypt.open_text(row["phone"]),
                note=self._crypt.open_text(row["note"]),
                account=row["by_hand_ref"],
                pasted=tuple(pasted.get(row["id"], ())),
                looks=tuple(looked.get(row["id"], ())),
            )
            for row in rows
        ]

    async def _pasted(self, person_id: int) -> dict[str, list[str]]:
        query = select(evidence.c.payment_id, evidence.c.body).where(
            evidence.c.payment_id.in_(_ids_of(person_id)),
            evidence.c.kind == Kind.CLAIM.value,
            evidence.c.body.is_not(None),
        )
        found: dict[str, list[str]] = {}
        for row in await self._connection.execute(query):
            text = self._crypt.open(row.body).decode("utf-8", "replace")
            found.setdefault(row.payment_id, []).append(text)
        return found

    async def _looked(self, person_id: int) -> dict[str, list[datetime]]:
        """Looks at one payment, and at a drive whose statement it stood in by then."""
        theirs = payments.c.id.in_(_ids_of(person_id))
        at_drive = and_(
            looks.c.what == LOOKED_AT_DRIVE,
            looks.c.payment_id == func.substr(payments.c.subject, 3),
            payments.c.status == Status.PAID,
            payments.c.decided_at <= looks.c.at,
        )
        one = select(looks.c.id, looks.c.payment_id, looks.c.at).where(
            looks.c.payment_id.in_(_ids_of(person_id))
        )
        whole = select(looks.c.id, payments.c.id, looks.c.at).where(theirs, at_drive)
        found: dict[str, list[datetime]] = {}
        for row in sorted(await self._connection.execute(one.union_all(whole))):
            found.setdefault(row.payment_id, []).append(row.at)
        return found

    async def undecided(self, person_id: int) -> int:
        """How many of their payments have no last word yet, or wait for a person to look."""
        query = (
            select(func.count())
            .select_from(payments)
            .join(intents, payments.c.intent_id == intents.c.id)
            .where(
                intents.c.asked_by == person_id,
                or_(payments.c.status.in_(STILL_OPEN), payments.c.pending_at.is_not(None)),
            )
        )
        return int((await self._connection.execute(query)).scalar_one())

    async def unread(self, person_id: int) -> int:
        """How many words about how a payment of theirs stands are still owed to them."""
        query = (
            select(func.count())
            .select_from(notices)
            .where(
                OWED,
                notices.c.chat_id == person_id,
                notices.c.kind.in_((NoticeKind.STATUS, NoticeKind.RING)),
                notices.c.payment_id.in_(_ids_of(person_id)),
            )
        )
        return int((await self._connection.execute(query)).scalar_one())

    async def forget(self, person_id: int, *, pseudonym: int) -> None:
        """
        Nothing leads from a payment to this person any more; what was paid, and how, stays.

        Their private chat has their own number, so it goes with them.
        """
        execute = self._connection.execute
        theirs = _ids_of(person_id)
        await execute(
            update(evidence)
            .where(
                evidence.c.payment_id.in_(theirs),
                evidence.c.kind == Kind.CLAIM.value,
                or_(evidence.c.body.is_not(None), evidence.c.by.is_not(None)),
            )
            .values(body=None, by=None)
        )
        keys = PrivacyInKeys(self._connection, person_id, pseudonym=pseudonym)
        await keys.of_payments()
        await execute(
            update(receipt_claims).where(receipt_claims.c.by == person_id).values(by=pseudonym)
        )
        # Whoever is asked for in a private chat is asked for by the one person in it.
        own_chat = intents.c.chat_id == person_id
        await execute(
            update(intents)
            .where(intents.c.asked_by == person_id)
            .values(
                asked_by=pseudonym, chat_id=case((own_chat, pseudonym), else_=intents.c.chat_id)
            )
        )
        # After the payments: settling locks a payment before it owes a notice.
        await keys.of_notices()
        await keys.of_buttons()
        # Who took books out stays, but not whose they were if they were this person's own.
        by_them = looks.c.by == person_id
        await execute(
            update(looks)
            .where(looks.c.payment_id == str(person_id))
            .values(payment_id=str(pseudonym), by=case((by_them, pseudonym), else_=looks.c.by))
        )
        # An update that could not be carried out is kept with its words, for whoever mends that.
        await execute(
            update(inbox)
            .where(inbox.c.chat_id == person_id, inbox.c.done_at.is_not(None))
            .values(chat_id=None, body=None)
        )
        await execute(delete(drafts).where(drafts.c.person_id == person_id))
        gone = await execute(
            delete(people).where(people.c.id == person_id).returning(people.c.line_id)
        )
        if (own_line := gone.scalar()) is not None:
            await Lines(self._connection, self._crypt).drop_unused(own_line)

    async def empty_bodies(self, *, after_id: int, before: datetime, limit: int) -> int:
        """
        Empty the raw bodies of evidence older than *before*; the last id that was looked at.

        By id, which grows with time; *after_id* is where the last call left off. The same id
        again: there is nothing (more) that old.
        """
        query = (
            select(evidence.c.id, evidence.c.at)
            .where(evidence.c.id > after_id)
            .order_by(evidence.c.id)
            .limit(limit)
        )
        last_id = after_id
        for row in await self._connection.execute(query):
            if row.at >= before:
                break
            last_id = row.id
        if last_id > after_id:
            await self._connection.execute(
                update(evidence)
                .where(
                    evidence.c.id > after_id,
                    evidence.c.id <= last_id,
                    evidence.c.body.is_not(None),
                )
                .values(body=None)
            )
        return int(last_id)

    async def forget_old(self, *, orphans_before: datetime, looks_before: datetime) -> int:
        """Forget bodies of payments that we never had, and looks of long ago; how many rows."""
        gone = await self._connection.execute(delete(orphans).where(orphans.c.at < orphans_before))
        old = await self._connection.execute(delete(looks).where(looks.c.at < looks_before))
        # As old as the orphans: bodies word for word, both.
        unread = await self._connection.execute(
            delete(record_unread).where(record_unread.c.at < orphans_before)
        )
        return gone.rowcount + old.rowcount + unread.rowcount


def _ids_of(person_id: int):  # type: ignore[no-untyped-def]  # a subquery: its type says less than the code
    return (
        select(payments.c.id)
        .join(intents, payments.c.intent_id == intents.c.id)
        .where(intents.c.asked_by == person_id)
        .scalar_subquery()
    )
