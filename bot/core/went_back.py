"""
Went back: the parts that M-Pesa took back of one payment: how much of each, and on which day.

Pure, and of the *set* of evidence, as `settle` is, which takes their sum off the credit. Papers
show each part on its own day: a day that is over keeps what it came to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.records import Evidence, Kind, reversal_key

__all__ = ["CREDIT_RANK", "RULED", "Part", "moved_receipts", "parts_of"]

RULED = "ruled"  # the books named two amounts, and a person said which of them counts

# Whose word on amount, receipt and time is taken first, unless a person ruled between two.
CREDIT_RANK = (Kind.RECORD_PAID, Kind.OPERATOR_PAID, Kind.CALLBACK_PAID, Kind.QUERY_PAID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One reversal of a payment."""

    at: datetime  # when Safaricom says that it went back; else when that was told
    cents: int  # of what was left; nothing where nothing was
    told_at: datetime  # when we first heard of it


def parts_of(evidence: Sequence[Evidence], arrived_cents: int) -> tuple[Part, ...]:
    """
    What went back of *arrived_cents*, oldest first, together never more than that.

    One that names no amount took all. Of one told twice the best word counts. One that is known
    to be of another payment counts there.
    """
    moved = moved_receipts(evidence)
    # By the code of money that was another's, a person takes off that credit, and no better one.
    better = any(
        each.kind in CREDIT_RANK and not each.held and each.receipt not in moved
        for each in evidence
    )
    told: dict[str, list[Evidence]] = {}
    for each in evidence:
        void = reversal_key(each.receipt or "") in moved or (better and each.receipt in moved)
        if each.kind is Kind.REVERSED and not void:
            told.setdefault(each.receipt or each.digest, []).append(each)
    parts, left_cents = [], arrived_cents
    for at, _, cents, told_at in sorted(
        (_at(words), code, _cents(words, arrived_cents), min(each.at for each in words))
        for code, words in told.items()
    ):
        taken = min(cents, left_cents)
        left_cents -= taken
        parts.append(Part(at=at, cents=taken, told_at=told_at))
    return tuple(parts)


def moved_receipts(evidence: Sequence[Evidence]) -> set[str | None]:
    """Receipts that Safaricom's books, or a person, gave to another payment."""
    return {each.receipt for each in evidence if each.kind is Kind.RECEIPT_MOVED}


def _at(words: Sequence[Evidence]) -> datetime:
    times = [each.paid_at for each in words if each.paid_at is not None]
    return min(times or [each.at for each in words])


def _cents(words: Sequence[Evidence], arrived_cents: int) -> int:
    ranked = [
        (
            each.reason == RULED,
            each.by is None,
            arrived_cents if each.amount_cents is None else each.amount_cents,
        )
        for each in words
    ]
    return max(ranked)[2]
