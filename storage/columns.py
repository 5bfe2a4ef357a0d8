"""Columns: how instants and row ids are kept, the same on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, Dialect, Integer, MetaData
from sqlalchemy.types import TypeDecorator

__all__ = ["EPOCH", "MICROSECOND", "Instant", "RowId", "instant", "metadata", "micros", "row_id"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime | None) -> int | None:
    """An aware instant as it is stored: whole microseconds since 1970."""
    if at is None:
        return None
    assert at.tzinfo is not None, "instants are aware"
    return (at - EPOCH) // MICROSECOND


def instant(stored: int | None) -> datetime | None:
    """What `micros` stored."""
    return None if stored is None else EPOCH + timedelta(0, 0, stored)


class Instant(TypeDecorator[datetime]):
    """
    An aware UTC instant, kept as whole microseconds since 1970.

    An integer sorts and compares the same on both engines, and neither can hand back a naive
    datetime.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return instant(value)


metadata = MetaData()

# SQLite gives out row ids only for INTEGER; PostgreSQL should count further than 2^31.
RowId = BigInteger().with_variant(Integer, "sqlite")


def row_id() -> Column[Any]:
    return Column("id", RowId, primary_key=True, autoincrement=True)
