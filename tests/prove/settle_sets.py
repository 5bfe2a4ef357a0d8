"""`make prove`: settle over every set of evidence kinds, and over every life that they allow."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import click

from bot.core.settle import Settle, stand
from storage.records import Payment
from tests.core.settle_life import LIFE_FULL, OPERATORS, live
from tests.core.settle_rules import of_extension, of_set
from tests.core.settle_space import FULL, FULL_BOOKS, FULL_WHOSE, LARGE, SMALL, Space, Tally, walk
from tests.prove.table import Row

__all__ = ["run"]

PAYMENTS = (SMALL, LARGE)


def _sets(payment: Payment, space: Space) -> Tally:
    return walk(space, payment, stand, of_set, of_extension)


def _lives(payment: Payment) -> Tally:
    return live(LIFE_FULL, payment, Settle(operators=OPERATORS))


def _timed(
    name: str, jobs: int, work: Callable[..., Tally], calls: list[tuple[object, ...]]
) -> Row:
    began_s = time.perf_counter()
    tally = Tally()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for future in [pool.submit(work, *call) for call in calls]:
            tally.add(future.result())
    for breach in tally.breaches[:20]:
        print(f"{name}: {breach}", file=sys.stderr)
    return Row(
        what=name,
        many=tally.sets,
        unit="sets",
        violations=len(tally.breaches),
        seconds=time.perf_counter() - began_s,
        note=f"{tally.extensions} extensions by one fact, {tally.shuffled} shuffled and doubled",
    )


def run(*, jobs: int = 2) -> list[Row]:
    """Every set and every extension of it. Nothing is drawn by lot, so there is no seed."""
    sets: list[tuple[object, ...]] = [(payment, FULL) for payment in PAYMENTS]
    whose: list[tuple[object, ...]] = [(payment, FULL_WHOSE) for payment in PAYMENTS]
    books: list[tuple[object, ...]] = [(payment, FULL_BOOKS) for payment in PAYMENTS]
    lives: list[tuple[object, ...]] = [(payment,) for payment in PAYMENTS]
    return [
        _timed("settle: where it stands", jobs, _sets, sets),
        _timed("settle: whose money it is", jobs, _sets, whose),
        _timed("settle: what the books say", jobs, _sets, books),
        _timed("settle: what follows", jobs, _lives, lives),
    ]


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
def main(jobs: int) -> None:
    """Prove, and print one line a proof."""
    rows = run(jobs=jobs)
    for row in rows:
        click.echo(f"{row.what}: {row.many} {row.unit}, {row.violations} violations, {row.note}")
        click.echo(f"  {row.seconds:.0f} s")
    sys.exit(any(row.violations for row in rows))


if __name__ == "__main__":
    main()
