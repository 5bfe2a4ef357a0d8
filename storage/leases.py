"""Leases: which process has a piece of work in hand, until when, and what a dead one leaves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    cast,
    extract,
    func,
    literal,
    or_,
    select,
    type_coerce,
    union,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import MICROSECOND, OWED, UNSENT, Instant, inbox, notices, payments

__all__ = ["ME", "Holder", "Leases", "lease_end", "lease_over", "server_moment"]


def server_moment(clock: ColumnElement[datetime], later: timedelta) -> ColumnElement[datetime]:
    """An instant of PostgreSQL's own, as we keep instants."""
    since_1970 = cast(extract("epoch", clock) * 1_000_000, BigInteger)
    return type_coerce(since_1970 + later // MICROSECOND, Instant())


@dataclass(frozen=True, slots=True)
class Holder:
    """This process, among those that may share the database."""

    number: int
    by_server: bool  # leases are measured by PostgreSQL's clock, the one that all of them share

    def moment(self, now: datetime, *, later: timedelta = timedelta()) -> ColumnElement[datetime]:
        """*now*, for a lease: by the server's clock where there is one for all."""
        if self.by_server:
            return server_moment(func.clock_timestamp(), later)
        return literal(now + later, Instant())

    def free(self, until: ColumnElement[datetime], now: datetime) -> ColumnElement[bool]:
        """Whether a lease that runs *until* then is over, or none was ever taken."""
        return or_(until.is_(None), until <= self.moment(now))

    def bound(self, now: datetime, lease: timedelta = timedelta()) -> dict[str, Any]:
        """The values of what `lease_end` and `lease_over` leave open."""
        return {
            "lease_now": now,
            "lease_end": now + lease,
            "lease_us": lease // MICROSECOND,
            "me": self.number,
        }


ME: ColumnElement[int] = bindparam("me", type_=BigInteger)
"""This process, in a statement that is built once."""


def lease_end(*, by_server: bool) -> ColumnElement[datetime]:
    """When a lease that is taken now ends, in a statement that is built once for each clock."""
    if not by_server:
        return bindparam("lease_end", type_=Instant())
    since_1970 = cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
    return type_coerce(since_1970 + bindparam("lease_us", type_=BigInteger), Instant())


def lease_over(until: ColumnElement[datetime], *, by_server: bool) -> ColumnElement[bool]:
    """As `Holder.free`, in a statement that is built once for each clock."""
    now: ColumnElement[datetime] = bindparam("lease_now", type_=Instant())
    if by_server:
        now = server_moment(func.clock_timestamp(), timedelta())
    return or_(until.is_(None), until <= now)


class Leases:
    """Everything that is held by somebody, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, holder: Holder) -> None:
        self._connection = connection
        self._holder = holder

    async def holders(self) -> set[int]:
        """The other processes that have something in hand."""
        queries: list[Select[Any]] = [
            select(notices.c.holder).where(OWED, notices.c.state == "sending"),
            select(inbox.c.holder).where(inbox.c.done_at.is_(None)),
            select(payments.c.holder).where(UNSENT),
            select(payments.c.check_holder).where(payments.c.check_holder.is_not(None)),
        ]
        found = set((await self._connection.execute(union(*queries))).scalars())
        return found - {None, self._holder.number}

    async def release(self, numbers: Collection[int], *, now: datetime) -> int:
        """
        Free what these processes had in hand: they are dead. How many pieces that was.

        What they were sending may have arrived, and is marked so.
        """
        freed = 0
        for statement in (
            update(notices)
            .where(OWED, notices.c.state == "sending", notices.c.holder.in_(numbers))
            .values(state="due", due_at=now, lease_until=None, holder=None, resent=True),
            update(inbox)
            .where(inbox.c.done_at.is_(None), inbox.c.holder.in_(numbers))
            .values(holder=None, lease_until=None),
            update(payments)
            .where(UNSENT, payments.c.holder.in_(numbers))
            .values(holder=None, lease_until=None),
            update(payments)
            .where(payments.c.check_holder.in_(numbers))
            .values(check_holder=None, check_until=None),
        ):
            freed += (await self._connection.execute(statement)).rowcount
        return freed
