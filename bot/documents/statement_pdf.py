"""The statement's PDF: A4, totals first, then every row or every month, with a running total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bot.documents.cells import phone
from bot.documents.entries import Audience, Entry, Kind, Sums, entry_columns
from bot.documents.entries import Column as Cells
from bot.documents.page import GREY, RED, Column, Page
from bot.documents.statement import PDF_ROWS_MAX, period, summary
from bot.documents.streams import Progress, in_thread
from bot.documents.words import TEXT_CHARS_MAX, Words, amount, line, local_day

if TYPE_CHECKING:
    from bot.documents.statement import Statement

__all__ = ["Gathered", "StatementPaper"]

Row = TypeVar("Row")

TABLE_PT: Final = 7.5
DRAWN_AT_ONCE: Final = 100

# mm across A4, in the order of `entry_columns`. The keepers' two last columns, the reference and
# the note, have no room: the note stands below what the money is for.
KEEPERS_MM: Final = (29, 23, 45, 25, 26, 28, 14, 23, 38, 0, 22, 0)
GROUP_MM: Final = (33, 25, 50, 26, 22, 30)
NAME: Final = 2
WHAT_FOR: Final = 8
WHAT_FOR_GROUP: Final = 5
NOTE: Final = 11
MONTHS_MM: Final = (46, 26, 36, 36, 42)


@dataclass(slots=True)
class Gathered:
    """The entries while they are few, and the months in any case."""

    opening_cents: int
    rows: list[Entry] = field(default_factory=list)
    months: dict[date, Sums] = field(default_factory=dict)
    sums: Sums = field(init=False)

    def __post_init__(self) -> None:
        self.sums = Sums(self.opening_cents)

    @property
    def many(self) -> bool:
        """Too many for a row each."""
        return self.sums.count > PDF_ROWS_MAX

    def add(self, entries: Sequence[Entry]) -> None:
        """Take these in."""
        self.sums.add(entries)
        for entry in entries:
            month = local_day(entry.at).replace(day=1)
            if month not in self.months:
                self.months[month] = Sums()
            self.months[month].add((entry,))
        if self.many:
            self.rows.clear()
        else:
            self.rows += entries


class StatementPaper:
    """One statement being drawn. Not for two threads at once."""

    def __init__(self, statement: Statement, sums: Sums, words: Words) -> None:
        self.words = words
        self._statement = statement
        self._keepers = statement.audience is Audience.KEEPERS
        self.page = Page(
            words,
            title=words.say("paper.statement.title", title=line(statement.title)),
            author=statement.collector,
            made_at=statement.made_at,
            foot=f"{line(statement.title)} · {period(statement, words)}",
            form="A4",
            landscape=self._keepers,
            stamp=(words.say("paper.stamp.practice"), RED) if statement.practice else None,
        )
        self._opening(sums)

    async def entries(self, gathered: Gathered, progress: Progress | None) -> None:
        """The table of entries or months, a few rows at a time."""
        if gathered.many:
            await in_thread(self._months, gathered)
            if progress is not None:
                await progress(gathered.sums.count)
            return
        cells = entry_columns(
            self.words, self._statement.audience, opening_cents=gathered.opening_cents
        )
        widths = list(KEEPERS_MM if self._keepers else GROUP_MM)
        about = WHAT_FOR if self._keepers else WHAT_FOR_GROUP
        if not any(row.what_for or row.note for row in gathered.rows):
            widths[NAME] += widths[about]  # a statement of one drive says it once, in its title
            widths[about] = 0
        await self.table(cells, widths, gathered.rows, progress)

    async def table(
        self,
        cells: Sequence[Cells[Row]],
        widths: Sequence[float],
        rows: Sequence[Row],
        progress: Progress | None = None,
    ) -> None:
        """A table of *rows* with those columns that have a width."""
        columns = [
            Column(each.head, width, "R" if each.kind in (Kind.MONEY, Kind.COUNT) else "L")
            for each, width in zip(cells, widths, strict=True)
            if width
        ]
        self.page.ink(TABLE_PT)
        self.page.head(columns)
        for start in range(0, len(rows), DRAWN_AT_ONCE):
            some = rows[start : start + DRAWN_AT_ONCE]
            await in_thread(self._draw, cells, widths, columns, some)
            if progress is not None:
                await progress(start + len(some))
        if not rows:
            self.page.ink(9, colour=GREY)
            self.page.put(self.words.say("paper.nothing"))

    def section(self, head: str) -> None:
        """A heading between two tables."""
        if self.page.y + 30 > self.page.page_break_trigger:
            self.page.add_page(same=True)
        self.page.ln(5)
        self.page.ink(12, bold=True)
        self.page.put(head)
        self.page.ln(1)

    def more(self, rows: int) -> None:
        """Below a table: how many rows are only in the other formats."""
        if rows:
            self.page.ink(9, colour=GREY)
            self.page.put(self.words.say("paper.more", rows=f"{rows:,}"))

    def finished(self) -> bytes:
        """The PDF."""
        return self.page.finished()

    def _opening(self, sums: Sums) -> None:
        words, page = self.words, self.page
        page.ink(17, bold=True)
        page.put(words.say("paper.statement.title", title=line(self._statement.title)), lines_max=3)
        page.ink(9, colour=GREY)
        page.put(f"{line(self._statement.collector)} · {period(self._statement, words)}")
        page.rule(above=2, below=3)
        page.ink(9.5)
        facts = summary(self._statement, sums, words)[3:]
        shown = [
            (label, words.money(value) if isinstance(value, int) else line(value, TEXT_CHARS_MAX))
            for label, value in facts
        ]
        if self._keepers:
            page.facts_in_two(shown, label_mm=46)
        else:
            page.facts(shown, label_mm=62)
        page.ln(2)

    def _draw(
        self,
        cells: Sequence[Cells[Row]],
        widths: Sequence[float],
        columns: Sequence[Column],
        rows: Sequence[Row],
    ) -> None:
        shown = [self._shown(each, rows) for each in cells]
        if len(cells) == len(KEEPERS_MM):  # entries for the keepers
            pairs = zip(shown[WHAT_FOR], shown[NOTE], strict=True)
            shown[WHAT_FOR] = [" · ".join(filter(None, pair)) for pair in pairs]
        kept = [each for each, width in zip(shown, widths, strict=True) if width]
        for row in zip(*kept, strict=True):
            self.page.row(row, columns)

    def _shown(self, column: Cells[Row], rows: Sequence[Row]) -> list[str]:
        return [self._cell(column.kind, cell) for cell in column.cells(rows)]

    def _cell(self, kind: Kind, cell: Any) -> str:
        if cell is None:
            return "–" if kind is Kind.MONEY else ""
        match kind:
            case Kind.WHEN:
                return self.words.when(cell)
            case Kind.DAY:
                return self.words.day(cell)
            case Kind.MONEY:
                return amount(cell)
            case Kind.COUNT:
                return f"{cell:,}"
            case Kind.CODE:
                return line(phone(cell))
            case Kind.TEXT:
                return line(cell)

    def _months(self, gathered: Gathered) -> None:
        say, page = self.words.say, self.page
        page.ink(9, colour=GREY)
        page.put(say("paper.statement.by-month", rows=f"{PDF_ROWS_MAX:,}"))
        page.ln(1)
        scale = page.epw / sum(MONTHS_MM)
        heads = (
            "paper.month",
            "paper.entries",
            "paper.received",
            "paper.returned",
            "paper.running",
        )
        columns = [
            Column(say(head), width * scale, "R" if number else "L")
            for number, (head, width) in enumerate(zip(heads, MONTHS_MM, strict=True))
        ]
        page.ink(9)
        page.head(columns)
        running = gathered.opening_cents
        for month, sums in sorted(gathered.months.items()):
            running += sums.net_cents
            cells = (
                self.words.month(month),
                f"{sums.count:,}",
                amount(sums.received_cents),
                amount(sums.returned_cents),
                amount(running),
            )
            page.row(cells, columns)
        assert running == gathered.sums.closing_cents
