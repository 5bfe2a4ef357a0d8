"""Too much: what merchants say of it is about the money they were shown, and about no other."""

from __future__ import annotations

import pytest

from bot.core.invoice_acts import Done, No
from bot.core.invoices import InvoiceView
from storage.records import Closing
from tests.core.shop import NJERI, Shop, shop
from tests.core.test_given_back import another, give_back, paid_twice, sums

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
