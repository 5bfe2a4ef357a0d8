"""
`make prove`: every long proof, and one table of what was tried and what broke.

    python -m tests.prove                        # all of it, at the full figures: hours
    python -m tests.prove --share 0.01           # a hundredth of everything that can be counted
    python -m tests.prove histories --count 500 --seed 1001 --results pieces.jsonl
    python -m tests.prove --table pieces.jsonl   # what the pieces of this very code add up to

The exit status is 1 on any violation. Every violation is printed with its seed when it is met.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tests.prove import (
    calls,
    copies,
    crashes,
    drives,
    forgeries,
    fuzz,
    instances,
    money,
    mutants,
    mutation,
    settle_sets,
    slow,
)
from tests.prove.histories import run as histories
from tests.prove.histories.reach import reached
from tests.prove.table import Row, added_up, code_fingerprint, kept, printed, read

__all__ = ["main"]

HISTORIES = 10_000
FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Wish:
    """How much of a proof is wanted."""

    share: float
    seed: int
    jobs: int
    count: int | None = None  # of histories, if not their share

    def of(self, full: int, at_least: int = 1) -> int:
        return max(at_least, round(full * self.share))


PARTS: dict[str, Callable[[Wish], Any]] = {
    "settle": lambda wish: settle_sets.run(jobs=wish.jobs),
    "calls": lambda wish: calls.run(every=max(1, round(1 / wish.share))),
    "slow": lambda _wish: slow.run(),
    "copies": lambda wish: copies.run(payments=wish.of(1000, 20), seed=wish.seed),
    "forgeries": lambda wish: forgeries.run(count=wish.of(100_000), seed=wish.seed),
    "money": lambda wish: money.run(count=wish.of(10_000, 40), seed=wish.seed, jobs=wish.jobs),
    "fuzz": lambda wish: fuzz.run(count=wish.of(1_000_000), seed=wish.seed),
    "drives": lambda wish: drives.run(count=wish.of(10_000, 20), seed=wish.seed),
    "crashes": lambda wish: crashes.run(
        kills=wish.of(1000),
        storage_kills=wish.of(4000),
        postgres_kills=wish.of(200),
        seed=wish.seed,
    ),
    "instances": lambda wish: instances.run(
        payments=wish.of(10_000, 100), kills=wish.of(40, 2), stops=wish.of(6), seed=wish.seed
    ),
    "mutation": lambda wish: mutation.run(jobs=wish.jobs, share=wish.share, seed=wish.seed),
    "mutants": lambda wish: mutants.run(jobs=wish.jobs, histories=200, seed=wish.seed),
    "histories": lambda wish: histories.run(
        wish.count or wish.of(HISTORIES), seed=wish.seed, jobs=wish.jobs
    ),
}
"""The quick ones first: what breaks easily is seen early."""


def prove(names: Sequence[str], wish: Wish, results: Path | None = None) -> list[Row]:
    """Run these parts; each is kept in *results* as soon as it is done."""
    rows: list[Row] = []
    code = code_fingerprint()
    for name in names:
        click.echo(f"{name} …", err=True)
        found = PARTS[name](wish)
        done = asyncio.run(found) if inspect.iscoroutine(found) else found
        assert code_fingerprint() == code, "the code was changed meanwhile: this proves nothing"
        if results is not None:
            kept(results, done, code)
        rows += done
        click.echo(printed(done), err=True)
    return rows


def with_reach(rows: Sequence[Row]) -> list[Row]:
    """
    The rows, and what their histories have met, once there are enough of them.

    What did not happen proves nothing: an effect too seldom is a violation as well.
    """
    lived = [row for row in rows if row.what in (histories.ALONE, histories.TOGETHER)]
    if sum(row.many for row in lived) < HISTORIES:
        return [*rows]
    return [*rows, reached(sum((Counter(row.counts) for row in lived), Counter()))]


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--share", type=float, default=1.0, show_default=True, help="Of the full figures.")
@click.option("--count", type=click.IntRange(1), help="So many histories, whatever the share.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--jobs", type=int, default=os.cpu_count() or 1, show_default=True)
@click.option("--results", type=FILE, help="Add what is found to this file, a line for each row.")
@click.option("--table", type=FILE, help="Run nothing: add up such a file, and print its table.")
@click.option("--code", help="Of the code with this fingerprint; else of the code as it is.")
def main(
    parts: tuple[str, ...],
    share: float,
    count: int | None,
    seed: int,
    jobs: int,
    results: Path | None,
    table: Path | None,
    code: str | None,
) -> None:
    """Prove, and print one table."""
    if table is not None:
        found, others = read(table, code or code_fingerprint())
        rows = with_reach(added_up(found))
        if others:
            click.echo(f"{others} rows are of other code, and left out", err=True)
    else:
        rows = with_reach(prove(parts or tuple(PARTS), Wish(share, seed, jobs, count), results))
    click.echo(printed(rows))
    sys.exit(1 if any(row.violations for row in rows) else 0)


if __name__ == "__main__":
    main()
