"""Given back: what was given back by hand and went back through M-Pesa too counts once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.core.ask import Asked
from bot.core.bills import Standing
from bot.core.invoice_acts import Done, No
from bot.core.invoices import InvoiceView
from bot.core.statements import Scope, Statements, Whose
from storage.records import Closing, InvoiceEntry, InvoiceEntryKind, Payment
from tests.core.shop import NJERI, Shop, shop

__all__ = ["shop"]

AMINA = 2002


async def paid_twice(shop: Shop) -> tuple[InvoiceView, Payment, Payment]:
    """An invoice of KES 1,500 that two people have paid whole, and both payments."""
    view = await shop.issue()
    asked = [await shop.pay(view, phone=f"25472200000{number}") for number in range(2)]
    paid = []
    for each in asked:
        assert isinstance(each, Asked)
        paid.append(await shop.complete(each.payment))
    await shop.touched.run_due()
    return await shop.view(view), paid[0], paid[1]


async def give_back(shop: Shop, view: InvoiceView, *, keep: bool = False) -> Done | No:
    return await shop.cash_book.settle_excess(
        view.invoice.id, keep=keep, by=NJERI, button=None, closing=Closing()
    )


async def went_back(
    shop: Shop, payment: Payment, cents: int | None = None, *, receipt: str = "UKN9BACK01"
) -> None:
    """Safaricom's books: so much of this payment, or all of it, was taken back."""
    all_of_it = payment.credited_cents
    await shop.reverse(payment, all_of_it if cents is None else cents, receipt=receipt)


async def once_entries(shop: Shop, view: InvoiceView) -> list[InvoiceEntry]:
    async with shop.desk.store.read() as tx:
        return await tx.invoices.entries(view.invoice.id, InvoiceEntryKind.WENT_BACK)


async def sums(shop: Shop, view: InvoiceView) -> tuple[int, int, int]:
    """What is paid, left and too much, once everything has been looked at."""
    await shop.touched.run_due()
    now = await shop.view(view)
    return now.sums.paid_cents, now.left_cents, now.excess_cents


@pytest.mark.parametrize("first", [True, False])
async def test_what_was_given_back_and_reversed_counts_once(shop: Shop, first: bool) -> None:
    view, one, other = await paid_twice(shop)
    assert isinstance(await give_back(shop, view), Done)

    await went_back(shop, one if first else other)

    assert await sums(shop, view) == (150_000, 0, 0)
    [entry] = await once_entries(shop, view)
    assert f"went-back:{entry.id}" in await shop.news(NJERI)


async def test_told_and_looked_at_again_it_still_counts_once(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)

    for _ in range(2):
        await went_back(shop, one)
        for _ in range(2):
            await shop.look(view)

    assert await sums(shop, view) == (150_000, 0, 0)
    assert len(await once_entries(shop, view)) == 1
    assert sum(each.startswith("went-back:") for each in await shop.news(NJERI)) == 1


async def test_two_looks_at_one_moment_count_it_once(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)

    await went_back(shop, one)
    await asyncio.gather(*(shop.look(view) for _ in range(4)))

    assert await sums(shop, view) == (150_000, 0, 0)


async def test_parts_that_went_back_count_once_as_far_as_something_was_given_back(
    shop: Shop,
) -> None:
    view, one, other = await paid_twice(shop)
    await give_back(shop, view)

    await went_back(shop, one, 60_000, receipt="UKN9BACK01")
    assert await sums(shop, view) == (150_000, 0, 0)
    await went_back(shop, one, 40_000, receipt="UKN9BACK02")
    assert await sums(shop, view) == (150_000, 0, 0)
    await went_back(shop, other, 70_000, receipt="UKN9BACK03")

    # KES 1,500 were given back and KES 1,700 reversed: KES 200 of it is another matter.
    assert await sums(shop, view) == (130_000, 20_000, 0)


async def test_what_went_back_before_is_not_taken_for_what_was_given_back_after(
    shop: Shop,
) -> None:
    view, one, _ = await paid_twice(shop)
    await went_back(shop, one, 50_000)
    assert await sums(shop, view) == (250_000, 0, 100_000)
    await give_back(shop, view)
    assert await sums(shop, view) == (150_000, 0, 0)
    assert await once_entries(shop, view) == []

    await went_back(shop, one, 100_000, receipt="UKN9BACK02")
    assert await sums(shop, view) == (150_000, 0, 0)
    await went_back(shop, one, 50_000, receipt="UKN9BACK03")  # more than it ever was
    assert await sums(shop, view) == (150_000, 0, 0)


