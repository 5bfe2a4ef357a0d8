"""Setwise: what statements that speak of many rows at once have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, CursorResult, Select, UpdateBase, bindparam
from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["Among", "Many", "padded"]

T = TypeVar("T")


def padded(values: Sequence[T]) -> list[T]:
    """
    *values* for an IN, the last one repeated up to the next power of two.

    Each length is another statement to both engines, to be prepared anew: nine of them stay in
    their caches, two hundred and fifty-six would not.
    """
    missing = (1 << (len(values) - 1).bit_length()) - len(values) if values else 0
    return [*values, *(list(values[-1:]) * missing)]


class Among:
    """
    A SELECT of the rows whose *column* is among some values, compiled once for each engine.

    Rows come as the driver hands them over: instants are whole microseconds, flags may be 0 and 1.
    """

    def __init__(self, query: Select[Any], column: Column[Any]) -> None:
        self._query = query
        self._column = column
        self._compiled: dict[tuple[str, int], str] = {}

    def __call__(self, connection: Connection, values: Sequence[Any]) -> Sequence[Any]:
        """The rows for *values*, of which there is at least one."""
        wanted = padded(values)
        key = connection.dialect.name, len(wanted)
        if key not in self._compiled:
            places = [
                bindparam(f"value_{place}", type_=self._column.type) for place in range(len(wanted))
            ]
            query = self._query.where(self._column.in_(places))
            self._compiled[key] = str(query.compile(dialect=connection.dialect))
        return connection.exec_driver_sql(self._compiled[key], tuple(wanted)).all()


class Many:
    """
    A statement that is run for many rows, compiled once for each engine.

    Rows are mappings of values as the driver takes them: instants are given as `micros`.
    An INSERT says `inline()`, or it would ask for the ids of its rows, one by one.
    SQLAlchemy would look at every value of every row, which costs more than the database does.
    """

    def __init__(self, statements: Mapping[str, UpdateBase], names: Sequence[str]) -> None:
        self._statements = statements
        self._names = list(names)
        self._compiled: dict[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {}

    def __call__(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]]
    ) -> CursorResult[Any]:
        """Run it for *rows*, of which there is at least one."""
        engine = connection.dialect.name
        if engine not in self._compiled:
            compiled = self._statements[engine].compile(
                dialect=connection.dialect, column_keys=self._names
            )
            assert isinstance(compiled, SQLCompiler)
            assert compiled.positiontup is not None, "both drivers take values by position"
            self._compiled[engine] = str(compiled), _values(compiled.positiontup)
        text, values_of = self._compiled[engine]
        return connection.exec_driver_sql(text, [values_of(row) for row in rows])


def _values(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Takes these values out of a row; itemgetter alone makes no tuple of a single one."""
    if len(names) == 1:
        [only] = names
        return lambda row: (row[only],)
    return itemgetter(*names)
