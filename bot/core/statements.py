"""
Statements: the money of a period as a stream of rows, of which a page is in memory at a time.

What M-Pesa took back is a row of its own, of the day on which that was: the sums of periods that
follow each other are the sum of them all, and a period that is over keeps its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from bot.core.eat import day_of
from bot.core.went_back import parts_of
from storage.engine import Store
from storage.statements import CashRow, PaymentRow, Scope, Whose

__all__ = ["BackRow", "CashRow", "PaymentRow", "Scope", "Statements", "Whose"]

PAGE = 1000
EPOCH_DAY = 719_163  # 1 January 1970, as `date.toordinal` counts


@dataclass(frozen=True, slots=True, kw_only=True)
class BackRow:
    """What M-Pesa took back of a payment, whenever that came."""

    at: datetime
    cents: int  # below nothing
    of: PaymentRow


class Statements:
    """Reads statements. Each page is one look, so no long look keeps a busy database waiting."""

    page_rows = PAGE

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def rows(self, scope: Scope) -> AsyncIterator[PaymentRow | CashRow | BackRow]:
        """
        Payments, cash and what went back.

        Payments and cash in the order in which they were asked for or written down.
        """
        streams: list[AsyncIterator[PaymentRow | CashRow | BackRow]] = [
            self._payments(scope),
            _each(await self._back(scope)),
            self._cash(scope),
        ]
        heads = [await anext(each, None) for each in streams]
        while any(head is not None for head in heads):
            _, first = min((head.at, at) for at, head in enumerate(heads) if head is not None)
            head = heads[first]
            assert head is not None, "the oldest of those that are there"
            yield head
            heads[first] = await anext(streams[first], None)

    async def by_day(self, scope: Scope) -> list[tuple[int, int]]:
        """Days since 1970 in East Africa, and what came, in cents, less what went back then."""
        async with self._store.read() as tx:
            sums = dict(await tx.statements.by_day(scope))
        for each in await self._back(scope):
            day = day_of(each.at).toordinal() - EPOCH_DAY
            sums[day] = sums.get(day, 0) + each.cents
        return sorted(sums.items())

    async def by_customer(self, scope: Scope) -> list[tuple[str, int]]:
        """Customers and drives, and what came from or for them, in cents; "" is what is left."""
        back: dict[str, int] = {}
        for each in await self._back(scope):
            back[each.of.what_for] = back.get(each.of.what_for, 0) - each.cents
        async with self._store.read() as tx:
            return await tx.statements.by_customer(scope, back=back)

    async def _payments(self, scope: Scope) -> AsyncIterator[PaymentRow]:
        after = ""
        while True:
            async with self._store.read() as tx:
                page = await tx.statements.payments(scope, after=after, limit=self.page_rows)
            for row in page:
                yield row
            if len(page) < self.page_rows:
                return
            after = page[-1].id

    async def _back(self, scope: Scope) -> list[BackRow]:
        """What went back in this period, oldest first: few, among many payments."""
        found: list[BackRow] = []
        after, more = "", True
        while more:
            async with self._store.read() as tx:
                page = await tx.statements.payments(
                    scope, after=after, limit=self.page_rows, went_back=True
                )
                told = await tx.evidence.of([row.id for row in page])
            for row in page:
                for part in parts_of(told.get(row.id, []), row.cents):
                    # Never before it came, where that is not known to the minute.
                    at = max(part.at, row.at)
                    if part.cents and scope.since <= at < scope.until:
                        found.append(BackRow(at=at, cents=-part.cents, of=row))
            more = len(page) >= self.page_rows
            after = page[-1].id if page else ""
        return sorted(found, key=lambda each: (each.at, each.of.id))

    async def _cash(self, scope: Scope) -> AsyncIterator[CashRow]:
        after = 0
        while True:
            async with self._store.read() as tx:
                page = await tx.statements.cash(scope, after=after, limit=self.page_rows)
            for row in page:
                yield row
            if len(page) < self.page_rows:
                return
            after = page[-1].id


async def _each(rows: list[BackRow]) -> AsyncIterator[BackRow]:
    for row in rows:
        yield row
