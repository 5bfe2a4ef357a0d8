"""Unnamed claims: payments that were only posted, and that neither a book nor a payment has."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, func, select

from storage.record_tables import UNRECORDED, questions, record_rows
from storage.records import QuestionKind
from storage.schema import receipts
from storage.unreceipted import Unreceipted

__all__ = ["UnnamedClaims"]


class UnnamedClaims(Unreceipted):
    """Looks for them, inside one open transaction."""

    async def newest_unnamed(self, *, before: datetime, but: str) -> datetime | None:
        """When the last one up to *before* was posted. *but*: see `count_unnamed`."""
        query = _unnamed(select(record_rows.c.seen_at), before, but)
        found: datetime | None = await self._connection.scalar(
            query.order_by(record_rows.c.seen_at.desc()).limit(1)
        )
        return found

    async def count_unnamed(self, *, before: datetime, but: str) -> int:
        """How many were posted up to *before*, but those that a question ended for with *but*."""
        query = _unnamed(select(func.count()).select_from(record_rows), before, but)
        return int((await self._connection.execute(query)).scalar_one())


def _unnamed(query: Select[Any], before: datetime, but: str) -> Select[Any]:
    anothers = exists().where(
        questions.c.receipt == record_rows.c.receipt,
        questions.c.kind == QuestionKind.STATUS.value,
        questions.c.outcome == but,
    )
    # Safaricom posts of money that came by prompt too: there is a payment that has it.
    credited = exists().where(receipts.c.receipt == record_rows.c.receipt)
    return query.where(UNRECORDED, record_rows.c.seen_at <= before, ~anothers, ~credited)
