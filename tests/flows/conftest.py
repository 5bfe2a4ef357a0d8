"""One world per test module and engine: starting the real bot costs a second or two."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from mpesa.simulator import SimulatorSettings

pytest.register_assert_rewrite("tests.flows.world", "tests.flows.kills", "tests.flows.instances")

from tests.flows.instances import fresh_database  # noqa: E402 - after the line above
from tests.flows.world import QUICK, World, open_world  # noqa: E402 - after the line above
from tests.stores import ENGINES, TEMPLATE  # noqa: E402 - after the line above

worlds = itertools.count(1)
HERE = Path(__file__).parent
BOTH = {"store_url", "worlds_database"}
"""What gives a test a database on each engine in turn."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is lived through in a module's world is lived through on both engines."""
    if "worlds_database" in metafunc.fixturenames:
        metafunc.parametrize("worlds_database", ENGINES, indirect=True, scope="module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever is lived through on one engine alone is named by its module, with the reason."""
    unsaid = {
        f"{Path(str(item.path)).name}: {item.originalname}"
        for item in items
        if isinstance(item, pytest.Function)
        and item.path.is_relative_to(HERE)
        and BOTH.isdisjoint(item.fixturenames)
        and item.get_closest_marker("postgres") is None
        and item.originalname not in getattr(item.module, "ON_ONE_ENGINE", ())
    }
    if unsaid:
        told = "\n".join(sorted(unsaid))
        raise pytest.UsageError(f"on which engines, and if on one alone, why?\n{told}")


@pytest.fixture(scope="module")
def worlds_database(request: pytest.FixtureRequest) -> str | None:
    """The address of a database of the module's own; None for a file in the world's folder."""
    if request.param == "sqlite":
        return None
    server: str = request.getfixturevalue("migrated_server")
    # A worker that is given a share of a module, and later another, has two worlds of it.
    name = f"{request.module.__name__.rpartition('.')[2]}_{os.getpid()}_{next(worlds)}"
    return asyncio.run(fresh_database(server, name, template=TEMPLATE))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    worlds_database: str | None,
) -> AsyncIterator[World]:
    """The world of this module; at its end Safaricom's statement must equal our books."""
    settings: SimulatorSettings = getattr(request.module, "SETTINGS", QUICK)
    folder: Path = tmp_path_factory.mktemp("world")
    async with open_world(folder, settings=settings, database=worlds_database) as opened:
        yield opened
        await opened.simulator.settled()
        assert await opened.bot.stop() == 0
        await opened.judge()


@pytest.fixture(scope="session")
def numbers() -> Callable[[], int]:
    """A new person and phone for every test, so that none needs another."""
    return itertools.count(1).__next__
