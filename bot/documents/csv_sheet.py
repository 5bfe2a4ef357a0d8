"""CSV: any number of rows as RFC 4180 in UTF-8 with a mark, batch by batch."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
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


def _when(cells: Iterable[datetime]) -> list[str]:
    return [at.astimezone(EAT).replace(tzinfo=None).isoformat(" ", "seconds") for at in cells]


def _day(cells: Iterable[date | None]) -> list[str]:
    return ["" if day is None else day.isoformat() for day in cells]


def _money(cells: Iterable[int | None]) -> list[Decimal | str]:
    return ["" if cents is None else Decimal(cents).scaleb(-2) for cents in cells]


_WRITE: Final[dict[Kind, Callable[[Iterable[Any]], list[Any]]]] = {
    Kind.WHEN: _when,
    Kind.DAY: _day,
    Kind.TEXT: lambda cells: [as_text(cell) for cell in cells],
    Kind.CODE: lambda cells: [as_code(cell) for cell in cells],
    Kind.MONEY: _money,
    Kind.COUNT: list,
}
