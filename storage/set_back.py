"""Set back: what a clock that was ahead wrote about payments, and how it is put right."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Update,
    and_,
    case,
    literal,
    null,
    select,
    type_coerce,
    update,
)

from storage.columns import MICROSECOND, micros
from storage.schema import payments

__all__ = ["FAR_AHEAD", "UNSEEN", "any_unseen", "check_anew", "check_sooner", "check_unseen"]

FAR_AHEAD = timedelta(minutes=10)
"""What is said to have happened so far from now was written by a clock that was set back since."""


UNSEEN = and_(payments.c.checks + payments.c.unanswered == 0, payments.c.pending_at.is_(None))
"""Nobody has looked at it: neither was it asked about, nor was a person called."""


def check_sooner(by: timedelta, *, now: datetime) -> Update:
    """No check waits out that the clock was set back *by* so much."""
    sooner = type_coerce(payments.c.next_check_at, BigInteger) - by // MICROSECOND
    at_once = literal(micros(now), BigInteger)
    return (
        update(payments)
        .where(payments.c.next_check_at > now)
        .values(next_check_at=case((sooner > at_once, sooner), else_=at_once), **_may_press(now))
    )


def check_anew(*, now: datetime) -> Update:
    """Payments that are yet to be begun, as it is written, are checked now."""
    return update(payments).where(_ahead(now)).values(next_check_at=now, **_may_press(now))


def check_unseen(*, now: datetime) -> Update:
    """
    Of those only what nobody has looked at.

    So it can be done at any time: to a process whose clock is behind, all that others begin looks
    like that.
    """
    return update(payments).where(_ahead(now), _new(now), UNSEEN).values(next_check_at=now)


def any_unseen(*, now: datetime) -> Select[tuple[str]]:
    """One that `check_unseen` would find, if there is any."""
    return select(payments.c.id).where(_ahead(now), _new(now), UNSEEN).limit(1)


def _ahead(now: datetime) -> ColumnElement[bool]:
    far = now + FAR_AHEAD
    return and_(
        payments.c.next_check_at > far,
        payments.c.begun_at > far,
        payments.c.next_check_at >= payments.c.begun_at,
    )


def _new(now: datetime) -> ColumnElement[bool]:
    # Ids begin with the instant that they were made at: this looks at what is ahead only.
    return payments.c.id >= f"{int((now + FAR_AHEAD).timestamp() * 1000):012x}"


def _may_press(now: datetime) -> dict[str, ColumnElement[Any]]:
    """Whoever wanted to know when the clock was ahead is not refused until it is that hour."""
    # Here and not where it is pressed: between two processes whose clocks differ, every press
    # would be the first.
    pressed_at = payments.c.user_checked_at
    return {"user_checked_at": case((pressed_at > now + FAR_AHEAD, null()), else_=pressed_at)}
