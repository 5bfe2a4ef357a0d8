"""Prompt age: how old a prompt is by Safaricom's own clock, which nobody here can set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from storage.records import Evidence, Kind, Payment

__all__ = ["asked_at", "dated"]

DATED = "dated:"
CLOCKS_DIFFER = timedelta(seconds=60)
"""Less than that is the way there and back, and settle leaves room for it."""


def dated(theirs_at: datetime | None) -> str | None:
    """What Safaricom's taking of a push keeps as its source: the date of that reply."""
    return None if theirs_at is None else f"{DATED}{theirs_at.isoformat()}"


def asked_at(
    payment: Payment, told: Sequence[Evidence], *, ours: datetime, theirs: datetime | None
) -> datetime:
    """
    When a question was put, for settle to hold against when the prompt was sent.

    Both of these are by clocks of ours, and one of them may have been set in between, or be another
    machine's: an hour by them may be half a minute, in which Safaricom calls open prompts paid. So
    it is no later than the prompt is old between *theirs*, the date of the answer, and that of the
    reply to the push.
    """
    taken = [_theirs(each) for each in told if each.kind is Kind.ACCEPTED]
    if not taken or taken[0] is None or theirs is None or payment.begun_at is None:
        return ours
    by_theirs = payment.begun_at + max(timedelta(), theirs - taken[0])
    return by_theirs if ours - by_theirs > CLOCKS_DIFFER else ours


def _theirs(taken: Evidence) -> datetime | None:
    kept = taken.source or ""
    return datetime.fromisoformat(kept.removeprefix(DATED)) if kept.startswith(DATED) else None
