"""kill -9 at every moment that Safaricom or Telegram can see: nothing lost, nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.kills import (
    MOMENTS,
    await_last_words,
    judge_errands,
    kill_at,
    send_errands,
)
from tests.flows.processes import BotProcess
from tests.flows.world import open_world

ON_ONE_ENGINE = {
    "test_sigterm_stops_in_time_with_nothing_half_done": (
        "it makes its file: test_other_worlds.py fills a database"
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_kill_loses_nothing_and_repeats_nothing(
    tmp_path: Path, store_url: str, moment: str
) -> None:
    async with open_world(tmp_path, database=store_url) as world:
        errands = send_errands(world, 1, 7)
        await kill_at(world, MOMENTS[moment])
        errands += send_errands(world, 8, 3)  # written while nobody listens

        # On PostgreSQL no file lock says that nobody else is at work: it finds out who is dead.
        await world.bot.start()
        await await_last_words(world, errands)

        assert await world.bot.stop() == 0
        await judge_errands(world, errands)


async def test_a_second_kill_while_picking_up_the_pieces(tmp_path: Path, store_url: str) -> None:
    async with open_world(tmp_path, database=store_url) as world:
        errands = send_errands(world, 1, 7)
        await kill_at(world, MOMENTS["Safaricom hears of a few pushes"])
        edits = len(world.api.calls_of("editMessageText"))
        errands += send_errands(world, 8, 3)  # or all may have been told already

        await world.bot.start()
        await kill_at(world, lambda w: len(w.api.calls_of("editMessageText")) > edits)
        await world.bot.start()
        await await_last_words(world, errands)

        assert await world.bot.stop() == 0
        await judge_errands(world, errands)


async def test_sigterm_stops_in_time_with_nothing_half_done(tmp_path: Path) -> None:
    # The command itself, on a database that it makes.
    async with open_world(tmp_path, bot_type=BotProcess, migrated=False) as world:
        errands = send_errands(world, 1, 7)
        await world.api.wait_for(lambda: len(world.simulator.pushes) >= 2, timeout_s=60)

        assert await world.bot.stop() == 0
        await world.bot.start()
        await await_last_words(world, errands)

        assert await world.bot.stop() == 0
        await judge_errands(world, errands)
