"""Many bots on one database, behind one address, and what becomes of them while people pay."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import asyncpg
from aiohttp import web

from mpesa.simulator import SimulatorSettings
from storage.presence import ROLE_CLASS, role_key
from tests.flows.forks import ForkedBot
from tests.flows.world import QUICK, World, free_port, open_world

__all__ = ["Balancer", "Instance", "Instances", "fresh_database", "open_instances", "pause"]

FORWARD_WITHIN_S = 3.0
HEADERS = ("Content-Type", "X-Telegram-Bot-Api-Secret-Token")


@dataclass
class Instance(ForkedBot):
    """One of the bots; it can be stopped as a machine is that swaps, or whose lid is closed."""

    stopped: bool = False

    @property
    def pid(self) -> int | None:
        process = self.process
        return None if process is None or process.returncode is not None else process.pid

    @property
    def at_work(self) -> bool:
        return self.pid is not None and not self.stopped

    def freeze(self) -> None:
        """SIGSTOP: nothing of it runs, and everything of it stays."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was, and knows nothing of the time that passed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False


class Balancer:
    """The address that Safaricom calls: one bot is handed a request, if it is silent another."""

    def __init__(self, seed: int) -> None:
        self.instances: list[Instance] = []
        self.port = 0
        self._chance = random.Random(seed)
        self._client: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/c/{address}", self._forward)
        app.router.add_post("/telegram", self._forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        within = aiohttp.ClientTimeout(total=FORWARD_WITHIN_S)
        async with aiohttp.ClientSession(timeout=within) as client:
            self._client = client
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()

    async def _forward(self, request: web.Request) -> web.Response:
        assert self._client is not None, "it serves"
        body = await request.read()
        kept = {name: request.headers[name] for name in HEADERS if name in request.headers}
        for instance in self._chance.sample(self.instances, len(self.instances)):
            address = f"http://127.0.0.1:{instance.port}{request.path}"
            try:
                async with self._client.post(address, data=body, headers=kept) as answer:
                    if answer.status == 200:
                        return web.Response(body=await answer.read())
            except (aiohttp.ClientError, TimeoutError):
                continue
        return web.Response(status=503)


@dataclass
class Instances:
    """The bots, with the world they are in."""

    world: World
    bots: list[Instance]
    chance: random.Random
    taken_over_s: list[tuple[str, float]] = field(default_factory=list)

    async def start(self) -> None:
        """One after the other: together they would wait for each other's imports."""
        for bot in self.bots:
            await bot.start()

    async def stop(self) -> list[int]:
        """Wake whoever sleeps and let all of them go; their exit statuses."""
        for bot in self.bots:
            if bot.stopped:
                bot.thaw()
            await bot.green()  # one that is only starting has no ear for a signal yet
        return list(await asyncio.gather(*(bot.stop() for bot in self.bots)))

    async def poller(self) -> Instance | None:
        """The one that asks Telegram, as the database knows it."""
        connection = await asyncpg.connect(self.world.database)
        try:
            named = await connection.fetchval(
                "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                " WHERE l.locktype = 'advisory' AND l.classid = $1 AND l.granted"
                " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " AND l.objid::bigint = $2",
                ROLE_CLASS,
                role_key("polling"),
            )
        finally:
            await connection.close()
        pid = None if named is None else int(named.split()[1])
        return next((bot for bot in self.bots if bot.pid == pid), None)

    async def at_rest(self) -> bool:
        """Whether every update is done, every notice told, and no payment can move by itself."""
        connection = await asyncpg.connect(self.world.database)
        try:
            waits = await connection.fetchval(
                "SELECT EXISTS (SELECT FROM inbox WHERE done_at IS NULL)"
                " OR EXISTS (SELECT FROM notices WHERE state IN ('due', 'sending'))"
                " OR EXISTS (SELECT FROM payments WHERE status IN ('created', 'asking', 'prompted')"
                " OR status IN ('unsure', 'confirming') AND checkout_index IS NOT NULL)"
            )
        finally:
            await connection.close()
        return not waits

    async def until_another_polls(self, how: str, *, within_s: float) -> float:
        """Call it right after the poller is gone: how long Telegram was not asked."""
        began_s, began = time.monotonic(), self.world.api.world.clock()
        calls = self.world.api.calls

        def asked() -> bool:
            for call in reversed(calls):
                if call.at_s < began:
                    return False
                if call.method == "getupdates":
                    return True
            return False

        await self.world.api.wait_for(asked, timeout_s=within_s)
        took_s = time.monotonic() - began_s
        self.taken_over_s.append((how, took_s))
        return took_s


async def pause(seconds: float) -> None:
    """Let the bots live; how long they do before something happens to them is the point here."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


async def fresh_database(server: str, name: str, *, template: str = "template1") -> str:
    """A database on a private server, by its address: empty, or with the tables of *template*."""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await connection.close()
    return server.removesuffix("postgres") + name


@asynccontextmanager
async def open_instances(
    folder: Path,
    database: str,
    *,
    processes: int,
    seed: int = 1,
    settings: SimulatorSettings = QUICK,
    checks: str = "[3, 6, 12, 24]",
    telegram: str = "",
) -> AsyncIterator[Instances]:
    """*processes* bots on *database*, none of them started yet."""
    balancer = Balancer(seed)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(balancer.serving())
        world = await stack.enter_async_context(
            open_world(
                folder,
                settings=replace(settings, magic_amounts=False),
                checks=checks,
                start=False,
                database=database,
                security="unconfirmed_total_kes = 1000000000",
                limits="pushes_per_second = 400",
                telegram=telegram,
            )
        )
        bots = [_settle_in(folder / f"bot{each}", world, address) for each in range(processes)]
        balancer.instances = bots
        try:
            yield Instances(world, bots, random.Random(seed))
        finally:
            for bot in bots:
                if bot.pid is not None:
                    await bot.kill()


def _settle_in(folder: Path, world: World, address: str) -> Instance:
    """A bot with a folder and a port of its own, else set up as the world's is."""
    folder.mkdir()
    port = free_port()
    text = (world.bot.folder / "config.toml").read_text()
    text = re.sub(r'public_url = ".*"', f'public_url = "{address}"', text)
    text = text.replace(f"port = {world.bot.port}", f"port = {port}")
    text = text.replace('level = "debug"', 'level = "info"')  # thousands of payments are told of
    config = folder / "config.toml"
    config.touch(mode=0o600)
    config.write_text(text)
    return Instance(folder, port, world.bot.log.with_name(f"bot-{port}-{folder.name}.log"))
