"""Examining: whether a database can be used as it is, found out without writing to it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.errors import WrongKey
from storage.migrations import version
from storage.reading import open_engine
from storage.schema import people, shared

__all__ = ["Examined", "examine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found. Nothing was changed."""

    version: str | None  # the last migration; None: not a table of ours in it
    damage: str | None  # SQLite's own words
    key_fits: bool | None  # None: nothing was ever sealed in it, or no key is at hand
    reachable: frozenset[int]  # of the people asked about, those who opened a chat with the bot


async def examine(url: str, *, crypt: Crypt | None, people_ids: Collection[int]) -> Examined:
    """
    Look at the database at *url*, also while a bot runs on it.

    Raises:
        StorageError: there is none.
        DBAPIError, OSError: it cannot be opened or read.
    """
    engine = open_engine(url)
    nothing = Examined(version=None, damage=None, key_fits=None, reachable=frozenset())
    try:
        async with engine.connect() as connection, connection.begin():
            damage = await _damage(connection) if _is_file(url) else None
            found = await connection.run_sync(version) if damage is None else None
            if found is None:
                return replace(nothing, damage=damage)
            return Examined(
                version=found,
                damage=None,
                key_fits=None if crypt is None else await _key_fits(connection, crypt),
                reachable=await _reachable(connection, people_ids),
            )
    except DatabaseError as exc:
        # What SQLite calls malformed, or no database, it may say at any word that it is told.
        if not _is_file(url) or isinstance(exc, OperationalError):
            raise
        return replace(nothing, damage=str(exc.orig))
    finally:
        await engine.dispose()


def _is_file(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


async def _damage(connection: AsyncConnection) -> str | None:
    try:
        said = (await connection.execute(text("PRAGMA quick_check(1)"))).scalar()
    except DBAPIError as exc:
        return str(exc.orig)
    return None if said == "ok" else str(said)


async def _key_fits(connection: AsyncConnection, crypt: Crypt) -> bool | None:
    query = select(shared.c.value).where(shared.c.name.startswith("key-check"))
    sealed = list((await connection.execute(query)).scalars())
    try:
        for each in sealed:
            crypt.open(each)
    except WrongKey:
        return False
    return True if sealed else None


async def _reachable(connection: AsyncConnection, ids: Collection[int]) -> frozenset[int]:
    query = select(people.c.id).where(people.c.id.in_(sorted(ids)), people.c.reachable)
    return frozenset((await connection.execute(query)).scalars())
