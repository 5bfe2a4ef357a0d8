"""Statement: the money of a period, person, drive or merchant as CSV, XLSX or PDF, streamed."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from bot.documents.csv_sheet import CsvSheet
from bot.documents.entries import Audience, Entry, Sums, entry_columns
from bot.documents.receipt import method_word
from bot.documents.streams import Progress, in_thread, pour, whole
from bot.documents.words import TEXT_CHARS_MAX, Words, line
from bot.documents.workbook import Sheet, Workbook

__all__ = [
    "PDF_ROWS_MAX",
    "Statement",
    "period",
    "statement_csv",
    "statement_pdf",
    "statement_xlsx",
    "summary",
]

PDF_ROWS_MAX: Final = 2000
"""Above it a PDF has a row for each month, and the rows are in the other formats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a statement is about; its rows come separately, in the order they shall stand in."""

    title: str  # the drive, the merchant, the person; or a word for everything
    collector: str  # who has the money
    since: date | None = None  # in East Africa; None: from the first
    until: date | None = None  # that day included; None: up to now
    opening_cents: int = 0  # what there was before the first row
    audience: Audience = Audience.KEEPERS
    made_at: datetime  # aware
    people: int | None = None  # how many gave; counted by the caller, who can
    target_cents: int | None = None  # of a drive
    note: str = ""
    practice: bool = False


async def statement_csv(
    path: Path,
    statement: Statement,
    entries: AsyncIterable[Entry],
    words: Words,
    *,
    progress: Progress | None = None,
) -> Sums:
    """Every entry as one CSV at *path*, of which nothing is left if this fails."""
    sums = Sums(statement.opening_cents)
    columns = entry_columns(words, statement.audience, opening_cents=statement.opening_cents)
    with whole(path), CsvSheet(path, columns) as sheet:

        def add(rows: Sequence[Entry]) -> None:
            sheet.add(rows)
            sums.add(rows)

        await pour(entries, add, progress=progress)
    return sums


async def statement_xlsx(
    path: Path,
    statement: Statement,
    entries: AsyncIterable[Entry],
    words: Words,
    *,
    progress: Progress | None = None,
) -> Sums:
    """Entries and a summary as one XLSX at *path*, of which nothing is left if this fails."""
    book = Workbook(path)
    with whole(path), book.kept_if_whole():
        sums = await add_entries(book, statement, entries, words, progress=progress)
        book.facts(words.say("paper.summary"), summary(statement, sums, words))
        await in_thread(book.close)
    return sums


async def add_entries(
    book: Workbook,
    statement: Statement,
    entries: AsyncIterable[Entry],
    words: Words,
    *,
    progress: Progress | None = None,
) -> Sums:
    """The sheet of entries."""
    sums = Sums(statement.opening_cents)
    columns = entry_columns(words, statement.audience, opening_cents=statement.opening_cents)
    sheet: Sheet[Entry] = book.sheet(words.say("paper.sheet.contributions"), columns)

    def add(rows: Sequence[Entry]) -> None:
        sheet.add(rows)
        sums.add(rows)

    await pour(entries, add, progress=progress)
    return sums


async def statement_pdf(
    path: Path,
    statement: Statement,
    entries: AsyncIterable[Entry],
    words: Words,
    *,
    progress: Progress | None = None,
) -> Sums:
    """
    A PDF at *path*: every entry up to PDF_ROWS_MAX of them, above that a row for each month.
    """
    from bot.documents.statement_pdf import Gathered, StatementPaper

    gathered = Gathered(statement.opening_cents)
    await pour(entries, gathered.add)
    paper = await in_thread(StatementPaper, statement, gathered.sums, words)
    await paper.entries(gathered, progress)
    data = await in_thread(paper.finished)
    await in_thread(path.write_bytes, data)
    return gathered.sums


def period(statement: Statement, words: Words) -> str:
    """`1 Nov 2026 – 30 Nov 2026`, or what is known of it."""
    since, until = statement.since, statement.until
    if since and until:
        return f"{words.day(since)} – {words.day(until)}"
    if since:
        return words.say("paper.period.since", day=words.day(since))
    if until:
        return words.say("paper.period.until", day=words.day(until))
    return words.say("paper.period.all")


def summary(statement: Statement, sums: Sums, words: Words) -> list[tuple[str, str | int]]:
    """What it all came to: texts, and amounts in cents."""
    say = words.say
    facts: list[tuple[str, str | int]] = [
        (say("paper.statement.of"), statement.title),
        (say("paper.collector"), statement.collector),
        (say("paper.period"), period(statement, words)),
        (say("paper.opening"), sums.opening_cents),
        (say("paper.received"), sums.received_cents),
        (say("paper.returned"), sums.returned_cents),
        (say("paper.closing"), sums.closing_cents),
    ]
    facts += [
        (say("paper.by-method", method=method_word(words, method)), cents)
        for method, cents in sorted(sums.by_method.items())
    ]
    if statement.target_cents is not None:
        facts.append((say("paper.target"), statement.target_cents))
    facts.append((say("paper.entries"), f"{sums.count:,}"))
    if statement.people is not None:
        facts.append((say("paper.people"), f"{statement.people:,}"))
    facts.append((say("paper.made-at"), words.when(statement.made_at)))
    if statement.note:
        facts.append((say("paper.note"), line(statement.note, TEXT_CHARS_MAX)))
    if statement.practice:
        facts.append((say("paper.note"), say("paper.stamp.practice")))
    return facts
