"""
Calls: the n-th statement or request fails, for every n, every fault and every story.

    python -m tests.prove.calls            all of them; --every 10 for a taste
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import click

from mpesa.simulator import ReplyFault
from tests.flows.house import House, open_town
from tests.flows.rehearsals import (
    Strike,
    Tally,
    of_disk,
    of_safaricom,
    of_telegram,
)
from tests.flows.rehearsed import STORIES, SUBJECTS
from tests.flows.troubles import DiskFault, TelegramFault
from tests.prove.table import Row

__all__ = ["run"]

TOLD = 3000  # characters of what went wrong
F = TypeVar("F", bound=StrEnum)

NOT_BLOCKED = ("in a group", "the phone is shared", *SUBJECTS)
"""Where somebody who has blocked the bot would have to begin anew."""


def run(every: int = 1) -> list[Row]:
    """One row each for disk, Safaricom and Telegram; of the calls, each *every*-th fails."""
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    return [
        _row("disk", DiskFault, of_disk, every),
        _row("Safaricom", ReplyFault, of_safaricom, every),
        _row("Telegram", TelegramFault, of_telegram, every),
    ]


def _row(what: str, faults: Iterable[F], strike: Callable[[House, F], Strike], every: int) -> Row:
    began = time.perf_counter()
    tally = asyncio.run(_all(faults, strike, every))
    for each in tally.wrong:
        click.echo(each[:TOLD], err=True)
    return Row(
        f"the n-th call fails: {what}",
        tally.broken,
        "calls",
        len(tally.wrong),
        time.perf_counter() - began,
        f"{len(STORIES)} stories",
    )


async def _all(faults: Iterable[F], strike: Callable[[House, F], Strike], every: int) -> Tally:
    tally = Tally()
    for fault in faults:
        for name in STORIES:
            if fault == TelegramFault.FORBIDDEN and name in NOT_BLOCKED:
                continue
            with tempfile.TemporaryDirectory() as folder:
                async with open_town(Path(folder)) as town, town.process() as house:
                    if name in SUBJECTS and fault is DiskFault.IO_ERROR:
                        # Most of their statements are those of the other stories, read again.
                        await tally.each_statement(house, name, fault, set(), every=every)
                    else:
                        await tally.each_call(house, name, strike(house, fault), fault, every=every)
    return tally


@click.command()
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True)
def main(every: int) -> None:
    """Break calls, and print a line for each kind."""
    rows = run(every)
    for row in rows:
        click.echo(
            f"{row.what:40} {row.many:6d} {row.unit}  {row.violations} violations"
            f"  {row.seconds:.0f} s  {row.note}"
        )
    sys.exit(1 if any(row.violations for row in rows) else 0)


if __name__ == "__main__":
    main()
