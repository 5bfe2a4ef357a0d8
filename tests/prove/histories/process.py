"""Owns one life of the bot in a history: the real store, core, outbox and handlers, on doubles."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from aiohttp import streams
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from telegram import LinkPreviewOptions, Update
from telegram.constants import ParseMode
from telegram.ext import Defaults, ExtBot

from bot.app import Background, jobs_of
from bot.building import Parts, build_core
from bot.chat.context import Desk
from bot.chat.errors import failed
from bot.chat.handling import carry_out
from bot.chat.inbox import InboxQueue, PerChatProcessor
from bot.chat.keyboards import Stationery
from bot.chat.lanes import Lanes
from bot.chat.letters import Letters
from bot.chat.notices import Notifier
from bot.config import Config
from bot.core.core import Core
from bot.core.ports import Ids
from bot.core.post import Post
from bot.core.settle import Settle
from bot.texts import Texts
from bot.web.callbacks import Callbacks
from mpesa.client import Daraja
from mpesa.models import Account, Token
from mpesa.tokens import TokenKeeper
from mpesa.wire import TOKEN_PATH, basic_authorization, decipher_token
from storage.engine import Store, open_store
from storage.errors import NotKept
from storage.records import Status
from storage.schema import notices, payments
from tests.prove.histories.life import LIFE, Life
from tests.prove.histories.safaricom import InlineTransport, Network, SeededSafaricom
from tests.prove.histories.telegram import InlineRequest, SeededTelegram
from tests.prove.histories.virtual import WallClock, passes

__all__ = ["Outside", "Process"]

POLL_S = 6 * 3600.0
TICK_S = 3.0
LOOK_AGAIN_S = 12.0
LOOK_FOR_LOST_S = 1800.0
LONGEST_LOOK_S = 6 * 3600.0
PURGE_EVERY_S = 20 * 3600.0
OFTEN = 60.0  # jobs that run more often than this are run whenever something may be due


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a process meets: the same for all its lives."""

    config: Config
    texts: Texts
    clock: WallClock
    safaricom: SeededSafaricom
    network: Network
    telegram: SeededTelegram


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """What the timetable has to look at."""

    probe: bool = False
    unsettled: int
    unsent: int
    checks: bool
    notices: bool
    wait_s: float = LOOK_AGAIN_S


# Built once: it is asked at every tick.
_DUE = select(
    select(func.min(payments.c.next_check_at)).scalar_subquery().label("check_at"),
    select(func.count())
    .where(payments.c.status.in_((Status.CREATED, Status.ASKING)))
    .scalar_subquery()
    .label("unsent"),
    select(func.count()).where(payments.c.needs_settle).scalar_subquery().label("unsettled"),
    select(func.min(notices.c.due_at))
    .where(notices.c.state == "due")
    .scalar_subquery()
    .label("due_at"),
    select(func.min(notices.c.lease_until))
    .where(notices.c.state == "sending")
    .scalar_subquery()
    .label("lease_until"),
)


