"""Health: how much is waiting, since when, and what was heard lately, in a few cheap looks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.lines import NOT_A_PROMPT, NOT_INCOMPLETE, last_paid
from storage.newest import newest
from storage.presence import PROCESS_CLASS
from storage.records import Kind, Status
from storage.schema import OWED, UNSETTLED, Instant, evidence, inbox, notices, payments
from storage.set_back import FAR_AHEAD

__all__ = ["HealthBook", "Recent", "Waiting"]

RECENT_MAX = 5000
"""Pieces of evidence looked back over: an hour of most bots, and enough for a ratio of the rest."""

LINES_MAX = 5000

KINDS = frozenset(kind.value for kind in Kind)
CALLBACKS = (Kind.CALLBACK_PAID, Kind.CALLBACK_BARE, Kind.CALLBACK_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is owed and not done yet; instants are of the oldest."""

    outbox: int
    outbox_since: datetime | None
    inbox: int
    inbox_since: datetime | None
    unsure: int  # nobody knows whether their prompt was sent
    confirming: int  # somebody says paid, or both
    pending: int  # wait for a person
    unsettled: int
    checks_late: int  # due to be asked about, and not asked
    checks_late_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """One piece of evidence of late."""

    payment_id: str
    kind: Kind
    reason: str | None
    at: datetime
    account: str  # of the payment


class HealthBook:
    """Looks at the whole database, inside one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def waiting(self, *, now: datetime) -> Waiting:
        owed = select(func.count(), func.min(notices.c.owed_at)).where(OWED)
        unread = select(func.count(), func.min(inbox.c.taken_at)).where(inbox.c.done_at.is_(None))
        late = select(func.count(), func.min(payments.c.next_check_at)).where(
            payments.c.next_check_at < now,
            payments.c.checkout_index.is_not(None),
            payments.c.check_until.is_(None),
        )
        # Whatever is undecided and can still be asked about has a next check.
        standing = (
            select(payments.c.status, func.count())
            .where(payments.c.next_check_at.is_not(None))
            .group_by(payments.c.status)
        )
        statuses = {row[0]: row[1] for row in await self._connection.execute(standing)}
        outbox, outbox_since = await self._pair(owed)
        unread_count, unread_since = await self._pair(unread)
        checks_late, checks_late_since = await self._pair(late)
        return Waiting(
            outbox=outbox,
            outbox_since=outbox_since,
            inbox=unread_count,
            inbox_since=unread_since,
            unsure=statuses.get(Status.UNSURE, 0),
            confirming=statuses.get(Status.CONFIRMING, 0) + statuses.get(Status.REVIEW, 0),
            pending=await self._count(payments.c.pending_at.is_not(None)),
            unsettled=await self._count(UNSETTLED),
            checks_late=checks_late,
            checks_late_since=checks_late_since,
        )

    async def recent(self, *, since: datetime, limit: int = RECENT_MAX) -> list[Recent]:
        """What was heard since then, the newest first, *limit* pieces at the most."""
        # By id, which grows with time: an index on the time would be paid for by every callback.
        newest = (
            select(
                evidence.c.id,
                evidence.c.payment_id,
                evidence.c.kind,
                evidence.c.reason,
                evidence.c.at,
            )
            .order_by(evidence.c.id.desc())
            .limit(limit)
            .subquery()
        )
        query = (
            select(newest, payments.c.account)
            .join(payments, payments.c.id == newest.c.payment_id)
            .order_by(newest.c.id.desc())
        )
        rows = (await self._connection.execute(query)).all()
        return [
            Recent(
                payment_id=row.payment_id,
                kind=Kind(row.kind),
                reason=row.reason,
                at=row.at,
                account=row.account,
            )
            for row in rows
            if row.at >= since and row.kind in KINDS
        ]

    async def called(self, payment_ids: Collection[str]) -> set[str]:
        """Those of these payments about which Safaricom ever called us."""
        query = select(evidence.c.payment_id).where(
            evidence.c.payment_id.in_(sorted(payment_ids)), evidence.c.kind.in_(CALLBACKS)
        )
        return set((await self._connection.execute(query)).scalars()) if payment_ids else set()

    async def lines_paused(self, *, since: datetime, incomplete: int, now: datetime) -> int:
        """Lines prompted after *since* whose last *incomplete* prompts nobody completed."""
        # Ids begin with the instant that they were made at: this looks at one day, not at all.
        first_id = f"{int(since.timestamp() * 1000):012x}"
        prompted = (
            select(payments.c.line_id)
            .where(
                payments.c.id >= first_id,
                payments.c.begun_at > since,
                payments.c.status.not_in(NOT_A_PROMPT),
            )
            .distinct()
            .limit(LINES_MAX)
        )
        line_ids = sorted((await self._connection.execute(prompted)).scalars())
        if not line_ids:
            return 0
        far = bindparam("far", now + FAR_AHEAD, type_=Instant())
        paused = (
            select(payments.c.line_id)
            .where(
                payments.c.line_id.in_(line_ids),
                payments.c.begun_at > last_paid(payments.alias(), payments.c.line_id, far),
                payments.c.status.not_in(NOT_INCOMPLETE),
            )
            .group_by(payments.c.line_id)
            .having(func.count() >= incomplete)
        )
        query = select(func.count()).select_from(paused.subquery())
        return int((await self._connection.execute(query)).scalar_one())

    async def newest(self) -> datetime | None:
        """When the newest thing in these books was written; None where there is nothing."""
        return await newest(self._connection)

    async def instances(self) -> int:
        """How many processes are at work on this database."""
        if self._connection.dialect.name != "postgresql":
            return 1
        query = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = :class "
            "AND objsubid = 2 AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        found = await self._connection.execute(query, {"class": PROCESS_CLASS})
        return int(found.scalar_one())

    async def _count(self, which: Any) -> int:
        query = select(func.count()).select_from(payments).where(which)
        return int((await self._connection.execute(query)).scalar_one())

    async def _pair(self, query: Select[Any, Any]) -> tuple[int, datetime | None]:
        count, oldest = (await self._connection.execute(query)).one()
        return int(count), oldest
