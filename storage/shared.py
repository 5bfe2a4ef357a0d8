"""Shared: a few named values that belong to the whole database."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.schema import shared

__all__ = ["Shared"]


_GET = select(shared.c.value).where(shared.c.name == bindparam("wanted"))


class Shared:
    """Named sealed values, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def get(self, name: str) -> bytes | None:
        sealed = (await self._connection.execute(_GET, {"wanted": name})).scalar()
        return None if sealed is None else self._crypt.open(sealed)

    async def names(self, prefix: str) -> list[str]:
        query = select(shared.c.name).where(shared.c.name.startswith(prefix, autoescape=True))
        return list((await self._connection.execute(query)).scalars())

    async def lock(self, name: str) -> bytes | None:
        """The value, locked until the transaction ends, so that it is changed by one at a time."""
        query = select(shared.c.value).where(shared.c.name == name).with_for_update()
        sealed = (await self._connection.execute(query)).scalar()
        return None if sealed is None else self._crypt.open(sealed)

    async def add(self, name: str, value: bytes) -> None:
        """Keep the first value, unless there is one: then it can be locked by one at a time."""
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        await self._connection.execute(
            make(shared)
            .values(name=name, value=self._crypt.seal(value))
            .on_conflict_do_nothing(index_elements=["name"])
        )

    async def put(self, name: str, value: bytes) -> None:
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        sealed = self._crypt.seal(value)
        # One row that is changed, never one that goes and comes: whoever waits for its lock
        # would find it gone.
        await self._connection.execute(
            make(shared)
            .values(name=name, value=sealed)
            .on_conflict_do_update(index_elements=["name"], set_={"value": sealed})
        )
