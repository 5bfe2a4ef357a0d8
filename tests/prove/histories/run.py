"""Owns the running of many histories: a database each, side by side, one row at the end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bot.config import Config, load_config
from bot.texts import Texts
from storage.engine import open_store
from tests.prove.histories.disk import Disk, connect_inline
from tests.prove.histories.history import History, HistorySettings
from tests.prove.histories.judge import Verdict, judge
from tests.prove.histories.life import Life, task_factory
from tests.prove.histories.virtual import VirtualLoop, WallClock
from tests.prove.table import Row

__all__ = ["Told", "live", "run"]

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
url = "sqlite:///{path}"
[security]
key = "a key that is only for the proofs, and long enough"
"""
# Written by the database itself, so that no bug of ours can hide a status that moved.
MOVES = """
CREATE TABLE proof_moves (payment_id TEXT, was TEXT, became TEXT, at_ms INTEGER);
CREATE TRIGGER proof_moved AFTER UPDATE OF status ON payments WHEN OLD.status != NEW.status
BEGIN INSERT INTO proof_moves VALUES (NEW.id, OLD.status, NEW.status, virtual_now()); END;
"""
_disks: dict[str, Disk] = {}


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
    """Live the history of *seed* and judge it."""
    template, config, texts = _prepared()
    path = template.with_name(f"{os.getpid()}.db")
    shutil.copy(template, path)
    loop = VirtualLoop()
    loop.set_task_factory(task_factory)  # type: ignore[arg-type]  # any coroutine
    loop.set_exception_handler(lambda _loop, _context: None)
    settings = HistorySettings(seed=seed, config=config, texts=texts, keep_trace=keep_trace)
    gc.disable()
    try:
        return loop.run_until_complete(_live(settings))
    finally:
        gc.enable()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()


async def _live(settings: HistorySettings) -> Told:
    history = History(settings, random.Random(settings.seed))
    _disks["here"] = history.disk
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
    return Told(
        seed=settings.seed,
        violations=verdict.violations,
        effects=verdict.effects,
        payments=verdict.payments,
        fingerprint=history.fingerprint,
        trace=history.trace,
    )


@cache
def _prepared() -> tuple[Path, Config, Texts]:
    """Once per process: an empty database to copy, the configuration, the texts."""
    logging.disable(logging.ERROR)
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    folder = Path(tempfile.mkdtemp(prefix="histories", dir=_fast_folder()))
    template = folder / "template.db"
    path = folder / f"{os.getpid()}.db"
    config_path = folder / "config.toml"
    config_path.touch(mode=0o600)
    config_path.write_text(CONFIG.format(path=path))
    config = load_config(config_path)
    assert config.security.key is not None, "written above"
    key = config.security.key.get_secret_value()

    async def make() -> None:
        async with open_store(f"sqlite:///{template}", now=WallClock().now, key=key):
            pass

    loop = VirtualRealLoop()
    loop.run_until_complete(make())
    loop.close()
    database = sqlite3.connect(template)
    database.executescript(MOVES)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    connect_inline(_disk_of)
    return template, config, Texts.load()


class VirtualRealLoop(asyncio.SelectorEventLoop):
    """Real time, for making the template."""


def _disk_of(_life: Life) -> Disk:
    return _disks["here"]


def _fast_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


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
