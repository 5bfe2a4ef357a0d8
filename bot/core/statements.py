"""Statements: the money of a period as a stream of rows, of which a page is in memory at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator

from storage.engine import Store
from storage.statements import CashRow, PaymentRow, Scope, Whose

__all__ = ["CashRow", "PaymentRow", "Scope", "Statements", "Whose"]

PAGE = 1000


class Statements:
    """Reads statements. Each page is one look, so no long look keeps a busy database waiting."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def rows(self, scope: Scope) -> AsyncIterator[PaymentRow | CashRow]:
        """Payments and cash, in the order in which they were asked for or written down."""
        paid, cash = self._payments(scope), self._cash(scope)
        next_paid, next_cash = await anext(paid, None), await anext(cash, None)
        while next_paid is not None or next_cash is not None:
            if next_cash is None or (next_paid is not None and next_paid.at <= next_cash.at):
                assert next_paid is not None, "one of the two is there"
                yield next_paid
                next_paid = await anext(paid, None)
            else:
                yield next_cash
                next_cash = await anext(cash, None)

    async def by_day(self, scope: Scope) -> list[tuple[int, int]]:
        """Days since 1970 in East Africa, and what came, in cents net of reversals."""
        async with self._store.read() as tx:
            return await tx.statements.by_day(scope)

    async def by_customer(self, scope: Scope) -> list[tuple[str, int]]:
        """Customers and drives, and what came from or for them, in cents; "" is what is left."""
        async with self._store.read() as tx:
            return await tx.statements.by_customer(scope)

    async def _payments(self, scope: Scope) -> AsyncIterator[PaymentRow]:
        after = ""
        while True:
            async with self._store.read() as tx:
                page = await tx.statements.payments(scope, after=after, limit=PAGE)
            for row in page:
                yield row
            if len(page) < PAGE:
                return
            after = page[-1].id

    async def _cash(self, scope: Scope) -> AsyncIterator[CashRow]:
        after = 0
        while True:
            async with self._store.read() as tx:
                page = await tx.statements.cash(scope, after=after, limit=PAGE)
            for row in page:
                yield row
            if len(page) < PAGE:
                return
            after = page[-1].id
