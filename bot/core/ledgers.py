"""Ledgers: a merchant's invoices as lists and sums: open, overdue, paid; today; what is owed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, timedelta

from bot.core.eat import at_eat, day_of
from bot.core.ports import Clock
from bot.core.reminders import SUMMARY_HOUR
from bot.core.went_back import parts_of
from storage.engine import Store
from storage.invoice_lists import Ageing, Listed, Stretch, Takings, Which
from storage.tx import Tx

__all__ = ["Ageing", "Day", "InvoicePart", "Ledgers", "Listed", "Takings", "Which"]

PAGE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePart:
    """One page of a list."""

    found: tuple[Listed, ...]
    older: str | None  # the edge that the next page is below; None: it ends here
    newer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a day brought, and what is still owed at its end."""

    day: date
    takings: Takings
    open_count: int
    open_cents: int
    overdue_count: int
    ageing: tuple[Ageing, ...]


class Ledgers:
    """Reads a merchant's books; every look names the merchant."""

    def __init__(self, *, store: Store, clock: Clock, operators: Collection[int]) -> None:
        self._store = store
        self._clock = clock
        self._operators = operators

    async def page(
        self, merchant_id: int, which: Which, *, below: str | None = None, above: str | None = None
    ) -> InvoicePart:
        """Six invoices of a list, the newest first."""
        today = day_of(self._clock.now())
        async with self._store.read() as tx:
            found = await tx.invoice_lists.page(
                merchant_id, which, today=today, limit=PAGE + 1, below=below, above=above
            )
        more = len(found) > PAGE
        shown = (found[-PAGE:] if above is not None else found[:PAGE]) if more else found
        has_older = above is not None or more
        has_newer = below is not None or (above is not None and more)
        return InvoicePart(
            found=tuple(shown),
            older=shown[-1].edge if shown and has_older else None,
            newer=shown[0].edge if shown and has_newer else None,
        )

    async def search(self, merchant_id: int, words: str) -> tuple[Listed, ...]:
        """The newest six that hold the words."""
        async with self._store.read() as tx:
            return tuple(await tx.invoice_lists.search(merchant_id, words, limit=PAGE))

    async def owed(self, merchant_id: int) -> tuple[int, int]:
        """How many invoices are open, and how many cents are left to come for them."""
        async with self._store.read() as tx:
            return await tx.invoice_lists.owed(merchant_id)

    async def day(
        self, merchant_id: int, *, day: date | None = None, summed_up: bool = False
    ) -> Day:
        """
        A day, today if none is named; an operator's holds what was paid without an invoice.

        *summed_up*: as far as its summary goes, and as was known then, however late that is told.
        """
        shown = day or day_of(self._clock.now())
        stretch = Stretch(since=at_eat(shown), until=at_eat(shown + timedelta(days=1)))
        if summed_up:
            evening = at_eat(shown, hour=SUMMARY_HOUR)
            stretch = replace(stretch, until=evening, known_until=evening)
        async with self._store.read() as tx:
            lists = tx.invoice_lists
            takings = await self._takings(tx, merchant_id, stretch)
            ageing = await lists.ageing(merchant_id, today=shown)
            count, left = await lists.owed(merchant_id)
        return Day(
            day=shown,
            takings=takings,
            open_count=count,
            open_cents=left,
            overdue_count=sum(each.count for each in ageing if each.label != "0"),
            ageing=tuple(ageing),
        )

    async def evening_before(self, merchant_id: int, day: date) -> Takings:
        """
        What is in no summary before that of *day*, and came before that day.

        It came in the evening before, when its day had been summed up, or is known only since
        then: each summary has what was known since the last one.
        """
        stretch = Stretch(
            until=at_eat(day),
            known_since=at_eat(day - timedelta(days=1), hour=SUMMARY_HOUR),
            known_until=at_eat(day, hour=SUMMARY_HOUR),
        )
        async with self._store.read() as tx:
            return await self._takings(tx, merchant_id, stretch)

    async def _takings(self, tx: Tx, merchant_id: int, stretch: Stretch) -> Takings:
        direct = merchant_id in self._operators
        lists = tx.invoice_lists
        takings = await lists.takings(merchant_id, stretch, direct=direct)
        gone = await lists.gone_back(merchant_id, until=stretch.until, direct=direct)
        told = await tx.evidence.of([payment_id for payment_id, *_ in gone])
        back_cents = earlier_cents = 0
        for payment_id, came_at, known_at, came_cents in gone:
            earlier = stretch.since is not None and came_at < stretch.since
            for part in parts_of(told.get(payment_id, []), came_cents):
                at = max(part.at, came_at)
                if stretch.holds(at, max(at, known_at, part.told_at)):
                    back_cents += part.cents
                    earlier_cents -= part.cents if earlier else 0
        return replace(
            takings, mpesa_cents=takings.mpesa_cents - back_cents, earlier_cents=earlier_cents
        )
