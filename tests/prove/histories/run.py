"""Owns the running of many histories: a database each, side by side, one row at the end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from bot.config import Config, load_config
from bot.texts import Texts
from tests.prove.histories.grounds import Lay, postgres_ground, sqlite_ground
from tests.prove.histories.history import History, HistorySettings
from tests.prove.histories.judge import Verdict, judge
from tests.prove.histories.life import task_factory
from tests.prove.histories.virtual import StallingLoop, VirtualLoop
from tests.prove.table import Row

__all__ = ["Told", "live", "live_two", "run"]

CONFIG = """
[telegram]
token = "4242:playground-token"
operators = [900]
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
"""


@dataclass(frozen=True)
class Told:
    """What one history came to."""

    seed: int
    violations: list[str]
    effects: Counter[str] = field(default_factory=Counter)
    payments: int = 0
    fingerprint: str = ""
    trace: list[str] = field(default_factory=list)


def live(seed: int, *, keep_trace: bool = False) -> Told:
    """Live the history of *seed* with one process on SQLite, and judge it."""
    config, texts = _prepared()
    with sqlite_ground(config) as (url, lay):
        settings = HistorySettings(
            seed=seed, config=_on(config, url), texts=texts, keep_trace=keep_trace
        )
        return _through(VirtualLoop(), settings, lay)


def live_two(seed: int, server: str, *, keep_trace: bool = False) -> Told:
    """Live it with two processes on one database of *server*, `postgresql://…/postgres`."""
    config, texts = _prepared()
    with postgres_ground(server) as (url, lay):
        settings = HistorySettings(
            seed=seed, config=_on(config, url), texts=texts, instances=2, keep_trace=keep_trace
        )
        return _through(StallingLoop(), settings, lay)


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
    verdict = Verdict()
    try:
        async with asyncio.timeout(100 * 3600):
            process = await history.run()
            verdict = await judge(history, process)
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
        fingerprint=history.fingerprint,
        trace=history.trace,
    )


@cache
def _prepared() -> tuple[Config, Texts]:
    """Once per process: the configuration, the texts."""
    logging.disable(logging.ERROR)
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.touch(mode=0o600)
        path.write_text(CONFIG)
        return load_config(path), Texts.load()


def _many(seeds: list[int]) -> list[Told]:
    told = []
    for seed in seeds:
        told.append(live(seed))
        gc.collect()
    return told


def run(count: int, *, seed: int = 1, jobs: int = 2) -> list[Row]:
    """Live *count* histories from *seed* on; prints every violation with its seed."""
    began = time.perf_counter()
    effects: Counter[str] = Counter()
    violations = payments = 0
    with _all(range(seed, seed + count), jobs) as stories:
        for told in stories:
            effects += told.effects
            payments += told.payments
            if told.violations:
                violations += 1
                print(f"  seed {told.seed}: {'; '.join(told.violations[:3])}", flush=True)
    seconds = time.perf_counter() - began
    for name, number in sorted(effects.items(), key=lambda pair: pair[1]):
        print(f"    {number:>9}  {name}", flush=True)
    note = f"seeds {seed}–{seed + count - 1}, {payments} payments"
    return [Row("seeded histories of 72 h", count, "histories", violations, seconds, note)]


@contextmanager
def _all(seeds: range, jobs: int) -> Iterator[Iterator[Told]]:
    if jobs <= 1:
        yield (live(seed) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        chunks = [list(seeds[start : start + 10]) for start in range(0, len(seeds), 10)]
        yield (told for batch in pool.map(_many, chunks) for told in batch)
