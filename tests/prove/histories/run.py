"""Owns the running of many histories: a database each, side by side, one row at the end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.config import Config, load_config
from bot.texts import Texts
from tests.dialects import keep_dialects
from tests.postgres import binaries, running_server
from tests.prove.histories.grounds import (
    Lay,
    make_postgres_template,
    postgres_ground,
    sqlite_ground,
)
from tests.prove.histories.history import History, HistorySettings
from tests.prove.histories.judge import Verdict, judge
from tests.prove.histories.life import task_factory
from tests.prove.histories.process import FAULTS
from tests.prove.histories.virtual import StallingLoop, VirtualLoop
from tests.prove.table import Row

__all__ = ["ALONE", "TOGETHER", "Told", "live", "live_two", "ready_for_two", "run"]

CONFIG = """
[telegram]
token = "4242:playground-token"
operators = [900, 901]
[mpesa]
base_url = "http://127.0.0.1:9"
consumer_key = "demo-key"
consumer_secret = "demo-secret"
shortcode = "174379"
passkey = "demo-passkey"
business_name = "Mama Njeri Shop"
[webhook]
public_url = "http://127.0.0.1:9"
[storage]
url = "sqlite:///nowhere.db"
[security]
key = "a key that is only for the proofs, and long enough"
two_people_above_kes = 4000
"""
ALONE = "seeded histories of 72 h: one process, SQLite"
TOGETHER = "seeded histories of 72 h: two processes, PostgreSQL"
EVERY_TWENTIETH = 20
BATCH = 10
MANY_PAYMENTS = 10  # of so many, some are paid


class _Caught(logging.Handler):
    """What the product caught by itself and logged, if no trouble of the world explains it."""

    broke: list[str] | None = None  # of the history that is lived now

    def emit(self, record: logging.LogRecord) -> None:
        exc = record.exc_info[1] if record.exc_info else None
        ours = record.name.partition(".")[0] in ("bot", "storage", "mpesa")
        if ours and isinstance(exc, FAULTS) and self.broke is not None:
            self.broke.append(f"{record.getMessage()}: {exc!r}")


_CAUGHT = _Caught()


@dataclass(frozen=True)
class Told:
    """What one history came to."""

    seed: int
    violations: list[str]
    effects: Counter[str] = field(default_factory=Counter)
    payments: int = 0
    paid: int = 0
    fingerprint: str = ""
    trace: list[str] = field(default_factory=list)


def live(seed: int, **slice_of_it: Any) -> Told:
    """
    Live the history of *seed* with one process on SQLite, and judge it.

    *slice_of_it*: what `HistorySettings` shall be other than usual.
    """
    config, texts = _prepared()
    with sqlite_ground(config) as (url, lay):
        settings = HistorySettings(seed=seed, config=_on(config, url), texts=texts, **slice_of_it)
        return _through(VirtualLoop(), settings, lay)


def live_two(seed: int, server: str, **slice_of_it: Any) -> Told:
    """Live it with two processes on one database of *server*, `postgresql://…/postgres`."""
    config, texts = _prepared()
    with postgres_ground(server) as (url, lay):
        settings = HistorySettings(
            seed=seed, config=_on(config, url), texts=texts, instances=2, **slice_of_it
        )
        return _through(StallingLoop(), settings, lay)


def ready_for_two(server: str) -> None:
    """Once for each server, before the first history on it."""
    make_postgres_template(server, _configuration())


def _on(config: Config, url: str) -> Config:
    storage = config.storage.model_copy(update={"url": SecretStr(url)})
    return config.model_copy(update={"storage": storage})


def _through(loop: VirtualLoop, settings: HistorySettings, lay: Lay) -> Told:
    loop.set_task_factory(task_factory)  # type: ignore[arg-type]  # any coroutine
    loop.set_exception_handler(lambda _loop, _context: None)
    gc.disable()
    try:
        return loop.run_until_complete(_live(settings, lay))
    finally:
        gc.enable()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _live(settings: HistorySettings, lay: Lay) -> Told:
    history = History(settings, random.Random(settings.seed), lay)
    _CAUGHT.broke = history.broke
    verdict = Verdict()
    try:
        async with asyncio.timeout(100 * 3600):
            process = await history.run()
            verdict = await judge(history, process)
            some = verdict.paid > 0 or verdict.payments < MANY_PAYMENTS
            verdict.must(some, "I2 loss", "nobody was paid anything, of", verdict.payments)
    except Exception as exc:
        verdict.violations.append(f"the history broke: {type(exc).__name__}: {exc}")
        logging.getLogger("prove").critical("seed %d", settings.seed, exc_info=exc)
    for each in history.lives:
        if each is not None:
            each.life.die("the end")
            await each.life.bury()
    history.ground.close()
    return Told(
        seed=settings.seed,
        violations=verdict.violations,
        effects=verdict.effects,
        payments=verdict.payments,
        paid=verdict.paid,
        fingerprint=verdict.lived or history.fingerprint,
        trace=history.trace,
    )


@cache
def _prepared() -> tuple[Config, Texts]:
    """Once per process of histories: what the engines share, no noise; configuration, texts."""
    keep_dialects()
    logging.disable(logging.WARNING)
    logging.getLogger().addHandler(_CAUGHT)
    # A life that is cut off leaves half-done work and open connections behind: that is the point.
    for left_behind in (".*was never awaited", "The garbage collector is trying to clean up"):
        warnings.filterwarnings("ignore", message=left_behind)
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    return _configuration(), Texts.load()


def _configuration() -> Config:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.touch(mode=0o600)
        path.write_text(CONFIG)
        return load_config(path)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Seeds for one worker, lived by one process on SQLite, or by two on *server*."""

    seeds: tuple[int, ...]
    server: str | None

    def live(self) -> list[Told]:
        told = []
        for seed in self.seeds:
            told.append(live(seed) if self.server is None else live_two(seed, self.server))
            _let_go()
        return told


