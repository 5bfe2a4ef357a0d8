"""A customer's books: however many invoices a merchant has, none of them is left out."""

from __future__ import annotations

import pytest

from storage.records import Closing
from storage.statements import Scope, Whose
from tests.core.shop import NJERI, Shop, a_bill, shop
from tests.stores import NOON

__all__ = ["shop"]


@pytest.mark.both_engines
async def test_books_hold_every_invoice_of_a_customer_and_a_search_the_newest(shop: Shop) -> None:
    views = []
    for _ in range(7):
        views.append(await shop.issue())
        shop.desk.clock.advance(1)
    await shop.issue(a_bill(customer="Mary"))
    ids = [each.invoice.id for each in views[::-1]]

    async with shop.desk.store.read() as tx:
        lists = tx.invoice_lists
        lists.searched_max, lists.read_at_once = 4, 3
        books = await lists.of_same_customer(NJERI, views[0].invoice)
        searched = await lists.search(NJERI, "peter", limit=100)
        known = await lists.customers(NJERI, "peter", limit=100)

    assert books == ids
    assert [each.invoice.id for each in searched] == ids[:3]
    assert [each.id for each in known] == ids[:1]


@pytest.mark.both_engines
async def test_books_of_more_invoices_than_a_database_takes_values(shop: Shop) -> None:
    view, other, third = [await shop.issue() for _ in range(3)]
    paid = await shop.paid(view)
    await shop.paid(other, phone="254712000002")
    await shop.cash_book.cash(
        third.invoice.id, cents=20_000, by=NJERI, why="", key="c:1", closing=Closing()
    )
    scope = Scope(
        whose=Whose.CUSTOMER,
        person_id=NJERI,
        about=view.invoice.id,
        invoice_ids=(
            *(f"{number:032x}" for number in range(300_000)),
            view.invoice.id,
            third.invoice.id,
        ),
        since=NOON,
        until=NOON.replace(year=2030),
    )

    async with shop.desk.store.read() as tx:
        payments = await tx.statements.payments(scope, after="", limit=10)
        cash = await tx.statements.cash(scope, after=0, limit=10)

    assert [each.id for each in payments] == [paid.id]
    assert [each.cents for each in cash] == [20_000]
