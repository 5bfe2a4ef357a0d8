"""Payees: what an account was paid stays paid to it, also when the configuration has lost it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.accounts import Accounts
from bot.core.payees import payee_of, payees_of
from bot.core.ports import Collector
from bot.documents.invoice_of import invoice_of
from storage.engine import Store
from storage.records import Closing
from tests.core.conftest import Desk
from tests.core.shop import COLLECTORS, NJERI, Shop, shop
from tests.stores import NOON

__all__ = ["shop"]

pytestmark = pytest.mark.both_engines

FIRST = {"": COLLECTORS[""]}


async def test_an_account_that_was_configured_once_is_remembered_as_gone(store: Store) -> None:
    assert await payees_of(store, COLLECTORS) == COLLECTORS
    later = await payees_of(store, FIRST)

    assert later == {**FIRST, "branch": replace(COLLECTORS["branch"], gone=True)}
    assert await payees_of(store, COLLECTORS) == COLLECTORS


async def test_the_last_name_of_an_account_is_the_one_that_is_remembered(store: Store) -> None:
    await payees_of(store, COLLECTORS)
    renamed = replace(COLLECTORS["branch"], name="Njeri & Sons")
    await payees_of(store, {**FIRST, "branch": renamed})

    assert (await payees_of(store, FIRST))["branch"].name == "Njeri & Sons"


def test_of_an_account_that_nobody_remembers_the_name_is_all_there_is() -> None:
    assert payee_of(COLLECTORS, "sold") == Collector(
        name="sold", kind="paybill", number="", practice=False, gone=True
    )


@pytest.mark.parametrize("remembered", [True, False])
async def test_what_an_account_was_paid_is_never_called_the_first_ones(
    desk: Desk, shop: Shop, *, remembered: bool
) -> None:
    desk.sending._accounts = Accounts(desk.daraja, {"branch": desk.daraja})
    await shop.merchants.change(NJERI, closing=Closing(), account="branch")
    paid, left = await shop.issue(), await shop.issue()
    payment = await shop.paid(paid)
    if remembered:
        await payees_of(desk.store, COLLECTORS)
    known = await payees_of(desk.store, FIRST)
    shop.invoices.collectors = shop.receipts._collectors = known

    page = await shop.invoices.page_view(left.invoice.code)
    receipt = await shop.receipts.of(payment.id)

    assert page is not None
    assert receipt is not None
    assert page.collector == receipt.collector == payee_of(known, "branch")
    assert page.collector.number == ("600001" if remembered else "")
    assert page.collector.gone
    paper = invoice_of(page.view, page.collector, logo=None, pay_url="https://x", made_at=NOON)
    assert paper.by_hand is None
