"""Paces: turns that all processes on one PostgreSQL database take from one queue."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Update,
    case,
    cast,
    extract,
    func,
    literal,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from storage.schema import EPOCH, MICROSECOND, paces
from storage.set_back import FAR_AHEAD

__all__ = ["give_back", "reserve", "take"]

# Each of these is one statement in a transaction of its own: the server finishes it whatever
# becomes of us, so that a process that is stopped half-way never holds up the others' queue.


def reserve(
    name: str, *, gap: timedelta, count: int, now: datetime | None
) -> ReturningInsert[tuple[int]]:
    """Queue up for *count* turns; gives the microseconds until the first. *now*: see `_now`."""
    at, length = _now(now), count * (gap // MICROSECOND)
    free_at = _free_at(at)
    return (
        insert(paces)
        .values(name=name, free_at_us=at + length, granted=count)
        .on_conflict_do_update(
            index_elements=["name"], set_={"free_at_us": free_at + length, "granted": count}
        )
        .returning(paces.c.free_at_us - length - at)
    )


def take(
    name: str, *, gap: timedelta, burst: int, wanted: int, now: datetime | None
) -> ReturningInsert[tuple[int]]:
    """Take as many of *wanted* turns as are free now, *burst* at the most; gives how many."""
    at, step = _now(now), gap // MICROSECOND
    free_at = _free_at(at)
    fitting = (at + burst * step - free_at) // step
    granted = func.least(wanted, func.greatest(0, fitting))
    first = min(wanted, burst)
    return (
        insert(paces)
        .values(name=name, free_at_us=at + first * step, granted=first)
        .on_conflict_do_update(
            index_elements=["name"],
            set_={"free_at_us": free_at + granted * step, "granted": granted},
        )
        .returning(paces.c.granted)
    )


def give_back(name: str, *, gap: timedelta, count: int) -> Update:
    """Turns that were taken and not used."""
    back = paces.c.free_at_us - count * (gap // MICROSECOND)
    return update(paces).where(paces.c.name == name).values(free_at_us=back)


def _free_at(at: ColumnElement[Any]) -> ColumnElement[Any]:
    """When the next turn is free; no queue is so long that a clock set back must be waited out."""
    far = paces.c.free_at_us > at + FAR_AHEAD // MICROSECOND
    return case((far, at), else_=func.greatest(paces.c.free_at_us, at))


def _now(now: datetime | None) -> ColumnElement[Any]:
    """Microseconds since 1970: of *now*, or by the server's clock, which all processes share."""
    if now is not None:
        return literal((now - EPOCH) // MICROSECOND, BigInteger)
    return cast(extract("epoch", func.statement_timestamp()) * 1_000_000, BigInteger)
