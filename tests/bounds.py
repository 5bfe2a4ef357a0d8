"""What PostgreSQL refuses to keep is refused by an SQLite file of the tests too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

from storage.columns import metadata

__all__ = ["bounded", "put_bounds"]

INTEGER_MAX = 2**31 - 1


def put_bounds(path: Path) -> None:
    """SQLite holds no column to its length or width: triggers do, in this file."""
    with closing(sqlite3.connect(path)) as file:
        for trigger in _triggers(metadata):
            file.execute(trigger)
        file.commit()


def bounded(tables: MetaData) -> Iterator[tuple[Table, list[Column[object]]]]:
    """Every table, and those of its columns that hold so much and no more."""
    for table in tables.sorted_tables:
        columns = [each for each in table.columns if _too_much(each) is not None]
        if columns:
            yield table, columns


def _triggers(tables: MetaData) -> Iterator[str]:
    for table, columns in bounded(tables):
        conditions = " OR ".join(filter(None, map(_too_much, columns)))
        names = ", ".join(f'"{each.name}"' for each in columns)
        for when, word in (("insert", "INSERT"), ("update", f"UPDATE OF {names}")):
            yield (
                f"CREATE TRIGGER {table.name}_bounds_{when} BEFORE {word} ON {table.name}"
                f" WHEN {conditions}"
                f" BEGIN SELECT RAISE(ABORT, 'too much for a column of {table.name}'); END"
            )


def _too_much(column: Column[object]) -> str | None:
    value, kind = f'NEW."{column.name}"', column.type
    if isinstance(kind, String):
        nul = f"instr({value}, char(0))"
        # Text has no length.
        unbounded = isinstance(kind, Text) or kind.length is None
        return nul if unbounded else f"{nul} OR length({value}) > {kind.length}"
    if isinstance(kind, Integer) and not isinstance(kind, BigInteger):
        return f"abs({value}) > {INTEGER_MAX}"
    return None
