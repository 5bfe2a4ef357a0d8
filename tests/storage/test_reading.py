"""A look that the disk or the server refuses is our own error, like a write that was not kept."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from storage.engine import open_store
from storage.errors import StoreBusy, StoreFailed
from tests.flows.troubles import Disk, DiskFault, Traffic, on_this_disk
from tests.stores import KEY, TestClock


async def test_a_look_that_the_disk_refuses_says_so_in_our_words(
    tmp_path: Path, clock: TestClock
) -> None:
    disk = Disk(Traffic())
    with on_this_disk(disk):
        async with open_store(f"sqlite:///{tmp_path / 'bot.db'}", key=KEY, now=clock.now) as store:
            for nth in (1, 2):  # the BEGIN, the SELECT
                disk.arm(DiskFault.IO_ERROR, nth)
                with pytest.raises(StoreFailed):
                    async with store.read() as tx:
                        await tx.payments.pending(limit=1)

            async with store.read() as tx:
                assert await tx.payments.pending(limit=1) == (0, [])


async def test_a_bug_in_a_look_stays_a_bug(tmp_path: Path, clock: TestClock) -> None:
    async with open_store(f"sqlite:///{tmp_path / 'bot.db'}", key=KEY, now=clock.now) as store:
        with pytest.raises(ZeroDivisionError):
            async with store.read():
                _ = 1 / 0


async def test_a_look_that_finds_every_reader_busy_may_come_again(
    tmp_path: Path, clock: TestClock
) -> None:
    async with open_store(f"sqlite:///{tmp_path / 'bot.db'}", key=KEY, now=clock.now) as store:
        store._readers.pool._timeout = 0.05  # type: ignore[attr-defined]  # 30 s, for a test
        async with store.read(), store.read(), store.read(), store.read():
            with pytest.raises(StoreBusy):
                async with store.read():
                    pass


class Raising(logging.Handler):
    """A log that fails, as a bug of a handler would."""

    def emit(self, _record: logging.LogRecord) -> None:
        raise OSError("no space left on device")


async def test_a_bug_of_ours_while_writing_leaves_nobody_waiting(
    tmp_path: Path, clock: TestClock
) -> None:
    disk, broken = Disk(Traffic()), Raising()
    logger = logging.getLogger("storage.writer")
    with on_this_disk(disk):
        async with open_store(f"sqlite:///{tmp_path / 'bot.db'}", key=KEY, now=clock.now) as store:
            logger.addHandler(broken)
            disk.arm(DiskFault.IO_ERROR, 1)
            try:
                async with asyncio.timeout(60):
                    with pytest.raises(StoreFailed):
                        await store.write(lambda tx: tx.shared.put("a", b""))
            finally:
                logger.removeHandler(broken)

            await store.write(lambda tx: tx.shared.put("a", b"1"))  # and the next one is kept
