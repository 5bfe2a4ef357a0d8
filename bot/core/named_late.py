"""Named late: an account that the books tell only after its money was given away, or put aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.core.apart import prompted_by
from bot.core.references import read_reference
from storage.records import (
    NewRecordRow,
    OpenDifference,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
)
from storage.tx import Tx

__all__ = ["named_late", "named_now", "names"]

PUT_AWAY = (RowState.MATCHED, RowState.CLOSED)


async def names(tx: Tx, typed: str, payment: Payment) -> bool | None:
    """
    Whether that account is this payment's, its intent's or its subject's; None if it is nobody's.

    Who is asked twice for the same pays once, under whichever prompt: both are the intent's.
    """
    reference = read_reference(typed)
    if reference is None:
        return None
    prompted = await tx.record.push_payment(reference)
    if prompted is not None:
        return prompted.intent_id == payment.intent_id
    theirs = await tx.record.by_hand_intent(reference)
    if theirs is not None:
        return theirs[0] == payment.intent_id
    subject = (await tx.record.named([reference])).subjects.get(reference)
    return None if subject is None else subject == payment.subject


async def named_now(
    tx: Tx,
    new: Sequence[NewRecordRow],
    before: Mapping[str, RecordRow],
    stand: Sequence[RecordRow],
) -> list[RecordRow]:
    """What of *stand* some payment has, if only *new* names an account for it, and not *before*."""
    named = []
    told = {each.receipt: each.reference for each in new if each.reference}
    for row in stand:
        was = before.get(row.receipt)
        late = was is not None and not was.reference and row.receipt in told
        if late and row.kind is RowKind.PAID and row.state in PUT_AWAY:
            has_it = await _who_has(tx, row)
            if has_it is not None and (row.payment_id or _counts(row, has_it)):
                reference = row.reference or told[row.receipt]
                named.append(replace(row, reference=reference, payment_id=has_it.id))
    return named


async def named_late(
    tx: Tx, kept: Sequence[RecordRow], before: Mapping[str, RecordRow], *, now: datetime
) -> list[OpenDifference]:
    """
    What a person must look at because *kept* names an account that *before* did not.

    Safaricom's answer about one code tells no account; the list and the statement tell it later,
    and it may be somebody else's than whoever has had the money since, or somebody's at last.
    """
    found = []
    for row in kept:
        was = before.get(row.receipt)
        late = was is not None and not was.reference and bool(row.reference)
        if not late or row.kind is not RowKind.PAID or row.state not in PUT_AWAY:
            continue
        has_it = await _who_has(tx, row)
        sure = has_it is not None and (row.payment_id or _counts(row, has_it, as_much=True))
        counts = has_it if sure else None
        if not (
            await _is_anothers(tx, row.reference, counts)
            or await _counts_twice(tx, row, None if counts is None else counts.id)
        ):
            continue
        found.append(
            OpenDifference(
                id=0,
                kind=OpenKind.REVIEW,
                receipt=row.receipt,
                payment_id=None if has_it is None else has_it.id,
                theirs_cents=row.amount_cents,
                ours_cents=None if has_it is None else has_it.credited_cents,
                at=row.at,
                found_at=now,
            )
        )
    return found


async def _who_has(tx: Tx, row: RecordRow) -> Payment | None:
    """
    The payment that has the money of that row, by the row or by its receipt.

    A row that was called nobody's names no payment, and its code may have been typed for one,
    before or since: whoever is to give it to another must be able to take it away from that one.
    """
    holder = row.payment_id
    if holder is None:
        holder = (await tx.evidence.receipt_holders([row.receipt])).get(row.receipt)
    return None if holder is None else await tx.payments.get(holder)


def _counts(row: RecordRow, payment: Payment, *, as_much: bool = False) -> bool:
    """Whether the payment counts that line; with *as_much*, for what the books say came."""
    says = not as_much or payment.arrived_cents == row.amount_cents
    return payment.receipt == row.receipt and bool(payment.credited_cents) and says


async def _is_anothers(tx: Tx, typed: str, has_it: Payment | None) -> bool:
    if has_it is not None:
        return await names(tx, typed, has_it) is False
    reference = read_reference(typed)
    if reference is None:
        return False
    known = await tx.record.named([reference])
    return any(reference in each for each in (known.pushes, known.by_hand, known.subjects))


async def _counts_twice(tx: Tx, row: RecordRow, payment_id: str | None) -> bool:
    """Whether the prompt of that account may count the money too that *payment_id* has."""
    found = await prompted_by(tx, row, payment_id)
    return found is not None and found.counts(row, anew=False)
