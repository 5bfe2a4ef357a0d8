"""The sweep for silent payments: what it takes must not grow with what is stored."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from storage.engine import Store, open_store
from storage.records import Status
from storage.tx import Tx
from tests.bench.bars import ROUNDS, Bar, median, spread
from tests.bench.rows import fill
from tests.bench.servers import database, postgres
from tests.stores import NOON, TestClock

__all__ = ["sweeps"]

FEW = 10_000
MANY = 1_000_000
SILENT = 50
LOOKS = 40
KEY = "a key that is only for the bench"


async def sweeps() -> AsyncIterator[Bar]:
    """Both engines: what is due, due without an id, left half asked and not settled."""
    with tempfile.TemporaryDirectory() as folder:
        urls = {count: f"sqlite:///{Path(folder, f'{count}.db')}" for count in (FEW, MANY)}
        yield await _compared("SQLite", urls)
    async with postgres(durable=False) as server:
        urls = {count: await database(server, f"stored_{count}") for count in (FEW, MANY)}
        yield await _compared("PostgreSQL", urls)


async def _compared(engine: str, urls: dict[int, str]) -> Bar:
    looks: dict[int, list[float]] = {count: [] for count in urls}
    async with AsyncExitStack() as stack:
        stores = {
            count: await stack.enter_async_context(_stored(url, count))
            for count, url in urls.items()
        }
        for _ in range(ROUNDS):
            for count, store in stores.items():
                looks[count] += [await _look(store) for _ in range(LOOKS)]
    few, many = looks[FEW], looks[MANY]
    return Bar(
        what=f"a sweep for silent payments, {engine}: {MANY:,} stored against {FEW:,}",
        figure=median(many) / median(few),
        side="at most",
        bar=1.5,
        detail=f"µs each: {spread(many)} with {MANY:,}, {spread(few)} with {FEW:,}",
    )


@asynccontextmanager
async def _stored(url: str, count: int) -> AsyncIterator[Store]:
    """*count* payments that are over, the last few of which are silent."""
    async with open_store(url, key=KEY, now=TestClock().now) as store:
        await fill(store, count, status=Status.PAID, begun_at=NOON)

        async def silence(tx: Tx) -> None:
            await tx.payments._connection.execute(
                text(
                    "UPDATE payments SET status = 'prompted', credited_cents = NULL,"
                    " confirmed = false, next_check_at = begun_at, checkout_index = id"
                    " WHERE id > :last"
                ),
                {"last": f"{count - SILENT:032x}"},
            )

        await store.write(silence)
        await store.write(lambda tx: tx.payments._connection.execute(text("ANALYZE")))
        yield store


async def _look(store: Store) -> float:
    """Microseconds for one round of everything that the jobs look for."""
    now = NOON + timedelta(days=100)
    began = time.perf_counter()
    async with store.read() as tx:
        due = await tx.payments.due(now=now, limit=SILENT)
        await tx.payments.due_without_id(now=now, limit=SILENT)
        await tx.payments.unsent(limit=SILENT)
        await tx.payments.unsettled(limit=SILENT, tries=5)
    took_us = (time.perf_counter() - began) * 1e6
    assert len(due) == SILENT
    return took_us
