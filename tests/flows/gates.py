"""
Gates: Safaricom and Telegram as those who see the bot die.

At an armed gate the bot is killed from outside, with its request under way: either before the
request is carried out, which then never happens, or after that and before anybody reads the answer.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from bot.playground.botapi import BotApi
from mpesa.simulator import Simulator, SimulatorSettings
from tests.flows.processes import BotProcess

__all__ = ["Edge", "Gate", "GatedBotApi", "GatedSimulator"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Edge:
    """At the *nth* call of *what*: never carried out, or it is and nobody reads the answer."""

    when: Literal["unheard", "unanswered"]
    what: str  # the last part of the path
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.when} call {self.nth}: {self.what}"


class Gate:
    """One for both servers of a world."""

    def __init__(self) -> None:
        self._edge: Edge | None = None
        self._bot: BotProcess | None = None
        self._seen = 0
        self.fell = asyncio.Event()

    def arm(self, bot: BotProcess, edge: Edge) -> None:
        """Let *bot* die at *edge*, once."""
        self._edge, self._bot, self._seen = edge, bot, 0
        self.fell.clear()

    def disarm(self) -> None:
        """Let everybody pass."""
        self._edge = None

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        edge = self._edge
        if edge is None or request.path.rpartition("/")[2].lower() != edge.what.lower():
            return await handler(request)
        self._seen += 1
        if self._seen != edge.nth:
            return await handler(request)
        self.disarm()
        await request.read()  # every byte had left the bot
        if edge.when == "unheard":
            await self._kill()
            return web.Response(status=500)  # to nobody
        answer = await handler(request)
        await self._kill()
        return answer

    async def _kill(self) -> None:
        assert self._bot is not None
        assert self._bot.process is not None
        os.kill(self._bot.process.pid, signal.SIGKILL)
        await self._bot.process.wait()
        self.fell.set()


class GatedSimulator(Simulator):
    """Safaricom behind a gate."""

    def __init__(self, gate: Gate, settings: SimulatorSettings) -> None:
        super().__init__(settings=settings)
        self._gate = gate

    def application(self) -> web.Application:
        app = super().application()
        app.middlewares.append(self._gate.pass_through)
        return app


class GatedBotApi(BotApi):
    """Telegram behind a gate."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def mount(self, app: web.Application) -> None:
        super().mount(app)
        app.middlewares.append(self._gate.pass_through)
