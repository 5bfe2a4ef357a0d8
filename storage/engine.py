"""The store and how it is opened: engines for SQLite and PostgreSQL, lock, key, migrations."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from storage.crypt import Crypt, key_beside
from storage.errors import NotKept, StorageError, StoreBusy, WrongKey
from storage.hearing import Decide, Outcome, Unit
from storage.journals import put_aside_stray, stray_journal
from storage.leases import Holder
from storage.locks import only_process
from storage.migrations import migrate
from storage.postgres import postgres_engines
from storage.presence import Alone, Member, Presence
from storage.rooms import AwaitedRoom, Room, ThreadRoom
from storage.tx import Tx
from storage.writer import Writer, of_a_look

__all__ = ["Store", "open_store"]

log = logging.getLogger(__name__)

T = TypeVar("T")

READERS = 4
BUSY_TIMEOUT_MS = 5000
CACHE_KIB = 16 * 1024
CHECKPOINT_PAGES = 4000  # 16 MB: a page that many commits touch is copied home once for all
KEY_CHECK = "key-check"
PROBE = "probe"
LOOKS_END_WITHIN_S = 2.0


class Store:
    """
    One database, open. Writes share commits; reads never wait for them.

    `exclusive` is true where no other process can be at work on it (SQLite).
    """

    def __init__(
        self,
        *,
        writer: Writer,
        readers: AsyncEngine,
        crypt: Crypt,
        exclusive: bool,
        holder: Holder,
        presence: Presence,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self.crypt = crypt
        self.exclusive = exclusive
        self.holder = holder
        self.presence = presence
        self._on_move: Callable[[Outcome], None] | None = None
        self._looks = 0
        self._closing = False
        self._nobody_looks = asyncio.Event()
        self._nobody_looks.set()

    @property
    def healthy(self) -> bool:
        """Whether the last write that was tried could be committed, and others see us at work."""
        return self._writer.healthy and not self.presence.away

    @property
    def commits(self) -> int:
        return self._writer.commits

    async def write(self, run: Callable[[Tx], Awaitable[T]]) -> T:
        """Run *run* in a write transaction; see `Writer.write`."""
        result: T = await self._writer.write(run)
        return result

    async def submit(self, unit: Unit, decide: Decide) -> Outcome:
        """Admit *unit* and settle its payment; see `Writer.submit`."""
        outcome = await self._writer.submit(unit, decide)
        if outcome.moved and self._on_move is not None:
            self._on_move(outcome)
        return outcome

    async def submit_many(self, units: Sequence[Unit], decide: Decide) -> list[Outcome | NotKept]:
        """Many units, in their order; see `Writer.submit_many`."""
        outcomes = await self._writer.submit_many(units, decide)
        if self._on_move is not None:
            for each in outcomes:
                if isinstance(each, Outcome) and each.moved:
                    self._on_move(each)
        return outcomes

    def on_move(self, tell: Callable[[Outcome], None]) -> None:
        """*tell* of every payment that moves through this process, after it is committed."""
        self._on_move = tell

    async def probe(self) -> None:
        """
        After a failure: write a little, to see whether it is over.

        Nothing else might: whoever watches `healthy` keeps the work away that would show it.
        """
        if not self._writer.healthy:
            await self.write(lambda tx: tx.shared.put(PROBE, b""))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """
        A consistent look at what is committed.

        Raises:
            NotKept: the store is closing, or the disk or the server failed.
        """
        if self._closing:
            raise StoreBusy("the store is closing")
        self._looks += 1
        self._nobody_looks.clear()
        try:
            async with self._readers.connect() as connection, connection.begin():
                yield Tx(connection, self.crypt, self.holder)
        except (SQLAlchemyError, OSError) as exc:
            ours = of_a_look(exc)
            if ours is exc:
                raise
            raise ours from exc
        finally:
            self._looks -= 1
            if self._looks == 0:
                self._nobody_looks.set()

    async def close(self) -> None:
        """
        Take nothing more, finish what waits, and let every look give its connection back: a
        connection that comes back after its pool has closed can hold up the end for ever.
        """
        await self._writer.close()
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKS_END_WITHIN_S):
                await self._nobody_looks.wait()


@asynccontextmanager
async def open_store(
    url: str,
    *,
    now: Callable[[], datetime],
    key: str | None = None,
    previous_keys: Sequence[str] = (),
    server_time: bool = False,
    member: Callable[..., Member] = Member,
) -> AsyncIterator[Store]:
    """
    Open (and create or migrate) the database at *url*, `sqlite:///file` or `postgresql://…`.

    With *server_time* leases and shared paces go by PostgreSQL's clock, the one that all its
    processes share, and not by *now*, which is what this process takes the time to be. *member*
    makes what this process is among those on PostgreSQL.

    Raises:
        InUse: another process has this SQLite file open.
        WrongKey: it was written with another key, or PostgreSQL is used without one.
        TooNew: a newer Lipabot wrote it.
        StorageError: the URL names no database we know, or of this one only the journal is there.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "")
        if not parsed.database or parsed.database == ":memory:":
            raise StorageError("storage.url must name a file, like sqlite:///lipabot.db")
        path.parent.mkdir(parents=True, exist_ok=True)
        with only_process(path):
            _no_stray(path, now())
            crypt = Crypt(key or key_beside(path), previous_keys)
            _private(path)
            async with (
                _sqlite_engines(path) as (writing, reading, room),
                _running(writing, reading, room, crypt, presence=Alone(), now=now) as store,
            ):
                yield store
    elif parsed.get_backend_name() == "postgresql":
        if key is None:
            raise WrongKey("security.key is required with PostgreSQL")
        crypt = Crypt(key, previous_keys)
        async with postgres_engines(parsed) as (writing, reading, speaking):
            presence = member(speaking, now=None if server_time else now)
            running = _running(
                *(writing, reading, AwaitedRoom(writing), crypt),
                presence=presence,
                now=now,
                server_time=server_time,
            )
            async with running as store:
                yield store
    else:
        raise StorageError("storage.url must begin with sqlite:/// or postgresql://")


