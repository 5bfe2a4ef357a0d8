"""Payments and the intents behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Executable,
    Select,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from storage.columns import micros
from storage.crypt import Crypt
from storage.drive_tables import drives
from storage.invoice_tables import invoices
from storage.leases import ME, Holder, lease_end, lease_over
from storage.payment_rows import FIELDS, read_payment, row_of
from storage.records import (
    FINAL,
    OPEN,
    Intent,
    IntentKind,
    Payment,
    Status,
)
from storage.schema import UNCONFIRMED, UNSENT, UNSETTLED, Instant, intents, looks, payments
from storage.set_back import any_unseen, check_anew, check_sooner, check_unseen
from storage.setwise import padded

__all__ = ["Payments"]


ID_END_CHARS = 8
"""How much of the end of an id people are shown, and type."""

# Built once: building one costs more than the database takes to answer it.
_ID = payments.c.id == bindparam("key")
_GET = select(payments).where(_ID)
_LOCK = _GET.with_for_update()
_CHECKOUT_ID = select(payments.c.checkout_id).where(_ID)
_BY_ASK_KEY = select(payments).where(payments.c.ask_key == bindparam("key"))
_INTENT = select(intents).where(intents.c.id == bindparam("key"))
_ANY_UNSENT = (
    select(payments).where(UNSENT).order_by(payments.c.created_at).limit(bindparam("most"))
)
_URGENCY = case(
    (payments.c.status == Status.CONFIRMING, 0),
    (payments.c.status == Status.REVIEW, 1),
    (payments.c.status.in_(OPEN) & (payments.c.checks == 0), 2),
    (payments.c.user_check_at.is_not(None), 3),
    # A confirmation; the record does it better. What has had its turn waits behind what has not.
    ((payments.c.status == Status.PAID) & (payments.c.checks + payments.c.unanswered > 0), 7),
    (payments.c.status == Status.PAID, 6),
    (payments.c.status.in_(FINAL), 5),
    else_=4,
)


def _due(*, by_server: bool) -> ColumnElement[bool]:
    """A check has fallen due, and nobody is asking: for the payment, or about it."""
    return and_(
        payments.c.next_check_at <= bindparam("now", type_=Instant()),
        lease_over(payments.c.lease_until, by_server=by_server),
        lease_over(payments.c.check_until, by_server=by_server),
    )


@cache
def _most_urgent(by_server: bool) -> Select[Any]:
    return (
        select(payments)
        .where(_due(by_server=by_server))
        .order_by(_URGENCY, payments.c.next_check_at)
        .limit(bindparam("most"))
    )


@cache
def _nameless(by_server: bool) -> Select[Any]:
    return (
        select(payments)
        .where(_due(by_server=by_server), payments.c.checkout_index.is_(None))
        .order_by(payments.c.next_check_at)
        .limit(bindparam("most"))
    )


def _taking(picked: Select[Any], *, by_server: bool) -> ReturningUpdate[Any]:
    return (
        update(payments)
        .where(payments.c.id.in_(picked))
        .values(
            check_until=lease_end(by_server=by_server),
            check_gen=payments.c.check_gen + 1,
            check_holder=ME,
        )
        .returning(payments)
    )


@cache
def _take_due(by_server: bool) -> ReturningUpdate[Any]:
    wanted: BindParameter[str] = bindparam("these", expanding=True)
    picked = select(payments.c.id).where(payments.c.id.in_(wanted), _due(by_server=by_server))
    return _taking(picked.with_for_update(skip_locked=True), by_server=by_server)


@cache
def _take_unsettled(by_server: bool) -> ReturningUpdate[Any]:
    picked = (
        select(payments.c.id)
        .where(
            payments.c.needs_settle,
            payments.c.settle_tries < bindparam("tries"),
            lease_over(payments.c.check_until, by_server=by_server),
        )
        .limit(bindparam("most"))
    )
    return _taking(picked.with_for_update(skip_locked=True), by_server=by_server)


class Payments:
    """Payments and intents, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt, holder: Holder) -> None:
        self._connection = connection
        self._crypt = crypt
        self._holder = holder

    async def add(self, payment: Payment) -> None:
        await self._connection.execute(insert(payments).values(**row_of(payment, FIELDS)))

    async def add_intent(self, intent: Intent) -> None:
        values = {field.name: getattr(intent, field.name) for field in fields(Intent)}
        values["note"] = self._crypt.seal_text(intent.note)
        values["kind"] = intent.kind.value
        await self._connection.execute(insert(intents).values(**values))

    async def supersede(self, payment_id: str) -> None:
        """A newer attempt exists: this one's buttons go away."""
        await self._connection.execute(
            update(payments).where(payments.c.id == payment_id).values(superseded=True)
        )

    async def get(self, payment_id: str) -> Payment | None:
        return await self._one(_GET, key=payment_id)

    async def lock(self, payment_id: str) -> Payment | None:
        """The payment, its row locked until the transaction ends."""
        return await self._one(_LOCK, key=payment_id)

    async def by_ask_key(self, ask_key: str) -> Payment | None:
        return await self._one(_BY_ASK_KEY, key=ask_key)

    async def of_intent(self, intent_id: str) -> list[str]:
        """The ids of all attempts at an intent, oldest first."""
        query = select(payments.c.id).where(payments.c.intent_id == intent_id)
        return list((await self._connection.execute(query.order_by(payments.c.id))).scalars())

    async def by_receipt(self, receipt: str) -> Payment | None:
        return await self._one(select(payments).where(payments.c.receipt == receipt))

    async def find(self, wanted: str) -> Payment | None:
        """
        By the reference of its push, or, among those that wait, by the end of its id.

        Of fewer characters than people are shown, it would be any of them.
        """
        by_reference = await self._one(select(payments).where(payments.c.push_ref == wanted))
        if by_reference is not None or len(wanted) < ID_END_CHARS:
            return by_reference
        return await self._one(
            select(payments).where(
                payments.c.pending_at.is_not(None),
                payments.c.id.endswith(wanted.lower(), autoescape=True),
            )
        )

    async def intent(self, intent_id: str) -> Intent:
        row = (await self._connection.execute(_INTENT, {"key": intent_id})).mappings().one()
        kind, note = IntentKind(row["kind"]), self._crypt.open_text(row["note"])
        return Intent(**{**row, "kind": kind, "note": note})

    async def checkout_id(self, payment_id: str) -> str | None:
        """Safaricom's id of the push, whole. Never for a log: it ends in the payer's digits."""
        sealed = (await self._connection.execute(_CHECKOUT_ID, {"key": payment_id})).scalar()
        return None if sealed is None else self._crypt.open_text(sealed)

    async def unsent(self, *, limit: int) -> list[Payment]:
        """Payments still `created` or `asking`, oldest first."""
        return await self._many(_ANY_UNSENT, most=limit)

    async def claim_unsent(
        self, *, now: datetime, lease: timedelta, limit: int, anyway: bool = False
    ) -> list[Payment]:
        """
        Take the `created` ones that nobody has in hand, and keep those that we have.

        With *anyway* also those that another process has: it is known to be gone.
        """
        free = self._holder.free(payments.c.lease_until, now)
        ours = payments.c.holder == self._holder.number
        picked = select(payments.c.id).where(payments.c.status == Status.CREATED)
        if not anyway:
            picked = picked.where(or_(free, ours))
        picked = picked.order_by(payments.c.created_at).limit(limit)
        claimed = (
            update(payments)
            .where(payments.c.id.in_(picked.with_for_update(skip_locked=True)))
            .values(holder=self._holder.number, lease_until=self._holder.moment(now, later=lease))
            .returning(payments)
        )
        rows = (await self._connection.execute(claimed)).mappings().all()
        return sorted((read_payment(row) for row in rows), key=lambda each: each.created_at)

    async def cut_off(self, *, now: datetime, limit: int, anyway: bool = False) -> list[Payment]:
        """The `asking` ones whose asker has not come back in time; with *anyway* all of them."""
        query = select(payments).where(payments.c.status == Status.ASKING)
        if not anyway:
            query = query.where(self._holder.free(payments.c.lease_until, now))
        return await self._many(query.order_by(payments.c.created_at).limit(limit))

    async def due(self, *, now: datetime, limit: int) -> list[Payment]:
        """Payments whose check is due, in the order in which truth is worth most."""
        bound = self._holder.bound(now)
        query = _most_urgent(self._holder.by_server)
        return await self._many(query, now=now, most=limit, **bound)

    async def due_without_id(self, *, now: datetime, limit: int) -> list[Payment]:
        """Those of the due that nobody can ask about; they wait for no budget."""
        bound = self._holder.bound(now)
        return await self._many(_nameless(self._holder.by_server), now=now, most=limit, **bound)

    async def unsettled(self, *, limit: int, tries: int) -> list[str]:
        query = select(payments.c.id).where(UNSETTLED, payments.c.settle_tries < tries).limit(limit)
        return list((await self._connection.execute(query)).scalars())

    async def unsettled_anew(self) -> None:
        """A process that starts may bring the cure: the tries begin again."""
        await self._connection.execute(update(payments).where(UNSETTLED).values(settle_tries=0))

    async def of_person(
        self, person_id: int, *, chat_id: int | None, limit: int
    ) -> list[tuple[Payment, Intent]]:
        """What one person asked for, newest first; only in one chat if given."""
        query = (
            select(payments, intents)
            .join(intents, payments.c.intent_id == intents.c.id)
            .where(intents.c.asked_by == person_id)
            .order_by(payments.c.created_at.desc(), payments.c.id.desc())
            .limit(limit)
        )
        if chat_id is not None:
            query = query.where(intents.c.chat_id == chat_id)
        return [
            (payment, await self.intent(payment.intent_id))
            for payment in [
                read_payment({name: row._mapping[payments.c[name]] for name in FIELDS})
                for row in await self._connection.execute(query)
            ]
        ]

    async def pending(self, *, limit: int) -> tuple[int, list[Payment]]:
        """How many wait for a person, and the oldest of them."""
        waits = payments.c.pending_at.is_not(None)
        total = (await self._connection.execute(select(func.count()).where(waits))).scalar_one()
        found = await self._many(
            select(payments).where(waits).order_by(payments.c.pending_at).limit(limit)
        )
        return total, found

    async def credited(self) -> list[Payment]:
        """Every payment that counts as money, oldest first."""
        return await self._many(
            select(payments)
            .where(payments.c.status == Status.PAID)
            .order_by(payments.c.created_at, payments.c.id)
        )

    async def reference_taken(self, reference: str) -> bool:
        """Whether a push or by-hand reference is in use already."""
        query = select(payments.c.id).where(payments.c.push_ref == reference)
        other = select(intents.c.id).where(intents.c.by_hand_ref == reference)
        drive = select(drives.c.id).where(drives.c.reference == reference)
        invoice = select(invoices.c.id).where(invoices.c.by_hand_ref == reference)
        taken = query.union_all(other, drive, invoice)
        return (await self._connection.execute(taken)).first() is not None

    async def looked(self, *, by: int, payment_ids: Sequence[str], what: str, at: datetime) -> None:
        """Somebody was shown whole numbers; keep who, of which payments or drive, and when."""
        if payment_ids:
            await self._connection.execute(
                insert(looks),
                [{"by": by, "payment_id": each, "what": what, "at": at} for each in payment_ids],
            )

    async def ask_user_check(self, payment_id: str, *, now: datetime, before: datetime) -> bool:
        """Move a person's check to the front, unless one was asked for since *before*."""
        changed = await self._connection.execute(
            update(payments)
            .where(
                payments.c.id == payment_id,
                or_(payments.c.user_checked_at.is_(None), payments.c.user_checked_at <= before),
            )
            .values(user_check_at=now, user_checked_at=now, next_check_at=now)
        )
        return changed.rowcount == 1

    async def claim_checks(
        self, payment_ids: Sequence[str], *, now: datetime, lease: timedelta
    ) -> list[Payment]:
        """
        Take those of these due checks that nobody else has taken meanwhile.

        Each taking has its number, `check_gen`: whoever comes back after the lease finds another.
        """
        taken = _take_due(self._holder.by_server)
        bound = self._holder.bound(now, lease)
        return await self._many(taken, now=now, these=padded(payment_ids), **bound)

    async def claim_unsettled(
        self, *, limit: int, tries: int, now: datetime, lease: timedelta
    ) -> list[str]:
        """Take payments whose evidence could not be settled, for one more try."""
        taken = _take_unsettled(self._holder.by_server)
        bound = self._holder.bound(now, lease)
        return [each.id for each in await self._many(taken, tries=tries, most=limit, **bound)]

    async def release_checks(self) -> None:
        """At the start of the only process: checks that the last one had taken are free again."""
        await self._connection.execute(
            update(payments)
            .where(payments.c.check_holder.is_not(None))
            .values(check_until=None, check_holder=None)
        )

    async def set_back(self, by: timedelta | None, *, now: datetime) -> None:
        """The clock was set back *by* so much; None: by how much, nobody knows, or it was not."""
        statement = check_anew(now=now) if by is None else check_sooner(by, now=now)
        await self._connection.execute(statement)

    async def check_unseen(self, *, now: datetime) -> None:
        """What was asked for by a clock set back since, and nobody has looked at, is checked."""
        await self._connection.execute(check_unseen(now=now))

    async def any_unseen(self, *, now: datetime) -> bool:
        return (await self._connection.execute(any_unseen(now=now))).first() is not None

    async def confirm_anew(self, *, now: datetime) -> None:
        """
        Credits without a second word that nobody asks about any more are asked about again.

        Not all at once, for they may be many: the older, the later, a year's within a week.
        """
        age_us = micros(now) - type_coerce(payments.c.begun_at, BigInteger)
        await self._connection.execute(
            update(payments)
            .where(
                UNCONFIRMED,
                payments.c.next_check_at.is_(None),
                payments.c.checkout_index.is_not(None),
                payments.c.begun_at.is_not(None),
            )
            .values(next_check_at=micros(now) + age_us // 52)
        )

    async def _one(self, query: Executable, **values: Any) -> Payment | None:
        row = (await self._connection.execute(query, values)).mappings().first()
        return None if row is None else read_payment(row)

    async def _many(self, query: Executable, **values: Any) -> list[Payment]:
        rows = (await self._connection.execute(query, values)).mappings()
        return [read_payment(row) for row in rows]
