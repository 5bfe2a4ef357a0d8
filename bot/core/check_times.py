"""Check times: when Safaricom may be asked about a payment, how soon again, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage.records import FINAL, Payment, Status
from storage.set_back import FAR_AHEAD

__all__ = [
    "LAPSE_AFTER",
    "begun",
    "call_in_time",
    "can_ask",
    "is_ahead",
    "needs_person",
    "pending_from",
    "seldom",
]

DOUBTFUL = (Status.CONFIRMING, Status.REVIEW)
"""Somebody said "paid", and that alone is no proof."""

LAPSE_AFTER = timedelta(hours=48)
PENDING_AFTER = timedelta(minutes=10)
CONFIRM_WITHIN = timedelta(hours=24)
"""A no that a callback told is looked into for so long after it; an older credit, only seldom."""
SELDOM_AT_LEAST, SELDOM_AT_MOST = timedelta(hours=6), timedelta(days=7)
WANTED_FOR = timedelta(hours=1)
"""A person's question that cannot be put, for whatever reason, is not tried for ever."""


def begun(payment: Payment, now: datetime) -> datetime:
    """When the prompt was sent; *now* where it was by a clock that was set back since."""
    return now if is_ahead(payment, now) else payment.begun_at or payment.created_at


def is_ahead(payment: Payment, now: datetime) -> bool:
    """Whether a clock has begun it that was set back since: nobody knows how old it is."""
    return (payment.begun_at or payment.created_at) > now + FAR_AHEAD


def pending_from(payment: Payment, now: datetime) -> datetime:
    """From when a person is to look it up, if nobody knows by then."""
    return now if is_ahead(payment, now) else begun(payment, now) + PENDING_AFTER


def can_ask(payment: Payment, now: datetime) -> bool:
    """Whether a question about *payment* may be put now."""
    begun_at = payment.begun_at or payment.created_at
    if payment.checkout_index is None:
        return False
    if payment.status is Status.PAID:
        # For as long as it takes: until then it counts in what may be credited unconfirmed, and
        # neither may time alone give a liar room anew, nor may a silence shut out all others.
        return not payment.confirmed
    if payment.status in FINAL:
        return now < (payment.decided_at or begun_at) + CONFIRM_WITHIN
    wanted_at = payment.user_check_at
    if wanted_at is not None and now < wanted_at + WANTED_FOR:
        # Somebody has just been told that we ask. However it goes, this is over after one question.
        return True
    return now < begun_at + LAPSE_AFTER


def needs_person(payment: Payment, now: datetime) -> bool:
    """Whether a yes has been without proof for so long that a person is to look it up from now."""
    doubtful = payment.status in DOUBTFUL and payment.pending_at is None
    return doubtful and now >= pending_from(payment, now)


def call_in_time(payment: Payment, next_at: datetime, now: datetime) -> datetime:
    """*next_at*, or sooner where a person would be called for a yes without proof later by it."""
    called_at = pending_from(payment, now)
    return min(next_at, called_at) if payment.status in DOUBTFUL and now < called_at else next_at


def seldom(payment: Payment, now: datetime) -> timedelta:
    """How long a credit that is old already waits at least for the next question about it."""
    age = now - (payment.begun_at or payment.created_at)
    if payment.status is not Status.PAID or age < CONFIRM_WITHIN:
        return timedelta()
    return min(max(age / 4, SELDOM_AT_LEAST), SELDOM_AT_MOST)
