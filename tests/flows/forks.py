"""Forked bots: the same bot as `lipabot run`, forked from a process that has imported it all."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import BaseProcess
from typing import Any

from tests.flows.mortal import Death, be_the_bot
from tests.flows.processes import BotProcess

__all__ = ["Forked", "ForkedBot", "context", "fork"]

context = multiprocessing.get_context("forkserver")
# A forked child looks for what the program was started with: pytest is not to be imported again.
context.set_forkserver_preload(
    [
        *("tests.commands", "tests.flows.clerk", "tests.flows.mortal"),
        *("tests.playground.demoprocess", "pytest"),
    ]
)


class Forked:
    """One forked process, held like one of asyncio's."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None, "it was started"
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int, /) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    async def wait(self) -> int:
        """Until it has ended; minus the number of the signal that ended it, as asyncio has it."""
        await self._ended.wait()
        status = self._process.exitcode
        assert status is not None, "it has ended"
        return status

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set()


def fork(target: Callable[..., None], *args: Any) -> Forked:
    """Run *target* in a process of its own, from the one that has imported everything."""
    process: ForkServerProcess = context.Process(target=target, args=args, daemon=True)
    process.start()
    return Forked(process)


@dataclass
class ForkedBot(BotProcess):
    """A bot that starts without the second that its imports take, and may be told where to die."""

    death: Death | None = None

    async def spawn(self) -> None:
        """Start it, and wait for nothing."""
        config = self.folder / "config.toml"
        self.process = fork(be_the_bot, str(config), str(self.log), self.death)
        self.starts += 1

    async def dead(self, *, within_s: float) -> bool:
        """Wait until it has died of its own death; False if the step did not come in that time."""
        assert self.process is not None
        try:
            async with asyncio.timeout(within_s):
                return await self.process.wait() == -9
        except TimeoutError:
            return False
