"""One world per test module: starting the real bot costs a second or two."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from mpesa.simulator import SimulatorSettings

pytest.register_assert_rewrite("tests.flows.world", "tests.flows.kills")

from tests.flows.world import QUICK, World, open_world  # noqa: E402 - after the line above


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """The world of this module; at its end Safaricom's statement must equal our books."""
    settings: SimulatorSettings = getattr(request.module, "SETTINGS", QUICK)
    folder: Path = tmp_path_factory.mktemp("world")
    async with open_world(folder, settings=settings) as opened:
        yield opened
        await opened.simulator.settled()
        assert await opened.bot.stop() == 0
        await opened.judge()


@pytest.fixture(scope="session")
def numbers() -> Callable[[], int]:
    """A new person and phone for every test, so that none needs another."""
    return itertools.count(1).__next__
