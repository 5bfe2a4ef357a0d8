"""
Owns SQLite without a thread: each statement is done where it is asked for, and then awaited.

The database, its file and all of SQLAlchemy are the real ones. What is left out is the thread of
`aiosqlite`, which takes a third of the time of a test that has nothing to do with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_only

__all__ = ["InlineConnection", "InlineCursor", "sqlite_inline", "wait_of"]


async def _nothing() -> None:
    """What SQLAlchemy awaits in every statement, to see that the driver is an asynchronous one."""


def _no_wait() -> None:
    """An engine that blocks waits for nothing."""


def _one_wait() -> None:
    await_only(_nothing())


class InlineCursor:
    """A cursor as SQLAlchemy's asynchronous dialects see one, that has nothing to wait for."""

    __slots__ = ("_cursor", "_owner", "description", "lastrowid", "rowcount", "rows")

    arraysize = 1

    def __init__(self, owner: InlineConnection) -> None:
        self._owner = owner
        self._cursor = owner.raw.cursor()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.rows: list[Any] = []

    def execute(self, sql: str, parameters: Any = ()) -> None:
        self._owner.about_to(sql)
        self._cursor.execute(sql, parameters or ())
        self._keep()

    def executemany(self, sql: str, parameters: Any) -> None:
        self._owner.about_to(sql)
        self._cursor.executemany(sql, parameters)
        self._keep()

    def _keep(self) -> None:
        self._owner.wait()
        cursor = self._cursor
        self.description, self.rowcount = cursor.description, cursor.rowcount
        self.lastrowid = cursor.lastrowid
        self.rows = cursor.fetchall() if self.description else []

    def fetchone(self) -> Any:
        return self.rows.pop(0) if self.rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        taken, self.rows = self.rows[: size or 1], self.rows[size or 1 :]
        return taken

    def fetchall(self) -> list[Any]:
        taken, self.rows = self.rows, []
        return taken

    def close(self) -> None:
        self._cursor.close()

    async def _async_soft_close(self) -> None:
        """The rows are here already."""


class InlineConnection:
    """A connection that works in the thread of whoever uses it."""

    def __init__(self, raw: sqlite3.Connection, wait: Callable[[], None]) -> None:
        self.wait = wait
        self._open: sqlite3.Connection | None = raw

    @property
    def raw(self) -> sqlite3.Connection:
        if self._open is None:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        return self._open

    @property
    def _connection(self) -> InlineConnection:
        return self

    @property
    def isolation_level(self) -> str | None:
        return self.raw.isolation_level

    @isolation_level.setter
    def isolation_level(self, level: None) -> None:
        self.raw.isolation_level = level

    def create_function(self, *args: Any, **kwargs: Any) -> None:
        self.raw.create_function(*args, **kwargs)

    def about_to(self, sql: str) -> None:
        """A statement is next."""

    def cursor(self, server_side: bool = False) -> InlineCursor:
        return InlineCursor(self)

    def rollback(self) -> None:
        if self._open is not None:
            self._open.rollback()

    def commit(self) -> None:
        self.raw.commit()

    def cut(self) -> None:
        """What was not committed never was."""
        if self._open is not None:
            self._open.close()
        self._open = None

    close = terminate = cut


def wait_of(dialect: Any) -> Callable[[], None]:
    """What a connection of this dialect does where it would wait for a thread."""
    return _one_wait if dialect.is_async else _no_wait


@contextmanager
def sqlite_inline() -> Iterator[None]:
    """Meanwhile every SQLite connection that this process opens is an inline one."""
    event.listen(Engine, "do_connect", _connect)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", _connect)


def _connect(
    dialect: Any, _record: Any, args: list[Any], params: dict[str, Any]
) -> InlineConnection | None:
    if dialect.name != "sqlite":
        return None
    raw = sqlite3.connect(*args, **params | {"check_same_thread": False})
    return InlineConnection(raw, wait_of(dialect))