async def test_all_reversed_before_it_is_noted_leaves_nothing_to_give_back(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    await went_back(shop, one)

    assert await give_back(shop, view) is No.NO_EXCESS
    assert await sums(shop, view) == (150_000, 0, 0)


async def test_a_payment_that_came_later_is_not_what_was_given_back(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)
    late = await another(shop, view)
    assert await sums(shop, view) == (300_000, 0, 150_000)

    await went_back(shop, late)

    assert await sums(shop, view) == (150_000, 0, 0)
    assert await once_entries(shop, view) == []
    await went_back(shop, one, receipt="UKN9BACK02")
    assert await sums(shop, view) == (150_000, 0, 0)


async def another(shop: Shop, view: InvoiceView) -> Payment:
    """A payment that was put under way before the invoice was paid, and comes only now."""
    payment = await shop.desk.ask(
        subject=view.invoice.subject,
        amount_kes=1500,
        phone="254722000009",
        ask_key=f"late:{shop.desk.clock.now()}",
    )
    return await shop.complete(payment)


@pytest.mark.parametrize("third_first", [True, False])
async def test_given_back_twice_and_reversed_twice(shop: Shop, third_first: bool) -> None:
    view, one, other = await paid_twice(shop)
    await give_back(shop, view)
    shop.desk.clock.advance(3600)
    third = await another(shop, view)
    assert isinstance(await give_back(shop, view), Done)
    assert await sums(shop, view) == (150_000, 0, 0)

    # The third was not there when something was given back first.
    before, after = (third, one) if third_first else (one, third)
    await went_back(shop, before, receipt="UKN9BACK01")
    assert await sums(shop, view) == (150_000, 0, 0)
    await went_back(shop, after, receipt="UKN9BACK02")
    assert await sums(shop, view) == (150_000, 0, 0)
    await went_back(shop, other, receipt="UKN9BACK03")
    assert await sums(shop, view) == (0, 150_000, 0)


async def test_no_act_and_no_prompt_sees_it_counted_twice(shop: Shop) -> None:
    """Between the reversal and the look nobody is asked to pay again, and nothing is closed."""
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)
    await went_back(shop, one)

    refused = await shop.pay(view, phone="254733000001")
    assert getattr(refused, "reason", None) == "invoice-paid"
    assert (
        await shop.billing.void(view.invoice.id, by=NJERI, why="", closing=Closing())
        is No.HAS_MONEY
    )
    cash = await shop.cash_book.cash(
        view.invoice.id, cents=150_000, by=NJERI, why="", key="c", closing=Closing()
    )
    assert cash is No.NOTHING_LEFT
    assert await sums(shop, view) == (150_000, 0, 0)


async def test_the_merchant_says_that_both_went_back(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)
    await went_back(shop, one)
    assert await sums(shop, view) == (150_000, 0, 0)
    [entry] = await once_entries(shop, view)

    for by, answer in ((AMINA, No.NOT_YOURS), (NJERI, Done), (NJERI, Done)):
        done = await shop.cash_book.both_went_back(
            view.invoice.id, entry_id=entry.id, by=by, closing=Closing()
        )
        assert done is answer or isinstance(done, Done)

    assert await sums(shop, view) == (0, 150_000, 0)
    assert (await shop.view(view)).standing is Standing.OPEN
    nothing = await shop.cash_book.both_went_back(
        view.invoice.id, entry_id=entry.id + 100, by=NJERI, closing=Closing()
    )
    assert nothing is No.NOT_YOURS


async def test_too_much_by_the_same_sum_again_is_told_and_given_back_again(shop: Shop) -> None:
    view, _, _ = await paid_twice(shop)
    first = [each for each in await shop.news(NJERI) if each.startswith("overpaid")]
    assert isinstance(await give_back(shop, view), Done)
    for number in (2, 3):
        shop.desk.clock.advance(3600)
        await another(shop, view)
        assert await sums(shop, view) == (300_000, 0, 150_000)
        told = [each for each in await shop.news(NJERI) if each.startswith("overpaid")]
        assert len(told) == number, "told once each time"

        done = await give_back(shop, view)

        assert isinstance(done, Done)
        assert done.view.excess_cents == 0
        assert await sums(shop, view) == (150_000, 0, 0)
    assert len(first) == 1


async def test_kept_and_given_back_in_turn(shop: Shop) -> None:
    view, _, _ = await paid_twice(shop)
    for keep in (True, False, True, False):
        done = await give_back(shop, view, keep=keep)
        assert isinstance(done, Done)
        assert done.view.excess_cents == 0
        await another(shop, view)
        shop.desk.clock.advance(3600)
        assert (await shop.view(view)).excess_cents == 150_000


async def test_the_statement_comes_to_what_is_paid(shop: Shop) -> None:
    view, one, other = await paid_twice(shop)
    await give_back(shop, view)
    await went_back(shop, one, 50_000)
    assert await sums(shop, view) == (150_000, 0, 0)
    assert await stated(shop) == 150_000
    [entry] = await once_entries(shop, view)
    await shop.cash_book.both_went_back(
        view.invoice.id, entry_id=entry.id, by=NJERI, closing=Closing()
    )
    await went_back(shop, other, receipt="UKN9BACK02")

    assert (await sums(shop, view))[0] == await stated(shop) == 50_000


async def stated(shop: Shop) -> int:
    """What all rows of the merchant's statement come to."""
    now = shop.desk.clock.now()
    scope = Scope(
        whose=Whose.MERCHANT,
        person_id=NJERI,
        since=now - timedelta(days=1),
        until=now + timedelta(days=1),
    )
    return sum([row.cents async for row in Statements(store=shop.desk.store).rows(scope)])


async def test_what_stays_as_agreed_hides_nothing_that_comes_after_it_went_back(
    shop: Shop,
) -> None:
    view, one, _ = await paid_twice(shop)
    assert isinstance(await give_back(shop, view, keep=True), Done)
    assert await sums(shop, view) == (300_000, 0, 0)
    await went_back(shop, one, 50_000)
    assert await sums(shop, view) == (250_000, 0, 0)

    await another(shop, view)

    assert await sums(shop, view) == (400_000, 0, 150_000)
    assert "overpaid:450000:400000:1" in await shop.news(NJERI)
    await shop.look(view)
    done = await give_back(shop, view, keep=True)
    assert isinstance(done, Done)
    assert done.view.excess_cents == 0


async def test_what_stays_as_agreed_stays_when_the_bill_does(shop: Shop) -> None:
    view, _, _ = await paid_twice(shop)
    await give_back(shop, view, keep=True)
    for _ in range(3):
        await shop.look(view)

    assert await sums(shop, view) == (300_000, 0, 0)
    async with shop.desk.store.read() as tx:
        [kept] = await tx.invoices.entries(view.invoice.id, InvoiceEntryKind.KEPT)
    assert kept.about_cents == 150_000
