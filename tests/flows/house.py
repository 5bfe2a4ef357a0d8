"""
The whole bot in the test's own process, on a clock that the test moves.

Everything is real but time: storage, core, chat, web, the client of Daraja; Safaricom and Telegram
are the stand-ins over loopback. Every statement and every call is counted, so that a test can
break the n-th and wait until nothing is under way.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import SecretStr
from telegram import Update
from telegram.ext import Defaults, ExtBot
from telegram.request import HTTPXRequest

from bot.app import Background, jobs_of
from bot.building import Parts, build_core
from bot.chat.context import Desk
from bot.chat.errors import failed
from bot.chat.handling import ALLOWED_UPDATES, carry_out
from bot.chat.inbox import InboxQueue
from bot.chat.keyboards import Stationery
from bot.chat.lanes import Lanes
from bot.chat.letters import Letters
from bot.chat.notices import Notifier
from bot.chat.whispers import Whispers
from bot.clock import SystemClock
from bot.config import Config
from bot.core.core import Core
from bot.core.ports import Ids
from bot.core.post import Post
from bot.core.settle import Settle
from bot.jobs import Job, Timetable
from bot.playground.botapi import TOKEN, BotApi
from bot.texts import Texts
from bot.web.server import build_web, serving
from mpesa.client import open_daraja
from mpesa.models import Account
from mpesa.simulator import ManualClock, Simulator, SimulatorSettings
from storage.engine import Store, open_store
from tests.flows.servers import on_this_server, servers_error
from tests.flows.strangers import Stranger, file_of
from tests.flows.troubles import Disk, SafaricomDoor, TelegramDoor, Traffic, on_this_disk
from tests.flows.world import free_port
from tests.stores import KEY, put_tables

__all__ = ["OPERATOR", "House", "Town", "open_town"]

QUIET_LOOKS = 4
LOOK_S = 0.001
READ_TIMEOUT_S = 3.0  # far longer than an answer takes: who times out sends again
ASIDE = ("forget what is long done", "keep nothing for too long", "tell operators what changed")
"""Jobs that look at everything and move no payment: each tick would be mostly theirs."""

OPERATOR = 900
GROUP_PACE = 1000
"""Messages to one group in a minute, for the lanes and for whispers."""
SETTINGS = SimulatorSettings(answer_after_s=1, callback_after_s=0.5, prompt_lifetime_s=30)


@dataclass
class Answered:
    """A callback that was answered, and whether its body was in the database at that moment."""

    status: int
    kept: bool


class HouseApi(BotApi):
    """Telegram behind a door."""

    def __init__(self, clock: ManualClock, traffic: Traffic) -> None:
        super().__init__(clock=lambda: clock.now().timestamp())
        self.door = TelegramDoor(traffic)

    def mount(self, app: web.Application) -> None:
        super().mount(app)
        app.middlewares.append(self.door.middleware)


class HouseSimulator(Simulator):
    """Safaricom behind a door."""

    def __init__(self, clock: ManualClock, traffic: Traffic) -> None:
        super().__init__(clock=clock, settings=SETTINGS)
        self.door = SafaricomDoor(traffic, self)

    def application(self) -> web.Application:
        app = super().application()
        app.middlewares.append(self.door.middleware)
        return app


@dataclass
class Town:
    """The world around the bot, which outlives its processes."""

    database: str
    stranger: Stranger
    clock: ManualClock
    traffic: Traffic
    disk: Disk
    api: HouseApi
    simulator: HouseSimulator
    config: Config
    answered: list[Answered] = field(default_factory=list)

    @asynccontextmanager
    async def process(self) -> AsyncIterator[House]:
        """One process of the bot, which has just started, and at the end is cut off."""
        async with AsyncExitStack() as stack:
            yield await _furnish(stack, self)

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What stands in the database, as a stranger reads it."""
        return await self.stranger.rows(query, *values)


