"""Check times: when Safaricom may be asked about a payment, how soon again, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage.records import FINAL, Payment, Status

__all__ = ["LAPSE_AFTER", "PENDING_AFTER", "call_in_time", "can_ask", "needs_person", "seldom"]

DOUBTFUL = (Status.CONFIRMING, Status.REVIEW)
"""Somebody said "paid", and that alone is no proof."""

LAPSE_AFTER = timedelta(hours=48)
PENDING_AFTER = timedelta(minutes=10)
CONFIRM_WITHIN = timedelta(hours=24)
"""A no that a callback told is looked into for so long after it; an older credit, only seldom."""
SELDOM_AT_LEAST, SELDOM_AT_MOST = timedelta(hours=6), timedelta(days=7)
WANTED_FOR = timedelta(hours=1)
"""A person's question that cannot be put, for whatever reason, is not tried for ever."""


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
    begun_at = payment.begun_at or payment.created_at
    doubtful = payment.status in DOUBTFUL and payment.pending_at is None
    return doubtful and now >= begun_at + PENDING_AFTER


def call_in_time(payment: Payment, next_at: datetime, now: datetime) -> datetime:
    """*next_at*, or sooner where a person would be called for a yes without proof later by it."""
    pending_from = (payment.begun_at or payment.created_at) + PENDING_AFTER
    waits = payment.status in DOUBTFUL and now < pending_from
    return min(next_at, pending_from) if waits else next_at


def seldom(payment: Payment, now: datetime) -> timedelta:
    """How long a credit that is old already waits at least for the next question about it."""
    age = now - (payment.begun_at or payment.created_at)
    if payment.status is not Status.PAID or age < CONFIRM_WITHIN:
        return timedelta()
    return min(max(age / 4, SELDOM_AT_LEAST), SELDOM_AT_MOST)
