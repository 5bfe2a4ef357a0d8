"""Suggestions: which payment a row of Safaricom's books may belong to. A person decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.placing import AHEAD, PROMPTED_WITHIN
from mpesa.phones import may_be
from storage.records import Payment, RecordRow, RowKind, reversal_key
from storage.tx import Tx

__all__ = ["Suggestion", "suggestions"]

SUGGESTED = 5
COMPARED = 50
"""Credited payments whose numbers are compared with that of a reversal, at a person's look."""

TAKEN_BACK_WITHIN = timedelta(days=7)
"""A reversal is of a payment of this long before it; of an older one only by its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A payment that a row without one may belong to."""

    payment: Payment
    number_fits: bool | None  # None: the number cannot be compared
    claimed: bool  # somebody says that this receipt paid it


async def suggestions(tx: Tx, row: RecordRow) -> list[Suggestion]:
    """Payments that this row may belong to, the likeliest first."""
    if row.at is None:
        return []
    if row.kind is RowKind.REVERSAL:
        return await _credited(tx, row, row.at)
    return [] if row.amount_cents % 100 else await _prompted(tx, row, row.at)


async def _prompted(tx: Tx, row: RecordRow, at: datetime) -> list[Suggestion]:
    """Whose money that is: prompts of that amount and time without a receipt, or claimed to be."""
    claimed = set(await tx.record.claims_of(row.receipt))
    near = await tx.record.near(
        amount_kes=row.amount_cents // 100,
        since=at - PROMPTED_WITHIN,
        until=at + AHEAD,
        limit=SUGGESTED,
    )
    known = {each.id: each for each in near}
    for payment_id in claimed - known.keys():
        payment = await tx.payments.get(payment_id)
        if payment is not None:
            known[payment_id] = payment
    found = [
        Suggestion(
            payment=each,
            number_fits=may_be(row.payer, await tx.lines.phone(each.line_id)),
            claimed=each.id in claimed,
        )
        for each in known.values()
    ]
    rank = {True: 0, None: 1, False: 2}
    return sorted(found, key=lambda each: (rank[each.number_fits], not each.claimed))


async def _credited(tx: Tx, row: RecordRow, at: datetime) -> list[Suggestion]:
    """Whose that reversal is: the payment's that bears it, or of those that count so much."""
    key = reversal_key(row.receipt)
    bears = (await tx.evidence.receipt_holders([key])).get(key)
    if bears is not None:
        payment = await tx.payments.get(bears)
        assert payment is not None, "receipts are held by payments that we have"
        return [Suggestion(payment=payment, number_fits=None, claimed=False)]
    found = []
    for each in await tx.record.covering(
        amount_cents=row.amount_cents,
        since=at - TAKEN_BACK_WITHIN,
        until=at + AHEAD,
        limit=COMPARED,
    ):
        fits = may_be(row.payer, await tx.lines.phone(each.line_id))
        another = row.linked is not None and each.receipt not in (None, row.linked)
        if fits is not False and not another:
            found.append(Suggestion(payment=each, number_fits=fits, claimed=False))
    return sorted(found, key=lambda each: each.number_fits is None)[:SUGGESTED]
