"""
Crashes: kill -9 of the whole bot, at random and at every named step, and of storage and core alone.

    python -m tests.prove.crashes --kills 1000 --storage-kills 4000 --postgres-kills 200 --seed 1
"""

from __future__ import annotations

import asyncio
import itertools
import random
import select
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import asyncpg
import click

from tests.flows.clerks import kill_clerks
from tests.flows.deaths import STEPS, Drill, Step, die_at_each, open_drill
from tests.flows.gates import Edge
from tests.flows.mortal import ANYTHING, Death
from tests.postgres import binaries, running_server
from tests.prove.table import Row

__all__ = ["run"]

WORLDS_AT_ONCE = 3
KILLS_PER_WORLD = 10
ERRANDS = 3  # a life's; each world ends up with one of each kind, several times
LONGEST_LIFE_S = 0.9  # of one that dies at any moment
STEP_WITHIN_S = 2.5  # for one that dies at a step; then it is cut off
COMMITS = 40
CALLS = 8
METHODS = sorted(
    {step.what for group in STEPS.values() for step in group if isinstance(step, Edge)}
)
TOLD = 3000  # characters of what went wrong


def run(
    kills: int = 1000, storage_kills: int = 4000, postgres_kills: int = 200, seed: int = 1
) -> list[Row]:
    """
    One row for each kind of death.

    *kills* of the whole bot are made of every named step, twice, if there are that many, and of
    random ones. Without a PostgreSQL server *postgres_kills* fall away.
    """
    rows = []
    steps = [step for group in STEPS.values() for step in group]
    if kills >= 2 * len(steps):
        rows.append(_named(steps))
        kills -= rows[0].many
    if kills > 0:
        rows.append(_random(kills, seed))
    if storage_kills > 0:
        rows.append(_storage("storage child, SQLite", _sqlite(), storage_kills, seed))
    found = binaries()
    if postgres_kills > 0 and found is not None:
        with running_server(found) as server:
            databases = _postgres(server)
            rows.append(_storage("storage child, PostgreSQL", databases, postgres_kills, seed))
    return rows


def _named(steps: list[Step]) -> Row:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        wrong = asyncio.run(die_at_each(Path(folder), steps, at_once=WORLDS_AT_ONCE))
    for step, why in wrong.items():
        _tell(f"{step}: {why}")
    return Row(
        "kill -9, whole bot, each named step",
        2 * len(steps),
        "kills",
        len(wrong),
        time.perf_counter() - began,
        f"{len(steps)} steps",
    )


def _random(kills: int, seed: int) -> Row:
    began = time.perf_counter()
    wrong, hits = asyncio.run(_worlds(kills, seed))
    note = f"{hits} of them in the very step, the others when their time was over"
    return Row(
        "kill -9, whole bot, at random",
        kills,
        "kills",
        len(wrong),
        time.perf_counter() - began,
        f"{note}; broken {sorted(wrong)}" if wrong else note,
        (seed, seed + -(-kills // KILLS_PER_WORLD) - 1),
    )


async def _worlds(kills: int, seed: int) -> tuple[list[int], int]:
    """The seeds of the worlds in which something broke; how many died in their very step."""
    free = asyncio.Semaphore(WORLDS_AT_ONCE)
    wrong: list[int] = []
    hits: list[int] = []

    async def one(number: int, deaths: int) -> None:
        async with free:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    hits.append(await _world(Path(folder), random.Random(number), deaths))
                except (AssertionError, TimeoutError) as exc:
                    wrong.append(number)
                    _tell(f"seed {number}: {type(exc).__name__}: {exc}")

    shares = [min(KILLS_PER_WORLD, kills - done) for done in range(0, kills, KILLS_PER_WORLD)]
    await asyncio.gather(*(one(seed + n, share) for n, share in enumerate(shares)))
    return wrong, sum(hits)


async def _world(folder: Path, chance: random.Random, deaths: int) -> int:
    """Payments through one death after another, and the judge; how many died where they were to."""
    hits = 0
    async with open_drill(folder, migrated=False) as drill:
        for _ in range(deaths):
            drill.send(ERRANDS)
            hits += await _live(drill, chance)
        await drill.judge()
    return hits


async def _live(drill: Drill, chance: random.Random) -> bool:
    """
    One life, which ends at a commit, at a call, or at any moment; soon, in any case.

    False: the step that was drawn did not come in that time.
    """
    life_s = chance.uniform(0.0, LONGEST_LIFE_S)
    step: Step | None = chance.choice(
        (
            None,
            Death("before", ANYTHING, chance.randint(1, COMMITS)),
            Death("after", ANYTHING, chance.randint(1, COMMITS)),
            Edge("unheard", chance.choice(METHODS), chance.randint(1, CALLS)),
            Edge("unanswered", chance.choice(METHODS), chance.randint(1, CALLS)),
        )
    )
    await drill.spawn(step)
    if step is None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, select.select, [], [], [], life_s)
        died = True
    else:
        died = await drill.bot.dead(within_s=STEP_WITHIN_S)
    await drill.bot.kill()
    drill.gate.disarm()
    drill.deaths += 1
    return died


def _storage(
    what: str, opened: AbstractContextManager[Callable[[], str]], kills: int, seed: int
) -> Row:
    began = time.perf_counter()
    with opened as new_url:
        died, wrong = kill_clerks(new_url, kills=kills, seed=seed)
    for each in wrong:
        _tell(f"seed {seed}: {each}")
    took = time.perf_counter() - began
    return Row(f"kill -9, {what}", died, "kills", len(wrong), took, seeds=(seed, seed))


@contextmanager
def _sqlite() -> Iterator[Callable[[], str]]:
    """Gives the address of a new database each time."""
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: f"sqlite:///{folder}/{next(numbers)}.db"


@contextmanager
def _postgres(server: str) -> Iterator[Callable[[], str]]:
    numbers = itertools.count()

    def new_url() -> str:
        name = f"clerks{next(numbers)}"
        asyncio.run(_create(server, name))
        return server.removesuffix("postgres") + name

    yield new_url


async def _create(server: str, name: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


def _tell(what: str) -> None:
    click.echo(what[:TOLD], err=True)


@click.command()
@click.option("--kills", type=int, default=1000, show_default=True)
@click.option("--storage-kills", type=int, default=4000, show_default=True)
@click.option("--postgres-kills", type=int, default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(kills: int, storage_kills: int, postgres_kills: int, seed: int) -> None:
    """Kill, and print a line for each kind."""
    rows = run(kills, storage_kills, postgres_kills, seed)
    for row in rows:
        click.echo(
            f"{row.what:40} {row.many:6d} {row.unit}  {row.violations} violations"
            f"  {row.seconds:.0f} s  {row.note}"
        )
    sys.exit(1 if any(row.violations for row in rows) else 0)


if __name__ == "__main__":
    main()
