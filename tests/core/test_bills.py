"""What a bill comes to, to the cent, whatever is in it."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.bills import amounts_of, ask_kes, item_cents
from storage.records import Bill, BillItem, VatMode

items = st.builds(
    BillItem,
    what=st.just("tiles"),
    quantity_milli=st.integers(1, 10**7),
    price_cents=st.integers(1, 10**8),
)
bills = st.builds(
    Bill,
    customer=st.just("Peter"),
    items=st.lists(items, min_size=1, max_size=8).map(tuple),
    vat=st.sampled_from(VatMode),
    vat_bp=st.integers(0, 9999),
    due_on=st.just(date(2026, 11, 27)),
)


def bill(*prices: int, vat: VatMode, vat_bp: int = 1600) -> Bill:
    lines = tuple(BillItem(what="tiles", price_cents=each) for each in prices)
    return Bill(customer="Peter", items=lines, vat=vat, vat_bp=vat_bp, due_on=date(2026, 11, 27))


@pytest.mark.parametrize(
    ("vat", "net", "tax", "total"),
    [
        (VatMode.NONE, 150_000, 0, 150_000),
        (VatMode.INCLUSIVE, 129_310, 20_690, 150_000),  # 206.896… rounded to the cent
        (VatMode.EXCLUSIVE, 150_000, 24_000, 174_000),
    ],
)
def test_sixteen_percent_of_1500(vat: VatMode, net: int, tax: int, total: int) -> None:
    amounts = amounts_of(bill(150_000, vat=vat))

    assert (amounts.net_cents, amounts.vat_cents, amounts.total_cents) == (net, tax, total)


def test_tax_is_taken_once_from_the_sum_and_halves_go_up() -> None:
    # 12.5 % of 0.04 is half a cent: of each line it would be 1, of both it is 1 and not 2.
    amounts = amounts_of(bill(4, 4, vat=VatMode.EXCLUSIVE, vat_bp=1250))

    assert amounts.vat_cents == 1


def test_every_line_is_rounded_by_itself_halves_up() -> None:
    assert item_cents(BillItem(what="x", quantity_milli=1500, price_cents=3)) == 5
    assert item_cents(BillItem(what="x", quantity_milli=333, price_cents=100)) == 33


@given(bills)
def test_net_and_tax_are_the_total_and_near_the_true_rate(made: Bill) -> None:
    amounts = amounts_of(made)
    lines = sum(item_cents(each) for each in made.items)
    assert amounts.net_cents + amounts.vat_cents == amounts.total_cents
    rate = Fraction(made.vat_bp, 10_000)
    match made.vat:
        case VatMode.NONE:
            assert (amounts.total_cents, amounts.vat_cents) == (lines, 0)
        case VatMode.INCLUSIVE:
            assert amounts.total_cents == lines
            assert abs(amounts.vat_cents - lines * rate / (1 + rate)) <= Fraction(1, 2)
        case VatMode.EXCLUSIVE:
            assert amounts.net_cents == lines
            assert abs(amounts.vat_cents - lines * rate) <= Fraction(1, 2)


@given(st.integers(-(10**10), 10**11))
def test_a_prompt_asks_for_what_is_left_and_less_than_a_shilling_more(left_cents: int) -> None:
    asked = ask_kes(left_cents) * 100

    if left_cents <= 0:
        assert asked == 0
    elif left_cents <= 250_000 * 100:
        assert 0 <= asked - left_cents < 100
    else:
        assert asked == 250_000 * 100
