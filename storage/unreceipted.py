"""Unreceipted: prompts without a receipt, whose money a row of Safaricom's books may be."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, case, literal, select

from storage.differences import Differences
from storage.payment_rows import read_payment
from storage.records import UNDECIDED, Payment, Status
from storage.schema import payments

__all__ = ["ASKED_BEFORE", "Unreceipted", "id_at"]

MAY_HAVE_COME = (*UNDECIDED, Status.PAID)
"""Where a prompt stands whose money is in the account, or may be."""

ASKED_BEFORE = timedelta(minutes=5)
"""A push begins within this of its payment's making, which its id tells; with room for clocks."""


class Unreceipted(Differences):
    """Looks for them, inside one open transaction."""

    async def near(
        self, *, amount_kes: int, since: datetime, until: datetime, limit: int
    ) -> list[Payment]:
        """
        Payments of that amount begun in that time, without a receipt: suggestions.

        First those that are credited or undecided, whatever number of others was declined.
        """
        declined = case((payments.c.status.in_(MAY_HAVE_COME), 0), else_=1)
        found = await self._connection.execute(
            select(payments)
            .where(*_unreceipted(amount_kes, since, until))
            .order_by(declined, payments.c.begun_at)
            .limit(limit)
        )
        return [read_payment(row) for row in found.mappings()]

    async def may_have_come(self, *, amount_kes: int, since: datetime, until: datetime) -> bool:
        """
        Whether a prompt of that amount and time, without a receipt, is credited or undecided.

        Money of that amount may be its, and counted already. Prompts of further accounts bring
        none into the one whose books these are.
        """
        query = (
            select(payments.c.id)
            .where(
                *_unreceipted(amount_kes, since, until),
                payments.c.status.in_(MAY_HAVE_COME),
            )
            .limit(1)
        )
        return (await self._connection.execute(query)).first() is not None


def id_at(at: datetime) -> str:
    """How the ids of payments begin that are made at that instant; they sort by it."""
    return f"{max(0, int(at.timestamp() * 1000)):012x}"


def _unreceipted(
    amount_kes: int, since: datetime, until: datetime
) -> tuple[ColumnElement[bool], ...]:
    """Of the books' own account, begun in that time, for that amount, and without a receipt."""
    # Ids begin with the instant that they were made at: this looks at minutes, not at all.
    return (
        payments.c.id >= id_at(since - ASKED_BEFORE),
        payments.c.id < id_at(until + ASKED_BEFORE),
        payments.c.begun_at.between(since, until),
        # Books may name more than any prompt asks for, and than PostgreSQL takes for its like.
        payments.c.amount_kes == literal(amount_kes, BigInteger),
        payments.c.receipt.is_(None),
        payments.c.account == "",
    )
