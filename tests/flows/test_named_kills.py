"""kill -9 at every step that has a name, twice: nothing lost, doubled or untold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.deaths import STEPS, die_at_each

AT_ONCE = 4  # most of a world's time is waiting for Safaricom, Telegram and the clock
IN_A_WORLD = 4  # steps; `make prove` gives each a world of its own


@pytest.mark.parametrize("group", STEPS)
async def test_a_death_at_each_step_loses_nothing_and_repeats_nothing(
    tmp_path: Path, group: str
) -> None:
    wrong = await die_at_each(tmp_path, STEPS[group], at_once=AT_ONCE, in_a_world=IN_A_WORLD)

    assert wrong == {}
