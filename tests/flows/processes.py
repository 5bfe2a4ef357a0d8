"""One process of the bot: started by its command, waited for, stopped and killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

__all__ = ["BotProcess", "Running"]

START_WITHIN_S = 90.0
STOP_WITHIN_S = 16.0


class Running(Protocol):
    """A process, as asyncio's own and a forked one are held."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...


@dataclass
class BotProcess:
    """`lipabot run`, as an operator would start it."""

    folder: Path
    port: int
    log: Path
    process: Running | None = None
    starts: int = 0

    async def start(self) -> None:
        """Start it and wait until /healthz is green."""
        await self.spawn()
        await self.green()

    async def spawn(self) -> None:
        """Start it, and wait for nothing."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run", "--config", str(self.folder / "config.toml")),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        self.starts += 1

    async def green(self) -> None:
        """Wait until /healthz is green."""
        assert self.process is not None
        async with aiohttp.ClientSession() as client, asyncio.timeout(START_WITHIN_S):
            while self.process.returncode is None:
                try:
                    async with client.get(f"http://127.0.0.1:{self.port}/healthz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                # The process tells nobody when it is ready but this address.
                await asyncio.get_running_loop().run_in_executor(None, _breathe)
        raise AssertionError(f"lipabot did not start:\n{self.log.read_text()[-3000:]}")

    async def stop(self) -> int:
        """SIGTERM; the exit status, which must come in time."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_WITHIN_S):
            return await self.process.wait()

    async def kill(self) -> None:
        """kill -9: no goodbye, no flush."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def _breathe() -> None:
    """One short wait in a thread, between two looks at a process that cannot call us."""
    import select

    select.select([], [], [], 0.02)
