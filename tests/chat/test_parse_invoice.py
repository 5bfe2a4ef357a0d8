"""What `/invoice` is understood to mean, and what it asks back."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.parse import Unclear
from bot.chat.parse_due import read_day
from bot.chat.parse_invoice import InvoiceWords, ItemWords, invoice_words, item_words

TODAY = date(2026, 11, 23)  # a Monday
FRIDAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Friday", FRIDAY),
        ("fri", FRIDAY),
        ("Ijumaa", FRIDAY),
        ("next Friday", FRIDAY),
        ("Ijumaa ijayo", FRIDAY),
        ("Monday", date(2026, 11, 30)),
        ("today", TODAY),
        ("leo", TODAY),
        ("tomorrow", date(2026, 11, 24)),
        ("kesho", date(2026, 11, 24)),
        ("kesho kutwa", date(2026, 11, 25)),
        ("30 Nov", date(2026, 11, 30)),
        ("30th of November", date(2026, 11, 30)),
        ("Nov 30", date(2026, 11, 30)),
        ("Friday 27 Nov", FRIDAY),
        ("tarehe 5 Desemba", date(2026, 12, 5)),
        ("5/12", date(2026, 12, 5)),
        ("5/12/2026", date(2026, 12, 5)),
        ("5.12.26", date(2026, 12, 5)),
        ("2026-12-05", date(2026, 12, 5)),
        ("10 Jan", date(2027, 1, 10)),
        ("in 2 weeks", date(2026, 12, 7)),
        ("in 3 days", date(2026, 11, 26)),
        ("in a month", date(2026, 12, 23)),
        ("baada ya wiki 2", date(2026, 12, 7)),
        ("baada ya siku 3", date(2026, 11, 26)),
        ("wiki ijayo", date(2026, 11, 30)),
        ("end of month", date(2026, 11, 30)),
        ("mwisho wa mwezi", date(2026, 11, 30)),
    ],
)
def test_days_are_read_in_both_languages(text: str, day: date) -> None:
    assert read_day(text, today=TODAY) == day


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("someday", "unclear.day"),
        ("32 Nov", "unclear.day"),
        ("11/23", "unclear.day"),  # day before month, never the other way
        ("in 0 days", "unclear.day"),
        ("20 Nov", "unclear.day-past"),
        ("20/11/2025", "unclear.day-past"),
        ("1 Jan 2030", "unclear.day-far"),
        ("in 999 months", "unclear.day-far"),
    ],
)
def test_a_day_that_cannot_be_meant_is_asked_about(text: str, key: str) -> None:
    answer = read_day(text, today=TODAY)

    assert isinstance(answer, Unclear)
    assert answer.key == key


def test_the_31st_a_month_on_is_the_last_of_that_month() -> None:
    assert read_day("in a month", today=date(2027, 1, 31)) == date(2027, 2, 28)


@pytest.mark.parametrize(
    ("text", "total_cents", "customer", "username", "what", "due_on"),
    [
        (
            "1500 Peter 2 bags charcoal, due Friday",
            150_000,
            "Peter",
            None,
            "2 bags charcoal",
            FRIDAY,
        ),
        ("1500 @peter 2 bags charcoal", 150_000, "peter", "peter", "2 bags charcoal", None),
        ("1,500/= Mama Akinyi charcoal", 150_000, "Mama Akinyi", None, "charcoal", None),
        ("KES 1,500.50 Peter rent", 150_050, "Peter", None, "rent", None),
        ("1.5k Peter Kamau for Tiles, kesho", 150_000, "Peter Kamau", None, "Tiles",
         date(2026, 11, 24)),
        ("Peter Kamau 1500 tiles", 150_000, "Peter Kamau", None, "tiles", None),
        ('1500 "Green shop" tiles by 30 Nov', 150_000, "Green shop", None, "tiles",
         date(2026, 11, 30)),
        ("400000 Peter a cow", 40_000_000, "Peter", None, "a cow", None),
        ("1500 Wanjikũ kwa mkaa, kufikia Ijumaa", 150_000, "Wanjikũ", None, "mkaa", FRIDAY),
        ("Peter, due Friday", None, "Peter", None, "", FRIDAY),
        ("1500 Peter taxi by night", 150_000, "Peter", None, "taxi by night", None),
        ("1500 Peter beans, maize", 150_000, "Peter", None, "beans, maize", None),
        ("500 peter kamau tiles", 50_000, "peter", None, "kamau tiles", None),
        ("KES 500/= Mia tiles", 50_000, "Mia", None, "tiles", None),
        ('500 "Mia" tiles', 50_000, "Mia", None, "tiles", None),
        ("Peter 2 bags charcoal KES 1500", 150_000, "Peter", None, "2 bags charcoal", None),
        ("Peter rent house 12 KES 15,000", 1_500_000, "Peter", None, "rent house 12", None),
        ("KES 1500 Peter fees 2026", 150_000, "Peter", None, "fees 2026", None),
        ("1500 Peter 2 x 750 charcoal", 150_000, "Peter", None, "2 x 750 charcoal", None),
        ('1500 "3D Prints" logo', 150_000, "3D Prints", None, "logo", None),
    ],
)  # fmt: skip
def test_an_invoice_in_one_line(
    text: str,
    total_cents: int | None,
    customer: str,
    username: str | None,
    what: str,
    due_on: date | None,
) -> None:
    assert invoice_words(text, today=TODAY) == InvoiceWords(
        total_cents=total_cents, customer=customer, username=username, what=what, due_on=due_on
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "invoice.how"),
        ("1500", "invoice.whom"),
        ("1500 , due Friday", "invoice.whom"),
        ("1.500 Peter tiles", "unclear.dot"),
        ("-5 Peter tiles", "unclear.negative"),
        ("0 Peter tiles", "unclear.zero"),
        ("900000000 Peter tiles", "unclear.too-large"),
        ("elfu 2 Peter sugar", "unclear.part"),
        ("2 elfu Peter sugar", "unclear.part"),
        ("Peter elfu 2 sugar", "unclear.part"),
        ("1 500 Peter sugar", "unclear.part"),
        ("500 Mia hair", "unclear.part"),
        ("1500 Peter tiles, due someday", "unclear.day"),
        ("1500 Peter tiles, due 20 Nov", "unclear.day-past"),
    ],
)
def test_what_cannot_be_read_is_asked_about(text: str, key: str) -> None:
    answer = invoice_words(text, today=TODAY)

    assert isinstance(answer, Unclear)
    assert answer.key == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Peter 2 bags charcoal 1500", "unclear.which-amount"),
        ("2 bags charcoal 1500 Peter", "unclear.which-amount"),
        ("2 bags charcoal KES 1500 Peter", "unclear.which-amount"),
        ("2 bags charcoal 1.500 Peter", "unclear.which-amount"),
        ("3 x 500 Peter sugar", "unclear.which-amount"),
        ("3x 500 Peter sugar", "unclear.which-amount"),
        ("Peter 3x 500", "unclear.which-amount"),
        ("500 x 2 Peter", "unclear.which-amount"),
        ("Peter 5 kg sugar @ 180", "unclear.which-amount"),
        ("Peter 5 kg sugar @KES 180", "unclear.which-amount"),
        ("1500 Peter deposit KES 500", "unclear.which-amount"),
        ("1500 Peter fees 2026", "unclear.which-amount"),
        ("1500 20 Peter", "invoice.whom"),
        ("1500 254712345678 charcoal", "unclear.phone-name"),
        ("1500 +254712345678", "unclear.phone-name"),
        ('1500 "Peter 0712345678" charcoal', "unclear.phone-name"),
    ],
)
def test_a_number_that_may_not_be_the_amount_is_asked_about(text: str, key: str) -> None:
    answer = invoice_words(text, today=TODAY)

    assert isinstance(answer, Unclear)
    assert answer.key == key


@pytest.mark.parametrize(
    "text",
    [
        *("2 bags charcoal 1500", "2 sugar 180", "Day 1 lunch 500", "100 nails 5"),
        *("charcoal 2 x 750", "charcoal 2 x KES 750", "2 charcoal @750", "1,500 x 2 sugar"),
        *("sugar 3x 500", "2x4 timber 500", "KES 500 now KES 20 later"),
    ],
)
def test_of_two_numbers_it_is_asked_which_is_the_price(text: str) -> None:
    answer = item_words(text)

    assert isinstance(answer, Unclear)
    assert answer.key == "unclear.which-price"


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("2 x 750 charcoal", ("charcoal", 2000, 75_000)),
        ("2x750 charcoal", ("charcoal", 2000, 75_000)),
        ("2.5 @ 100.50 sugar", ("sugar", 2500, 10_050)),
        ("750 sugar", ("sugar", 1000, 75_000)),
        ("sugar 750", ("sugar", 1000, 75_000)),
        ("2 bags charcoal KES 1500", ("2 bags charcoal", 1000, 150_000)),
        ("2 x 750 sugar 1 kg", ("sugar 1 kg", 2000, 75_000)),
        ("Plank 2x4 500", ("Plank 2x4", 1000, 50_000)),
    ],
)
def test_an_item_in_one_line(text: str, item: tuple[str, int, int]) -> None:
    what, quantity_milli, price_cents = item

    assert item_words(text) == ItemWords(
        what=what, quantity_milli=quantity_milli, price_cents=price_cents
    )


@pytest.mark.parametrize(
    "text",
    ["", "sugar", "750", "0 x 50 sugar", "9999999 x 50 sugar", "elfu 2 sugar", "sugar 1 500"],
)
def test_half_an_item_is_asked_about(text: str) -> None:
    assert isinstance(item_words(text), Unclear)


@given(st.text(max_size=80))
def test_nothing_that_is_written_breaks_it(text: str) -> None:
    for answer in (invoice_words(text, today=TODAY), item_words(text)):
        assert isinstance(answer, Unclear | InvoiceWords | ItemWords)
    assert isinstance(read_day(text, today=TODAY), Unclear | date)