@dataclass
class Process:
    """One life at work. `run` returns when it was told to stop; death cuts it anywhere."""

    life: Life
    outside: Outside
    rng: random.Random
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    store: Store | None = None
    core: Core | None = None
    letters: Letters | None = None
    callbacks: Callbacks | None = None

    def begin(self) -> asyncio.Task[None]:
        """Start the life; the task is done when it has stopped."""
        context = copy_context()
        context.run(LIFE.set, self.life)
        self.life.context = context
        return self.life.begin(self._run())

    async def post(self, path: str, body: bytes) -> int | None:
        """A POST that reaches our web server; None if nobody answers."""
        if not self.ready.is_set() or not self.life.alive:
            return None
        handling = self.life.begin(self._answer(path, body))
        dead = asyncio.ensure_future(self.life.dead.wait())
        await asyncio.wait((handling, dead), return_when=asyncio.FIRST_COMPLETED)
        dead.cancel()
        if not handling.done() or handling.cancelled():
            return None
        failure = handling.exception()
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            return None
        status: int = handling.result()
        return status

    async def _answer(self, path: str, body: bytes) -> int:
        assert self.callbacks is not None, "the server listens"
        loop = asyncio.get_running_loop()
        content = streams.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
        content.feed_data(body)
        content.feed_eof()
        request = make_mocked_request(
            "POST",
            path,
            headers={"Content-Length": str(len(body)), "Content-Type": "application/json"},
            match_info={"address": path.rpartition("/")[2]},
            payload=content,
        ).clone(remote="192.0.2.1")
        response = await self.callbacks.post(request)
        self.life.step("answered a callback")
        return response.status

    async def _run(self) -> None:
        config, out = self.outside.config, self.outside
        key = config.security.key
        async with open_store(
            config.storage.url.get_secret_value(),
            now=out.clock.now,
            key=None if key is None else key.get_secret_value(),
        ) as store:
            self.store = store
            background = Background()
            daraja = self._daraja()
            core = build_core(
                Parts(
                    config=config,
                    store=store,
                    daraja=daraja,
                    office=daraja.back_office,
                    background=background.start,
                    settle=Settle(operators=sorted(config.telegram.operators)),
                    post=Post(store=store, clock=out.clock),
                    clock=out.clock,
                    ids=Ids(self.rng.randbytes),
                )
            )
            self.core = core
            if store.exclusive:
                await core.sending.sweep(starting=True)
            await core.reconcile.start()
            await core.post.start()
            await self._at_work(core, store)
            background.last_call()
            await background.close()

    def _daraja(self) -> Daraja:
        mpesa, out = self.outside.config.mpesa, self.outside
        transport = InlineTransport(out.safaricom, out.network, self.life)

        async def fetch() -> Token:
            asked_at = out.clock.now()
            authorization = basic_authorization(
                mpesa.consumer_key.get_secret_value(), mpesa.consumer_secret.get_secret_value()
            )
            return decipher_token(
                await transport.get(TOKEN_PATH, authorization=authorization), asked_at
            )

        account = Account(shortcode=mpesa.shortcode, passkey=SecretStr("demo-passkey"))
        return Daraja(transport, TokenKeeper(fetch, out.clock.now), account, out.clock.now)

    async def _at_work(self, core: Core, store: Store) -> None:
        out = self.outside
        bot: ExtBot[Any] = ExtBot(
            out.telegram.token,
            request=InlineRequest(out.telegram, self.life),
            get_updates_request=InlineRequest(out.telegram, self.life),
            defaults=Defaults(
                parse_mode=ParseMode.HTML,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                allow_sending_without_reply=True,
            ),
            rate_limiter=Lanes(
                clock=out.clock, messages_per_second=30, group_messages_per_minute=20
            ),
        )
        await bot.initialize()
        paper = Stationery(
            texts=out.texts,
            collector=core.collector,
            username=bot.username,
        )
        desk = Desk(core, paper, bot, self.life.begin)
        queue = InboxQueue(inbox=core.inbox, clock=out.clock, look_every_s=LOOK_FOR_LOST_S)
        self.letters = Letters(core, paper)
        self.callbacks = Callbacks(core.hear, [])
        await queue.replay()
        notifier = Notifier(bot=bot, post=core.post, clock=out.clock, make=self.letters.make)
        self.ready.set()
        working = [
            self.life.begin(self._poll(queue)),
            self.life.begin(self._handle(desk, queue)),
            self.life.begin(queue.work(asyncio.Event())),
            self.life.begin(self._by_the_clock(core, store, notifier)),
        ]
        await self.stop.wait()
        self.ready.clear()
        await queue.close()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    async def _poll(self, queue: InboxQueue) -> None:
        updates, offset = self.outside.telegram.updates, 0
        while True:
            for body in await updates.poll(offset, 100, POLL_S):
                self.life.step("took an update")
                update = Update.de_json(body, None)
                await queue.put(update)
                offset = max(offset, update.update_id + 1)
            await queue.kept()

    async def _handle(self, desk: Desk, queue: InboxQueue) -> None:
        turns = PerChatProcessor()

        async def one(update: Update) -> None:
            try:
                await carry_out(desk, update)
            except Exception as exc:
                await failed(desk, queue, update, exc)

        while True:
            update = await queue.get()
            if isinstance(update, Update):
                self.life.begin(turns.do_process_update(update, one(update)))

    async def _by_the_clock(self, core: Core, store: Store, notifier: Notifier) -> None:
        """The timetable without its idle ticks: from one due moment to the next."""
        seldom = [job.run for job in jobs_of(core, store) if job.every_s >= OFTEN]
        loop = asyncio.get_running_loop()
        purged_s = loop.time()
        while True:
            core.post.wake.clear()
            due = await self._due(store)
            if due.probe:
                await self._quietly(store.probe)
            if due.unsettled:
                await self._quietly(core.reconcile.settle_again)
            if due.unsent:
                await self._quietly(core.sending.sweep)
            if due.checks:
                await self._quietly(core.reconcile.run_due)
            if due.notices:
                await self._quietly(notifier.run_due)
            if loop.time() > purged_s + PURGE_EVERY_S:
                purged_s = loop.time()
                for run in seldom:
                    await self._quietly(run)
            try:
                async with asyncio.timeout(due.wait_s):
                    await core.post.wake.wait()
            except TimeoutError:
                continue
            await passes(TICK_S)

    async def _quietly(self, run: Callable[[], Any]) -> None:
        """As the timetable runs a job: what it raises is logged, and the next tick comes."""
        try:
            await run()
        except Exception:
            self.life.step("a job failed")

    async def _due(self, store: Store) -> _Due:
        """What a tick would find to do now, and when the next one might find something."""
        if not store.healthy:
            return _Due(probe=True, unsettled=1, unsent=1, checks=True, notices=True, wait_s=60)
        now = self.outside.clock.now()
        try:
            async with store.read() as tx:
                found = (await tx.payments._connection.execute(_DUE)).one()
        except (NotKept, OSError, DBAPIError):
            return _Due(unsettled=1, unsent=1, checks=True, notices=True)
        moments = [at for at in (found.check_at, found.due_at, found.lease_until) if at is not None]
        notices_at = [at for at in (found.due_at, found.lease_until) if at is not None]
        left_s = (min(moments) - now).total_seconds() if moments else LONGEST_LOOK_S
        if found.unsent:
            left_s = LOOK_AGAIN_S
        return _Due(
            unsettled=found.unsettled,
            unsent=found.unsent,
            checks=found.check_at is not None and found.check_at <= now,
            notices=any(at <= now for at in notices_at),
            wait_s=min(LONGEST_LOOK_S, max(LOOK_AGAIN_S, left_s)),
        )
