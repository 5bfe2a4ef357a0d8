"""Merchants: who may issue invoices, how customers know them, and the number of the next one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.invoice_tables import merchants
from storage.records import Merchant

__all__ = ["Merchants"]

_SEALED = ("name", "kra_pin")
_ALL_BUT_LOGO = [column for column in merchants.c if column.name != "logo"]


class Merchants:
    """Merchants, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def get(self, merchant_id: int) -> Merchant | None:
        """The merchant without the logo, revoked or not."""
        query = select(*_ALL_BUT_LOGO).where(merchants.c.id == merchant_id)
        return self._read((await self._connection.execute(query)).mappings().first())

    async def lock(self, merchant_id: int) -> Merchant | None:
        """The same, the row locked until the transaction ends: numbers are given out one by one."""
        query = select(*_ALL_BUT_LOGO).where(merchants.c.id == merchant_id).with_for_update()
        return self._read((await self._connection.execute(query)).mappings().first())

    async def logo(self, merchant_id: int) -> bytes | None:
        query = select(merchants.c.logo).where(merchants.c.id == merchant_id)
        sealed = (await self._connection.execute(query)).scalar()
        return None if sealed is None else self._crypt.open(sealed)

    async def all(self) -> list[Merchant]:
        """Those who may issue today, the first one first."""
        query = (
            select(*_ALL_BUT_LOGO)
            .where(merchants.c.revoked_at.is_(None))
            .order_by(merchants.c.appointed_at, merchants.c.id)
        )
        rows = (await self._connection.execute(query)).mappings()
        return [each for each in map(self._read, rows) if each is not None]

    async def revoked_ones(self) -> list[Merchant]:
        """Those who may no longer, the last one first: their books are still kept."""
        query = (
            select(*_ALL_BUT_LOGO)
            .where(merchants.c.revoked_at.is_not(None))
            .order_by(merchants.c.revoked_at.desc(), merchants.c.id)
        )
        rows = (await self._connection.execute(query)).mappings()
        return [each for each in map(self._read, rows) if each is not None]

    async def revoked(self, *, limit: int) -> list[int]:
        """Those who may no longer, the last one first."""
        query = (
            select(merchants.c.id)
            .where(merchants.c.revoked_at.is_not(None))
            .order_by(merchants.c.revoked_at.desc())
            .limit(limit)
        )
        return list((await self._connection.execute(query)).scalars())

    async def add(self, merchant: Merchant) -> None:
        values = {
            column.name: getattr(merchant, column.name)
            for column in merchants.c
            if column.name not in (*_SEALED, "logo")
        }
        await self._connection.execute(
            insert(merchants).values(**values, **self._sealed(merchant.name, merchant.kra_pin))
        )

    async def change(self, merchant_id: int, **changes: Any) -> None:
        """Write these fields anew; `name`, `kra_pin` and `logo` are sealed on the way."""
        values: dict[str, Any] = dict(changes)
        for name in _SEALED:
            if values.get(name) is not None:
                values[name] = self._crypt.seal_text(values[name])
        if values.get("logo") is not None:
            values["logo"] = self._crypt.seal(values["logo"])
        await self._connection.execute(
            update(merchants).where(merchants.c.id == merchant_id).values(**values)
        )

    async def any_due(self, *, now: datetime) -> bool:
        """Whether `to_summarise` would find somebody."""
        query = select(merchants.c.id).where(*_due(now)).limit(1)
        return (await self._connection.execute(query)).first() is not None

    async def to_summarise(self, *, now: datetime, limit: int) -> list[Merchant]:
        """Those whose summary of the day is due, or who have none planned."""
        query = (
            select(*_ALL_BUT_LOGO)
            .where(*_due(now))
            .order_by(merchants.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = (await self._connection.execute(query)).mappings()
        return [each for each in map(self._read, rows) if each is not None]

    def _sealed(self, name: str, kra_pin: str | None) -> dict[str, bytes | None]:
        pin = None if kra_pin is None else self._crypt.seal_text(kra_pin)
        return {"name": self._crypt.seal_text(name), "kra_pin": pin}

    def _read(self, row: RowMapping | Mapping[str, Any] | None) -> Merchant | None:
        if row is None:
            return None
        pin = row["kra_pin"]
        opened = {
            "name": self._crypt.open_text(row["name"]),
            "kra_pin": None if pin is None else self._crypt.open_text(pin),
        }
        return Merchant(**{**row, **opened})


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        merchants.c.revoked_at.is_(None),
        merchants.c.summary,
        or_(merchants.c.summary_at.is_(None), merchants.c.summary_at <= now),
    )
