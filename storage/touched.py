"""Touched: drives, invoices and attempts that something has happened to since the last look."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import touched
from storage.setwise import Many

__all__ = ["ATTEMPT", "GONE_BACK", "Touched", "touch"]

ATTEMPT = "a"
"""What stands before the colon for a payment that is one of several attempts."""
GONE_BACK = "b"
"""The same for a gift to a drive of which more, or less, has gone back than before."""

# Rows are only ever added and taken away: nobody waits for another's row, however many payments
# of one drive are settled at once.
_ADD = Many(
    dict.fromkeys(("sqlite", "postgresql"), insert(touched).inline()),
    ["subject"],
)


def touch(connection: Connection, subjects: Sequence[str]) -> None:
    """Note that something has happened to these."""
    if subjects:
        _ADD(connection, [{"subject": each} for each in subjects])


class Touched:
    """Subjects to be looked at, inside one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def touch(self, *subjects: str) -> None:
        await self._connection.run_sync(touch, subjects)

    async def waiting(self, *, limit: int) -> list[str]:
        """Subjects that something has happened to, those that wait longest first."""
        query = select(touched.c.subject).group_by(touched.c.subject)
        query = query.order_by(func.min(touched.c.id)).limit(limit)
        return list((await self._connection.execute(query)).scalars())

    async def take(self, subject: str) -> bool:
        """
        Take what has happened to *subject* so far; False if another was faster.

        What happens while it is being looked at stands there anew.
        """
        taken = await self._connection.execute(delete(touched).where(touched.c.subject == subject))
        return taken.rowcount > 0
