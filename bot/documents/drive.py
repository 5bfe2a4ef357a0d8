"""Drive papers: who gave, who pledged, what it came to and what has no place yet."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from bot.documents.csv_sheet import CsvSheet
from bot.documents.entries import (
    Audience,
    Column,
    Entry,
    Pledge,
    Sums,
    Unmatched,
    pledge_columns,
    unmatched_columns,
)
from bot.documents.statement import Statement, add_entries, statement_csv, summary
from bot.documents.streams import Progress, in_thread, pour, whole
from bot.documents.words import Words, line
from bot.documents.workbook import Workbook

__all__ = [
    "PDF_EXTRA_ROWS_MAX",
    "DrivePapers",
    "Giver",
    "drive_csv",
    "drive_pdf",
    "drive_xlsx",
    "plain_list",
    "pledges_csv",
    "unmatched_csv",
]

Row = TypeVar("Row")

PDF_EXTRA_ROWS_MAX: Final = 300
"""Of pledges and of unmatched money in a PDF; the other formats have all."""

PLEDGE_KEEPERS_MM: Final = (30, 70, 35, 35, 35, 35, 33)
PLEDGE_GROUP_MM: Final = (36, 100, 50)
UNMATCHED_MM: Final = (33, 28, 52, 28, 30, 32, 70)


@dataclass(frozen=True, slots=True)
class DrivePapers:
    """Everything that a drive's export holds. Each stream is read once."""

    statement: Statement
    contributions: AsyncIterable[Entry]
    pledges: AsyncIterable[Pledge]
    unmatched: AsyncIterable[Unmatched]  # not read for a group


class Giver(NamedTuple):
    """One line of the list that is copied from chat to chat: as the giver wants to be seen."""

    name: str  # "" for a well-wisher
    cents: int | None  # None: hidden


async def drive_csv(
    path: Path, papers: DrivePapers, words: Words, *, progress: Progress | None = None
) -> Sums:
    """The contributions as CSV: such a file holds one table."""
    return await statement_csv(
        path, papers.statement, papers.contributions, words, progress=progress
    )


async def pledges_csv(path: Path, papers: DrivePapers, words: Words) -> int:
    """The pledges as CSV; says how many there are."""
    return await _csv(path, pledge_columns(words, papers.statement.audience), papers.pledges)


async def unmatched_csv(path: Path, papers: DrivePapers, words: Words) -> int:
    """For keepers: the unmatched money as CSV; says how many rows there are."""
    return await _csv(path, unmatched_columns(words), papers.unmatched)


async def drive_xlsx(
    path: Path, papers: DrivePapers, words: Words, *, progress: Progress | None = None
) -> Sums:
    """Contributions, pledges, summary and (for keepers) unmatched, a sheet each."""
    statement = papers.statement
    book = Workbook(path)
    with whole(path), book.kept_if_whole():
        sums = await add_entries(book, statement, papers.contributions, words, progress=progress)
        pledges = book.sheet(
            words.say("paper.sheet.pledges"), pledge_columns(words, statement.audience)
        )
        await pour(papers.pledges, pledges.add)
        book.facts(words.say("paper.summary"), summary(statement, sums, words))
        if statement.audience is Audience.KEEPERS:
            unmatched = book.sheet(words.say("paper.sheet.unmatched"), unmatched_columns(words))
            await pour(papers.unmatched, unmatched.add)
        await in_thread(book.close)
    return sums


async def drive_pdf(
    path: Path, papers: DrivePapers, words: Words, *, progress: Progress | None = None
) -> Sums:
    """Totals, contributions with a running total, pledges and (for keepers) unmatched."""
    from bot.documents.statement_pdf import Gathered, StatementPaper

    statement = papers.statement
    keepers = statement.audience is Audience.KEEPERS
    gathered = Gathered(statement.opening_cents)
    await pour(papers.contributions, gathered.add)
    paper = await in_thread(StatementPaper, statement, gathered.sums, words)
    await paper.entries(gathered, progress)

    pledges, more = await _first(papers.pledges)
    if pledges or keepers:
        paper.section(words.say("paper.sheet.pledges"))
        widths = PLEDGE_KEEPERS_MM if keepers else PLEDGE_GROUP_MM
        await paper.table(pledge_columns(words, statement.audience), widths, pledges)
        paper.more(more)
    if keepers:
        paper.section(words.say("paper.sheet.unmatched"))
        unmatched, more = await _first(papers.unmatched)
        await paper.table(unmatched_columns(words), UNMATCHED_MM, unmatched)
        paper.more(more)
    data = await in_thread(paper.finished)
    await in_thread(path.write_bytes, data)
    return gathered.sums


def plain_list(
    title: str,
    givers: Iterable[Giver],
    words: Words,
    *,
    total_cents: int,
    target_cents: int | None = None,
    link: str | None = None,
) -> str:
    """
    The list as people copy it into WhatsApp: `1. Jane W. – 500 ✅`. It holds no phones.

    What WhatsApp reads as bold, italic or struck through (`*`, `_`, `~`, backticks) is a space
    in names.
    """
    total = words.money(total_cents)
    if target_cents is not None:
        total = words.say("paper.list.of-target", total=total, target=words.money(target_cents))
    lines = [f"*{_unmarked(title)}*", words.say("paper.list.total", total=total), ""]
    for number, giver in enumerate(givers, 1):
        name = _unmarked(giver.name) or words.say("paper.well-wisher")
        if giver.cents is None:
            lines.append(f"{number}. {name} ✅")
        else:
            lines.append(f"{number}. {name} – {words.money(giver.cents).removeprefix('KES ')} ✅")
    if link is not None:
        lines += ["", words.say("paper.list.give", link=link)]
    return "\n".join(lines)


def _unmarked(text: str) -> str:
    return line(line(text).translate(dict.fromkeys(map(ord, "*_~`"), " ")))


async def _csv(path: Path, columns: Sequence[Column[Row]], rows: AsyncIterable[Row]) -> int:
    with whole(path), CsvSheet(path, columns) as sheet:
        return await pour(rows, sheet.add)


async def _first(rows: AsyncIterable[Row]) -> tuple[list[Row], int]:
    """The first rows, and how many there are besides."""
    kept: list[Row] = []
    more = 0
    async for row in rows:
        if len(kept) < PDF_EXTRA_ROWS_MAX:
            kept.append(row)
        else:
            more += 1
    return kept, more
