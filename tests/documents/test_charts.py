"""Tests of pictures: wide enough for a phone, true to the numbers, and kind without the library."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from io import BytesIO

import pytest
from PIL import Image

from bot.documents.charts import (
    DayTakings,
    NamedTakings,
    TakingsReport,
    bars_by_name,
    bars_by_time,
    report_png,
)
from bot.texts import LANGUAGES
from tests.documents.papers import words

FIRST = date(2026, 11, 1)
REPORT = TakingsReport(
    title="Mama Njeri Shop",
    since=FIRST,
    until=date(2026, 11, 30),
    by_day=[DayTakings(FIRST, 150_000), DayTakings(FIRST + timedelta(days=3), -5_000)],
    by_name=[NamedTakings("Harusi ya Wanjikũ 🎉", 140_000), NamedTakings("$x^2$", 5_000)],
    names_are="drive",
)


def report(since: date, until: date, *takings: tuple[date, int]) -> TakingsReport:
    return TakingsReport(
        title="x",
        since=since,
        until=until,
        by_day=[DayTakings(*each) for each in takings],
        by_name=[],
        names_are="customer",
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_chart_is_a_picture_that_fills_a_phone(language: str) -> None:
    with Image.open(BytesIO(report_png(REPORT, words(language)))) as image:
        assert image.format == "PNG"
        assert image.width >= 1080
        assert image.height >= 800
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 10


def test_a_time_without_money_is_a_picture_too() -> None:
    picture = report_png(report(FIRST, FIRST), words())

    assert picture.startswith(b"\x89PNG")


def test_every_day_has_its_place_even_without_money() -> None:
    bars, step = bars_by_time(REPORT)

    assert step == "day"
    assert [day for day, _ in bars] == [FIRST + timedelta(days=n) for n in range(30)]
    assert [cents for _, cents in bars if cents] == [150_000, -5_000]


def test_a_long_time_is_shown_by_week_and_a_very_long_one_by_month() -> None:
    weeks, week = bars_by_time(report(date(2026, 1, 1), date(2026, 11, 30), (FIRST, 700)))
    months, month = bars_by_time(report(date(2024, 1, 1), date(2026, 11, 30), (FIRST, 700)))

    assert (week, month) == ("week", "month")
    assert all(day.weekday() == 0 for day, _ in weeks)
    assert len(months) == 35
    assert sum(cents for _, cents in weeks) == sum(cents for _, cents in months) == 700


def test_the_smallest_are_one_bar_so_that_nothing_is_missing() -> None:
    many = [NamedTakings(f"Drive {n}", n * 100) for n in range(20)]

    bars = bars_by_name(many, words())

    assert [each.name for each in bars[:2]] == ["Drive 19", "Drive 18"]
    assert bars[-1].name == "13 others"
    assert sum(each.cents for each in bars) == sum(each.cents for each in many)


def test_without_the_library_there_is_one_kind_error_and_papers_still_work() -> None:
    program = """
import sys
sys.modules["matplotlib"] = None
from tests.documents.test_charts import REPORT, words
from bot.documents.charts import ChartsMissing, report_png
from bot.documents.qr import qr_png
try:
    report_png(REPORT, words())
except ChartsMissing as missing:
    print(words().say(missing.key))
print(len(qr_png("https://t.me/x")) > 100)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    said, other = done.stdout.splitlines()
    # By name it would be asked for at PyPI, where anybody may have taken that name.
    assert "pip install" not in said
    assert "“charts”" in said
    assert "docs/install.md" in said
    assert other == "True"
