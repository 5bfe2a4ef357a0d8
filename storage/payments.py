"""Payments and the intents behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    RowMapping,
    Select,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.records import (
    OPEN,
    Intent,
    Payment,
    Status,
    Word,
)
from storage.schema import intents, looks, payments

__all__ = ["Payments", "read_payment", "write_payments"]

_FIELDS = tuple(field.name for field in fields(Payment))
_CHANGING = tuple(
    name
    for name in _FIELDS
    if name
    not in {
        *("id", "intent_id", "line_id", "phone_mask", "amount_kes", "push_ref", "ask_key"),
        *("confirm_above_kes", "created_at", "rev"),
    }
)

# Built once: this statement runs for every payment of every batch.
_MOVE = (
    update(payments)
    .where(payments.c.id == bindparam("key_id"), payments.c.rev == bindparam("key_rev"))
    .values({name: bindparam(f"to_{name}") for name in (*_CHANGING, "rev", "checkout_id")})
)
_MOVE_KEEP_CHECKOUT = (
    update(payments)
    .where(payments.c.id == bindparam("key_id"), payments.c.rev == bindparam("key_rev"))
    .values({name: bindparam(f"to_{name}") for name in (*_CHANGING, "rev")})
)


def read_payment(row: RowMapping | Mapping[str, Any]) -> Payment:
    values = {name: row[name] for name in _FIELDS}
    values["status"] = Status(values["status"])
    values["words"] = frozenset(Word(word) for word in values["words"].split() if word)
    return Payment(**values)


def _written(payment: Payment, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(payment, name) for name in names}
    if "words" in values:
        values["words"] = " ".join(sorted(payment.words))
    return values


async def write_payments(
    connection: AsyncConnection,
    moves: Sequence[tuple[Payment, Payment, bytes | None]],
) -> int:
    """
    Write (before, after, newly sealed checkout id) rows by compare-and-set on `rev`.

    Returns how many rows matched; the caller compares.
    """
    matched = 0
    for statement, keeps in ((_MOVE, False), (_MOVE_KEEP_CHECKOUT, True)):
        rows = []
        for before, after, checkout_id in moves:
            if (checkout_id is None) is not keeps:
                continue
            row = {f"to_{name}": value for name, value in _written(after, _CHANGING).items()}
            row |= {"key_id": before.id, "key_rev": before.rev, "to_rev": after.rev}
            if checkout_id is not None:
                row["to_checkout_id"] = checkout_id
            rows.append(row)
        if rows:
            found = (await connection.execute(statement, rows)).rowcount
            matched += found if found >= 0 else await _arrived(connection, rows)
    return matched


async def _arrived(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> int:
    """How many *rows* stand where they were moved to: asyncpg does not count a batch."""
    wanted = [(row["key_id"], row["to_rev"]) for row in rows]
    query = select(func.count()).where(tuple_(payments.c.id, payments.c.rev).in_(wanted))
    found: int = (await connection.execute(query)).scalar_one()
    return found


class Payments:
    """Payments and intents, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def add(self, payment: Payment) -> None:
        await self._connection.execute(insert(payments).values(**_written(payment, _FIELDS)))

    async def add_intent(self, intent: Intent) -> None:
        values = {field.name: getattr(intent, field.name) for field in fields(Intent)}
        values["note"] = self._crypt.seal_text(intent.note)
        await self._connection.execute(insert(intents).values(**values))

    async def supersede(self, payment_id: str) -> None:
        """A newer attempt exists: this one's buttons go away."""
        await self._connection.execute(
            update(payments).where(payments.c.id == payment_id).values(superseded=True)
        )

    async def get(self, payment_id: str) -> Payment | None:
        return await self._one(select(payments).where(payments.c.id == payment_id))

    async def lock(self, payment_id: str) -> Payment | None:
        """The payment, its row locked until the transaction ends."""
        return await self._one(
            select(payments).where(payments.c.id == payment_id).with_for_update()
        )

    async def by_ask_key(self, ask_key: str) -> Payment | None:
        return await self._one(select(payments).where(payments.c.ask_key == ask_key))

    async def by_receipt(self, receipt: str) -> Payment | None:
        return await self._one(select(payments).where(payments.c.receipt == receipt))

    async def intent(self, intent_id: str) -> Intent:
        query = select(intents).where(intents.c.id == intent_id)
        row = (await self._connection.execute(query)).mappings().one()
        return Intent(**{**row, "note": self._crypt.open_text(row["note"])})

    async def checkout_id(self, payment_id: str) -> str | None:
        """Safaricom's id of the push, whole. Never for a log: it ends in the payer's digits."""
        query = select(payments.c.checkout_id).where(payments.c.id == payment_id)
        sealed = (await self._connection.execute(query)).scalar()
        return None if sealed is None else self._crypt.open_text(sealed)

    async def unsent(self, *, limit: int) -> list[Payment]:
        """Payments still `created` or `asking`, oldest first."""
        return await self._many(
            select(payments)
            .where(payments.c.status.in_((Status.CREATED, Status.ASKING)))
            .order_by(payments.c.created_at)
            .limit(limit)
        )

    async def due(self, *, now: datetime, limit: int) -> list[Payment]:
        """Payments whose check is due, in the order in which truth is worth most."""
        by_user = payments.c.user_check_at.is_not(None)
        urgency = case(
            (payments.c.status == Status.CONFIRMING, 0),
            (payments.c.status == Status.REVIEW, 1),
            (payments.c.status.in_(OPEN) & (payments.c.checks == 0), 2),
            (by_user, 3),
            (payments.c.status == Status.PAID, 5),
            else_=4,
        )
        return await self._many(
            select(payments)
            .where(
                payments.c.next_check_at <= now,
                or_(payments.c.lease_until.is_(None), payments.c.lease_until <= now),
            )
            .order_by(urgency, payments.c.next_check_at)
            .limit(limit)
        )

    async def due_without_id(self, *, now: datetime, limit: int) -> list[Payment]:
        """Those of the due that nobody can ask about; they wait for no budget."""
        return await self._many(
            select(payments)
            .where(
                payments.c.next_check_at <= now,
                payments.c.checkout_index.is_(None),
                or_(payments.c.lease_until.is_(None), payments.c.lease_until <= now),
            )
            .order_by(payments.c.next_check_at)
            .limit(limit)
        )

    async def unsettled(self, *, limit: int, tries: int) -> list[str]:
        query = (
            select(payments.c.id)
            .where(payments.c.needs_settle, payments.c.settle_tries < tries)
            .limit(limit)
        )
        return list((await self._connection.execute(query)).scalars())

    async def unsettled_anew(self) -> None:
        """A process that starts may bring the cure: the tries begin again."""
        await self._connection.execute(
            update(payments).where(payments.c.needs_settle).values(settle_tries=0)
        )

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
                read_payment({name: row._mapping[payments.c[name]] for name in _FIELDS})
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
        return (await self._connection.execute(query.union_all(other))).first() is not None

    async def looked(self, *, by: int, payment_ids: Sequence[str], what: str, at: datetime) -> None:
        """Somebody was shown whole numbers; keep who, of which payments, and when."""
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

    async def claim_check(self, payment_id: str, *, now: datetime, until: datetime) -> bool:
        """Take a due check for oneself, unless another turn has it."""
        changed = await self._connection.execute(
            update(payments)
            .where(
                payments.c.id == payment_id,
                payments.c.next_check_at <= now,
                or_(payments.c.lease_until.is_(None), payments.c.lease_until <= now),
            )
            .values(lease_until=until)
        )
        return changed.rowcount == 1

    async def release_checks(self) -> None:
        """At the start of the only process: checks that the last one had taken are free again."""
        await self._connection.execute(
            update(payments)
            .where(payments.c.lease_until.is_not(None), payments.c.status != Status.ASKING)
            .values(lease_until=None)
        )

    async def _one(self, query: Select[Any]) -> Payment | None:
        row = (await self._connection.execute(query)).mappings().first()
        return None if row is None else read_payment(row)

    async def _many(self, query: Select[Any]) -> list[Payment]:
        return [read_payment(row) for row in (await self._connection.execute(query)).mappings()]
