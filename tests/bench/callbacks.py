"""Callbacks committed before their 200: against a store that is always ready, and one by hand."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from bot.core.hear import ADDRESS, Hear
from bot.core.settle import Settle
from bot.web.server import build_web, serving
from storage.engine import Store, open_store
from storage.hearing import Decide, Outcome, Unit
from storage.records import Status
from storage.schema import evidence
from tests.bench.bars import ROUNDS, Bar, median, spread
from tests.bench.load import LOAD
from tests.bench.rivals import POOL, PostgresRival, RivalHear, SqliteRival
from tests.bench.rows import fill, payment_ids
from tests.bench.servers import administer, database, postgres
from tests.fakes import a_payment
from tests.stores import NOON, TestClock

__all__ = ["callbacks"]

CONNECTIONS = 64
CALLBACKS_PER_S_MAX = 9000  # stored for every second of load; a faster arm ends the sooner
SYNCS = 300
KEY = "a key that is only for the bench"
ARMS = ("kept", "ready", "by hand")


class ReadyStore(Store):
    """A store whose every answer is there already."""

    def __init__(self, store: Store) -> None:
        super().__init__(
            writer=store._writer,
            readers=store._readers,
            crypt=store.crypt,
            exclusive=store.exclusive,
            holder=store.holder,
            presence=store.presence,
        )
        self._outcome = Outcome(payment=a_payment(), moved=True, fresh=True)

    async def submit(self, unit: Unit, decide: Decide) -> Outcome:
        ready: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        ready.set_result(self._outcome)
        return await ready


@dataclass(slots=True)
class Measured:
    """What the rounds of one arm came to."""

    cpu_us: list[float] = field(default_factory=list)  # of the server process, per callback
    per_s: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Engine:
    """A way to a fresh copy of a database that is filled already."""

    name: str
    at_least_of_ready: float
    at_least_times_by_hand: float
    by_hand: str
    copy: Callable[[], Awaitable[str]]  # its URL


async def callbacks(seconds: float) -> AsyncIterator[Bar]:
    """Bars A and B, on both engines."""
    count = int(seconds * CALLBACKS_PER_S_MAX)
    for opened in (_sqlite, _postgres):
        async with opened(count) as engine:
            for bar in await _compared(engine, seconds, count):
                yield bar


async def _compared(engine: Engine, seconds: float, count: int) -> list[Bar]:
    arms = {name: Measured() for name in ARMS}
    for _ in range(ROUNDS):
        for name, measured in arms.items():
            await _round(engine, name, measured, seconds=seconds, count=count)
    sync_us = await asyncio.to_thread(_sync_us)
    kept, ready, by_hand = (arms[name] for name in ARMS)
    what = f"callbacks, {engine.name}, {CONNECTIONS} connections"
    return [
        Bar(
            what=f"{what}: CPU against a store that is always ready",
            figure=median(ready.cpu_us) / median(kept.cpu_us),
            side="at least",
            bar=engine.at_least_of_ready,
            detail=f"µs each: {spread(kept.cpu_us)} kept, {spread(ready.cpu_us)} ready",
        ),
        Bar(
            what=f"{what}: rate against {engine.by_hand}",
            figure=median(kept.per_s) / median(by_hand.per_s),
            side="at least",
            bar=engine.at_least_times_by_hand,
            detail=(
                f"a second: {spread(kept.per_s)} kept, {spread(by_hand.per_s)} by hand,"
                f" {spread(ready.per_s)} ready; µs each by hand: {spread(by_hand.cpu_us)};"
                f" a sync of this disk takes {sync_us:.0f} µs, and the dearer it is, the more"
                f" there is to share"
            ),
        ),
    ]


def _sync_us() -> float:
    """What fdatasync of 4 KiB takes where the databases of these benches lie."""
    took_us = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took_us.append((time.perf_counter() - began) * 1e6)
    return median(took_us)


async def _round(
    engine: Engine, arm: str, measured: Measured, *, seconds: float, count: int
) -> None:
    url = await engine.copy()
    clock = TestClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(url, key=KEY, now=clock.now))
        hear = (RivalHear if arm == "by hand" else Hear)(
            store=ReadyStore(store) if arm == "ready" else store,
            settle=Settle(operators=[]),
            clock=clock,
            unconfirmed_total_kes=10**9,
            wake=lambda: None,
        )
        if isinstance(hear, RivalHear):
            opened = (
                PostgresRival.opened(url)
                if url.startswith("postgresql")
                else SqliteRival.opened(Path(url.removeprefix("sqlite:///")))
            )
            hear.rival = await stack.enter_async_context(opened)
        web = build_web(hear, ready=lambda: True)
        port = await stack.enter_async_context(serving(web, host="127.0.0.1", port=0))
        paths = [f"/c/{each}.{store.crypt.sign(ADDRESS, each)}" for each in payment_ids(count)]
        gc.collect()
        gc.freeze()  # as `lipabot run` does once it is ready
        answered, took_s, cpu_s = await _load(port, paths, seconds)
        kept = await _kept(store)
        assert kept == (0 if arm == "ready" else answered), f"{answered} answered, {kept} kept"
    measured.cpu_us.append(cpu_s / answered * 1e6)
    measured.per_s.append(answered / took_s)


async def _kept(store: Store) -> int:
    async with store.read() as tx:
        query = select(func.count()).select_from(evidence)
        return (await tx.evidence._connection.execute(query)).scalar_one()


async def _load(port: int, paths: list[str], seconds: float) -> tuple[int, float, float]:
    """How many were answered, in how many seconds, for how many CPU seconds of this process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LOAD, str(port), str(CONNECTIONS), str(seconds)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(paths).encode() + b"\n")
    await process.stdin.drain()
    await process.stdout.readline()  # it is ready
    began, before = time.perf_counter(), time.process_time()
    process.stdin.write(b"go\n")
    await process.stdin.drain()
    answered = int(await process.stdout.readline())
    cpu_s, took_s = time.process_time() - before, time.perf_counter() - began
    await process.wait()
    return answered, took_s, cpu_s


async def _filled(url: str, count: int) -> None:
    async with open_store(url, key=KEY, now=TestClock().now) as store:
        await fill(store, count, status=Status.PROMPTED, begun_at=NOON)


@asynccontextmanager
async def _sqlite(count: int) -> AsyncIterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder, "first.db")
        copied = Path(folder, "bot.db")
        await _filled(f"sqlite:///{first}", count)

        def afresh() -> None:
            for stale in copied.parent.glob("bot.db*"):
                stale.unlink()
            shutil.copy(first, copied)

        async def copy() -> str:
            await asyncio.to_thread(afresh)
            return f"sqlite:///{copied}"

        yield Engine(
            name="SQLite FULL",
            at_least_of_ready=0.35,
            at_least_times_by_hand=4,
            by_hand="one transaction and one hop each, by hand",
            copy=copy,
        )


@asynccontextmanager
async def _postgres(count: int) -> AsyncIterator[Engine]:
    async with postgres(durable=True) as server:
        first = await database(server, "first")
        await _filled(first, count)
        await administer(first, "VACUUM ANALYZE")  # as its own daemon would, by and by

        async def copy() -> str:
            return await database(server, "bot", like="first")

        yield Engine(
            name="PostgreSQL",
            at_least_of_ready=0.45,
            at_least_times_by_hand=5,
            by_hand=f"one transaction each, by hand, from a pool of {POOL}",
            copy=copy,
        )
