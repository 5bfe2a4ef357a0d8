"""Owns SQLite without a thread: statements run at once, are steps of a life, and may fail."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_only

from tests.prove.histories.life import LIFE, Died, Life

__all__ = ["Disk", "DiskMood", "connect_inline", "sqlite_disk"]

WRITES = ("INSERT", "UPDATE", "DELETE")


class DiskMood(StrEnum):
    """What the database does for a while."""

    WELL = "well"
    BUSY = "busy"  # somebody else holds the lock
    FULL = "full"
    LYING = "lying"  # COMMIT happens, and reports an error


Refuse = Callable[[DiskMood], Exception]

SQLITE_SAYS = {
    DiskMood.BUSY: "database is locked",
    DiskMood.FULL: "database or disk is full",
    DiskMood.LYING: "disk I/O error",
}


class Disk:
    """The disk under one history: its mood, and the moments it was met in."""

    def __init__(self, rng: random.Random, refuse: Refuse, *, locked_by: str) -> None:
        self.mood = DiskMood.WELL
        self.met: Counter[DiskMood] = Counter()
        self._rng = rng
        self._refuse = refuse
        self._locked_by = locked_by  # how statements begin that meet somebody else's lock

    def before(self, sql: str) -> None:
        """Raises what the database would."""
        if self.mood is DiskMood.WELL:
            return
        if self.mood is DiskMood.BUSY and sql.startswith(self._locked_by):
            self._fail()
        full = self.mood is DiskMood.FULL and self._rng.random() < 0.5
        if full and (sql.startswith(WRITES) or sql == "COMMIT"):
            self._fail()

    def after_commit(self) -> None:
        if self.mood is DiskMood.LYING and self._rng.random() < 0.5:
            self._fail()

    def _fail(self) -> None:
        self.met[self.mood] += 1
        raise self._refuse(self.mood)


def sqlite_disk(rng: random.Random) -> Disk:
    """SQLite's disk: whoever begins to write may find the file locked."""
    return Disk(
        rng,
        lambda mood: sqlite3.OperationalError(SQLITE_SAYS[mood]),
        locked_by="BEGIN IMMEDIATE",
    )


async def _nothing() -> None:
    """What SQLAlchemy awaits in every statement, to see that the driver is an asynchronous one."""


def _no_wait() -> None:
    """An engine that blocks waits for nothing."""


def _one_wait() -> None:
    await_only(_nothing())


class InlineCursor:
    """A cursor as SQLAlchemy's asynchronous dialects see one, that has nothing to wait for."""

    __slots__ = ("_cursor", "_owner", "description", "lastrowid", "rowcount", "rows")

    arraysize = 1

    def __init__(self, owner: InlineConnection) -> None:
        self._owner = owner
        self._cursor = owner.raw.cursor()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.rows: list[Any] = []

    def execute(self, sql: str, parameters: Any = ()) -> None:
        self._owner.about_to(sql)
        self._cursor.execute(sql, parameters or ())
        self._keep()

    def executemany(self, sql: str, parameters: Any) -> None:
        self._owner.about_to(sql)
        self._cursor.executemany(sql, parameters)
        self._keep()

    def _keep(self) -> None:
        self._owner.wait()
        cursor = self._cursor
        self.description, self.rowcount = cursor.description, cursor.rowcount
        self.lastrowid = cursor.lastrowid
        self.rows = cursor.fetchall() if self.description else []

    def fetchone(self) -> Any:
        return self.rows.pop(0) if self.rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        taken, self.rows = self.rows[: size or 1], self.rows[size or 1 :]
        return taken

    def fetchall(self) -> list[Any]:
        taken, self.rows = self.rows, []
        return taken

    def close(self) -> None:
        self._cursor.close()

    async def _async_soft_close(self) -> None:
        """The rows are here already."""


class InlineConnection:
    """A connection that works in the loop's own thread, so that a run is the same each time."""

    def __init__(
        self, raw: sqlite3.Connection, life: Life, disk: Disk, wait: Callable[[], None]
    ) -> None:
        self.wait = wait
        self._open: sqlite3.Connection | None = raw
        self._life = life
        self._disk = disk
        life.connections.append(self)
        loop = asyncio.get_running_loop()
        raw.create_function("virtual_now", 0, lambda: round(loop.time() * 1000))

    @property
    def raw(self) -> sqlite3.Connection:
        if self._open is None:
            raise Died
        return self._open

    @property
    def _connection(self) -> InlineConnection:
        return self

    @property
    def isolation_level(self) -> str | None:
        return self.raw.isolation_level

    @isolation_level.setter
    def isolation_level(self, level: None) -> None:
        self.raw.isolation_level = level

    def create_function(self, *args: Any, **kwargs: Any) -> None:
        self.raw.create_function(*args, **kwargs)

    def about_to(self, sql: str) -> None:
        self._life.step(f"sql {sql[:24]}")
        self._disk.before(sql)

    def cursor(self, server_side: bool = False) -> InlineCursor:
        return InlineCursor(self)

    def rollback(self) -> None:
        if self._open is not None:
            self._open.rollback()

    def commit(self) -> None:
        if not self.raw.in_transaction:
            return
        before = self.raw.total_changes
        self._life.step("before COMMIT")
        self._disk.before("COMMIT")
        self.raw.commit()
        self._life.step("after COMMIT")
        if before:
            self._disk.after_commit()

    def cut(self) -> None:
        """The process is gone: what was not committed never was."""
        if self._open is not None:
            self._open.close()
        self._open = None

    close = terminate = cut


def connect_inline(disk_of: Callable[[Life], Disk]) -> None:
    """From now on every SQLite connection that a life opens is an inline one, on its disk."""

    def do_connect(
        dialect: Any, _record: Any, args: list[Any], params: dict[str, Any]
    ) -> InlineConnection | None:
        life = LIFE.get()
        if life is None or dialect.name != "sqlite":
            return None
        wait = _one_wait if dialect.is_async else _no_wait
        return InlineConnection(sqlite3.connect(*args, **params), life, disk_of(life), wait)

    event.listen(Engine, "do_connect", do_connect)