@dataclass
class House:
    """One process of the bot."""

    town: Town
    store: Store
    core: Core
    bot: ExtBot[None]
    queue: InboxQueue
    desk: Desk
    timetable: Timetable
    jobs: list[Job]
    works: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    offset: int = 0

    async def tick(self, seconds: float) -> None:
        """Time passes, and everything that is due by then is done or has failed."""
        await self.town.clock.advance(seconds)
        self._unless_busy("poll", self._poll)
        for job in self.jobs:
            self._unless_busy(job.name, partial(self.timetable._guarded, job))
        self.core.post.wake.set()
        self.queue._wake.set()
        await self.quiet()
        for name in ("notifier", "handling", "inbox"):
            assert not self.works[name].done(), f"{name} died: {self.works[name]}"

    async def quiet(self) -> None:
        """Until nothing is under way but what waits for the clock."""
        traffic = self.town.traffic
        loop = asyncio.get_running_loop()
        still, seen = 0, traffic.seen
        while still < QUIET_LOOKS:
            # The machine's own threads and sockets move too: nobody tells when they are done.
            await loop.run_in_executor(None, select.select, [], [], [], LOOK_S)
            moved = traffic.busy > 0 or traffic.seen != seen
            still, seen = 0 if moved else still + 1, traffic.seen

    async def healthz(self) -> int:
        """What the load balancer would see."""
        address = f"http://127.0.0.1:{self.town.config.webhook.port}/healthz"
        async with aiohttp.ClientSession() as client, client.get(address) as answer:
            return answer.status

    def _unless_busy(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        running = self.works.get(name)
        if running is None or running.done():
            self.works[name] = asyncio.create_task(work())

    async def _poll(self) -> None:
        """What PTB's updater does: an update is confirmed once `put` returned."""
        updates = await self.bot.get_updates(
            offset=self.offset, timeout=0, allowed_updates=list(ALLOWED_UPDATES)
        )
        for update in updates:
            await self.queue.put(update)
            self.offset = update.update_id + 1

    async def _handle(self) -> None:
        """What PTB's application does with its queue, and with a handler that raises."""
        while True:
            update = await self.queue.get()
            assert isinstance(update, Update)
            try:
                await carry_out(self.desk, update)
            except Exception as exc:
                await failed(self.desk, self.queue, update, exc)
            finally:
                self.queue.finished(update)

    @web.middleware
    async def watch_callbacks(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Note each callback's status, and look at once whether it is in the books."""
        with self.town.traffic.one():
            answer = await handler(request)
            if request.path.startswith("/c/"):
                payment_id = request.path[3:].partition(".")[0]
                found = await self.town.rows(
                    "SELECT 1 FROM evidence WHERE payment_id = ? AND kind LIKE 'callback-%'",
                    payment_id,
                )
                self.town.answered.append(Answered(answer.status, bool(found)))
            return answer


@asynccontextmanager
async def open_town(folder: Path, database: str | None = None) -> AsyncIterator[Town]:
    """A world in which no bot lives yet; its *database* has its tables, or is made in *folder*."""
    clock, traffic = ManualClock(), Traffic()
    disk, simulator = Disk(traffic), HouseSimulator(clock, traffic)
    if database is None:
        file = folder / "bot.db"
        database = f"sqlite:///{file}"
        put_tables(file)
    elif file_of(database) is None:
        disk.error = servers_error
    with on_this_disk(disk), on_this_server(disk):
        async with (
            HouseApi(clock, traffic) as api,
            simulator.serving() as daraja_url,
            Stranger.at(database) as stranger,
        ):
            api.person(OPERATOR, "Amina", started=True)
            config = _config(api.url, daraja_url, free_port(), database)
            yield Town(database, stranger, clock, traffic, disk, api, simulator, config)


async def _furnish(stack: AsyncExitStack, town: Town) -> House:
    """In the order of `bot.app.running`, with a clock and a Telegram of our own."""
    config, clock, api = town.config, town.clock, town.api
    store = await stack.enter_async_context(
        open_store(config.storage.url.get_secret_value(), key=KEY, now=clock.now)
    )
    mpesa = config.mpesa
    daraja = await stack.enter_async_context(
        open_daraja(
            base_url=mpesa.base_url,
            consumer_key=mpesa.consumer_key,
            consumer_secret=mpesa.consumer_secret,
            account=Account(shortcode=mpesa.shortcode, passkey=mpesa.passkey),
            now=clock.now,
        )
    )
    background = Background()
    parts = Parts(
        config=config,
        store=store,
        daraja=daraja,
        background=background.start,
        settle=Settle(operators=[OPERATOR]),
        post=Post(store=store, clock=clock),
        clock=clock,
        ids=Ids(os.urandom),
        office=daraja.back_office,
    )
    core = build_core(parts)
    if store.exclusive:
        await core.sending.sweep(starting=True)
    await core.reconcile.start()
    await core.post.start()
    bot: ExtBot[None] = ExtBot(
        TOKEN,
        base_url=api.base_url,
        base_file_url=api.base_file_url,
        request=HTTPXRequest(connection_pool_size=32, read_timeout=READ_TIMEOUT_S),
        defaults=Defaults(parse_mode="HTML", allow_sending_without_reply=True),
        rate_limiter=Lanes(
            clock=clock, messages_per_second=1000, group_messages_per_minute=GROUP_PACE
        ),
    )
    await stack.enter_async_context(bot)
    paper = Stationery(texts=Texts.load(), collector=core.collector, username=bot.username)
    queue = InboxQueue(inbox=core.inbox, clock=clock)
    await queue.replay()
    desk = Desk(core, paper, bot, background.start)
    jobs = [job for job in jobs_of(core, store) if job.name not in ASIDE]
    house = House(
        town=town,
        store=store,
        core=core,
        bot=bot,
        queue=queue,
        desk=desk,
        timetable=Timetable(jobs, now=SystemClock().now),
        jobs=jobs,
    )
    app = build_web(core.hear, ways=core.record.ways, ready=lambda: store.healthy)
    app.middlewares.append(house.watch_callbacks)
    await stack.enter_async_context(serving(app, host="127.0.0.1", port=config.webhook.port))
    notifier = _notifier(bot, core, paper)
    house.works["notifier"] = asyncio.create_task(notifier.run(asyncio.Event()))
    house.works["handling"] = asyncio.create_task(house._handle())
    house.works["inbox"] = asyncio.create_task(queue.work(asyncio.Event()))
    stack.push_async_callback(_die, house, background)
    return house


def _notifier(bot: ExtBot[None], core: Core, paper: Stationery) -> Notifier:
    """As `bot/chat/application.py` makes it."""
    whispers = Whispers(bot=bot, clock=core.clock, group_messages_per_minute=GROUP_PACE)
    letters = Letters(core, paper)
    return Notifier(bot=bot, post=core.post, clock=core.clock, make=letters.make, whispers=whispers)


async def _die(house: House, background: Background) -> None:
    """The end of a process that is cut off wherever it was."""
    tasks = [*house.works.values(), *background._tasks, *house.queue._retries]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _config(api_url: str, daraja_url: str, port: int, database: str) -> Config:
    return Config.model_validate(
        {
            "telegram": {"token": TOKEN, "api_url": api_url, "operators": [OPERATOR]},
            "mpesa": {
                "base_url": daraja_url,
                "consumer_key": SecretStr(SETTINGS.consumer_key),
                "consumer_secret": SETTINGS.consumer_secret,
                "shortcode": SETTINGS.shortcode,
                "passkey": SETTINGS.passkey,
                "business_name": "Mama Njeri Shop",
            },
            "webhook": {"public_url": f"http://127.0.0.1:{port}", "port": port},
            "storage": {"url": database},
            "polling": {"check_after_s": [10, 20, 40, 80], "queries_per_minute": 6000},
        }
    )
