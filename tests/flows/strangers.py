"""What stands in a database, as a stranger reads it beside the bot, on either engine."""

from __future__ import annotations

import asyncio
import itertools
import re
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url

__all__ = ["Stranger", "everything", "file_of", "legible_phones", "rows"]

TABLES = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""

NUMBER = re.compile(rb"(?=([17]\d{8}))")
"""A number without its country, wherever it may begin."""

DIGEST = re.compile(rb"(?<![0-9a-z])[0-9a-f]{32,64}(?![0-9a-z])")
"""An id, an index or a digest as PostgreSQL's rows have it: alone, or behind a colon."""


def file_of(database: str) -> Path | None:
    """Where the SQLite file at that address is; None for PostgreSQL."""
    url = make_url(database)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


async def rows(database: str, query: str, *values: object) -> list[dict[str, Any]]:
    """What *query* finds; its values stand as `?`, as SQLite has it."""
    async with Stranger.at(database) as stranger:
        return await stranger.rows(query, *values)


class Stranger:
    """Looks into one database again and again."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._file = file_of(database)
        # To a server it is one session: each new one costs more there than all that it is asked.
        self._session: asyncpg.Connection[asyncpg.Record] | None = None
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def at(cls, database: str) -> AsyncIterator[Stranger]:
        """One who leaves at the end."""
        stranger = cls(database)
        try:
            yield stranger
        finally:
            if stranger._session is not None:
                await stranger._session.close()

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What *query* finds; its values stand as `?`, as SQLite has it."""
        if self._file is not None:
            with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as books:
                books.row_factory = sqlite3.Row
                return [dict(row) for row in books.execute(query, values)]
        numbers = itertools.count(1)
        numbered = re.sub(r"\?", lambda _: f"${next(numbers)}", query)
        async with self._one_at_a_time:
            if self._session is None or self._session.is_closed():
                self._session = await asyncpg.connect(self._database, ssl=False)
            return [dict(row) for row in await self._session.fetch(numbered, *values)]


async def everything(database: str) -> bytes:
    """Every byte that is kept: SQLite's files, or PostgreSQL's rows with bytes as they read."""
    file = file_of(database)
    if file is not None:
        return b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    connection = await asyncpg.connect(database, server_settings={"bytea_output": "escape"})
    try:
        kept: list[str] = []
        for (table,) in await connection.fetch(TABLES):
            each = await connection.fetch(f'SELECT kept::text FROM "{table}" AS kept')
            kept += [str(text) for (text,) in each]
    finally:
        await connection.close()
    return "\n".join(kept).encode()


def legible_phones(kept: bytes, phones: Iterable[str], *, in_rows: bool) -> list[str]:
    """
    Those of *phones* whose digits stand in what is kept; *in_rows*: by `everything` of PostgreSQL.

    Among millions of digests some hold the digits of a phone by chance; in rows they are told
    apart. In a file of SQLite nothing parts one column from the next, so there all of it counts.
    """
    read = DIGEST.sub(b"", kept) if in_rows else kept
    found = {number.decode() for number in NUMBER.findall(read)}
    return sorted({phone for phone in phones if phone[3:] in found})
