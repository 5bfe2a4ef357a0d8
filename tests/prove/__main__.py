"""
`make prove`: every long proof, and one table of what was tried and what broke.

    python -m tests.prove                        # all of it, at the full figures: hours
    python -m tests.prove --share 0.01           # a hundredth of everything that can be counted
    python -m tests.prove histories --share 0.2 --seed 7

The exit status is 1 on any violation. Every violation is printed with its seed when it is met.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from tests.prove import (
    calls,
    crashes,
    drives,
    forgeries,
    fuzz,
    instances,
    mutants,
    mutation,
    settle_sets,
    slow,
)
from tests.prove.histories import run as histories
from tests.prove.table import Row, printed

__all__ = ["main"]


@dataclass(frozen=True, slots=True)
class Wish:
    """How much of a proof is wanted."""

    share: float
    seed: int
    jobs: int

    def of(self, full: int, at_least: int = 1) -> int:
        return max(at_least, round(full * self.share))


PARTS: dict[str, Callable[[Wish], Any]] = {
    "settle": lambda wish: settle_sets.run(jobs=wish.jobs),
    "calls": lambda wish: calls.run(every=max(1, round(1 / wish.share))),
    "slow": lambda _wish: slow.run(),
    "forgeries": lambda wish: forgeries.run(count=wish.of(100_000), seed=wish.seed),
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
    "mutation": lambda wish: mutation.run(jobs=wish.jobs),
    "mutants": lambda wish: mutants.run(jobs=wish.jobs, histories=200, seed=wish.seed),
    "histories": lambda wish: histories.run(
        wish.of(10_000), seed=wish.seed, jobs=wish.jobs, full=wish.share >= 1
    ),
}
"""The quick ones first: what breaks easily is seen early."""


def prove(names: Sequence[str], wish: Wish) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        click.echo(f"{name} …", err=True)
        found = PARTS[name](wish)
        rows += asyncio.run(found) if inspect.iscoroutine(found) else found
        click.echo(printed(rows[-1:]), err=True)
    return rows


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--share", type=float, default=1.0, show_default=True, help="Of the full figures.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--jobs", type=int, default=os.cpu_count() or 1, show_default=True)
def main(parts: tuple[str, ...], share: float, seed: int, jobs: int) -> None:
    """Prove, and print one table."""
    rows = prove(parts or tuple(PARTS), Wish(share, seed, jobs))
    click.echo(printed(rows))
    sys.exit(1 if any(row.violations for row in rows) else 0)


if __name__ == "__main__":
    main()
