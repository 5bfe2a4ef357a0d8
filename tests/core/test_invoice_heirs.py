"""Invoices of a merchant who was forgotten: operators hear of their money, and answer for it."""

from __future__ import annotations

import pytest

from bot.core.ask import Asked, PageAsk
from bot.core.invoice_acts import Done, No
from bot.core.invoice_talk import FROM_CUSTOMERS
from bot.core.invoices import InvoiceView
from bot.core.people import is_forgotten
from bot.core.privacy import Forgotten, Privacy, PrivacySettings
from storage.records import Closing, Payment
from tests.core.bodies import failure
from tests.core.conftest import Desk
from tests.core.shop import NJERI, OPERATOR, Shop, shop
from tests.core.test_given_back import give_back, paid_twice
from tests.core.test_privacy import forget_whom
from tests.stores import TestClock

__all__ = ["shop"]

PETER = 3001


@pytest.fixture
def privacy(desk: Desk, clock: TestClock) -> Privacy:
    return Privacy(store=desk.store, clock=clock, settings=PrivacySettings(), wake=lambda: None)


async def failed(shop: Shop, view: InvoiceView) -> Payment:
    """A prompt of which Safaricom says that it timed out: the money may still come."""
    asked = await shop.pay(view, phone="254712000009")
    assert isinstance(asked, Asked)
    body = failure(1037, shop.number_of(asked.payment))
    return await shop.desk.post(asked.payment, body)


async def gone(shop: Shop, privacy: Privacy, how: str = "void") -> tuple[InvoiceView, Payment]:
    """An invoice whose merchant closed it and was forgotten, with a prompt that failed before."""
    view = await shop.issue()
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    asked = await failed(shop, view)
    close = getattr(shop.billing, how)
    assert isinstance(await close(view.invoice.id, by=NJERI, why="", closing=Closing()), Done)
    assert await forget_whom(privacy, NJERI) is Forgotten.DONE
    shop.desk.clock.advance(40)
    return view, asked


@pytest.mark.both_engines
@pytest.mark.parametrize("how", ["void", "write_off"])
async def test_operators_hear_of_money_whose_merchant_was_forgotten(
    shop: Shop, privacy: Privacy, how: str
) -> None:
    view, asked = await gone(shop, privacy, how)

    assert (await shop.complete(asked)).credited_cents == 150_000
    for _ in range(2):
        await shop.touched.run_due()
        await shop.look(view)

    told = await shop.news(OPERATOR)
    assert told[0] == f"paid:{asked.id}"
    assert [each.partition(":")[0] for each in told[1:]] == ["overpaid"] * (how == "void")
    await shop.reverse(asked)
    await shop.touched.run_due()
    assert (await shop.news(OPERATOR))[-1] == f"reversed:{asked.id}"


async def test_operators_do_not_hear_of_what_its_merchant_was_told(
    shop: Shop, privacy: Privacy
) -> None:
    view, first, second = await paid_twice(shop)
    await give_back(shop, view)
    await shop.reverse(second)
    await shop.touched.run_due()
    told = [each.partition(":")[0] for each in await shop.news(NJERI)]
    assert {"paid", "reversed", "went-back"} <= set(told)
    assert await forget_whom(privacy, NJERI) is Forgotten.DONE

    await shop.look(view)
    assert await shop.news(OPERATOR) == []
    await shop.reverse(first)
    await shop.touched.run_due()

    assert await shop.news(OPERATOR) == [f"reversed:{first.id}"]


@pytest.mark.both_engines
async def test_an_operator_says_what_became_of_it(shop: Shop, privacy: Privacy) -> None:
    view, asked = await gone(shop, privacy)
    await shop.complete(asked)
    await shop.touched.run_due()

    async def back(by: int) -> Done | No:
        return await shop.cash_book.settle_excess(
            view.invoice.id, keep=False, by=by, button=None, closing=Closing()
        )

    assert await back(PETER) is No.NOT_YOURS
    assert isinstance(await back(OPERATOR), Done)
    now = await shop.billing.view(view.invoice.id, by=OPERATOR)
    assert now is not None
    assert (now.sums.paid_cents, now.excess_cents) == (0, 0)
    assert is_forgotten(now.invoice.merchant_id)
    assert [each.partition(":")[0] for each in await shop.news(PETER)][-1] == "given-back"
    await shop.reverse(asked)
    await shop.touched.run_due()
    once = next(each for each in await shop.news(OPERATOR) if each.startswith("went-back:"))
    both = await shop.cash_book.both_went_back(
        view.invoice.id, entry_id=int(once.partition(":")[2]), by=OPERATOR, closing=Closing()
    )
    assert isinstance(both, Done)


async def test_an_operator_does_nothing_else_with_it_nor_with_a_merchants_own(
    shop: Shop, privacy: Privacy
) -> None:
    others = await shop.issue()
    await shop.paid(others, 1500)
    assert await shop.billing.view(others.invoice.id, by=OPERATOR) is None
    said = await shop.cash_book.settle_excess(
        others.invoice.id, keep=True, by=OPERATOR, button=None, closing=Closing()
    )
    assert said is No.NOT_YOURS
    view, _ = await gone(shop, privacy)
    again = await shop.billing.reopen(view.invoice.id, by=OPERATOR, closing=Closing())
    assert again is No.NOT_YOURS


@pytest.mark.both_engines
async def test_nobody_is_asked_once_the_merchant_is_gone(shop: Shop, privacy: Privacy) -> None:
    view, _ = await gone(shop, privacy)
    code = view.invoice.code
    said = [
        await shop.talk.ask(
            code, person_id=PETER, text="Which bags?", key="q:1", closing=Closing(), gone=Closing()
        ),
        await shop.talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing()),
        *[
            await shop.talk.from_page(
                code, text=text, key=f"w:{text}", page=PageAsk(address="a", page="i:x")
            )
            for text in ("Which bags?", "")
        ],
    ]

    for each in said:
        assert isinstance(each, InvoiceView)
        assert is_forgotten(each.invoice.merchant_id)
    async with shop.desk.store.read() as tx:
        assert await tx.invoices.entries(view.invoice.id, *FROM_CUSTOMERS) == []
        assert await tx.invoices.readers(view.invoice.id) == []
    assert (await shop.view(view)).invoice.customer_id is None
    to_nobody = await shop.news((await shop.view(view)).invoice.merchant_id)
    assert not [each for each in to_nobody if each.startswith(("question", "not-mine"))]
