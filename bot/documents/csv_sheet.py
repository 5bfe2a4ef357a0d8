"""CSV: any number of rows as RFC 4180 in UTF-8 with a mark, batch by batch."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from bot.documents.cells import as_code, as_text
from bot.documents.entries import Column, Kind
from bot.texts import EAT

__all__ = ["CsvSheet"]

Row = TypeVar("Row")

BOM: Final = "utf-8-sig"
"""Without the mark, Excel reads `Wanjikũ` in an alphabet of its own."""


class CsvSheet(Generic[Row]):
    """One table in one file. Not for two threads at once."""

    def __init__(self, path: Path, columns: Sequence[Column[Row]]) -> None:
        self._columns = columns
        self._file = path.open("w", encoding=BOM, newline="")
        self._writer = csv.writer(self._file, lineterminator="\r\n")
        self._writer.writerow([as_text(column.head) for column in columns])

    def add(self, rows: Sequence[Row]) -> None:
        """Write these."""
        columns = [_WRITE[each.kind](each.cells(rows)) for each in self._columns]
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()


SECONDS_END: Final = len("2026-11-23 21:05:00")


def _when(cells: Iterable[datetime]) -> list[str]:
    return [at.astimezone(EAT).isoformat(" ", "seconds")[:SECONDS_END] for at in cells]


def _day(cells: Iterable[date | None]) -> list[str]:
    return ["" if day is None else day.isoformat() for day in cells]


def _money(cells: Iterable[int | None]) -> list[str]:
    return [
        ""
        if cents is None
        else f"{cents // 100}.{cents % 100:02}"
        if cents >= 0
        else f"-{-cents // 100}.{-cents % 100:02}"
        for cents in cells
    ]


def _text(cells: Iterable[str]) -> list[str]:
    return [cell if cell.isalpha() or not cell else as_text(cell) for cell in cells]


def _code(cells: Iterable[str]) -> list[str]:
    # A receipt begins with a letter and has nothing but letters and digits: it is safe.
    return [
        cell if not cell or (cell.isalnum() and cell[0].isalpha()) else as_code(cell)
        for cell in cells
    ]


_WRITE: Final[dict[Kind, Callable[[Iterable[Any]], list[Any]]]] = {
    Kind.WHEN: _when,
    Kind.DAY: _day,
    Kind.TEXT: _text,
    Kind.CODE: _code,
    Kind.MONEY: _money,
    Kind.COUNT: list,
}
