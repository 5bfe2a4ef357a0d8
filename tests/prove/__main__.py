"""
`make prove`: kill the real bot again and again, at random, and let Safaricom's books judge.

Every round has a seed, which is printed when it fails. The exit status is 1 on any violation.
"""

from __future__ import annotations

import asyncio
import random
import select
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.flows.kills import await_last_words, judge_errands, send_errands
from tests.flows.world import World, open_world

ERRANDS = 12
KILLS_PER_WORLD = 5
LONGEST_LIFE_S = 2.5


async def _live(world: World, seconds: float) -> None:
    """Let the bot live for a while; the moment of its death is the point of this proof."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, select.select, [], [], [], seconds)
    await world.bot.kill()


async def one_world(seed: int) -> None:
    """A dozen payments through five deaths, and the judge."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        async with open_world(Path(folder), start=False) as world:
            errands = []
            for turn in range(KILLS_PER_WORLD):
                errands += send_errands(world, 1 + turn * ERRANDS, ERRANDS)
                await world.bot.spawn()
                await _live(world, chance.uniform(0.0, LONGEST_LIFE_S))
            await world.bot.start()
            await await_last_words(world, errands)
            if await world.bot.stop() != 0:
                raise AssertionError("the bot did not stop cleanly")
            await judge_errands(world, errands)


@click.command()
@click.option("--kills", type=int, default=100, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(kills: int, seed: int) -> None:
    """Prove, and print one table."""
    worlds = max(1, kills // KILLS_PER_WORLD)
    violations = []
    began = time.perf_counter()
    for number in range(worlds):
        try:
            asyncio.run(one_world(seed + number))
        except (AssertionError, TimeoutError) as exc:
            violations.append(seed + number)
            click.echo(f"seed {seed + number}: {str(exc)[:2000]}", err=True)
    took = time.perf_counter() - began
    done = worlds * KILLS_PER_WORLD
    click.echo("what      how many  violations  seconds per thousand")
    click.echo(f"kill -9   {done:8d}  {len(violations):10d}  {took / done * 1000:20.0f}")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
