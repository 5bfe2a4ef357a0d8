"""Too much: what merchants say of it is about the money they were shown, and about no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.ask import Asked
from bot.core.bills import Standing
from bot.core.invoice_acts import Done, No
from bot.core.invoices import InvoiceView
from storage.records import Bill, BillItem, Closing, InvoiceEntryKind
from tests.core.shop import NJERI, Shop, shop
from tests.core.test_given_back import (
    another,
    give_back,
    once_entries,
    paid_twice,
    sums,
    went_back,
)

__all__ = ["shop"]


async def said_of(shop: Shop, shown: InvoiceView, *, keep: bool) -> Done | No:
    """The merchant presses what stands under the invoice as it was *shown*."""
    return await shop.cash_book.settle_excess(
        shown.invoice.id,
        keep=keep,
        by=NJERI,
        button=None,
        closing=Closing(),
        mark=shown.excess_mark,
    )


@pytest.mark.both_engines
@pytest.mark.parametrize("keep", [True, False])
async def test_a_word_about_too_much_says_nothing_of_what_came_since(
    shop: Shop, keep: bool
) -> None:
    shown, _, _ = await paid_twice(shop)
    await another(shop, shown)

    assert await said_of(shop, shown, keep=keep) is No.OTHER_EXCESS

    assert await sums(shop, shown) == (450_000, 0, 300_000)
    now = await shop.view(shown)
    assert now.sums.kept_cents == 0
    assert isinstance(await said_of(shop, now, keep=keep), Done)
    assert (await sums(shop, shown))[2] == 0
    assert await said_of(shop, now, keep=keep) is No.NO_EXCESS


@pytest.mark.parametrize("keep", [True, False])
async def test_the_same_sum_again_needs_a_word_of_its_own(shop: Shop, keep: bool) -> None:
    shown, _, _ = await paid_twice(shop)
    assert isinstance(await give_back(shop, shown, keep=keep), Done)
    await another(shop, shown)
    now = await shop.view(shown)
    assert now.excess_cents == shown.excess_cents

    assert await said_of(shop, shown, keep=keep) is No.OTHER_EXCESS

    assert (await shop.view(shown)).excess_cents == 150_000
    assert isinstance(await said_of(shop, now, keep=keep), Done)


async def bill_otherwise(shop: Shop, view: InvoiceView, cents: int) -> None:
    def change(bill: Bill) -> Bill:
        return replace(bill, items=(BillItem(what="tiles", price_cents=cents),))

    done = await shop.billing.revise(view.invoice.id, change, by=NJERI, closing=Closing())
    assert isinstance(done, Done)


async def asked_about(shop: Shop, view: InvoiceView) -> list[str]:
    """The questions about too much, after everything has been looked at once more."""
    await shop.touched.run_due()
    await shop.look(view)
    return [each for each in await shop.news(NJERI) if each.startswith("overpaid")]


async def two_at_once(shop: Shop, view: InvoiceView) -> None:
    """Two people pay all that is left, at the same time."""
    for asked in [await shop.pay(view, phone=f"25472300000{number}") for number in range(2)]:
        assert isinstance(asked, Asked)
        await shop.complete(asked.payment)


@pytest.mark.both_engines
async def test_what_stays_as_agreed_pays_a_larger_bill_and_hides_nothing_of_it(shop: Shop) -> None:
    view, _, _ = await paid_twice(shop)
    assert isinstance(await give_back(shop, view, keep=True), Done)
    await bill_otherwise(shop, view, 400_000)

    await two_at_once(shop, view)

    assert await sums(shop, view) == (500_000, 0, 100_000)
    assert (await shop.view(view)).standing is Standing.OVERPAID
    assert (await asked_about(shop, view))[1:] == ["overpaid:500000:500000:1"]


async def test_what_stays_is_asked_about_again_once_a_larger_bill_is_taken_back(
    shop: Shop,
) -> None:
    view, _, _ = await paid_twice(shop)
    assert isinstance(await give_back(shop, view, keep=True), Done)
    await bill_otherwise(shop, view, 200_000)
    assert (await shop.view(view)).sums.kept_cents == 100_000
    assert await sums(shop, view) == (300_000, 0, 0)

    await bill_otherwise(shop, view, 150_000)

    assert await sums(shop, view) == (300_000, 0, 50_000)
    assert len(await asked_about(shop, view)) == 2


async def test_cash_that_was_wrong_had_not_been_too_much(shop: Shop) -> None:
    view = await shop.issue()
    asked = await shop.pay(view)
    assert isinstance(asked, Asked)
    await shop.cash_book.cash(
        view.invoice.id, cents=150_000, by=NJERI, why="", key="cash", closing=Closing()
    )
    await shop.complete(asked.payment)
    assert isinstance(await give_back(shop, view, keep=True), Done)
    [cash] = await shop.billing.entries(view.invoice.id, InvoiceEntryKind.CASH, by=NJERI)

    for _ in range(2):  # a press comes twice
        await shop.cash_book.undo_cash(
            view.invoice.id, entry_id=cash.id, by=NJERI, closing=Closing()
        )
    await another(shop, view)

    assert await sums(shop, view) == (300_000, 0, 150_000)


@pytest.mark.both_engines
async def test_what_stayed_of_a_void_invoice_pays_it_once_it_is_reopened(shop: Shop) -> None:
    view = await shop.issue()
    asked = await shop.pay(view)
    assert isinstance(asked, Asked)
    await shop.billing.void(view.invoice.id, by=NJERI, why="", closing=Closing())
    await shop.complete(asked.payment)
    assert isinstance(await give_back(shop, view, keep=True), Done)
    await shop.billing.reopen(view.invoice.id, by=NJERI, closing=Closing())
    assert (await shop.view(view)).standing is Standing.PAID

    await another(shop, view)

    assert await sums(shop, view) == (300_000, 0, 150_000)
    assert await asked_about(shop, view) == ["overpaid:300000:300000:1"]


async def test_of_two_that_went_back_none_stays(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)
    await another(shop, view)
    assert isinstance(await give_back(shop, view, keep=True), Done)
    await went_back(shop, one)
    assert await sums(shop, view) == (300_000, 0, 0)
    [entry] = await once_entries(shop, view)
    shop.desk.clock.advance(3600)

    await shop.cash_book.both_went_back(
        view.invoice.id, entry_id=entry.id, by=NJERI, closing=Closing()
    )
    await another(shop, view)

    assert await sums(shop, view) == (300_000, 0, 150_000)


async def test_what_pays_a_larger_bill_and_then_goes_back_is_taken_off_once(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    assert isinstance(await give_back(shop, view, keep=True), Done)
    await bill_otherwise(shop, view, 300_000)

    for _ in range(2):
        await went_back(shop, one)
        await shop.look(view)

    assert await sums(shop, view) == (150_000, 150_000, 0)
    assert (await shop.view(view)).sums.kept_cents == 0
