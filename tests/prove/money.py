"""`make prove`: thousands of random lives of a few prompts and their lines; see `one_money.py`."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click

from storage.engine import open_store
from tests.core.one_money import Told, lived
from tests.keys import KEY
from tests.memory import in_memory
from tests.prove.table import Row
from tests.stores import TestClock, put_tables

__all__ = ["run"]

ROOM_BYTES = 2**26
SHOWN = ("a line counts apart from its prompt", "credit: counted", "line: counted")


def _live(seed: int) -> Told:
    with tempfile.TemporaryDirectory(prefix="lipabot-money-", dir=in_memory(ROOM_BYTES)) as folder:
        made = Path(tempfile.gettempdir()) / "lipabot-money-tables.db"
        put_tables(made)
        path = Path(folder) / "bot.db"
        path.touch(mode=0o600)
        shutil.copyfile(made, path)
        return asyncio.run(_on(f"sqlite:///{path}", seed))


async def _on(url: str, seed: int) -> Told:
    clock = TestClock()
    async with open_store(url, key=KEY, now=clock.now) as store:
        return await lived(store, clock, seed)


def run(*, count: int, seed: int, jobs: int) -> list[Row]:
    """Every violation is printed with its seed, and the whole life to it."""
    began_s = time.perf_counter()
    violations, effects = 0, Counter[str]()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        seeds = range(seed, seed + count)
        for each, told in zip(seeds, pool.map(_live, seeds, chunksize=20), strict=True):
            violations += len(told.violations)
            effects += told.effects
            for line in told.violations:
                print(f"seed {each}: {line}", *told.trace, sep="\n  ", file=sys.stderr)
    note = ", ".join(f"{effects[name]:,} {name}" for name in SHOWN)
    seconds = time.perf_counter() - began_s
    last = seed + count - 1
    return [Row("one money, and its line", count, "lives", violations, seconds, note, (seed, last))]


@click.command()
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
def main(count: int, seed: int, jobs: int) -> None:
    """Prove, and print one line."""
    [row] = run(count=count, seed=seed, jobs=jobs)
    click.echo(f"{row.what}: {row.many} {row.unit}, {row.violations} violations, {row.note}")
    sys.exit(row.violations > 0)


if __name__ == "__main__":
    main()
