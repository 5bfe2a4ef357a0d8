"""Periods as people write them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.parse import Unclear
from bot.chat.parse_period import FIRST_DAY, find_period, read_period

TODAY = date(2026, 11, 23)  # a Monday


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("", date(2026, 11, 1), TODAY),
        ("this month", date(2026, 11, 1), TODAY),
        ("mwezi uliopita", date(2026, 10, 1), date(2026, 10, 31)),
        ("October", date(2026, 10, 1), date(2026, 10, 31)),
        ("Desemba", date(2025, 12, 1), date(2025, 12, 31)),
        ("feb 2024", date(2024, 2, 1), date(2024, 2, 29)),
        ("1 Nov - 15 Nov", date(2026, 11, 1), date(2026, 11, 15)),
        ("1/11 hadi 15/11", date(2026, 11, 1), date(2026, 11, 15)),
        ("2026-11-01 to 2026-12-31", date(2026, 11, 1), TODAY),
        ("jana", date(2026, 11, 22), date(2026, 11, 22)),
        ("this week", TODAY, TODAY),
        ("all", FIRST_DAY, TODAY),
    ],
)
def test_periods_in_both_languages(text: str, since: date, until: date) -> None:
    assert read_period(text, today=TODAY) == (since, until)


@pytest.mark.parametrize("text", ["someday", "15 Nov - 1 Nov", "jan 2199", "32/13"])
def test_what_is_none_is_asked_about(text: str) -> None:
    assert isinstance(read_period(text, today=TODAY), Unclear)


@pytest.mark.parametrize(
    ("text", "who", "since", "until"),
    [
        ("Peter last month", "Peter", date(2026, 10, 1), date(2026, 10, 31)),
        ("november Mama Njeri", "Mama Njeri", date(2026, 11, 1), TODAY),
        ("@peter for 1 Nov - 15 Nov", "@peter", date(2026, 11, 1), date(2026, 11, 15)),
        ("ya Otieno, mwezi uliopita", "Otieno", date(2026, 10, 1), date(2026, 10, 31)),
        ("0712 345 678", "0712 345 678", date(2026, 11, 1), TODAY),
        ("all", "", FIRST_DAY, TODAY),
        ("", "", date(2026, 11, 1), TODAY),
        ("someday", "someday", date(2026, 11, 1), TODAY),
    ],
)
def test_what_is_no_period_is_who_is_meant(text: str, who: str, since: date, until: date) -> None:
    assert find_period(text, today=TODAY) == (who, (since, until))


@given(st.text(max_size=40))
def test_nothing_that_is_written_breaks_it(text: str) -> None:
    answer = read_period(text, today=TODAY)
    find_period(text, today=TODAY)

    assert isinstance(answer, tuple | Unclear)
