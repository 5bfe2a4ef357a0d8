"""What the tests of papers share: words, rows, streams, and the text that a PDF shows."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from pypdf import PdfReader
from python_calamine import CalamineWorkbook

from bot.documents.entries import Entry
from bot.documents.receipt import Method
from bot.documents.words import Words
from bot.texts import Texts

__all__ = ["NOON", "entries", "entry", "pages_of", "sheet_of", "stream", "text_of", "words"]

Row = TypeVar("Row")

NOON = datetime(2026, 11, 23, 18, 5, tzinfo=UTC)
TEXTS = Texts.load()


def words(language: str = "en") -> Words:
    """The catalogue's words."""
    return Words(TEXTS, language)


def entry(**changes: object) -> Entry:
    """A gift of KES 500 by a prompt."""
    first = Entry(
        at=NOON,
        receipt="UKN4ABCDE7",
        name="Jane W.",
        phone="0712***678",
        amount_cents=50_000,
        method=Method.MPESA,
    )
    return first._replace(**changes)  # type: ignore[arg-type]  # names and types are the test's


def entries(count: int, *, seed: int = 1) -> Iterator[Entry]:
    """*count* gifts, an hour apart, of which some went back; the same for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        back = number % 37 == 36
        yield entry(
            at=NOON + timedelta(hours=number),
            receipt=f"UKN{number:07}",
            phone=f"254712000{number % 1000:03}",
            name=chance.choice(["Jane W.", "Otieno", "Wanjikũ Ng’ang’a", "=1+1", ""]),
            amount_cents=-500 if back else chance.choice([5_000, 50_000, 100_050]),
            method=Method.REVERSAL if back else chance.choice(list(Method)[:3]),
            what_for="Mama Akinyi hospital bill",
        )


async def stream(rows: Iterable[Row]) -> AsyncIterator[Row]:
    """*rows* as they come from a database."""
    for row in rows:
        yield row


def sheet_of(path: Path, name: str) -> list[list[Any]]:
    """The rows of one sheet, as a spreadsheet reads them."""
    rows: list[list[Any]] = CalamineWorkbook.from_path(path).get_sheet_by_name(name).to_python()
    return rows


def pages_of(pdf: bytes) -> list[str]:
    """What each page shows, in lines."""
    return [page.extract_text() for page in PdfReader(BytesIO(pdf)).pages]


def text_of(pdf: bytes) -> str:
    """What the whole PDF shows, with single spaces."""
    return " ".join(" ".join(pages_of(pdf)).split())
