"""A locked database, a full disk and a storm of SIGTERMs, under load: nothing is lost by them."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from yarl import URL

from tests.flows.kills import await_last_words, judge_errands, send_errands
from tests.flows.world import World, open_world

REFUSED_WITHIN_S = 60.0
ON_ONE_ENGINE = {
    "test_a_database_that_is_locked_for_long_loses_nothing": (
        "a server's locks are each waited for: to refuse takes it a minute and a half"
    ),
    "test_a_disk_that_is_full_for_a_while_loses_nothing": (
        "a server's disk is not the process's: see test_nth_call.py"
    ),
}


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Somebody else has the database to themselves (a backup, say)."""
    other = sqlite3.connect(database, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


@contextmanager
def full(pid: int) -> Iterator[None]:
    """Not one more byte can that process write to any file."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


async def healthz(world: World) -> int:
    address = f"http://127.0.0.1:{world.bot.port}/healthz"
    async with aiohttp.ClientSession() as client, client.get(address) as answer:
        return answer.status


async def a_callback_is_refused(world: World) -> None:
    """Something new comes to a payment's address and cannot be kept; readiness must be red."""
    brought = world.simulator.deliveries[0]
    async with aiohttp.ClientSession() as client, asyncio.timeout(REFUSED_WITHIN_S):
        address = URL(brought.url, encoded=True)
        async with client.post(address, data=b'{"new": true}') as answer:
            status = answer.status
    assert status == 503
    assert await healthz(world) == 503


async def test_a_database_that_is_locked_for_long_loses_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        errands = send_errands(world, 1, 7)
        await world.api.wait_for(lambda: len(world.simulator.deliveries) >= 1, timeout_s=60)
        with locked(tmp_path / "bot.db"):
            errands += send_errands(world, 8, 7)
            await a_callback_is_refused(world)

        await await_last_words(world, errands)
        assert await healthz(world) == 200
        assert await world.bot.stop() == 0
        await judge_errands(world, errands)


async def test_a_disk_that_is_full_for_a_while_loses_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        errands = send_errands(world, 1, 7)
        await world.api.wait_for(lambda: len(world.simulator.deliveries) >= 1, timeout_s=60)
        assert world.bot.process is not None
        with full(world.bot.process.pid):
            errands += send_errands(world, 8, 7)
            await a_callback_is_refused(world)

        await await_last_words(world, errands)
        assert await healthz(world) == 200
        assert await world.bot.stop() == 0
        await judge_errands(world, errands)


async def test_a_storm_of_sigterms_while_pushes_are_under_way(
    tmp_path: Path, store_url: str
) -> None:
    async with open_world(tmp_path, database=store_url, start=False) as world:
        errands = []
        for turn in range(4):
            pushes = len(world.simulator.pushes)
            errands += send_errands(world, 1 + 5 * turn, 5)
            await world.bot.start()
            await _more_pushes(world, than=pushes)
            assert world.bot.process is not None
            for _ in range(20):
                world.bot.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0)
            assert await world.bot.stop() == 0

        await world.bot.start()
        await await_last_words(world, errands)
        assert await world.bot.stop() == 0
        await judge_errands(world, errands)


async def _more_pushes(world: World, *, than: int) -> None:
    await world.simulator.changes.until(lambda: len(world.simulator.pushes) > than, timeout_s=60)
