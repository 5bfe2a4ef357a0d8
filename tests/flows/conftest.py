"""One world per test module and engine: starting the real bot costs a second or two."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from mpesa.simulator import SimulatorSettings

pytest.register_assert_rewrite("tests.flows.world", "tests.flows.kills", "tests.flows.instances")

from tests.flows.instances import KEY, fresh_database  # noqa: E402 - after the line above
from tests.flows.world import QUICK, World, open_world  # noqa: E402 - after the line above


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that says so (ENGINES) lives through its tests once on each of them."""
    engines = getattr(metafunc.module, "ENGINES", None)
    if engines is not None and "world" in metafunc.fixturenames:
        metafunc.parametrize("world", engines, indirect=True, scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """The world of this module; at its end Safaricom's statement must equal our books."""
    settings: SimulatorSettings = getattr(request.module, "SETTINGS", QUICK)
    folder: Path = tmp_path_factory.mktemp("world")
    database, security = None, ""
    if getattr(request, "param", "sqlite") == "postgres":
        server: str = request.getfixturevalue("postgres_server")
        database = await fresh_database(server, f"{folder.name}_{os.getpid()}")
        security = f'key = "{KEY}"'
    async with open_world(
        folder, settings=settings, database=database, security=security
    ) as opened:
        opened.key = KEY if database else None
        yield opened
        await opened.simulator.settled()
        assert await opened.bot.stop() == 0
        await opened.judge()


@pytest.fixture(scope="session")
def numbers() -> Callable[[], int]:
    """A new person and phone for every test, so that none needs another."""
    return itertools.count(1).__next__
