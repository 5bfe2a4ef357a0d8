"""The inbox: every Telegram update, committed before Telegram may forget it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.records import InboxItem
from storage.schema import inbox

__all__ = ["Inbox"]


class Inbox:
    """Updates, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def put(self, update_id: int, body: str, *, at: datetime) -> bool:
        """Keep an update; False if it was here before (Telegram redelivers)."""
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        statement = (
            make(inbox)
            .values(
                update_id=update_id,
                body=self._crypt.seal_text(body),
                taken_at=at,
                tries=0,
                quarantined=False,
            )
            .on_conflict_do_nothing(index_elements=["update_id"])
            .returning(inbox.c.update_id)
        )
        return (await self._connection.execute(statement)).first() is not None

    async def waiting(self) -> list[InboxItem]:
        """Updates whose effect is not committed, oldest first."""
        query = (
            select(inbox.c.update_id, inbox.c.body, inbox.c.tries)
            .where(inbox.c.done_at.is_(None))
            .order_by(inbox.c.update_id)
        )
        return [
            InboxItem(
                update_id=row.update_id, body=self._crypt.open_text(row.body), tries=row.tries
            )
            for row in await self._connection.execute(query)
        ]

    async def done(self, update_id: int, *, at: datetime) -> None:
        """Its effect is in this transaction; the words are not needed any more."""
        await self._connection.execute(
            update(inbox)
            .where(inbox.c.update_id == update_id, inbox.c.done_at.is_(None))
            .values(done_at=at, body=None)
        )

    async def failed(self, update_id: int) -> int:
        """Count one more failed try; returns how many there were."""
        statement = (
            update(inbox)
            .where(inbox.c.update_id == update_id)
            .values(tries=inbox.c.tries + 1)
            .returning(inbox.c.tries)
        )
        return (await self._connection.execute(statement)).scalar() or 0

    async def quarantine(self, update_id: int, *, at: datetime) -> None:
        """Give up on an update that always fails; its body stays for whoever mends the cause."""
        await self._connection.execute(
            update(inbox).where(inbox.c.update_id == update_id).values(done_at=at, quarantined=True)
        )

    async def purge(self, *, done_before: datetime, quarantined_before: datetime) -> int:
        """
        Forget done updates (Telegram redelivers for a day at most), and in the end those that
        were set aside too: nobody's words are kept for ever because of a bug of ours.
        """
        gone = await self._connection.execute(
            delete(inbox).where(
                or_(
                    and_(inbox.c.done_at < done_before, ~inbox.c.quarantined),
                    inbox.c.done_at < quarantined_before,
                )
            )
        )
        return gone.rowcount
