"""Workbook: XLSX with several sheets, of which no more than a row at a time is in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Generic, TypeVar

from bot.documents.cells import CELL_CHARS_MAX, phone
from bot.documents.entries import Column, Kind
from bot.documents.words import line
from bot.texts import EAT

__all__ = ["ROWS_MAX", "Sheet", "Workbook"]

Row = TypeVar("Row")

ROWS_MAX: Final = 1_048_576
"""Of one sheet, its head included: the format's own limit. What is more goes on another."""

NAME_CHARS_MAX: Final = 31
_NOT_IN_NAMES: Final = re.compile(r"[\[\]:*?/\\']")


class Workbook:
    """One file of sheets, written in any order. Not for two threads at once."""

    def __init__(self, path: Path, *, rows_max: int = ROWS_MAX) -> None:
        import xlsxwriter

        # Its working files lie beside the result, which may be on the larger disk.
        self._folder = TemporaryDirectory(dir=path.parent, prefix=".xlsx-")
        options = {
            "constant_memory": True,
            "tmpdir": self._folder.name,
            "strings_to_formulas": False,
            "strings_to_urls": False,
        }
        self._book = xlsxwriter.Workbook(str(path), options)
        self.rows_max = rows_max
        self.head = self._format(bold=True, bg_color="#E8EBF0", bottom=1, text_wrap=True)
        self.bold = self._format(bold=True)
        self.when = self._format(num_format="d mmm yyyy hh:mm:ss", align="left")
        self.day = self._format(num_format="d mmm yyyy", align="left")
        self.money = self._format(num_format="#,##0.00;[Red]-#,##0.00")
        self.count = self._format(num_format="#,##0")
        self.text = self._format(num_format="@")

    def sheet(self, name: str, columns: Sequence[Column[Row]]) -> Sheet[Row]:
        """A new sheet with a frozen head."""
        return Sheet(self, name, columns)

    def facts(self, name: str, rows: Sequence[tuple[str, str | int]]) -> None:
        """A sheet of labels with what they name: text, or an amount in cents."""
        sheet = self.worksheet(name)
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 1, 40)
        for number, (label, value) in enumerate(rows):
            sheet.write_string(number, 0, line(label), self.bold)
            if isinstance(value, int):
                sheet.write_number(number, 1, value / 100, self.money)
            else:
                sheet.write_string(number, 1, line(value, CELL_CHARS_MAX), self.text)

    def worksheet(self, name: str) -> Any:
        """An empty one under a name that the format allows and nobody has yet."""
        base = _NOT_IN_NAMES.sub(" ", line(name)).strip()
        taken = {str(each.get_name()).casefold() for each in self._book.worksheets()}
        number, free = 1, base[:NAME_CHARS_MAX]
        while free.casefold() in taken:
            number += 1
            tail = f" {number}"
            free = f"{base[: NAME_CHARS_MAX - len(tail)]}{tail}"
        return self._book.add_worksheet(free)

    def close(self) -> None:
        """Put the file together; until then there is none."""
        self._book.close()
        self._folder.cleanup()

    def abandon(self) -> None:
        """Leave nothing behind: neither a file that lacks rows nor our working files."""
        for sheet in self._book.worksheets():
            sheet._opt_close()
        self._book.fileclosed = True  # else its destructor would put the file together
        self._folder.cleanup()

    @contextmanager
    def kept_if_whole(self) -> Iterator[None]:
        """Abandoned by whatever ends the block early; the caller still has to close it."""
        try:
            yield
        except BaseException:
            self.abandon()
            raise

    def _format(self, **properties: object) -> Any:
        return self._book.add_format({"valign": "top", **properties})


class Sheet(Generic[Row]):
    """One table; it goes on in a sheet of the same name and the next number when it is full."""

    def __init__(self, book: Workbook, name: str, columns: Sequence[Column[Row]]) -> None:
        self._book = book
        self._name = name
        self._columns = columns
        self._writers = [_writer(book, each.kind) for each in columns]
        self._begin()

    def add(self, rows: Sequence[Row]) -> None:
        """Write these."""
        cells = [column.cells(rows) for column in self._columns]
        for row in zip(*cells, strict=True):
            if self._next == self._book.rows_max:
                self._begin()
            sheet, number = self._sheet, self._next
            for column, (cell, write) in enumerate(zip(row, self._writers, strict=True)):
                if cell is not None and cell != "":
                    write(sheet, number, column, cell)
            self._next += 1

    def _begin(self) -> None:
        self._sheet = self._book.worksheet(self._name)
        self._sheet.freeze_panes(1, 0)
        for number, column in enumerate(self._columns):
            self._sheet.set_column(number, number, column.width)
            self._sheet.write_string(0, number, line(column.head), self._book.head)
        self._next = 1


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes one kind of cell as what it is: text is never looked at for formulas or links."""

    style: Any
    value: Callable[[Any], Any]
    method: str

    def __call__(self, sheet: Any, row: int, column: int, cell: Any) -> None:
        getattr(sheet, self.method)(row, column, self.value(cell), self.style)


def _writer(book: Workbook, kind: Kind) -> _Writer:
    match kind:
        case Kind.WHEN:
            return _Writer(book.when, _local, "write_datetime")
        case Kind.DAY:
            return _Writer(book.day, _same, "write_datetime")
        case Kind.MONEY:
            return _Writer(book.money, _shillings, "write_number")
        case Kind.COUNT:
            return _Writer(book.count, _same, "write_number")
        case Kind.CODE:
            return _Writer(book.text, _code, "write_string")
        case Kind.TEXT:
            return _Writer(None, _text, "write_string")


def _local(at: datetime) -> datetime:
    return at.astimezone(EAT).replace(tzinfo=None)


def _same(cell: date | int) -> date | int:
    return cell


def _shillings(cents: int) -> float:
    return cents / 100


def _text(text: str) -> str:
    if text.isprintable() and len(text) <= CELL_CHARS_MAX:
        return text
    return line(text, CELL_CHARS_MAX)


def _code(code: str) -> str:
    return _text(phone(code))
