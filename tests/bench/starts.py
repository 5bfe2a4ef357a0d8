"""The start: `lipabot run` ready, against the time its libraries take to import."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.bench.bars import ROUNDS, Bar, median, spread
from tests.flows.processes import BotProcess
from tests.flows.world import open_world

__all__ = ["starts"]

LIBRARIES = (
    "import telegram.ext, aiohttp.web, click, pydantic_settings, apscheduler.schedulers.asyncio, "
    "sqlalchemy.ext.asyncio, sqlalchemy.dialects.sqlite.aiosqlite, aiosqlite, "
    "cryptography.hazmat.primitives.ciphers.aead, phonenumbers, structlog, babel, markupsafe"
)


async def starts() -> AsyncIterator[Bar]:
    """From the command to a green /healthz, with a database that was there before."""
    ready: list[float] = []
    imported: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with open_world(
            Path(folder), start=False, bot_type=BotProcess, migrated=False
        ) as world:
            began = time.perf_counter()
            await world.bot.start()  # the tables are made
            first_s = time.perf_counter() - began
            await world.bot.stop()
            for _ in range(ROUNDS):
                began = time.perf_counter()
                await world.bot.start()
                ready.append(time.perf_counter() - began)
                await world.bot.stop()
                imported.append(await asyncio.to_thread(_import))
    yield Bar(
        what="lipabot run: ready, against the import of its libraries",
        figure=median(ready) / median(imported),
        side="at most",
        bar=2,
        detail=(
            f"seconds: {spread(ready, '.2f')} ready, {spread(imported, '.2f')} to import;"
            f" {first_s:.2f} the very first time"
        ),
    )


def _import() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    return time.perf_counter() - began
