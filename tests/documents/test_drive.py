"""Tests of a drive's papers: four sheets that agree, and a list to copy into other chats."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from bot.documents.drive import (
    PDF_EXTRA_ROWS_MAX,
    DrivePapers,
    Giver,
    drive_csv,
    drive_pdf,
    drive_xlsx,
    plain_list,
    pledges_csv,
    unmatched_csv,
)
from bot.documents.entries import Audience, Pledge, Unmatched
from bot.documents.statement import Statement
from tests.documents.papers import NOON, entries, entry, sheet_of, stream, text_of, words

PLEDGES = [
    Pledge(NOON, "Jane W.", "254712345678", 100_000, 40_000, date(2026, 11, 27)),
    Pledge(NOON, "Otieno", "0712***678", 123_400, 0, None, anonymous=True, hide_amount=True),
]
UNMATCHED = [
    Unmatched(NOON, "UKN4ABCZZZ", "JOHN", "0712***678", 120_000, "akinyi7", "no such reference")
]


def papers(audience: Audience, *, pledges: list[Pledge] = PLEDGES) -> DrivePapers:
    statement = Statement(
        title="Mama Akinyi", collector="Jamii Chama", audience=audience, made_at=NOON
    )
    gifts = [entry(), *entries(5)]
    return DrivePapers(statement, stream(gifts), stream(pledges), stream(UNMATCHED))


async def test_the_keepers_workbook_has_four_sheets_that_agree(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"

    sums = await drive_xlsx(path, papers(Audience.KEEPERS), words())

    book = CalamineWorkbook.from_path(path)
    assert book.sheet_names == ["Contributions", "Pledges", "Summary", "Unmatched"]
    gifts = sheet_of(path, "Contributions")
    assert round(sum(row[4] for row in gifts[1:]) * 100) == sums.net_cents
    assert round(gifts[-1][5] * 100) == sums.closing_cents
    pledges = sheet_of(path, "Pledges")
    assert pledges[1][1:] == ["Jane W.", "0712 345 678", 1000.0, 400.0, 600.0, date(2026, 11, 27)]
    assert pledges[2][1] == "Anonymous: Otieno"
    summary = dict(sheet_of(path, "Summary"))
    assert summary["Closing total"] == sums.closing_cents / 100
    unmatched = sheet_of(path, "Unmatched")
    assert unmatched[1][1:] == [
        *("UKN4ABCZZZ", "JOHN", "0712***678", 1200.0, "akinyi7", "no such reference")
    ]


async def test_a_group_is_not_told_who_has_yet_to_pay(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"

    await drive_xlsx(path, papers(Audience.GROUP), words())

    book = CalamineWorkbook.from_path(path)
    assert book.sheet_names == ["Contributions", "Pledges", "Summary"]
    pledges = sheet_of(path, "Pledges")
    assert [row[1:] for row in pledges] == [
        ["Name", "Promised (KES)"],
        ["Jane W.", 1000.0],
        ["Well-wisher", ""],
    ]


@pytest.mark.parametrize("audience", Audience)
async def test_the_pdf_shows_as_much_as_its_reader_may_see(
    tmp_path: Path, audience: Audience
) -> None:
    path = tmp_path / "a.pdf"

    await drive_pdf(path, papers(audience), words())

    text = text_of(path.read_bytes())
    assert "Pledges Pledged on Name" in text
    keepers = audience is Audience.KEEPERS
    for secret in ("0712 345 678", "akinyi7", "Unmatched", "Otieno (", "1,234.00", "600.00"):
        assert (secret in text) == (keepers and secret != "Otieno (")


async def test_a_pdf_says_how_many_pledges_it_left_out(tmp_path: Path) -> None:
    many = [PLEDGES[0]] * (PDF_EXTRA_ROWS_MAX + 3)
    path = tmp_path / "a.pdf"

    await drive_pdf(path, papers(Audience.GROUP, pledges=many), words())

    text = text_of(path.read_bytes())
    assert "… and 3 more" in text
    assert text.count("23 Nov 2026 Jane W. 1,000.00") == PDF_EXTRA_ROWS_MAX


async def test_each_table_is_a_csv_of_its_own(tmp_path: Path) -> None:
    sums = await drive_csv(tmp_path / "gifts.csv", papers(Audience.KEEPERS), words())

    assert sums.count == 6
    assert await pledges_csv(tmp_path / "pledges.csv", papers(Audience.KEEPERS), words()) == 2
    assert await unmatched_csv(tmp_path / "rest.csv", papers(Audience.KEEPERS), words("sw")) == 1
    pledges = (tmp_path / "pledges.csv").read_text("utf-8-sig").splitlines()
    (_, first, second) = csv.reader(pledges)
    assert first[2:] == ["0712 345 678", "1000.00", "400.00", "600.00", "2026-11-27"]
    assert second[-1] == ""


def test_the_list_for_other_chats_is_what_people_write_by_hand() -> None:
    said = plain_list(
        "Mama Akinyi hospital bill",
        [Giver("Jane W.", 50_000), Giver("", 200_000), Giver("Otieno", None), Giver("A_*b*", 5)],
        words(),
        total_cents=3_100_000,
        target_cents=5_000_000,
        link="https://t.me/njeribot?start=d_7K",
    )

    assert said.splitlines() == [
        "*Mama Akinyi hospital bill*",
        "Total so far: KES 31,000 of KES 50,000",
        "",
        "1. Jane W. – 500 ✅",
        "2. Well-wisher – 2,000 ✅",
        "3. Otieno ✅",
        "4. A b – 0.05 ✅",
        "",
        "Give here: https://t.me/njeribot?start=d_7K",
    ]


def test_the_list_speaks_swahili_and_does_without_target_and_link() -> None:
    said = plain_list("Harusi", [Giver("Ali", 5_000)], words("sw"), total_cents=5_000)

    assert said.splitlines() == ["*Harusi*", "Jumla hadi sasa: KES 50", "", "1. Ali – 50 ✅"]


def test_a_name_stays_on_its_own_line() -> None:
    said = plain_list("x", [Giver("Ali\n2. Eve – 9,999 ✅", 5_000)], words(), total_cents=5_000)

    assert said.count("\n") == 3
