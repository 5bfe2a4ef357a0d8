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

from tests.inline import InlineConnection, wait_of
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


class LivedConnection(InlineConnection):
    """One whose statements are steps of a life; it ends with that."""

    def __init__(
        self, raw: sqlite3.Connection, wait: Callable[[], None], life: Life, disk: Disk
    ) -> None:
        super().__init__(raw, wait)
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

    def about_to(self, sql: str) -> None:
        self._life.step(f"sql {sql[:24]}")
        self._disk.before(sql)

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


def connect_inline(disk_of: Callable[[Life], Disk]) -> None:
    """From now on every SQLite connection that a life opens is an inline one, on its disk."""

    def do_connect(
        dialect: Any, _record: Any, args: list[Any], params: dict[str, Any]
    ) -> LivedConnection | None:
        life = LIFE.get()
        if life is None or dialect.name != "sqlite":
            return None
        raw = sqlite3.connect(*args, **params)
        return LivedConnection(raw, wait_of(dialect), life, disk_of(life))

    event.listen(Engine, "do_connect", do_connect)
