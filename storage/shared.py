"""Shared: a few named values that belong to the whole database."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.schema import shared

__all__ = ["Shared"]


class Shared:
    """Named sealed values, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def get(self, name: str) -> bytes | None:
        query = select(shared.c.value).where(shared.c.name == name)
        sealed = (await self._connection.execute(query)).scalar()
        return None if sealed is None else self._crypt.open(sealed)

    async def put(self, name: str, value: bytes) -> None:
        await self._connection.execute(delete(shared).where(shared.c.name == name))
        await self._connection.execute(
            insert(shared).values(name=name, value=self._crypt.seal(value))
        )
