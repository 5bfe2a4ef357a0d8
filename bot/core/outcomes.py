"""Outcomes: what a payment's status comes down to, for whoever says it."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from storage.records import Payment, Status, Word

__all__ = ["Outcome", "all_back", "may_have_timed_out", "outcome_of", "standing"]

TIMED_OUT_AFTER = timedelta(seconds=60)
"""A prompt closes by itself about then, and Safaricom calls that cancelled too."""


class Outcome(StrEnum):
    """What a status comes down to in a list."""

    WAITING = "waiting"
    CHECKING = "checking"  # someone says paid, or both
    UNKNOWN = "unknown"
    PAID = "paid"
    RETURNED = "returned"
    UNPAID = "unpaid"


def outcome_of(status: Status) -> Outcome:
    """The outcome of a status, its words left aside."""
    match status:
        case Status.CREATED | Status.ASKING | Status.PROMPTED:
            return Outcome.WAITING
        case Status.CONFIRMING | Status.REVIEW:
            return Outcome.CHECKING
        case Status.UNSURE | Status.LAPSED:
            return Outcome.UNKNOWN
        case Status.PAID:
            return Outcome.PAID
        case Status.DECLINED | Status.REFUSED | Status.VOID:
            return Outcome.UNPAID
        case unreachable:
            assert_never(unreachable)


def standing(payment: Payment) -> Outcome:
    """Where a payment stands, in one word. One of which a part went back is still paid."""
    return Outcome.RETURNED if all_back(payment) else outcome_of(payment.status)


def all_back(payment: Payment) -> bool:
    """Whether nothing is left of what came."""
    return Word.REVERSED in payment.words and not payment.credited_cents


def may_have_timed_out(payment: Payment) -> bool:
    """Whether "cancelled" came so late that the prompt may have closed by itself."""
    heard_at, begun_at = payment.decided_at, payment.begun_at
    if heard_at is None or begun_at is None:
        return False
    return heard_at - begun_at >= TIMED_OUT_AFTER
