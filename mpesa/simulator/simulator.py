"""Owns the simulator as one object: Safaricom, served over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from mpesa.simulator.clock import Clock
from mpesa.simulator.safaricom import Safaricom
from mpesa.simulator.service import application
from mpesa.simulator.settings import SimulatorSettings

SHUTDOWN_TIMEOUT_S = 1.0


class Simulator(Safaricom):
    """Safaricom with its addresses. Use `serving`, then read and set everything from Python."""

    def application(self) -> web.Application:
        """The aiohttp application; it carries callbacks from its start to its clean-up."""
        return application(self)

    @asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve until the end of the block; yields the base URL. Port 0 takes a free one.

        Raises OSError if the port is taken.
        """
        runner = web.AppRunner(
            self.application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            bound = runner.addresses[0]
            yield f"http://{host}:{bound[1]}"
        finally:
            await runner.cleanup()


async def serve(
    *,
    host: str,
    port: int,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    settings: SimulatorSettings | None = None,
    seed: int = 0,
    clock: Clock | None = None,
) -> None:
    """Serve a simulator until `stop` is set; `ready` gets the base URL once it answers."""
    simulator = Simulator(clock=clock, seed=seed, settings=settings)
    async with simulator.serving(host, port) as base_url:
        ready(base_url)
        await stop.wait()
