"""A server's disk: each statement that PostgreSQL is asked, counted, and the n-th fails on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import asyncpg
from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql.asyncpg import (
    AsyncAdapt_asyncpg_connection,
    AsyncAdapt_asyncpg_cursor,
    AsyncAdapt_asyncpg_dbapi,
)

from tests.flows.troubles import BEGIN, COMMIT, COMMIT_OF_A_LOOK, FULL, LOCKED, Disk

__all__ = ["on_this_server", "servers_error"]

READS_ONE_MOMENT = "repeatable_read"
WORDS = {FULL: asyncpg.DiskFullError, LOCKED: asyncpg.LockNotAvailableError}


def servers_error(words: str) -> Exception:
    """What the driver makes of such words from the server."""
    said = WORDS.get(words, asyncpg.PostgresIOError)(words)
    return AsyncAdapt_asyncpg_dbapi.Error(words, said)  # type: ignore[no-untyped-call]  # SQLAlchemy's own


@contextmanager
def on_this_server(disk: Disk) -> Iterator[None]:
    """
    Every connection to PostgreSQL that is opened in the block is to a server on *disk*.

    The session that shows that a process is there writes nothing, and speaks whenever it likes:
    it is under way like the others, and never fails.
    """

    class Cursor(AsyncAdapt_asyncpg_cursor):
        __slots__ = ()

        def execute(self, operation: Any, parameters: Any = None) -> None:
            with _around(disk, self._adapt_connection, operation):
                super().execute(operation, parameters)  # type: ignore[no-untyped-call]  # SQLAlchemy's own

        def executemany(self, operation: Any, seq_of_parameters: Any) -> Any:
            with _around(disk, self._adapt_connection, operation):
                return super().executemany(operation, seq_of_parameters)  # type: ignore[no-untyped-call]  # SQLAlchemy's own

    class Connection(AsyncAdapt_asyncpg_connection):
        __slots__ = ()
        _cursor_cls = Cursor

        async def _start_transaction(self) -> None:
            looks = self.isolation_level == READS_ONE_MOMENT
            with _around(disk, self, "BEGIN" if looks else BEGIN):
                await super()._start_transaction()  # type: ignore[no-untyped-call]  # SQLAlchemy's own

        def ping(self) -> None:
            with disk.traffic.one():
                super().ping()  # type: ignore[no-untyped-call]  # SQLAlchemy's own

        def commit(self) -> None:
            looks = self.isolation_level == READS_ONE_MOMENT
            with _around(disk, self, COMMIT_OF_A_LOOK if looks else COMMIT):
                super().commit()  # type: ignore[no-untyped-call]  # SQLAlchemy's own

        def rollback(self) -> None:
            with disk.traffic.one():
                super().rollback()  # type: ignore[no-untyped-call]  # SQLAlchemy's own

    def connect(dialect: Any, _record: Any, args: Any, values: dict[str, Any]) -> Any:
        if dialect.name != "postgresql":
            return None  # as it would be done without us
        with disk.traffic.one():
            made = dialect.connect(*args, **values)
        return Connection(dialect.dbapi, made.driver_connection)  # type: ignore[no-untyped-call]  # SQLAlchemy's own

    event.listen(Engine, "do_connect", connect)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", connect)


def _around(
    disk: Disk, connection: AsyncAdapt_asyncpg_connection, words: str
) -> AbstractContextManager[None]:
    return disk.traffic.one() if connection.autocommit else disk.statement(words)
