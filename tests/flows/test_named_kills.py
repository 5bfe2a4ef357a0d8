"""kill -9 at every step that has a name, twice: nothing lost, doubled or untold."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from tests.flows.deaths import STEPS, die_at_each
from tests.flows.instances import fresh_database
from tests.stores import TEMPLATE

AT_ONCE = 4  # most of a world's time is waiting for Safaricom, Telegram and the clock
IN_A_WORLD = 4  # steps; `make prove` gives each a world of its own
ON_ONE_ENGINE = {
    "test_a_death_at_each_step_loses_nothing_and_repeats_nothing": (
        "the other one is the same on PostgreSQL"
    ),
}


@pytest.mark.parametrize("group", STEPS)
async def test_a_death_at_each_step_loses_nothing_and_repeats_nothing(
    tmp_path: Path, group: str
) -> None:
    wrong = await die_at_each(tmp_path, STEPS[group], at_once=AT_ONCE, in_a_world=IN_A_WORLD)

    assert wrong == {}


@pytest.mark.postgres
@pytest.mark.parametrize("group", [group for group in STEPS if group != "starting"])
async def test_the_same_on_postgresql(tmp_path: Path, migrated_server: str, group: str) -> None:
    """But for a start: there nothing is freed by it, for others may be at work on it."""
    numbers = itertools.count()

    async def new_database() -> str:
        name = f"named_{group}_{next(numbers)}_{os.getpid()}"
        return await fresh_database(migrated_server, name, template=TEMPLATE)

    wrong = await die_at_each(
        tmp_path,
        STEPS[group],
        at_once=AT_ONCE,
        in_a_world=IN_A_WORLD,
        new_database=new_database,
    )

    assert wrong == {}
