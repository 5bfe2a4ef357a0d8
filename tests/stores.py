"""Fixtures that open a real store, on SQLite and on PostgreSQL, and a clock that a test holds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest

from storage.engine import Store, open_store
from tests.postgres import binaries, running_server

__all__ = ["NOON", "OpenStore", "TestClock", "clock", "open_a_store", "postgres_server", "store"]

NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEY = "a key that is only for tests"


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

    def __call__(self, *, key: str = KEY) -> AbstractAsyncContextManager[Store]: ...


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


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def open_a_store(request: pytest.FixtureRequest, tmp_path: Path, clock: TestClock) -> OpenStore:
    """Opens one and the same fresh database, on each engine in turn."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'bot.db'}"
    else:
        server: str = request.getfixturevalue("postgres_server")
        name = f"t{abs(hash(request.node.nodeid)) % 10**12}_{os.getpid()}"
        asyncio.run(_create_database(server, name))
        url = server.removesuffix("postgres") + name

    def open_it(*, key: str = KEY) -> AbstractAsyncContextManager[Store]:
        return open_store(url, key=key, now=clock.now)

    return open_it


async def _create_database(server: str, name: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


@pytest.fixture
async def store(open_a_store: OpenStore) -> AsyncIterator[Store]:
    """A fresh store, once on each engine."""
    async with open_a_store() as opened:
        yield opened
