"""A drive's total: what the card reads, against the bare sum over the same covering index."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
from sqlalchemy import text

from storage.engine import Store, open_store
from storage.records import Status
from storage.tx import Tx
from tests.bench.bars import ROUNDS, Bar, median, spread
from tests.bench.rows import fill
from tests.bench.servers import database, postgres
from tests.stores import NOON, TestClock

__all__ = ["DRIVE_ID", "drives", "give_to_one_drive"]

GIFTS = 100_000
LOOKS = 20
KEY = "a key that is only for the bench"
DRIVE_ID = f"{7:032x}"
BARE = text("SELECT SUM(credited_cents) FROM payments WHERE subject = :subject AND status = 'paid'")


async def drives() -> AsyncIterator[Bar]:
    """Both engines, 100,000 gifts in one drive."""
    with tempfile.TemporaryDirectory() as folder:
        yield await _compared("SQLite", f"sqlite:///{Path(folder, 'drive.db')}")
    async with postgres(durable=False) as server:
        yield await _compared("PostgreSQL", await database(server, "drive"))


async def give_to_one_drive(store: Store, count: int) -> None:
    """*count* paid gifts to one drive, the newest of them the last."""
    await fill(store, count, status=Status.PAID, begun_at=NOON)
    own = text("UPDATE payments SET subject = :subject, decided_at = begun_at")
    await store.write(lambda tx: tx.payments._connection.execute(own, {"subject": f"d:{DRIVE_ID}"}))
    await store.write(lambda tx: tx.payments._connection.execute(text("ANALYZE")))


async def _compared(engine: str, url: str) -> Bar:
    bare: list[float] = []
    card: list[float] = []
    async with open_store(url, key=KEY, now=TestClock().now) as store:
        await give_to_one_drive(store, GIFTS)
        if url.startswith("postgresql"):
            await _vacuum(url)
        for _ in range(ROUNDS):
            bare += [await _timed(store, _bare_sum) for _ in range(LOOKS)]
            card += [await _timed(store, _card) for _ in range(LOOKS)]
    return Bar(
        what=f"a drive's card, {engine}: {GIFTS:,} gifts, against a bare sum",
        figure=median(card) / median(bare),
        side="at most",
        bar=2.0,
        detail=f"µs each: {spread(card)} for the card, {spread(bare)} for the sum",
    )


async def _bare_sum(tx: Tx) -> None:
    found = await tx.payments._connection.execute(BARE, {"subject": f"d:{DRIVE_ID}"})
    assert found.scalar_one() == GIFTS * 5000


async def _card(tx: Tx) -> None:
    totals = await tx.gifts.totals(DRIVE_ID)
    assert totals.cents == GIFTS * 5000
    assert len(await tx.gifts.newest(DRIVE_ID, limit=5)) == 5


async def _timed(store: Store, look: Callable[[Tx], Awaitable[None]]) -> float:
    async with store.read() as tx:
        began = time.perf_counter()
        await look(tx)
        return (time.perf_counter() - began) * 1e6


async def _vacuum(url: str) -> None:
    """What autovacuum does on a server that lives longer than a bench."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM ANALYZE payments")
    finally:
        await connection.close()
