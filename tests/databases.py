"""Databases on the tests' own PostgreSQL: one for each test at a time, cleaned and used again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import asyncpg

__all__ = ["Databases"]

T = TypeVar("T")

WORN = 512 * 1024
"""Bytes of a table beyond which a database is dropped: its plans are no longer a fresh one's."""

# Superusers alone may say so: nobody's foreign keys and append-only triggers are asked.
CLEAN = """
DO $$
DECLARE each record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR each IN
        SELECT oid::regclass AS name FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
            AND relname <> 'alembic_version'
    LOOP
        EXECUTE format('DELETE FROM %s', each.name);
    END LOOP;
    PERFORM setval(oid::regclass, 1, false) FROM pg_class
        WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace;
END $$
"""

OTHERS_GO = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

LARGEST = """
SELECT coalesce(max(pg_relation_size(oid)), 0) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""

SHAPE = """
SELECT md5(string_agg(part, ';' ORDER BY part)) FROM (
    SELECT 'schema ' || nspname AS part FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'
    UNION ALL SELECT 'version ' || version_num FROM alembic_version
    UNION ALL SELECT concat_ws(' ', 'trigger', tgrelid::regclass, tgname, tgenabled)
        FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT concat_ws(' ', 'column', attrelid::regclass, attname, atttypid, attnotnull)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0
) AS parts
"""


class Databases:
    """
    Lends out databases that have today's tables and nothing in them.

    Making one costs more than most tests do, and so does a connection that has seen no table yet:
    each database has one that cleans it time and again. A database comes back clean, or not at
    all: where a test has changed its tables, or filled them so far that the planner would think
    otherwise, it is dropped. Used from one thread, outside any running event loop.
    """

    def __init__(self, server: str, template: str) -> None:
        """*server*: the address of its database `postgres`; *template*: what to copy."""
        self._server = server
        self._template = template
        self._shape: str | None = None
        self._clean: list[str] = []
        self._made = 0
        self._loop = asyncio.new_event_loop()
        self._cleaners: dict[str, asyncpg.Connection] = {}

    def lend(self) -> str:
        """The name of a clean database."""
        return self._clean.pop() if self._clean else self._run(self._make())

    def take_back(self, name: str) -> None:
        """Clean it for the next one; who is still connected is cut off."""
        if self._run(self._cleaned(name)):
            self._clean.append(name)

    def url(self, name: str) -> str:
        return self._server.removesuffix("postgres") + name

    def close(self) -> None:
        """Nothing is lent any more."""
        for name in [*self._cleaners]:
            self._run(self._cleaners.pop(name).close())
        self._loop.close()

    def _run(self, what: Coroutine[None, None, T]) -> T:
        return self._loop.run_until_complete(what)

    async def _make(self) -> str:
        self._made += 1
        name = f"lent_{self._made}"
        server = await asyncpg.connect(self._server)
        try:
            await server.execute(
                f'CREATE DATABASE "{name}" TEMPLATE "{self._template}" STRATEGY FILE_COPY'
            )
        finally:
            await server.close()
        cleaner = self._cleaners[name] = await asyncpg.connect(self.url(name))
        if self._shape is None:
            self._shape = await cleaner.fetchval(SHAPE)
        return name

    async def _alone(self, name: str) -> asyncpg.Connection:
        """Its cleaner, once everybody else is cut off; the cleaner may have been cut off too."""
        try:
            await self._cleaners[name].execute(OTHERS_GO)
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            self._cleaners[name] = await asyncpg.connect(self.url(name))
            await self._cleaners[name].execute(OTHERS_GO)
        return self._cleaners[name]

    async def _cleaned(self, name: str) -> bool:
        cleaner = await self._alone(name)
        if await cleaner.fetchval(LARGEST) <= WORN and await cleaner.fetchval(SHAPE) == self._shape:
            await cleaner.execute(CLEAN)
            return True
        await self._cleaners.pop(name).close()
        server = await asyncpg.connect(self._server)
        try:
            await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        finally:
            await server.close()
        return False
