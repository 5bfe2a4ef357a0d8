"""
`make bench`: the bars of the design, measured in one run, for machines differ and are noisy.

The arms of a pair run in turn (ABAB…) and their medians are compared. CPU is that of the process
under test alone; whoever calls it, or answers it, is a process of its own, on loopback.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import click

from tests.bench.bars import Bar
from tests.bench.callbacks import callbacks
from tests.bench.drives import drives
from tests.bench.papers import papers
from tests.bench.pushes import pushes
from tests.bench.starts import starts
from tests.bench.sweeps import sweeps


@click.command()
@click.option(
    "--seconds",
    type=float,
    default=10.0,
    show_default=True,
    help="Callbacks: load per arm, at most.",
)
@click.option(
    "--only",
    type=click.Choice(["callbacks", "pushes", "sweeps", "drives", "papers", "starts"]),
    multiple=True,
    help="Measure this alone (may be given several times).",
)
def main(seconds: float, only: tuple[str, ...]) -> None:
    """Measure, and print a line for every bar; the exit status says whether all are met."""
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    benches: dict[str, Callable[[], AsyncIterator[Bar]]] = {
        "callbacks": lambda: callbacks(seconds),
        "pushes": pushes,
        "sweeps": sweeps,
        "drives": drives,
        "papers": papers,
        "starts": starts,
    }

    async def run() -> int:
        missed = 0
        for name, bench in benches.items():
            if only and name not in only:
                continue
            async for bar in bench():
                click.echo(str(bar))
                missed += not bar.met
        return missed

    missed = asyncio.run(run())
    click.echo("every bar is met" if not missed else f"{missed} NOT met")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
