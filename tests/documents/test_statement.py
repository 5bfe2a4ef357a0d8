"""Tests of statements: three formats, one truth; nothing in memory, nothing left behind."""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from bot.documents.entries import Audience, Entry, Sums, entry_columns
from bot.documents.receipt import Method
from bot.documents.statement import (
    PDF_ROWS_MAX,
    Statement,
    period,
    statement_csv,
    statement_pdf,
    statement_xlsx,
)
from bot.documents.statement_pdf import Gathered
from bot.documents.workbook import Workbook
from tests.documents.papers import NOON, entries, entry, pages_of, sheet_of, stream, text_of, words

STATEMENT = Statement(
    title="Mama Akinyi hospital bill",
    collector="Jamii Chama",
    since=date(2026, 11, 1),
    until=date(2026, 11, 30),
    opening_cents=12_345,
    made_at=NOON,
)
GROUP = replace(STATEMENT, audience=Audience.GROUP)


def read_csv(path: Path) -> list[list[str]]:
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(raw.decode("utf-8-sig").splitlines(), strict=True))


async def test_csv_and_xlsx_hold_the_same_rows_and_come_to_the_same(tmp_path: Path) -> None:
    rows = list(entries(1100))
    net = sum(each.amount_cents for each in rows)

    one = await statement_csv(tmp_path / "a.csv", STATEMENT, stream(rows), words())
    other = await statement_xlsx(tmp_path / "a.xlsx", STATEMENT, stream(rows), words())

    assert one == other
    assert one.net_cents == net
    assert one.closing_cents == 12_345 + net
    assert one.returned_cents == sum(each.amount_cents for each in rows if each.amount_cents < 0)
    assert sum(one.by_method.values()) == net
    written = read_csv(tmp_path / "a.csv")
    again = sheet_of(tmp_path / "a.xlsx", "Contributions")
    assert written[0] == again[0]
    assert len(written) == len(again) == 1101
    for row, line, cells in zip(rows, written[1:], again[1:], strict=True):
        assert Decimal(line[4]) * 100 == row.amount_cents
        assert Decimal(str(cells[4])) * 100 == row.amount_cents
        assert line[1] == cells[1] == row.receipt
        assert line[3] == cells[3]
        assert cells[0] == datetime.fromisoformat(line[0])
    assert Decimal(written[-1][5]) * 100 == one.closing_cents
    assert written[1][0] == "2026-11-23 21:05:00"


async def test_a_person_reads_the_summary_in_their_language(tmp_path: Path) -> None:
    sums = await statement_xlsx(
        tmp_path / "a.xlsx",
        replace(STATEMENT, people=41, target_cents=5_000_000),
        stream(entries(50)),
        words("sw"),
    )

    facts = dict(sheet_of(tmp_path / "a.xlsx", "Muhtasari"))
    assert facts["Jumla ya mwisho"] == sums.closing_cents / 100
    assert facts["Watu"] == "41"
    assert facts["Lengo"] == 50_000.0
    assert facts["Kipindi"] == "1 Nov 2026 – 30 Nov 2026"


async def test_a_pdf_shows_totals_first_and_then_every_row_with_its_running_total(
    tmp_path: Path,
) -> None:
    rows = [
        entry(amount_cents=50_000, name="Wanjikũ", phone="254712345678", fee_cents=700),
        entry(amount_cents=-50_000, method=Method.REVERSAL, note="sent back"),
        entry(amount_cents=25_000_000_050, method=Method.CASH, receipt="", recorded_by="Mary"),
    ]
    path = tmp_path / "a.pdf"

    await statement_pdf(path, STATEMENT, stream(rows), words())

    text = text_of(path.read_bytes())
    for said in (
        "Opening total KES 123.45",
        "Received KES 250,000,500.50",
        "Sent back −KES 500",
        "Closing total KES 250,000,123.95",
        "Wanjikũ 0712 345 678 500.00 623.45 7.00 M-Pesa",
        "−500.00 123.45 – Reversal sent back",
        "250,000,000.50 250,000,123.95 – Cash Mary",
        "Page 1 of 1",
    ):
        assert said in text


async def test_a_long_pdf_repeats_its_head_and_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[int] = []

    async def progress(rows: int) -> None:
        told.append(rows)

    path = tmp_path / "a.pdf"
    await statement_pdf(path, GROUP, stream(entries(120)), words(), progress=progress)

    pages = pages_of(path.read_bytes())
    assert len(pages) > 1
    for number, page in enumerate(pages, 1):
        assert "Date and time M-Pesa code" in page
        assert f"Page {number} of {len(pages)}" in page
    assert told == [100, 120]


async def test_above_the_limit_a_pdf_has_a_row_for_each_month(tmp_path: Path) -> None:
    rows = list(entries(PDF_ROWS_MAX + 1))
    path = tmp_path / "a.pdf"

    sums = await statement_pdf(path, STATEMENT, stream(rows), words())

    text = text_of(path.read_bytes())
    november = [row for row in rows if row.at < datetime(2026, 11, 30, 21, tzinfo=UTC)]
    received = sum(row.amount_cents for row in november if row.amount_cents > 0)
    assert "More than 2,000 entries" in text
    assert f"November 2026 {len(november)} {received / 100:,.2f}" in text
    assert f"Closing total KES {sums.closing_cents / 100:,.2f}" in text
    assert text.count("2027") >= 2
    assert "UKN0000001" not in text


