"""
Reads the statement that a business exports from the M-PESA portal, in every form that is known.

No original file was at hand: the forms are those that public programs are written to read. A form
is told by its headings, never by a file's name or a fixed line. Lines come one by one, so that a
CSV of any length needs the same memory; a spreadsheet is held as its library holds it.
"""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Final

from mpesa.statement_rows import (
    BadRow,
    Cell,
    Columns,
    Nature,
    StatementRow,
    folded,
    moment,
    read_row,
)

__all__ = [
    "BadRow",
    "BadStatement",
    "Nature",
    "Statement",
    "StatementRow",
    "open_statement",
]

PREAMBLE_LINES_MAX: Final = 40
SHEET_ROWS_MAX: Final = 1_048_576
_CHUNK: Final = 1 << 20
_OLE2, _ZIP, _PDF = b"\xd0\xcf\x11\xe0", b"PK", b"%PDF"

Line = tuple[int, Sequence[Cell]]


class BadStatement(Exception):
    """
    The file is no statement that can be read. The message says what to do; `line` is where, from 1,
    None where no line is to blame.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementHead:
    """What the file says of itself. Times are aware UTC; everything may be missing."""

    short_code: str = ""
    account: str = ""  # "Utility Account" of a Paybill, "Merchant Account" of a till
    since: datetime | None = None
    until: datetime | None = None
    reported_at: datetime | None = None


class Statement:
    """An open statement: `head`, and its lines, which can be walked through once."""

    def __init__(
        self,
        head: StatementHead,
        columns: Columns,
        lines: Iterator[Line],
        position: Callable[[], int],
    ) -> None:
        self.head = head
        self._position = position
        self._columns = columns
        self._lines = lines

    @property
    def bytes_read(self) -> int:
        """How far into the file we are; a spreadsheet is read whole, at its opening."""
        return self._position()

    def __iter__(self) -> Iterator[StatementRow | BadRow]:
        """
        Every line with a receipt, in the file's order.

        Raises:
            BadStatement: the rest of the file cannot be read.
        """
        first = next(self._lines, None)
        if first is None:
            return
        if self._columns.has("store") and len(first[1]) == self._columns.count - 1:
            self._columns.shift_left()
        read = self._columns.reader()
        for line, cells in chain([first], self._lines):
            row = read_row(line, cells, read)
            if row is not None:
                yield row


@contextmanager
def open_statement(path: Path) -> Iterator[Statement]:
    """
    Open the CSV, XLSX or XLS at *path* until the block ends.

    Raises:
        BadStatement: it is none.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(_PDF):
        raise BadStatement("this is a PDF: export the statement from the portal as CSV or Excel")
    if start.startswith((_OLE2, _ZIP)):
        size = path.stat().st_size
        yield _opened(_sheet_lines(path), lambda: size)
        return
    encoding = _encoding(path)
    with path.open("rb") as file:
        text = TextIOWrapper(file, encoding=encoding, newline="", errors="replace")
        yield _opened(_csv_lines(text), file.tell)


def _opened(lines: Iterator[Line], position: Callable[[], int]) -> Statement:
    """Read up to the headings, wherever they stand."""
    labels: dict[str, Cell] = {}
    for line, cells in lines:
        columns = Columns(cells)
        if columns.complete:
            return Statement(_head(labels), columns, lines, position)
        if line > PREAMBLE_LINES_MAX:
            break
        labels.update(_labels(cells))
    raise BadStatement(
        "no line has the headings of a statement (Receipt No., Completion Time, Paid In):"
        " export it from the M-PESA portal, and do not change it"
    )


def _labels(cells: Sequence[Cell]) -> Iterator[tuple[str, Cell]]:
    """The preamble's "Short Code:, 600999" pairs; "Time Period:, From, …, To, …" holds two."""
    for place, cell in enumerate(cells[:-1]):
        if isinstance(cell, str) and (name := folded(cell)):
            yield name, cells[place + 1]


def _head(labels: dict[str, Cell]) -> StatementHead:
    def text(name: str) -> str:
        value = labels.get(name)
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        return "" if whole is None else str(whole).strip()

    return StatementHead(
        short_code=text("shortcode"),
        account=text("account"),
        since=moment(labels.get("from")),
        until=moment(labels.get("to")),
        reported_at=moment(labels.get("dateofreport")),
    )


def _csv_lines(text: Iterable[str]) -> Iterator[Line]:
    lines = iter(text)
    # The first lines tell what parts the cells: some programs save with semicolons or tabs.
    peeked: list[str] = []
    delimiter = None
    while delimiter is None and len(peeked) <= PREAMBLE_LINES_MAX:
        each = next(lines, None)
        if each is None:
            break
        peeked.append(each)
        delimiter = next((mark for mark in ",;\t" if _is_heading(each, mark)), None)
    reader = csv.reader(chain(peeked, lines), delimiter=delimiter or ",", strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            raise BadStatement(f"the file is damaged here ({exc})", line=line) from None
        yield line, cells


def _is_heading(line: str, mark: str) -> bool:
    try:
        return Columns(next(csv.reader([line], delimiter=mark), [])).complete
    except csv.Error:
        return False


def _sheet_lines(path: Path) -> Iterator[Line]:
    # Only who has a spreadsheet to read pays for its library.
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    try:
        workbook = CalamineWorkbook.from_path(str(path))
        for name in workbook.sheet_names:
            sheet = workbook.get_sheet_by_name(name)
            if sheet.total_height > SHEET_ROWS_MAX:
                raise BadStatement("the sheet has too many rows")
            first = sheet.start[0] if sheet.start else 0
            rows = enumerate(sheet.iter_rows(), first + 1)
            peeked = [each for _, each in zip(range(PREAMBLE_LINES_MAX), rows, strict=False)]
            if any(Columns(cells).complete for _, cells in peeked):
                yield from peeked
                yield from rows
                return
    except PasswordError:
        raise BadStatement("the spreadsheet is locked with a password: save it without") from None
    except CalamineError:
        raise BadStatement(
            "the spreadsheet cannot be read; if it is a zip of several files, unpack it first"
        ) from None


def _encoding(path: Path) -> str:
    """UTF-8 if every byte of it is, else Windows' own."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"