@asynccontextmanager
async def _running(
    writing: AsyncEngine,
    reading: AsyncEngine,
    room: Room,
    crypt: Crypt,
    *,
    presence: Alone | Member,
    now: Callable[[], datetime],
    server_time: bool = False,
) -> AsyncIterator[Store]:
    await migrate(writing)
    async with _there(presence):
        holder = Holder(presence.number, server_time)
        writer = Writer(writing, room, crypt, holder, now=now)
        writer.start()
        store = Store(
            writer=writer,
            readers=reading,
            crypt=crypt,
            exclusive=isinstance(presence, Alone),
            holder=holder,
            presence=presence,
        )
        try:
            await writer.write(lambda tx: _check_keys(tx, crypt.key_id))
            yield store
        finally:
            await store.close()


@asynccontextmanager
async def _there(presence: Alone | Member) -> AsyncIterator[None]:
    if isinstance(presence, Alone):
        yield
        return
    try:
        await presence.open()
        yield
    finally:
        await presence.close()


async def _check_keys(tx: Tx, key_id: str) -> None:
    """
    Every key that ever wrote here must be at hand, before anything is added that it could not
    read; each left one value behind for that.
    """
    known = await tx.shared.names(KEY_CHECK)
    try:
        for name in known:
            await tx.shared.get(name)
    except WrongKey:
        raise WrongKey(
            "security.previous_keys: a part of this database was written with a key that is "
            "neither security.key nor listed here: add that key"
        ) from None
    mine = f"{KEY_CHECK}:{key_id}"
    if mine not in known:
        await tx.shared.put(mine, b"lipabot")


def _no_stray(path: Path, now: datetime) -> None:
    """
    Nothing of another database is played into this one.

    A copy that was put there by hand is opened as it is. Where there is no database, the journal
    may be all that is left of one that was moved by mistake: a person decides, before SQLite,
    which would delete it.
    """
    if not path.exists() or path.stat().st_size == 0:
        if journal := stray_journal(path):
            raise StorageError(
                f"{journal} is there and its database {path} is not: put that back where it was, "
                "or `lipabot restore` a copy, or move the journal away to begin with empty books"
            )
    elif kept := put_aside_stray(path, now):
        log.error("storage.stray_journal kept=%s", kept)


def _private(path: Path) -> None:
    """Create the database file readable by its owner only."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


@asynccontextmanager
async def _sqlite_engines(path: Path) -> AsyncIterator[tuple[AsyncEngine, AsyncEngine, Room]]:
    # aiosqlite's pool must be a queue: the default would give every task its own connection.
    url = f"sqlite+aiosqlite:///{path}"
    writing, reading = (
        create_async_engine(
            url,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=size,
            max_overflow=0,
            hide_parameters=True,  # exceptions are logged, and what is written is not for a log
        )
        for size in (1, READERS)
    )
    settling = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0, hide_parameters=True)
    _prepare(writing.sync_engine, begin="BEGIN IMMEDIATE")
    _prepare(settling, begin="BEGIN IMMEDIATE")
    _prepare(reading.sync_engine, begin="BEGIN")
    room = ThreadRoom(settling)
    try:
        yield writing, reading, room
    finally:
        await room.aclose()
        await reading.dispose()
        await writing.dispose()


def _prepare(engine: Engine, *, begin: str) -> None:
    """Our pragmas on every connection, and our own BEGIN instead of the driver's late one."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"cache_size = -{CACHE_KIB}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_now(connection: Any) -> None:
        connection.exec_driver_sql(begin)
