"""Newest: the last instant at which these books wrote something down."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.columns import instant

__all__ = ["NEWEST", "newest"]

# Of tables that every version has. No column that says when something is to come.
_WRITTEN = (
    ("evidence", "at"),
    ("inbox", "taken_at"),
    ("looks", "at"),
    ("notices", "created_at"),
    ("orphans", "at"),
    ("payments", "created_at"),
)
_EACH = " UNION ALL ".join(
    f"SELECT max({column}) AS written_at FROM {table}"  # noqa: S608 -- names from above
    for table, column in _WRITTEN
)
NEWEST = f"SELECT max(written_at) FROM ({_EACH}) AS written"  # noqa: S608 -- as above
"""In microseconds since 1970, as `columns.instant` reads them; the same on both engines."""


async def newest(connection: AsyncConnection) -> datetime | None:
    """When the newest thing in these books was written; None where there is nothing."""
    return instant((await connection.execute(text(NEWEST))).scalar())
