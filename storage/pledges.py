"""Pledges: promises to give by a day, and when to remind of them."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.drive_tables import pledges
from storage.records import Pledge, PledgeState

__all__ = ["Pledges"]


class Pledges:
    """Pledges, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def add(self, pledge: Pledge) -> bool:
        """A new promise; False if this very one was made before."""
        values = {field.name: getattr(pledge, field.name) for field in fields(Pledge)}
        values["name"] = self._crypt.seal_text(pledge.name)
        values["state"] = pledge.state.value
        postgres = self._connection.dialect.name == "postgresql"
        statement = (pg_insert if postgres else sqlite_insert)(pledges).values(**values)
        added = await self._connection.execute(
            statement.on_conflict_do_nothing(index_elements=["key"]).returning(pledges.c.id)
        )
        return added.first() is not None

    async def get(self, pledge_id: str) -> Pledge | None:
        found = await self._many(select(pledges).where(pledges.c.id == pledge_id))
        return found[0] if found else None

    async def by_key(self, key: str) -> Pledge | None:
        found = await self._many(select(pledges).where(pledges.c.key == key))
        return found[0] if found else None

    async def of_drive(self, drive_id: str) -> list[Pledge]:
        """All promises to a drive, oldest first."""
        query = select(pledges).where(pledges.c.drive_id == drive_id)
        return await self._many(query.order_by(pledges.c.created_at, pledges.c.id))

    async def open_of(self, drive_id: str, person_id: int) -> list[Pledge]:
        """What somebody still owes to a drive by their word, oldest first."""
        query = select(pledges).where(
            pledges.c.drive_id == drive_id,
            pledges.c.person_id == person_id,
            pledges.c.state == PledgeState.OPEN.value,
        )
        return await self._many(query.order_by(pledges.c.created_at, pledges.c.id))

    async def promised(self, drive_id: str) -> tuple[int, int]:
        """How many promises are open, and how many shillings they come to."""
        query = select(func.count(), func.coalesce(func.sum(pledges.c.amount_kes), 0)).where(
            pledges.c.drive_id == drive_id, pledges.c.state == PledgeState.OPEN.value
        )
        count, amount = (await self._connection.execute(query)).one()
        return count, int(amount)

    async def due(self, *, now: datetime, limit: int) -> list[Pledge]:
        """Promises of which somebody is to be reminded now."""
        query = (
            select(pledges)
            .where(pledges.c.remind_at <= now)
            .order_by(pledges.c.remind_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self._many(query)

    async def change(self, pledge_id: str, **values: Any) -> None:
        """Set fields of a pledge, as `Pledge` has them."""
        if "state" in values:
            values["state"] = PledgeState(values["state"]).value
        await self._connection.execute(
            update(pledges).where(pledges.c.id == pledge_id).values(**values)
        )

    async def _many(self, query: Select[Any]) -> list[Pledge]:
        return [
            Pledge(
                **{
                    **row,
                    "name": self._crypt.open_text(row["name"]),
                    "state": PledgeState(row["state"]),
                }
            )
            for row in (await self._connection.execute(query)).mappings()
        ]
