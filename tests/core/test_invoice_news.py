"""News of invoices: whoever opens one is told of what comes after, once, and of nothing undone."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from bot.core.ask import Asked
from bot.core.invoices import InvoiceView
from bot.core.people import FIRST_PSEUDONYM
from bot.core.post import Post
from storage.records import Closing, InvoiceEntryKind, Notice
from storage.schema import payments
from storage.tx import Tx
from tests.core.shop import NJERI, Shop, a_bill, shop

__all__ = ["shop"]

PETER, MARY = 3001, 3002
PAYER = 4001


async def opens(shop: Shop, view: InvoiceView, person_id: int) -> None:
    await shop.invoices.open(view.invoice.code, person_id=person_id, closing=Closing())


async def heard(shop: Shop, person_id: int) -> list[str]:
    """What this person is told about invoices, besides the invoice itself and papers."""
    await shop.touched.run_due()
    cards = ("customer", "merchant", "receipt")
    return [each for each in await shop.news(person_id) if each not in cards]


async def writes_cash(shop: Shop, view: InvoiceView, cents: int, key: str) -> int:
    await shop.cash_book.cash(
        view.invoice.id, cents=cents, by=NJERI, why="", key=key, closing=Closing()
    )
    [*_, newest] = await shop.billing.entries(view.invoice.id, InvoiceEntryKind.CASH, by=NJERI)
    return newest.id


async def takes_back(shop: Shop, view: InvoiceView, entry_id: int) -> None:
    await shop.cash_book.undo_cash(view.invoice.id, entry_id=entry_id, by=NJERI, closing=Closing())


async def all_told(shop: Shop, *, but: str = "") -> list[Notice]:
    """Tell everything that is owed; of this topic it is not known whether it arrives."""
    post, kept = Post(store=shop.desk.store, clock=shop.desk.clock), list[Notice]()
    await shop.touched.run_due()
    while notices := await post.due():
        for each in notices:
            if each.topic == but:
                kept.append(each)
            else:
                await post.sent(each, message_id=each.id)
    return kept


@pytest.mark.both_engines
async def test_whoever_opens_it_late_is_told_only_of_what_comes_after(shop: Shop) -> None:
    view = await shop.issue()
    await opens(shop, view, MARY)
    early = await shop.paid(view, 100, by=PAYER)
    cash = await writes_cash(shop, view, 20_000, "one")
    await heard(shop, NJERI)
    shop.desk.clock.advance(3 * 24 * 3600)
    await opens(shop, view, PETER)
    assert await heard(shop, PETER) == []

    later = await shop.paid(view, 200, by=PAYER, phone="254722000001")
    assert await heard(shop, PETER) == [f"paid:{later.id}"]
    await shop.reverse(early)
    await shop.look(view)

    assert await heard(shop, PETER) == [f"paid:{later.id}", f"reversed:{early.id}"]
    everything = [f"paid:{early.id}", f"cash:{cash}", f"paid:{later.id}", f"reversed:{early.id}"]
    assert sorted(await heard(shop, MARY)) == sorted(everything)


async def test_who_opened_it_before_the_pin_is_told_of_the_payment(shop: Shop) -> None:
    view = await shop.issue()
    asked = await shop.pay(view, by=PAYER)
    assert isinstance(asked, Asked)
    shop.desk.clock.advance(20)
    await opens(shop, view, PETER)

    await shop.complete(asked.payment)

    assert await heard(shop, PETER) == [f"paid:{asked.payment.id}"]


@pytest.mark.both_engines
async def test_nobody_is_told_of_cash_that_was_taken_back(shop: Shop) -> None:
    view = await shop.issue()
    wrong = await writes_cash(shop, view, 50_000, "wrong")
    await takes_back(shop, view, wrong)
    await heard(shop, NJERI)
    await opens(shop, view, PETER)
    at_once = await writes_cash(shop, view, 60_000, "wrong at once")
    await takes_back(shop, view, at_once)
    right = await writes_cash(shop, view, 70_000, "right")

    assert await heard(shop, PETER) == [f"cash:{right}"]
    found = await shop.invoices.news_view(view.invoice.id, f"cash:{right}")
    assert found is not None
    assert found.entry is not None


@pytest.mark.both_engines
@pytest.mark.parametrize("tried", ["never", "flood control", "blocked"])
async def test_cash_that_is_taken_back_before_it_is_told_is_not_told(
    shop: Shop, tried: str
) -> None:
    view = await shop.issue()
    await opens(shop, view, PETER)
    wrong = await writes_cash(shop, view, 50_000, "wrong")
    assert await heard(shop, PETER) == [f"cash:{wrong}"]
    if tried != "never":
        post = Post(store=shop.desk.store, clock=shop.desk.clock)
        [cash] = await all_told(shop, but=f"cash:{wrong}")
        if tried == "blocked":
            await post.undeliverable(cash, why=tried, shut_out=True)
        else:
            await post.later(cash, after_s=5, why=tried, counts=False)

    await takes_back(shop, view, wrong)

    assert await heard(shop, PETER) == [f"cash:{wrong}"]
    found = await shop.invoices.news_view(view.invoice.id, f"cash:{wrong}")
    assert found is not None
    assert found.entry is None


@pytest.mark.both_engines
@pytest.mark.parametrize("arrived", ["perhaps", "on its way"])
async def test_whoever_may_have_heard_of_cash_hears_that_it_was_taken_back(
    shop: Shop, arrived: str
) -> None:
    """Telegram has not answered yet, or never did: it may stand in the chat."""
    view = await shop.issue()
    await opens(shop, view, PETER)
    wrong = await writes_cash(shop, view, 50_000, "wrong")
    [cash] = await all_told(shop, but=f"cash:{wrong}")
    if arrived == "perhaps":
        post = Post(store=shop.desk.store, clock=shop.desk.clock)
        await post.later(cash, after_s=5, why="TimedOut")

    await takes_back(shop, view, wrong)

    [told, undone] = await heard(shop, PETER)
    assert (told, undone.partition(":")[0]) == (f"cash:{wrong}", "cash-undone")


@pytest.mark.both_engines
async def test_whoever_heard_of_cash_hears_that_it_was_taken_back(shop: Shop) -> None:
    view = await shop.issue()
    await opens(shop, view, PETER)
    wrong = await writes_cash(shop, view, 50_000, "wrong")
    await all_told(shop)
    await opens(shop, view, MARY)

    for _ in range(2):
        await takes_back(shop, view, wrong)

    [told, undone] = await heard(shop, PETER)
    assert told == f"cash:{wrong}"
    found = await shop.invoices.news_view(view.invoice.id, undone)
    assert found is not None
    assert found.entry is not None
    assert (found.entry.kind, found.entry.cents) == (InvoiceEntryKind.CASH_UNDONE, -50_000)
    assert await heard(shop, MARY) == []
    assert undone not in await heard(shop, NJERI)


@pytest.mark.both_engines
async def test_whoever_paid_or_has_it_hears_that_too_much_was_given_back(shop: Shop) -> None:
    view = await shop.issue()
    await opens(shop, view, PETER)
    asked = [
        await shop.pay(view, phone=phone, by=by)
        for phone, by in (("254712000001", PETER), ("254722000001", PAYER))
    ]
    for each in asked:
        assert isinstance(each, Asked)
        await shop.complete(each.payment)
    await heard(shop, PETER)
    await opens(shop, view, MARY)

    await shop.cash_book.settle_excess(
        view.invoice.id, keep=False, by=NJERI, button=None, closing=Closing()
    )

    for person_id in (PETER, PAYER, MARY):
        newest = (await heard(shop, person_id))[-1]
        assert newest.startswith("given-back:")
        found = await shop.invoices.news_view(view.invoice.id, newest)
        assert found is not None
        assert found.entry is not None
        assert found.entry.cents == -150_000
    assert not any(each.startswith("given-back") for each in await heard(shop, NJERI))


@pytest.mark.both_engines
async def test_a_payer_who_was_forgotten_is_owed_no_word_of_what_was_given_back(
    shop: Shop,
) -> None:
    view = await shop.issue()
    asked = [
        await shop.pay(view, phone=phone, by=by)
        for phone, by in (("254712000001", PETER), ("254722000001", PAYER))
    ]
    for each in asked:
        assert isinstance(each, Asked)
        await shop.complete(each.payment)
    await all_told(shop)
    nobody = FIRST_PSEUDONYM + 5
    await shop.desk.store.write(lambda tx: tx.privacy.forget(PAYER, pseudonym=nobody))

    await shop.cash_book.settle_excess(
        view.invoice.id, keep=False, by=NJERI, button=None, closing=Closing()
    )

    assert (await heard(shop, PETER))[-1].startswith("given-back:")
    assert not any(each.startswith("given-back") for each in await heard(shop, nobody))


async def test_who_becomes_the_customer_hears_nothing_of_cash_before_they_opened_it(
    shop: Shop,
) -> None:
    view = await shop.issue()
    await opens(shop, view, PETER)
    first = await writes_cash(shop, view, 50_000, "one")
    assert await heard(shop, PETER) == [f"cash:{first}"]
    shop.desk.clock.advance(60)
    await opens(shop, view, MARY)
    await shop.talk.not_mine(view.invoice.code, person_id=PETER, closing=Closing(), gone=Closing())
    shop.desk.clock.advance(60)
    second = await writes_cash(shop, view, 30_000, "two")

    assert await heard(shop, MARY) == [f"cash:{second}"]
    assert f"cash:{second}" not in await heard(shop, PETER)


@pytest.mark.both_engines
async def test_what_comes_after_many_attempts_is_told_and_shown(shop: Shop) -> None:
    view = await shop.issue(a_bill())
    first = await shop.paid(view, 100)

    async def fail_often(tx: Tx) -> None:
        run = tx.payments._connection.execute
        query = select(payments).where(payments.c.id == first.id)
        row = dict((await run(query)).mappings().one())
        row |= dict.fromkeys(("receipt", "credited_cents", "checkout_index", "paid_at"))
        row |= {"status": "declined", "merchant_request_id": None}
        for number in range(520):
            own = {"id": f"{number:032x}", "push_ref": f"PR-{number:05d}", "ask_key": f"k{number}"}
            await run(insert(payments).values(**(row | own)))

    await shop.desk.store.write(fail_often)
    shop.desk.clock.advance(600)
    last = await shop.paid(view, 200, phone="254722000007", by=PAYER)

    assert await heard(shop, NJERI) == [f"paid:{first.id}", f"paid:{last.id}"]
    assert "receipt" in await shop.news(PAYER)
    page = await shop.invoices.page_view(view.invoice.code)
    assert page is not None
    assert [each.amount_cents for each in page.payments] == [10_000, 20_000]
