"""Told rows: what a row of Safaricom's books says about a payment, and where it then stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    BY_RECORD,
    Evidence,
    Kind,
    OpenDifference,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    Word,
    reversal_key,
)
from storage.tx import Tx

__all__ = [
    "Placed",
    "agrees",
    "born_key",
    "born_placed",
    "born_reference",
    "difference_of",
    "is_reversals",
    "record_evidence",
    "rules_amount",
    "same_receipt",
    "same_receipt_placed",
]


REFERENCE_CHARS_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a row belongs. `open` is what a person must look at, where there is something."""

    state: RowState
    payment_id: str | None = None
    open: OpenKind | None = None
    ours_cents: int | None = None


def record_evidence(
    row: RecordRow, payment_id: str, at: datetime, *, held: bool = False, by: int | None = None
) -> Evidence:
    """What the books say of a payment; the same receipt by another way says the same."""
    kind = Kind.RECORD_PAID if by is None else Kind.OPERATOR_PAID
    return Evidence(
        payment_id=payment_id,
        kind=kind,
        at=at,
        receipt=row.receipt,
        amount_cents=row.amount_cents,
        paid_at=row.at,
        held=held,
        digest=sha256(f"{kind}:{row.receipt}:{held}".encode()).hexdigest(),
        source=" ".join(sorted(row.sources)),
        by=by,
    )


def same_receipt(row: RecordRow, holder: str, now: Callable[[], datetime]) -> Unit:
    """
    The payment that holds the receipt has its word from the books.

    One that was born of this very row has had it, and may wait for a person: told again, without
    what held it back, a machine would credit it.
    """

    def admit(payment: Payment, _seen: Seen) -> Admitted:
        if payment.ask_key == born_key(row) or not agrees(row, payment):
            return Admitted()
        return Admitted(
            evidence=(record_evidence(row, payment.id, now()),), claims_receipt=row.receipt
        )

    return Unit(payment_id=holder, admit=admit, receipt=row.receipt)


def born_key(row: RecordRow) -> str:
    """The key of the payment that is made of this row, where one is: there is never a second."""
    return f"{BY_RECORD}{row.receipt}"


def born_reference(receipt: str) -> str:
    """What stands there where others have the reference that their prompt showed."""
    # A prompt's own has a dash too, but no receipt has: the longest stand alone, and for no other.
    marked = f"R-{receipt}"
    return marked if len(marked) <= REFERENCE_CHARS_MAX else receipt


def born_placed(born: Payment, row: RecordRow) -> Placed:
    """Where a row stands that a payment was made of."""
    if born.credited_cents is None:
        return Placed(state=RowState.OPEN, payment_id=born.id, open=OpenKind.REVIEW)
    if born.arrived_cents != row.amount_cents:
        # A person counted another amount, and what is credited must not be more than came.
        return Placed(
            state=RowState.OPEN,
            payment_id=born.id,
            open=OpenKind.AMOUNT_DIFFERS,
            ours_cents=born.credited_cents,
        )
    return Placed(state=RowState.MATCHED, payment_id=born.id)


def same_receipt_placed(row: RecordRow, payment: Payment) -> Placed:
    """Where the row stands, now that the payment that holds its receipt was told."""
    if payment.ask_key == born_key(row):
        return born_placed(payment, row)
    if not agrees(row, payment):
        return Placed(
            state=RowState.OPEN,
            payment_id=payment.id,
            open=OpenKind.AMOUNT_DIFFERS,
            ours_cents=payment.credited_cents or payment.amount_kes * 100,
        )
    # Two receipts for one prompt: the payment counts one, and a person says what of this. If
    # something of it went back, nobody knows of which.
    if payment.receipt != row.receipt or {Word.TWICE, Word.REVERSED} <= payment.words:
        return Placed(
            state=RowState.OPEN,
            payment_id=payment.id,
            open=OpenKind.TWICE,
            ours_cents=payment.credited_cents,
        )
    return Placed(state=RowState.MATCHED, payment_id=payment.id)


def agrees(row: RecordRow, payment: Payment) -> bool:
    """Whether the books name what was asked for, or what has arrived."""
    return row.amount_cents in (payment.amount_kes * 100, payment.arrived_cents)


def rules_amount(kind: OpenKind, row: RecordRow, payment: Payment) -> bool:
    """
    Whether who gives the row to *payment* says of two amounts that the books' one counts.

    Also where it was open whose a typed code is: nobody is asked for its amount after that.
    """
    differs = payment.receipt == row.receipt and not agrees(row, payment)
    return kind is OpenKind.AMOUNT_DIFFERS or (kind is OpenKind.REVIEW and differs)


def difference_of(row: RecordRow, placed: Placed, now: datetime) -> OpenDifference | None:
    """What a person must look at about a placed row, if anything."""
    if placed.open is None:
        return None
    return OpenDifference(
        id=0,
        kind=placed.open,
        receipt=row.receipt,
        payment_id=placed.payment_id,
        theirs_cents=row.amount_cents,
        ours_cents=placed.ours_cents,
        at=row.at,
        found_at=now,
    )


async def is_reversals(tx: Tx, receipt: str) -> bool:
    """Whether money is known to have gone back under that code: then none came under it."""
    row = await tx.record.get(receipt)
    key = reversal_key(receipt)
    said_of = await tx.evidence.receipt_holders([key])
    return key in said_of or (row is not None and row.kind is RowKind.REVERSAL)
