"""Tests of cells: nothing that a person writes is a formula, whatever opens the file."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from bot.documents.cells import as_code, as_text, phone
from bot.documents.csv_sheet import CsvSheet
from bot.documents.entries import Audience, Entry, entry_columns
from bot.documents.workbook import Workbook
from tests.documents.papers import entry, words

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")

NASTY = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="=+-@\t\r\n\0;,|'\" 12aA＝𝟙\u200b\u202e\ufeff", max_size=12),
    st.sampled_from(
        ['=HYPERLINK("http://x")', "@SUM(1)", "x;=1+1", "x\t=1", '";=1', "\u200b=1", " =1", "|-1"]
    ),
)

TEXT_COLUMNS = {"M-Pesa code", "Name", "Phone", "For", "Account", "Recorded by", "Note"}


def nasty(text: str) -> Entry:
    return entry(
        name=text,
        receipt=text,
        phone=text,
        what_for=text,
        account=text,
        recorded_by=text,
        note=text,
    )


COLUMNS = {audience: entry_columns(words(), audience) for audience in Audience}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples, written over and over."""
    return tmp_path_factory.mktemp("cells") / "x"


def as_csv(path: Path, row: Entry, audience: Audience = Audience.KEEPERS) -> str:
    with CsvSheet(path, COLUMNS[audience]) as sheet:
        sheet.add([row])
    return path.read_bytes().decode("utf-8-sig")


@settings(max_examples=120, deadline=None)
@example("x;=1+1")
@example("\u200b=1")
@example('x;"=1')
@given(NASTY)
def test_no_text_is_a_formula_however_the_file_is_cut(path: Path, text: str) -> None:
    for audience in Audience:
        written = as_csv(path, nasty(text), audience)
        for separator in (",", ";", "\t", "|"):
            cells = [
                cell
                for row in csv.reader(io.StringIO(written, newline=""), delimiter=separator)
                for cell in row
            ]
            shown = [each.strip(" \r\n") for each in cells]
            formulas = [each for each in shown if each.startswith(STARTS)]
            assert [each for each in formulas if not _is_number(each)] == []


@settings(max_examples=60, deadline=None)
@given(NASTY)
def test_rfc_4180_gives_back_one_row_of_as_many_cells(path: Path, text: str) -> None:
    written = as_csv(path, nasty(text))
    head, row = csv.reader(io.StringIO(written, newline=""), strict=True)

    assert len(row) == len(head) == 12
    assert written.endswith("\r\n")
    assert written.count("\n") == 2
    assert row[4] == "500.00"


@settings(max_examples=25, deadline=None)
@given(st.lists(NASTY, min_size=1, max_size=5))
def test_a_workbook_holds_text_and_nothing_that_is_worked_out(path: Path, texts: list[str]) -> None:
    book = Workbook(path)
    sheet = book.sheet("Contributions", COLUMNS[Audience.KEEPERS])
    sheet.add([nasty(text) for text in texts])
    book.close()
    rows = CalamineWorkbook.from_path(path).get_sheet_by_name("Contributions").to_python()

    assert len(rows) == len(texts) + 1
    head, *rest = rows
    for row in rest:
        assert row[4] == 500.0
        named = dict(zip(head, row, strict=True))
        assert {type(named[column]) for column in TEXT_COLUMNS} == {str}


@pytest.mark.parametrize("safe", ["Jane W.", "Wanjikũ Ng’ang’a", "a=b", "2 + 2", "x - y", "😀", ""])
def test_harmless_text_stays_as_it_was_written(safe: str) -> None:
    assert as_text(safe) == safe


@pytest.mark.parametrize(
    ("code", "cell"),
    [
        ("254712345678", "0712 345 678"),
        ("0712***678", "0712***678"),
        ("UKN4ABCDE7", "UKN4ABCDE7"),
        ("00123", "'00123"),
        ("12E4567890", "'12E4567890"),
        ("+254712345678", "'+254712345678"),
        ("", ""),
    ],
)
def test_phones_and_codes_stay_text(code: str, cell: str) -> None:
    assert as_code(code) == cell


def test_only_a_kenyan_number_is_shown_as_it_is_dialled() -> None:
    assert phone("254712345678") == "0712 345 678"
    assert phone("٢٥٤٧١٢٣٤٥٦٧٨") == "٢٥٤٧١٢٣٤٥٦٧٨"


def _is_number(cell: str) -> bool:
    return cell.startswith("-") and Decimal(cell) < 0
