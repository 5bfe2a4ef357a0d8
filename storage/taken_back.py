"""Taken back: credited payments that a reversal may have taken back which names no receipt."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import case, select

from storage.payment_rows import read_payment
from storage.records import Payment, Status
from storage.schema import payments
from storage.unnamed_claims import UnnamedClaims
from storage.unreceipted import ASKED_BEFORE, id_at

__all__ = ["TakenBack"]


class TakenBack(UnnamedClaims):
    """Looks for them, inside one open transaction."""

    async def covering(
        self, *, amount_cents: int, since: datetime, until: datetime, limit: int
    ) -> list[Payment]:
        """
        Payments of the books' account, paid in that time, that count at least so much: suggestions.

        First those that count just so much, and of these the newest.
        """
        more = case((payments.c.credited_cents == amount_cents, 0), else_=1)
        found = await self._connection.execute(
            select(payments)
            .where(
                # One that was made of a row of the books may have been made long after it was paid.
                payments.c.id >= id_at(since - ASKED_BEFORE),
                payments.c.paid_at.between(since, until),
                payments.c.status == Status.PAID.value,
                payments.c.credited_cents >= amount_cents,
                payments.c.account == "",
            )
            .order_by(more, payments.c.paid_at.desc(), payments.c.id)
            .limit(limit)
        )
        return [read_payment(row) for row in found.mappings()]