def _let_go() -> None:
    """What a history left behind; not what all of them share, which is more, and stays."""
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()


def run(count: int, *, seed: int = 1, jobs: int = 2) -> list[Row]:
    """
    Live *count* histories from *seed* on, every twentieth of them with two processes.

    Prints every violation with its seed, and how often each fault had its effect, as the judge
    saw it: these are the counts of the rows, for `reached`.
    """
    seeds = range(seed, seed + count)
    alone = [each for each in seeds if each % EVERY_TWENTIETH]
    pairs = [each for each in seeds if not each % EVERY_TWENTIETH]
    span = seed, seed + count - 1
    rows = []
    if alone:
        rows.append(_lived(ALONE, alone, span, None, jobs))
    if pairs:
        found = binaries()
        if found is None:
            raise SystemExit("the histories of two processes need Debian's package postgresql")
        with running_server(found) as server:
            ready_for_two(server)
            rows.append(_lived(TOGETHER, pairs, span, server, jobs))
    seen = sum((Counter(row.counts) for row in rows), Counter())
    for name, number in sorted(seen.items(), key=lambda pair: pair[1]):
        print(f"    {number:>9}  {name}", flush=True)
    return rows


def _lived(
    what: str, seeds: Sequence[int], span: tuple[int, int], server: str | None, jobs: int
) -> Row:
    began, violations, counts = time.perf_counter(), 0, Counter[str]()
    batches = [
        _Batch(tuple(seeds[start : start + BATCH]), server) for start in range(0, len(seeds), BATCH)
    ]
    with _all(batches, jobs) as stories:
        for told in stories:
            counts.update(told.effects)
            counts["payments"] += told.payments
            counts["paid"] += told.paid
            if told.violations:
                violations += 1
                print(f"  seed {told.seed}: {'; '.join(told.violations[:3])}", flush=True)
    return Row(
        what,
        len(seeds),
        "histories",
        violations,
        time.perf_counter() - began,
        seeds=span,
        counts=dict(counts),
    )


@contextmanager
def _all(batches: Sequence[_Batch], jobs: int) -> Iterator[Iterator[Told]]:
    if jobs <= 1:
        yield (told for batch in batches for told in batch.live())
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield (told for lived in pool.map(_Batch.live, batches) for told in lived)
