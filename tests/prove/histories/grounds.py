"""Owns the databases of the histories: a fresh one each, copied from one that was made once."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

import asyncpg
from sqlalchemy.dialects import postgresql, sqlite

from bot.config import Config
from storage.engine import open_store
from tests.dialects import meet_postgres, meet_sqlite
from tests.memory import in_memory
from tests.prove.histories.disk import Disk, connect_inline, sqlite_disk
from tests.prove.histories.history import Ground
from tests.prove.histories.life import Life
from tests.prove.histories.process import Look, look_query
from tests.prove.histories.server import CLOCK, Server, connect_virtually, postgres_disk
from tests.prove.histories.virtual import WallClock, micros_now

__all__ = ["Lay", "make_postgres_template", "postgres_ground", "sqlite_ground"]

Lay = Callable[[random.Random], Ground]

ROOM_BYTES = 2**28

# Written by the database itself, so that no bug of ours can hide a status that moved.
SQLITE_MOVES = """
CREATE TABLE proof_moves (
    n INTEGER PRIMARY KEY, payment_id TEXT, was TEXT, became TEXT, at_ms INTEGER
);
CREATE TRIGGER proof_moved AFTER UPDATE OF status ON payments WHEN OLD.status != NEW.status
BEGIN
    INSERT INTO proof_moves (payment_id, was, became, at_ms)
    VALUES (NEW.id, OLD.status, NEW.status, virtual_now());
END;
"""
POSTGRES_MOVES = """
CREATE TABLE proof.proof_moves (
    n BIGSERIAL PRIMARY KEY, payment_id TEXT, was TEXT, became TEXT, at_ms BIGINT
);
CREATE FUNCTION proof.moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO proof.proof_moves (payment_id, was, became, at_ms)
    SELECT NEW.id, OLD.status, NEW.status, last_value / 1000 FROM proof.clock;
    RETURN NULL;
END $$;
CREATE TRIGGER proof_moved AFTER UPDATE OF status ON payments FOR EACH ROW
WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION proof.moved();
"""
TEMPLATE = "histories"
_here: dict[str, Ground] = {}  # under the history that this process is living


@dataclass(eq=False)
class _File:
    """SQLite's file, under one process."""

    disk: Disk
    path: Path
    met: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._side = sqlite3.connect(self.path)

    def look(self) -> Look:
        return Look(*self._side.execute(_LOOK_SQLITE).fetchone())

    def give_up(self, life: Life, *, session: bool) -> int:
        return 0

    def close(self) -> None:
        self._side.close()


_LOOK_SQLITE = look_query(sqlite.dialect())
_LOOK_POSTGRES = look_query(postgresql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy's own


@contextmanager
def sqlite_ground(config: Config) -> Iterator[tuple[str, Lay]]:
    """The address of a fresh file, and how a history is laid on it."""
    template = _template(_key(config))
    path = template.with_name(f"{os.getpid()}.db")
    shutil.copy(template, path)

    def lay(rng: random.Random) -> Ground:
        _here["ground"] = ground = _File(sqlite_disk(rng), path)
        return ground

    try:
        yield f"sqlite:///{path}", lay
    finally:
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()


@cache
def _template(key: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="histories", dir=in_memory(ROOM_BYTES)))
    # At the end of a pool's worker too, where nothing that is left to `atexit` is run.
    Finalize(None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=1)
    template = folder / "template.db"
    asyncio.run(_make(f"sqlite:///{template}", key))
    asyncio.run(meet_sqlite(template))
    database = sqlite3.connect(template)
    database.executescript(SQLITE_MOVES)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    connect_inline(lambda _life: _here["ground"].disk)
    return template


@contextmanager
def postgres_ground(server: str) -> Iterator[tuple[str, Lay]]:
    """The address of a fresh database, and how a history is laid on it."""
    _once(server)
    name = f"{TEMPLATE}_{os.getpid()}"
    _at(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    url = server.removesuffix("postgres") + name

    def lay(rng: random.Random) -> Ground:
        ground = Server(
            url=url,
            rng=rng,
            disk=postgres_disk(random.Random(rng.getrandbits(60))),
            now_us=micros_now,
            world=copy_context(),
            look_query=_LOOK_POSTGRES,
        )
        _here["ground"] = ground
        return ground

    try:
        yield url, lay
    finally:
        _at(server, f"DROP DATABASE {name} WITH (FORCE)")


def make_postgres_template(server: str, config: Config) -> None:
    """Once per server: a database to copy, and a clock that comes before PostgreSQL's own."""
    # Nothing of the server's own may come between: rows move, and plans change, when it tidies up.
    for setting in ("autovacuum = off", "max_parallel_workers = 0"):
        _at(server, f"ALTER SYSTEM SET {setting}")
    _at(server, "SELECT pg_reload_conf()")
    _at(server, f"CREATE DATABASE {TEMPLATE}")
    url = server.removesuffix("postgres") + TEMPLATE
    asyncio.run(_make(url, _key(config)))
    _at(url, CLOCK + POSTGRES_MOVES)


@cache
def _once(server: str) -> None:
    asyncio.run(meet_postgres(server))
    connect_virtually(lambda _life: _server_here())


def _server_here() -> Server:
    ground = _here["ground"]
    assert isinstance(ground, Server), "the life is lived on PostgreSQL"
    return ground


def _at(url: str, statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    asyncio.run(run())


async def _make(url: str, key: str) -> None:
    async with open_store(url, now=WallClock().now, key=key):
        pass


def _key(config: Config) -> str:
    assert config.security.key is not None, "every history has one"
    return config.security.key.get_secret_value()
