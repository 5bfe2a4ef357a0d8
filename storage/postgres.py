"""PostgreSQL's engines: their pools, and how long anything may take before it is given up."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from storage.presence import SILENT_S

__all__ = ["postgres_engines"]

READERS = 4
WRITE_S = 15.0
READ_S = 60.0
SPEAK_S = 5.0
IDLE_IN_TRANSACTION_S = 5.0
"""A process that is stopped in the middle of a write holds rows that others wait for."""

LOCK_S = 8.0  # so that whoever waits for such a process outlasts it
ANSWER_AFTER_S = 5.0  # how much longer we wait than the server may take: the network


@asynccontextmanager
async def postgres_engines(url: URL) -> AsyncIterator[tuple[AsyncEngine, AsyncEngine, AsyncEngine]]:
    """To write, to read, and for the one session that shows that this process is there."""
    target = url.set(drivername="postgresql+asyncpg")
    writing = create_async_engine(
        target,
        pool_size=1,
        max_overflow=1,
        hide_parameters=True,
        connect_args=_limits(
            WRITE_S, lock=LOCK_S, idle_in_transaction_session=IDLE_IN_TRANSACTION_S
        ),
    )
    reading = create_async_engine(
        target,
        pool_size=READERS,
        pool_pre_ping=True,  # the writer tries again by itself; a look would fail
        hide_parameters=True,
        isolation_level="REPEATABLE READ",  # one look, one moment, as SQLite gives it
        connect_args=_limits(READ_S, lock=LOCK_S),
    )
    speaking = create_async_engine(
        target,
        poolclass=NullPool,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",  # its locks are the session's; nothing else waits for it
        connect_args=_limits(SPEAK_S, idle_session=SILENT_S),
    )
    try:
        yield writing, reading, speaking
    finally:
        for engine in (writing, reading, speaking):
            await engine.dispose()


def _limits(statement_s: float, **others_s: float) -> dict[str, Any]:
    timeouts = {"statement": statement_s, **others_s}
    settings = {f"{name}_timeout": str(round(each * 1000)) for name, each in timeouts.items()}
    return {
        "server_settings": {"application_name": f"lipabot {os.getpid()}", **settings},
        "command_timeout": statement_s + ANSWER_AFTER_S,
    }
