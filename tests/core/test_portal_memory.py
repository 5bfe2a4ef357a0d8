"""Statements: a file twice as long needs no more memory, and its rows are all placed."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from bot.core.portal import Reconciled, reconcile_statement
from bot.core.ports import Collector
from mpesa.statement import open_statement
from storage.engine import open_store
from storage.records import OpenKind
from tests.desk import PAYBILL, a_desk
from tests.stores import KEY, TestClock

SHOP = Collector(name="Shop", kind="paybill", number=PAYBILL, practice=False)
HEADING = "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,A/C No."
SLACK_BYTES = 1_000_000


def statement(folder: Path, lines: int) -> Path:
    path = folder / f"{lines}.csv"
    with path.open("w") as file:
        file.write(f"{HEADING}\n")
        for number in range(lines):
            at = f"23-11-2026 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
            file.write(f"UKN{number:07d},{at},Pay Bill,Completed,50.00,,rent {number}\n")
    return path


async def reconciled(folder: Path, lines: int) -> tuple[Reconciled, int]:
    """What it came to, and the most memory that was held at once."""
    url = f"sqlite:///{folder / str(lines)}.db"
    async with open_store(url, key=KEY, now=TestClock().now) as store:
        record = a_desk(store, TestClock())
        with open_statement(statement(folder, lines)) as opened:
            tracemalloc.start()
            try:
                found = await reconcile_statement(record.rows, opened, SHOP, lambda _bytes: None)
                return found, tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()


async def test_twice_the_lines_need_no_more_memory(tmp_path: Path) -> None:
    await reconciled(tmp_path, 10)  # whatever is made once
    short, short_peak = await reconciled(tmp_path, 1100)
    long, long_peak = await reconciled(tmp_path, 2200)

    assert (short.lines, long.lines) == (1100, 2200)
    assert long.open_now == {OpenKind.UNMATCHED: 2200}
    assert long_peak < short_peak + SLACK_BYTES, (short_peak, long_peak)