def test_rows_are_let_go_when_there_are_too_many_to_print() -> None:
    gathered = Gathered(0)
    for _ in range(3):
        gathered.add(list(entries(1000)))

    assert gathered.rows == []
    assert gathered.sums.count == 3000
    assert sum(each.net_cents for each in gathered.months.values()) == gathered.sums.net_cents


@pytest.mark.parametrize("audience", Audience)
async def test_a_statement_without_rows_is_a_paper_too(tmp_path: Path, audience: Audience) -> None:
    empty = replace(STATEMENT, audience=audience, since=None, until=None)
    path = tmp_path / "a"

    await statement_pdf(path, empty, stream([]), words())
    assert "Nothing in this time." in text_of(path.read_bytes())
    await statement_csv(path, empty, stream([]), words())
    assert len(read_csv(path)) == 1
    sums = await statement_xlsx(path, empty, stream([]), words())
    assert len(CalamineWorkbook.from_path(path).sheet_names) == 2
    assert sums == Sums(12_345)


async def test_a_group_sees_neither_phones_nor_codes_nor_what_givers_hide(tmp_path: Path) -> None:
    rows = [
        entry(name="Jane W.", phone="254712345678", receipt="UKN4ABCDE7"),
        entry(name="Otieno", receipt="UKN4ABCDE8", anonymous=True),
        entry(name="Amina", receipt="UKN4ABCDE9", amount_cents=777_700, hide_amount=True),
    ]
    for make, name in (
        (statement_csv, "a.csv"),
        (statement_xlsx, "a.xlsx"),
        (statement_pdf, "a.pdf"),
    ):
        await make(tmp_path / name, GROUP, stream(rows), words())
    csv_text = (tmp_path / "a.csv").read_text("utf-8-sig")
    sheet = sheet_of(tmp_path / "a.xlsx", "Contributions")
    shown = [csv_text, str(sheet), text_of((tmp_path / "a.pdf").read_bytes())]

    for text in shown:
        assert "Jane W." in text
        assert "UKN…DE7" in text
        assert "Well-wisher" in text
        assert "Amina" in text
        for hidden in ("Otieno", "0712", "UKN4", "DE8", "DE9", "7777", "7,777", "Running"):
            assert hidden not in text, hidden


def test_keepers_see_all_and_are_told_who_wants_to_stay_unnamed() -> None:
    columns = entry_columns(words(), Audience.KEEPERS)
    row = entry(name="Otieno", anonymous=True, hide_amount=True)

    cells = {column.head: list(column.cells([row])) for column in columns}

    assert cells["Name"] == ["Anonymous: Otieno"]
    assert cells["Amount (KES)"] == [50_000]


async def test_progress_is_told_while_rows_go_by(tmp_path: Path) -> None:
    told: list[int] = []

    async def progress(rows: int) -> None:
        told.append(rows)

    await statement_csv(
        tmp_path / "a.csv", STATEMENT, stream(entries(2500)), words(), progress=progress
    )

    assert told == [1000, 2000, 2500]


class Gone(Exception):
    """The database went away."""


async def breaking(rows: int, error: BaseException) -> AsyncIterator[Entry]:
    for row in entries(rows):
        yield row
    raise error


@pytest.mark.parametrize("error", [Gone(), asyncio.CancelledError()])
@pytest.mark.parametrize("make", [statement_csv, statement_xlsx, statement_pdf])
async def test_a_paper_that_lacks_rows_is_not_left_behind(
    tmp_path: Path, make: type, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        await make(tmp_path / "a", STATEMENT, breaking(1100, error), words())

    assert os.listdir(tmp_path) == []


async def test_the_loop_goes_on_while_a_paper_is_made(tmp_path: Path) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    path = tmp_path / "a.pdf"
    await statement_pdf(path, GROUP, stream(entries(5)), words())
    counting.cancel()

    assert turns > 100


def test_a_sheet_that_is_full_goes_on_in_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = Workbook(path, rows_max=11)
    sheet = book.sheet("Michango", entry_columns(words(), Audience.KEEPERS))
    sheet.add(list(entries(25)))
    book.close()

    opened = CalamineWorkbook.from_path(path)
    assert opened.sheet_names == ["Michango", "Michango 2", "Michango 3"]
    rows = [opened.get_sheet_by_name(name).to_python() for name in opened.sheet_names]
    assert [len(each) for each in rows] == [11, 11, 6]
    assert [row[1] for each in rows for row in each[1:]] == [f"UKN{n:07}" for n in range(25)]


def test_a_sheet_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = Workbook(path)
    for _ in range(2):
        book.facts("Mama's [bill]: 1/2 * and a very long name indeed", [("a", "=1+1")])
    book.close()

    opened = CalamineWorkbook.from_path(path)
    assert len(set(opened.sheet_names)) == 2
    assert opened.get_sheet_by_index(0).to_python() == [["a", "=1+1"]]


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        (date(2026, 11, 1), date(2026, 11, 30), "1 Nov 2026 – 30 Nov 2026"),
        (date(2026, 11, 1), None, "since 1 Nov 2026"),
        (None, date(2026, 11, 30), "until 30 Nov 2026"),
        (None, None, "from the beginning until now"),
    ],
)
def test_a_period_is_named(since: date | None, until: date | None, said: str) -> None:
    assert period(replace(STATEMENT, since=since, until=until), words()) == said


def test_a_month_begins_at_midnight_in_nairobi() -> None:
    gathered = Gathered(0)
    midnight = datetime(2026, 11, 30, 21, tzinfo=UTC)
    gathered.add([entry(at=midnight - timedelta(seconds=1)), entry(at=midnight)])

    assert list(gathered.months) == [date(2026, 11, 1), date(2026, 12, 1)]
