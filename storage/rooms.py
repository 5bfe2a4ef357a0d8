"""Rooms: where a batch of units has its transaction, in one hop to the database and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["AwaitedRoom", "CommitFailed", "Room", "ThreadRoom", "commit"]

T = TypeVar("T")


class CommitFailed(Exception):
    """COMMIT itself failed: what was written may or may not be there."""


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except Exception as exc:
        # The transaction may still be open, and SQLAlchemy would hand it on with the connection.
        connection.invalidate()
        raise CommitFailed(type(exc).__name__) from exc


async def commit(connection: AsyncConnection) -> None:
    """
    Commit, or never use that connection again.

    Raises:
        CommitFailed
    """
    await connection.run_sync(_commit)


class Room(Protocol):
    """Runs one transaction at a time."""

    async def transact(self, work: Callable[[Connection], None]) -> None:
        """
        Run *work* in one transaction, in whatever thread; returns after COMMIT.

        Raises:
            CommitFailed: what was written may or may not be there.
            Exception: whatever *work* raised; nothing of it was kept.
        """
        ...

    async def aclose(self) -> None: ...


class AwaitedRoom:
    """A room of an engine that is awaited: its driver has no thread to hop to."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def transact(self, work: Callable[[Connection], None]) -> None:
        """See `Room.transact`."""
        async with self._engine.connect() as connection:
            transaction = await connection.begin()
            try:
                await connection.run_sync(work)
            except BaseException:
                await transaction.rollback()
                raise
            await commit(connection)

    async def aclose(self) -> None:
        """Nothing is held between transactions."""


class ThreadRoom:
    """
    A room of a blocking engine, in a thread of its own.

    aiosqlite hops to its thread and back four times for every statement; here a whole batch
    takes one hop, and whoever is cut off meanwhile leaves it at work.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="storage")

    async def transact(self, work: Callable[[Connection], None]) -> None:
        """See `Room.transact`."""
        await self._hop(lambda: self._transact(work))

    async def aclose(self) -> None:
        """Finish what is at work, and end the thread."""
        await self._hop(self._engine.dispose)
        self._thread.shutdown()

    def _hop(self, run: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, run)

    def _transact(self, work: Callable[[Connection], None]) -> None:
        with self._engine.connect() as connection:
            connection.begin()
            work(connection)  # if it raises, closing the connection rolls back
            _commit(connection)
