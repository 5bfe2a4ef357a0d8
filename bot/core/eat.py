"""East Africa Time, in which days begin and reminders are polite; it knows no summer time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

__all__ = ["ASK_HOUR", "EAT", "at_eat", "day_of", "morning_after", "polite"]

EAT = timezone(timedelta(hours=3), "EAT")
POLITE_FROM, POLITE_TO = time(8), time(20)
ASK_HOUR = 9
"""When people are reminded, and merchants asked about what is late."""


def at_eat(day: date, *, hour: int = 0) -> datetime:
    """That hour of that day, as an instant (aware, UTC)."""
    return datetime.combine(day, time(hour), EAT).astimezone(UTC)


def day_of(at: datetime) -> date:
    """The day it is in Nairobi then."""
    return at.astimezone(EAT).date()


def morning_after(day: date) -> datetime:
    """When people are asked on the day after that one."""
    return at_eat(day + timedelta(days=1), hour=ASK_HOUR)


def polite(at: datetime) -> datetime:
    """The first instant from *at* on at which somebody may be written to: 08:00 to 20:00."""
    local = at.astimezone(EAT)
    if local.time() < POLITE_FROM:
        return at_eat(local.date(), hour=POLITE_FROM.hour)
    if local.time() >= POLITE_TO:
        return at_eat(local.date() + timedelta(days=1), hour=POLITE_FROM.hour)
    return at
