"""Brings a database to today's tables, at start, under a lock; Alembic does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.errors import TooNew

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["HEAD", "migrate", "version"]

HEAD = "0018"
LOCK_ID = 0x4C495041  # any fixed number: "LIPA"


async def migrate(engine: AsyncEngine) -> None:
    """
    Run what is missing, in one transaction, one process at a time.

    Raises:
        TooNew: the database knows a migration that this version does not.
    """
    async with engine.begin() as connection:
        # SQLite: BEGIN IMMEDIATE already holds the write lock.
        if connection.dialect.name == "postgresql":
            # Neither another's migration nor one of our own is hurried by a write's timeouts.
            for no_limit in (
                "SET LOCAL statement_timeout = 0",
                "SET LOCAL lock_timeout = 0",
                "SET LOCAL idle_in_transaction_session_timeout = 0",
            ):
                await connection.execute(text(no_limit))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK_ID})
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    current = version(connection)
    if current == HEAD:
        return  # the usual start, without the price of importing Alembic
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise TooNew(f"the database is at version {current}, newer than this Lipabot knows")
    command.upgrade(config, "head")


def version(connection: Connection) -> str | None:
    """The last migration that this database has seen; None where there is no table of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
