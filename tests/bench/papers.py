"""Statements: how fast rows become a paper, and what a million of them takes in memory."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Row, Select, select

from bot.documents.entries import Entry
from bot.documents.receipt import Method
from bot.documents.statement import Statement, statement_csv, statement_pdf, statement_xlsx
from bot.documents.words import Words
from bot.texts import Texts
from storage.engine import Store, open_store
from storage.records import Status
from storage.schema import payments
from tests.bench.bars import ROUNDS, Bar, median, spread
from tests.bench.rows import fill
from tests.stores import NOON, TestClock

__all__ = ["papers", "weigh"]

WALKED: Final = 100_000
WEIGHED: Final = 1_000_000
OVER_IDLE_MB_MAX: Final = 30
PAGE_BYTES: Final = resource.getpagesize()
KEY: Final = "a key that is only for the bench"
METHOD: Final = Method.MPESA

FORMATS: Final = {"csv": statement_csv, "xlsx": statement_xlsx, "pdf": statement_pdf}

STATEMENT: Final = Statement(
    title="Mama Akinyi hospital bill", collector="Jamii Chama", made_at=NOON
)


async def papers() -> AsyncIterator[Bar]:
    """CSV against a walk over the same rows; then the memory of each format, apart."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(
            f"sqlite:///{Path(folder, 'stored.db')}", key=KEY, now=TestClock().now
        ) as store:
            await fill(store, WALKED, status=Status.PAID, begun_at=NOON)
            yield await _compared(store, Path(folder, "statement.csv"))
    for form in FORMATS:
        yield await asyncio.to_thread(_weighed, form, WEIGHED)


async def _compared(store: Store, path: Path) -> Bar:
    words = Words(Texts.load(), "en")
    walks: list[float] = []
    written: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        count = 0
        async for _row in _rows(store):
            count += 1
        walks.append(_us_each(began))
        assert count == WALKED
        began = time.process_time()
        sums = await statement_csv(path, STATEMENT, _entries(store), words)
        written.append(_us_each(began))
        assert sums.count == WALKED
    return Bar(
        what=f"a statement of {WALKED:,} payments as CSV, against a bare walk over its rows",
        figure=median(walks) / median(written),
        side="at least",
        bar=0.25,
        detail=f"µs of CPU each: {spread(walks, '.1f')} walked, {spread(written, '.1f')} written",
    )


def _statement_rows() -> Select[datetime, str, str, int, str, str]:
    columns = payments.c
    return select(
        columns.begun_at,
        columns.receipt,
        columns.phone_mask,
        columns.credited_cents,
        columns.push_ref,
        columns.words,
    ).order_by(columns.begun_at)


async def _rows(
    store: Store,
) -> AsyncIterator[Row[datetime, str, str, int, str, str]]:
    async with store.read() as tx:
        result = await tx.payments._connection.stream(
            _statement_rows().execution_options(yield_per=1000)
        )
        try:
            async for row in result:
                yield row
        finally:
            await result.close()


async def _entries(store: Store) -> AsyncIterator[Entry]:
    async for row in _rows(store):
        at, receipt, phone, cents, account, note = row._tuple()
        yield Entry(
            at, receipt or "", "Jane W.", phone, cents, METHOD, "Mama Akinyi", account, note=note
        )


def _us_each(began: float) -> float:
    return (time.process_time() - began) * 1e6 / WALKED


def _weighed(form: str, count: int) -> Bar:
    """In a process of its own: nothing but this paper is in it."""
    program = f"from tests.bench.papers import weigh; weigh({form!r}, {count})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    over_mb, seconds, size_mb = map(float, done.stdout.split())
    return Bar(
        what=f"a statement of {count:,} payments as {form.upper()}: memory over idle",
        figure=over_mb,
        side="at most",
        bar=OVER_IDLE_MB_MAX,
        unit=" MB",
        detail=f"{size_mb:.1f} MB of file in {seconds:.0f} s",
    )


def weigh(form: str, count: int) -> None:
    """
    Write a statement of *count* made-up rows, and print what it took: MB over what the process
    had before the first row, seconds, and MB of file.
    """
    words = Words(Texts.load(), "en")
    words.say("paper.name")
    _load_libraries(form)

    async def made_up() -> AsyncIterator[Entry]:
        first = datetime(2020, 1, 1, tzinfo=UTC)
        for number in range(count):
            yield Entry(
                first + timedelta(minutes=3 * number),
                f"U{number:09}",
                f"Giver {number} Wanjikũ",
                f"254712000{number % 1000:03}",
                50_000 + number % 977,
                METHOD,
                "Mama Akinyi hospital bill",
                "AKINYI-7K",
            )

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"statement.{form}")
        idle_mb = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6
        began = time.perf_counter()
        asyncio.run(FORMATS[form](path, STATEMENT, made_up(), words))
        seconds = time.perf_counter() - began
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(peak_mb - idle_mb, seconds, path.stat().st_size / 1e6)


def _load_libraries(form: str) -> None:
    """They stay loaded after the first paper: they are no part of a statement."""
    if form == "pdf":
        import bot.documents.statement_pdf  # noqa: F401 -- for its libraries
    if form == "xlsx":
        import xlsxwriter  # noqa: F401 -- for itself
