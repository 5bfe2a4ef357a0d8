"""A child that is storage and core alone dies at every commit: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import asyncpg
import pytest

from tests.flows.clerks import kill_clerks
from tests.stores import put_tables

SQLITE_KILLS = 160
POSTGRES_KILLS = 16
MIGRATING = 4  # of so many files one has no tables yet: its first lives die while they make them
ON_ONE_ENGINE = {
    "test_what_was_acknowledged_is_there_after_every_death": (
        "the other one is the same on PostgreSQL"
    ),
}


def test_what_was_acknowledged_is_there_after_every_death(tmp_path: Path) -> None:
    numbers = itertools.count()

    def new_url() -> str:
        number = next(numbers)
        path = tmp_path / f"{number}.db"
        if number % MIGRATING:
            put_tables(path)
        return f"sqlite:///{path}"

    died, wrong = kill_clerks(new_url, kills=SQLITE_KILLS, seed=1)

    assert wrong == []
    assert died == SQLITE_KILLS


@pytest.mark.postgres
def test_the_same_on_postgresql(postgres_server: str) -> None:
    numbers = itertools.count()

    def new_url() -> str:
        name = f"clerks{next(numbers)}"
        asyncio.run(_create(postgres_server, name))
        return postgres_server.removesuffix("postgres") + name

    died, wrong = kill_clerks(new_url, kills=POSTGRES_KILLS, seed=2)

    assert wrong == []
    assert died == POSTGRES_KILLS


async def _create(server: str, name: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
