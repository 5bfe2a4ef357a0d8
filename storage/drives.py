"""Drives: what is collected, who looks after it, and the journal of what was done to it."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.drive_tables import (
    AT_WORK,
    drive_edits,
    drive_entries,
    drives,
    gifts,
    treasurers,
)
from storage.records import (
    Drive,
    DriveEdit,
    DriveKind,
    DriveStatus,
    Entry,
    EntryKind,
    Shows,
    Treasurer,
    TreasurerState,
)

__all__ = ["Drives"]

_SEALED = {
    "drives": ("title",),
    "treasurers": ("name",),
    "drive_entries": ("name", "reason", "by_name"),
    "drive_edits": ("before", "after", "by_name"),
}


class Drives:
    """Drives, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def add(self, drive: Drive) -> None:
        await self._connection.execute(insert(drives).values(**self._written("drives", drive)))

    async def get(self, drive_id: str) -> Drive | None:
        return await self._one(select(drives).where(drives.c.id == drive_id))

    async def lock(self, drive_id: str) -> Drive | None:
        """The drive, its row locked until the transaction ends."""
        return await self._one(select(drives).where(drives.c.id == drive_id).with_for_update())

    async def by_code(self, code: str) -> Drive | None:
        return await self._one(select(drives).where(drives.c.code == code))

    async def by_reference(self, reference: str) -> Drive | None:
        """By what somebody typed as the account, as it is kept: upper case, without spaces."""
        return await self._one(select(drives).where(drives.c.reference == reference))

    async def by_open_key(self, key: str) -> Drive | None:
        return await self._one(select(drives).where(drives.c.open_key == key))

    async def of_chat(self, chat_id: int, *, limit: int = 20) -> list[Drive]:
        """The drives of a chat that are not closed, newest first."""
        query = select(drives).where(drives.c.chat_id == chat_id, AT_WORK)
        return await self._many(query.order_by(drives.c.opened_at.desc()).limit(limit))

    async def newest(self, *, limit: int) -> list[Drive]:
        """All drives there ever were, the newest first."""
        return await self._many(select(drives).order_by(drives.c.opened_at.desc()).limit(limit))

    async def of_treasurer(
        self, person_id: int, *, chat_id: int | None = None, limit: int = 20
    ) -> list[Drive]:
        """What somebody looks after, in a chat or anywhere: at work first, then the newest."""
        query = (
            select(drives)
            .join(treasurers, treasurers.c.drive_id == drives.c.id)
            .where(
                treasurers.c.person_id == person_id,
                treasurers.c.state == TreasurerState.ACCEPTED.value,
            )
        )
        if chat_id is not None:
            query = query.where(drives.c.chat_id == chat_id)
        closed = drives.c.status == DriveStatus.CLOSED.value
        return await self._many(query.order_by(closed, drives.c.opened_at.desc()).limit(limit))

    async def of_giver(self, person_id: int, *, limit: int = 10) -> list[Drive]:
        """The drives, not closed, that somebody has given to or began to, newest first."""
        given = select(gifts.c.drive_id).where(gifts.c.giver_id == person_id)
        query = select(drives).where(drives.c.id.in_(given), AT_WORK)
        return await self._many(query.order_by(drives.c.opened_at.desc()).limit(limit))

    async def closing(self, *, now: datetime, limit: int) -> list[Drive]:
        """Drives whose time is over and that nobody has closed."""
        query = select(drives).where(AT_WORK, drives.c.closes_at <= now)
        return await self._many(query.order_by(drives.c.closes_at).limit(limit))

    async def change(self, drive_id: str, **values: Any) -> None:
        """Set fields of a drive, as `Drive` has them."""
        if "title" in values:
            values["title"] = self._crypt.seal_text(values["title"])
        await self._connection.execute(
            update(drives).where(drives.c.id == drive_id).values(**values)
        )

    async def move(self, *, old_chat_id: int, new_chat_id: int) -> list[str]:
        """A group became a supergroup, which has no such topics; the ids of its drives."""
        moved = await self._connection.execute(
            update(drives)
            .where(drives.c.chat_id == old_chat_id)
            .values(chat_id=new_chat_id, thread_id=None)
            .returning(drives.c.id)
        )
        return sorted(moved.scalars())

    async def invite(self, treasurer: Treasurer) -> None:
        """Write down a treasurer, or what they have become."""
        values = self._written("treasurers", treasurer)
        postgres = self._connection.dialect.name == "postgresql"
        statement = (pg_insert if postgres else sqlite_insert)(treasurers).values(**values)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["drive_id", "person_id"],
                set_={name: values[name] for name in ("name", "state", "by", "at")},
            )
        )

    async def treasurers(self, drive_id: str) -> list[Treasurer]:
        """All who were ever asked to look after a drive, in the order in which they came."""
        query = (
            select(treasurers)
            .where(treasurers.c.drive_id == drive_id)
            .order_by(treasurers.c.at, treasurers.c.person_id)
        )
        rows = (await self._connection.execute(query)).mappings()
        return [
            Treasurer(
                **{
                    **self._opened("treasurers", row),
                    "state": TreasurerState(row["state"]),
                }
            )
            for row in rows
        ]

    async def write_entry(self, entry: Entry) -> bool:
        """A new line of the journal; False if this very one stands there already."""
        values = self._written("drive_entries", entry)
        del values["id"]
        postgres = self._connection.dialect.name == "postgresql"
        statement = (pg_insert if postgres else sqlite_insert)(drive_entries).values(**values)
        written = await self._connection.execute(
            statement.on_conflict_do_nothing(index_elements=["key"]).returning(drive_entries.c.id)
        )
        return written.first() is not None

    async def entries(self, drive_id: str, *, limit: int | None = None) -> list[Entry]:
        """The journal, oldest first; only its newest lines if limited."""
        query = select(drive_entries).where(drive_entries.c.drive_id == drive_id)
        return await self._entries(query, limit)

    async def entry(self, entry_id: int) -> Entry | None:
        query = select(drive_entries).where(drive_entries.c.id == entry_id)
        return next(iter(await self._entries(query, 1)), None)

    async def about_payment(self, payment_id: str) -> Entry | None:
        """What was decided about a gift that came after closing."""
        query = select(drive_entries).where(
            drive_entries.c.payment_id == payment_id,
            drive_entries.c.kind.in_((EntryKind.KEPT.value, EntryKind.RETURNED.value)),
        )
        return next(iter(await self._entries(query, 1)), None)

    async def handed_back(self, drive_id: str) -> list[Entry]:
        """What was handed back, and what of it M-Pesa took back as well, oldest first."""
        query = select(drive_entries).where(
            drive_entries.c.drive_id == drive_id,
            drive_entries.c.kind.in_((EntryKind.RETURNED.value, EntryKind.WENT_BACK.value)),
        )
        return await self._entries(query, None)

    async def _entries(self, query: Select[Any], limit: int | None) -> list[Entry]:
        newest = query.order_by(drive_entries.c.id.desc()).limit(limit)
        rows = (await self._connection.execute(newest)).mappings().all()
        return [
            Entry(**{**self._opened("drive_entries", row), "kind": EntryKind(row["kind"])})
            for row in reversed(rows)
        ]

    async def note_edit(self, edit: DriveEdit) -> None:
        await self._connection.execute(
            insert(drive_edits).values(**self._written("drive_edits", edit))
        )

    async def edits(self, drive_id: str, *, limit: int, what: str | None = None) -> list[DriveEdit]:
        """The trail of changes, or of *what* alone, oldest first; its newest *limit*."""
        query = select(drive_edits).where(drive_edits.c.drive_id == drive_id)
        if what is not None:
            query = query.where(drive_edits.c.what == what)
        newest = query.order_by(drive_edits.c.id.desc()).limit(limit)
        rows = (await self._connection.execute(newest)).mappings().all()
        return [
            DriveEdit(**{k: v for k, v in self._opened("drive_edits", row).items() if k != "id"})
            for row in reversed(rows)
        ]

    async def taken(self, *, code: str, reference: str) -> bool:
        """Whether a link or a reference of a drive is in use already."""
        query = select(func.count()).where(
            or_(drives.c.code == code, drives.c.reference == reference)
        )
        return bool((await self._connection.execute(query)).scalar_one())

    def _written(self, table: str, record: Any) -> dict[str, Any]:
        values = {field.name: getattr(record, field.name) for field in fields(record)}
        for name in _SEALED[table]:
            values[name] = self._crypt.seal_text(values[name])
        return {
            name: getattr(value, "value", value) if name in _WORDS else value
            for name, value in values.items()
        }

    def _opened(self, table: str, row: Any) -> dict[str, Any]:
        return {**row} | {name: self._crypt.open_text(row[name]) for name in _SEALED[table]}

    async def _one(self, query: Select[Any]) -> Drive | None:
        row = (await self._connection.execute(query)).mappings().first()
        return None if row is None else self._read(row)

    async def _many(self, query: Select[Any]) -> list[Drive]:
        return [self._read(row) for row in (await self._connection.execute(query)).mappings()]

    def _read(self, row: Any) -> Drive:
        return Drive(
            **{
                **self._opened("drives", row),
                "kind": DriveKind(row["kind"]),
                "shows": Shows(row["shows"]),
                "status": DriveStatus(row["status"]),
            }
        )


_WORDS = ("kind", "shows", "status", "state")
