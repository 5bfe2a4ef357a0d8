"""
Owns SQLAlchemy's dialects in the tests: one of each kind, for all the engines of a process.

A test opens engines of its own, and so does each of the dozens of lives in a history. What a real
process does once (ask the server what it is, write each statement out as SQL) is the same for all
of them, and is kept here from one to the next. Bots in processes of their own know nothing of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.asyncio import create_async_engine

__all__ = ["keep_dialects", "meet_postgres", "meet_sqlite"]

_kept: dict[Any, Any] = {}
_written: dict[Any, Any] = {}  # statements as SQL; their keys name the dialect


class _Kept:
    """A dialect of which there is one for each way to make it, whatever its driver's object is."""

    def __new__(cls, *_args: Any, dbapi: Any = None, **options: Any) -> Any:
        key = (cls, *sorted((name, str(value)) for name, value in options.items()))
        if key not in _kept:
            _kept[key] = super().__new__(cls)
        return _kept[key]

    def __init__(self, **options: Any) -> None:
        if not hasattr(self, "_made"):
            self._made, self._met = True, False
            super().__init__(**options)

    def initialize(self, connection: Connection) -> None:
        if not self._met:
            super().initialize(connection)  # type: ignore[misc]  # a dialect's, which we stand before
            self._met = True

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=_written)


class KeptAiosqlite(_Kept, SQLiteDialect_aiosqlite):
    """SQLite, awaited."""

    supports_statement_cache = True


class KeptPysqlite(_Kept, SQLiteDialect_pysqlite):
    """SQLite, as a thread would use it."""

    supports_statement_cache = True


class KeptAsyncpg(_Kept, PGDialect_asyncpg):
    """PostgreSQL."""

    supports_statement_cache = True


def keep_dialects() -> None:
    """From now on every engine of this process has one of these."""
    for name, kept in (
        ("sqlite.aiosqlite", KeptAiosqlite),
        ("sqlite", KeptPysqlite),
        ("postgresql.asyncpg", KeptAsyncpg),
    ):
        registry.register(name, __name__, kept.__name__)


async def meet_sqlite(path: Path) -> None:
    """Ask SQLite what it is now, or the first life here would take more steps than the others."""
    blocking = create_engine(f"sqlite:///{path}")
    with blocking.connect():
        pass
    blocking.dispose()
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    async with engine.connect():
        pass
    await engine.dispose()


async def meet_postgres(url: str) -> None:
    """The same of a server, in each of the ways in which a store is connected to it."""
    for options in ({}, {"isolation_level": "REPEATABLE READ"}, {"isolation_level": "AUTOCOMMIT"}):
        address = url.replace("postgresql://", "postgresql+asyncpg://")
        engine = create_async_engine(address, **options)
        async with engine.connect():
            pass
        await engine.dispose()
