"""Status answers: what Safaricom's word about one receipt comes down to, for our books."""

from __future__ import annotations

from collections.abc import Collection

from mpesa.async_results import AsyncResult, StatusAnswer, TransactionState, read_status
from storage.records import AskedLater, NewRecordRow, RowKind, Source

__all__ = ["NOT_OURS", "UNREADABLE", "outcome_of", "row_of"]

NOT_OURS, UNREADABLE = "not-ours", "unreadable"
"""What became of a question, beside what Safaricom's answers mean."""


def row_of(asked: AskedLater, answer: AsyncResult, numbers: Collection[str]) -> NewRecordRow | None:
    """A row of the books, if the answer names this receipt as money paid to one of *numbers*."""
    status = read_status(answer)
    if status is None or status.state is not TransactionState.COMPLETED:
        return None
    if status.receipt != asked.receipt or not status.amount_cents:
        return None
    if not any(status.paid_to(number) for number in numbers):
        return None
    return NewRecordRow(
        receipt=asked.receipt,
        amount_cents=status.amount_cents,
        at=status.paid_at,
        source=Source.STATUS,
        kind=RowKind.PAID,
        reference=status.account_reference,
        payer=status.payer,
    )


def outcome_of(asked: AskedLater, answer: AsyncResult, numbers: Collection[str]) -> str:
    """
    What an answer comes down to that made no row, though Safaricom did what was asked.

    NOT_OURS ends the asking, so it takes a clear word: money may stand behind anything less.
    """
    status = read_status(answer)
    assert status is not None, "the question is answered"
    if not status.state.final:
        return status.state.value
    if status.receipt not in (None, asked.receipt):
        return UNREADABLE
    if status.state is TransactionState.COMPLETED and not _went_elsewhere(status, numbers):
        return UNREADABLE
    return NOT_OURS


def _went_elsewhere(status: StatusAnswer, numbers: Collection[str]) -> bool:
    """Whether the answer surely names another number than one of *numbers* as who got it."""
    got_it = status.paid_party.partition(" - ")[0].strip()
    return got_it.isdecimal() and got_it not in numbers
