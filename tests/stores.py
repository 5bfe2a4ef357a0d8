"""Fixtures that open a real store, on SQLite and on PostgreSQL, and a clock that a test holds."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from storage.engine import Store, open_store
from storage.migrations import migrate
from tests.bounds import put_bounds
from tests.databases import Databases
from tests.keys import KEY
from tests.postgres import binaries, running_server

__all__ = [
    "ENGINES",
    "KEY",
    "NOON",
    "TEMPLATE",
    "OpenStore",
    "TestClock",
    "clock",
    "databases",
    "migrated_copy",
    "migrated_file",
    "migrated_server",
    "open_a_store",
    "postgres_server",
    "put_tables",
    "store",
    "store_url",
]

NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TEMPLATE = "lipabot_template"
FROM_OUTSIDE = ("tests/chat/", "tests/web/", "tests/storage/test_bounds.py")
"""Where what strangers type and send is kept, and must be too much on no engine alone."""

ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


class TestClock:
    """Time that moves when a test says so; a sleeper moves it on by itself."""

    __test__ = False

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        self._now += timedelta(seconds=seconds)
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.advance(max(seconds, 0))
        await asyncio.sleep(0)


class OpenStore(Protocol):
    """Opens the test's database; twice gives the same one again."""

    def __call__(
        self, *, key: str = KEY, previous_keys: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[Store]: ...


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a private server; skipped where there is none, required with CI=true."""
    found = binaries()
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI=true needs Debian's package postgresql")
        pytest.skip("no PostgreSQL here: apt install postgresql")
    with running_server(found) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_server(postgres_server: str) -> str:
    """That server, with a database to copy that has today's tables."""
    asyncio.run(_make_template(postgres_server))
    return postgres_server


@pytest.fixture(scope="session")
def databases(migrated_server: str) -> Iterator[Databases]:
    """That server's databases, lent to one test at a time."""
    lending = Databases(migrated_server, TEMPLATE)
    yield lending
    lending.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with today's tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "bot.db"
    put_tables(path)
    return path


@pytest.fixture(scope="session")
def bounded_file(migrated_file: Path) -> Path:
    """The same, which takes no more than PostgreSQL does; to open it takes three times as long."""
    path = migrated_file.with_name("bounded.db")
    path.touch(mode=0o600)
    shutil.copyfile(migrated_file, path)
    put_bounds(path)
    return path


@pytest.fixture
def migrated_copy(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of such a file of the test's own: migrating each costs more than the test."""
    from_outside = request.node.nodeid.startswith(FROM_OUTSIDE)
    made: Path = request.getfixturevalue("bounded_file" if from_outside else "migrated_file")
    path = tmp_path / "bot.db"
    path.touch(mode=0o600)
    shutil.copyfile(made, path)
    return f"sqlite:///{path}"


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the test's fresh database, on each of its engines in turn."""
    if request.param == "sqlite":
        copied: str = request.getfixturevalue("migrated_copy")
        yield copied
        return
    databases: Databases = request.getfixturevalue("databases")
    name = databases.lend()
    yield databases.url(name)
    databases.take_back(name)


@pytest.fixture
def open_a_store(store_url: str, clock: TestClock) -> OpenStore:
    """Opens one and the same fresh database."""

    def open_it(
        *, key: str = KEY, previous_keys: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[Store]:
        return open_store(store_url, key=key, previous_keys=previous_keys, now=clock.now)

    return open_it


def put_tables(path: Path) -> None:
    """Write such a file to *path*, unless there is one already."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(_tables())


@cache
def _tables() -> bytes:
    """What the migrations make of an empty file, made once in a process."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        path = Path(folder) / "bot.db"
        # In a thread: who asks may have an event loop of their own running.
        thread.submit(asyncio.run, _migrate_all(f"sqlite+aiosqlite:///{path}")).result()
        return path.read_bytes()


async def _make_template(server: str) -> None:
    """Today's tables, made by the migrations once for all tests."""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    finally:
        await connection.close()
    address = f"{server.removesuffix('postgres')}{TEMPLATE}"
    await _migrate_all(address.replace("postgresql", "postgresql+asyncpg"))


async def _migrate_all(address: str) -> None:
    engine = create_async_engine(address)
    await migrate(engine)
    await engine.dispose()


@pytest.fixture
async def store(open_a_store: OpenStore) -> AsyncIterator[Store]:
    """A fresh store, once on each engine."""
    async with open_a_store() as opened:
        yield opened
