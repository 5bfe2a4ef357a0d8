"""Attempts: the other tries at what one payment is for, and those that look just like it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Exists, Select, bindparam, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.payment_rows import read_payment
from storage.records import BY_RECORD, Intent, Kind, Payment, Status
from storage.schema import Instant, evidence, intents, payments

__all__ = ["Attempts"]

ALIKE_WITHIN = timedelta(hours=48)
"""So long nobody may know what became of a prompt; then a person looks."""

ALIKE_MAX = 20


def _said(kind: Kind) -> Exists:
    return exists().where(evidence.c.payment_id == payments.c.id, evidence.c.kind == kind)


_OF_INTENT = (
    select(payments)
    .where(payments.c.intent_id == bindparam("intent"))
    .order_by(payments.c.id)  # as settling locks what follows from them
)
_PUT = select(payments.c.id).where(
    payments.c.intent_id == bindparam("intent"),
    payments.c.ask_key.startswith(BY_RECORD),
    _said(Kind.OPERATOR_PAID),
    ~_said(Kind.RECORD_PAID),
)
_SIBLING = payments.alias("sibling")
# What a further attempt has brought since leaves nothing open.
_MADE_UP_FOR = exists().where(
    _SIBLING.c.intent_id == payments.c.intent_id,
    _SIBLING.c.id != payments.c.id,
    _SIBLING.c.status == Status.PAID,
)
_ALIKE = (
    select(payments)
    .join(intents, intents.c.id == payments.c.intent_id)
    .where(
        # Of a wish of somebody else, or elsewhere, nothing may be learnt here.
        intents.c.asked_by == bindparam("asked_by"),
        intents.c.chat_id == bindparam("chat"),
        or_(payments.c.status == Status.PAID, ~_MADE_UP_FOR),
        payments.c.line_id == bindparam("line"),
        payments.c.begun_at > bindparam("since", type_=Instant()),
        payments.c.begun_at < bindparam("before", type_=Instant()),
        payments.c.intent_id != bindparam("intent"),
        payments.c.amount_kes == bindparam("amount"),
        func.coalesce(payments.c.subject, "") == bindparam("subject"),
    )
    .order_by(payments.c.begun_at.desc())
    .limit(ALIKE_MAX)
)


class Attempts:
    """Looks beside one payment, inside one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of_intent(self, intent_id: str) -> tuple[Payment, ...]:
        """All attempts at an intent, those paid by hand among them."""
        return await self._read(_OF_INTENT, {"intent": intent_id})

    async def others(self, payment: Payment) -> tuple[Payment, ...]:
        """All but *payment* itself."""
        found = await self.of_intent(payment.intent_id)
        return tuple(each for each in found if each.id != payment.id)

    async def put(self, intent_id: str) -> frozenset[str]:
        """Those that an operator put there, of money that named nobody."""
        found = await self._connection.execute(_PUT, {"intent": intent_id})
        return frozenset(found.scalars())

    async def alike(self, payment: Payment, intent: Intent) -> tuple[Payment, ...]:
        """Their earlier prompts to the same line for the same amount and thing, of late."""
        before = payment.begun_at or payment.created_at
        values = {
            "line": payment.line_id,
            "since": before - ALIKE_WITHIN,
            "before": before,
            "intent": payment.intent_id,
            "asked_by": intent.asked_by,
            "chat": intent.chat_id,
            "amount": payment.amount_kes,
            "subject": payment.subject or "",
        }
        return await self._read(_ALIKE, values)

    async def _read(self, query: Select[Any], values: dict[str, Any]) -> tuple[Payment, ...]:
        found = await self._connection.execute(query, values)
        return tuple(read_payment(row) for row in found.mappings())
