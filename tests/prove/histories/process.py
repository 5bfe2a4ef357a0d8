"""Owns one life of the bot in a history: the real store, core, outbox and handlers, on doubles."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import streams
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from pydantic import SecretStr
from sqlalchemy import Dialect, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
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
from bot.chat.whispers import Whispers
from bot.config import Config
from bot.core.core import Core
from bot.core.ports import Ids
from bot.core.post import Post
from bot.core.settle import Settle
from bot.core.skew import Skew
from bot.core.takeover import Takeover
from bot.core.tokens import SharedToken
from bot.playground.errors import ApiError
from bot.texts import Texts
from bot.web.callbacks import Callbacks
from mpesa.client import Daraja
from mpesa.models import Account, Token
from mpesa.tokens import TokenKeeper
from mpesa.wire import TOKEN_PATH, basic_authorization, decipher_token
from storage.engine import Store, open_store
from storage.errors import NotKept
from storage.presence import Member
from storage.schema import UNSENT, UNSETTLED, micros, notices, payments, touched
from tests.prove.histories.life import LIFE, Life
from tests.prove.histories.safaricom import InlineTransport, Network, SeededSafaricom
from tests.prove.histories.telegram import InlineRequest, SeededTelegram
from tests.prove.histories.virtual import WallClock, passes

__all__ = ["Look", "Outside", "Process", "look_query"]

POLL_S = 6 * 3600.0
TICK_S = 3.0
LOOK_AGAIN_S = 12.0
LOOK_FOR_LOST_S = 6 * 3600.0
LONGEST_LOOK_S = 6 * 3600.0
LOOK_WHEN_ILL_S = 60.0
ANSWER_WITHIN_S = 30.0
PURGE_EVERY_S = 20 * 3600.0
GROUP_PACE = 20  # messages a minute that Telegram takes in a group
FAULTS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError),
    IntegrityError,
)
OFTEN = 60.0  # jobs that run more often than this are run whenever something may be due


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a process meets: the same for all its lives."""

    config: Config
    texts: Texts
    clock: WallClock
    look: Callable[[], Look]
    instances: int
    webhook: bool  # Telegram posts its updates to any of us, and is not polled
    safaricom: SeededSafaricom
    network: Network
    telegram: SeededTelegram
    broke: list[str]

    def raised(self, what: str, exc: Exception) -> None:
        """Keep what no trouble of the world explains: it is a fault of the program."""
        if isinstance(exc, FAULTS):
            where = traceback.extract_tb(exc.__traceback__)[-1]
            self.broke.append(f"{what}: {exc!r} in {where.filename}:{where.lineno}")


class SeekingQueue(InboxQueue):
    """The inbox, that looks for what nobody has in hand when it is told that it might find some."""

    def seek(self) -> None:
        self._wake.set()


class Steady(Member):
    """
    Among several processes, one whose words every three seconds are left out, and believed.

    A process that is stalled is silent, and has to speak before it is sure again.
    """

    def __init__(
        self, engine: AsyncEngine, *, now: Callable[[], datetime] | None, life: Life, number: int
    ) -> None:
        super().__init__(engine, now=now)
        self.number = number
        self._life = life

    @property
    def sure(self) -> bool:
        last_s = asyncio.get_running_loop().time()
        if self._life.silent:
            last_s = self._life.stalled_at_s
        self._spoke_s = max(self._spoke_s, last_s)
        return super().sure

    async def _beat(self) -> None:
        while True:
            await self._life.went_on.wait()
            self._life.went_on.clear()
            await self.speak()
            self._life.silent = self._life.stalled


@dataclass(frozen=True, slots=True)
class Look:
    """What a tick of the timetable would find to do, by the database; instants in microseconds."""

    check_us: int | None
    unsent: int
    unsettled: int
    touched: int
    due_us: int | None
    lease_us: int | None


_LOOK = select(
    select(func.min(payments.c.next_check_at)).scalar_subquery(),
    select(func.count()).where(UNSENT).select_from(payments).scalar_subquery(),
    select(func.count()).where(UNSETTLED).select_from(payments).scalar_subquery(),
    select(func.count()).select_from(touched).scalar_subquery(),
    select(func.min(notices.c.due_at)).where(notices.c.state == "due").scalar_subquery(),
    select(func.min(notices.c.lease_until)).where(notices.c.state == "sending").scalar_subquery(),
)


def look_query(dialect: Dialect) -> str:
    """The text that gives a `Look`, for a connection of the proof's own."""
    return str(_LOOK.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


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
    queue: SeekingQueue | None = None
    someone_is_gone: bool = False
    lead_may_be_free: asyncio.Event = field(default_factory=asyncio.Event)

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
        status: int | None = await self._heard(self._answer(path, body))
        return status

    async def take(self, body: bytes) -> bool:
        """Telegram posts an update; False if it must come again."""
        if not self.ready.is_set() or not self.life.alive:
            return False
        return bool(await self._heard(self._take(body)))

    async def _heard(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What *work* of ours answers; None if nobody does, or not in time."""
        handling = self.life.begin(work)
        dead = asyncio.ensure_future(self.life.dead.wait())
        await asyncio.wait(
            (handling, dead), timeout=ANSWER_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
        )
        dead.cancel()
        if not handling.done() or handling.cancelled():
            return None
        failure = handling.exception()
        if isinstance(failure, Exception):
            raise failure
        return None if failure is not None else handling.result()

    async def _take(self, body: bytes) -> bool:
        assert self.queue is not None, "the server listens"
        try:
            await self.queue.take_raw(body)
        except NotKept:
            return False
        self.life.step("answered an update")
        return True

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
            server_time=True,
            member=partial(Steady, life=self.life, number=self.rng.randrange(1, 2**31)),
        ) as store:
            self.store = store
            background = Background()
            settle = Settle(operators=sorted(config.telegram.operators))
            post = Post(store=store, clock=out.clock)
            skew = Skew(self.outside.clock)
            daraja = self._daraja(store, settle, post, skew)
            core = build_core(
                Parts(
                    config=config,
                    store=store,
                    daraja=daraja,
                    office=daraja.back_office,
                    skew=skew,
                    background=background.start,
                    settle=settle,
                    post=post,
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

    def _daraja(self, store: Store, settle: Settle, post: Post, skew: Skew) -> Daraja:
        mpesa, out = self.outside.config.mpesa, self.outside
        transport = InlineTransport(out.safaricom, out.network, self.life, skew.dated)

        async def fetch() -> Token:
            asked_at = out.clock.now()
            authorization = basic_authorization(
                mpesa.consumer_key.get_secret_value(), mpesa.consumer_secret.get_secret_value()
            )
            return decipher_token(
                await transport.get(TOKEN_PATH, authorization=authorization), asked_at
            )

        account = Account(shortcode=mpesa.shortcode, passkey=SecretStr("demo-passkey"))
        shelf = SharedToken(
            store=store, settle=settle, clock=out.clock, wake=post.wake.set, account="proof"
        )
        tokens = TokenKeeper(fetch, out.clock.now, shelf=shelf)
        return Daraja(transport, tokens, account, out.clock.now)

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
                clock=out.clock, messages_per_second=30, group_messages_per_minute=GROUP_PACE
            ),
        )
        await bot.initialize()
        paper = Stationery(
            texts=out.texts,
            collector=core.collector,
            username=bot.username,
        )
        desk = Desk(core, paper, bot, self.life.begin)
        queue = SeekingQueue(inbox=core.inbox, clock=out.clock, look_every_s=LOOK_FOR_LOST_S)
        self.queue = queue
        self.letters = Letters(core, paper)
        self.callbacks = Callbacks(core.hear, [])
        await queue.replay()
        notifier = Notifier(
            bot=bot,
            post=core.post,
            clock=out.clock,
            make=self.letters.make,
            whispers=Whispers(bot=bot, clock=out.clock, group_messages_per_minute=GROUP_PACE),
        )
        self.ready.set()
        working = [
            self.life.begin(self._handle(desk, queue)),
            self.life.begin(queue.work(asyncio.Event())),
            self.life.begin(self._by_the_clock(core, store, notifier)),
        ]
        if not out.webhook:
            working.append(self.life.begin(self._lead(core, queue)))
        await self.stop.wait()
        self.ready.clear()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await queue.close()

    async def _lead(self, core: Core, queue: InboxQueue) -> None:
        """Poll Telegram while we have the lead; stand by while another has it."""
        while True:
            if not await core.lead.try_win():
                self.lead_may_be_free.clear()
                await self.lead_may_be_free.wait()
                continue
            polling = self.life.begin(self._poll(queue))
            lost = self.life.begin(core.lead.lost())
            try:
                await asyncio.wait((polling, lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                polling.cancel()
                lost.cancel()
            await asyncio.gather(polling, lost, return_exceptions=True)
            await core.lead.resign()
            await passes(LOOK_AGAIN_S)

    async def _poll(self, queue: InboxQueue) -> None:
        """Until another polls too: Telegram answers the older one with a 409."""
        updates, offset = self.outside.telegram.updates, 0
        while True:
            try:
                bodies = await updates.poll(offset, 100, POLL_S)
            except ApiError:
                return
            for body in bodies:
                self.life.step("took an update")
                update = Update.de_json(body, None)
                await queue.put(update)
                offset = max(offset, update.update_id + 1)
            await queue.kept()

    async def _handle(self, desk: Desk, queue: InboxQueue) -> None:
        turns = PerChatProcessor(finished=queue.finished)

        async def one(update: Update) -> None:
            try:
                await carry_out(desk, update)
            except Exception as exc:
                self.outside.raised("a handler", exc)
                await failed(desk, queue, update, exc)

        while True:
            update = await queue.get()
            if isinstance(update, Update):
                self.life.begin(turns.do_process_update(update, one(update)))

    async def _by_the_clock(self, core: Core, store: Store, notifier: Notifier) -> None:
        """The timetable without its idle ticks: from one due moment to the next."""
        seldom = [job.run for job in jobs_of(core, store) if job.every_s >= OFTEN]
        seldom.append(core.reminders.run_due)  # about what is late: a matter of days
        takeover = Takeover(store=store, clock=core.clock, wake=core.post.wake.set)
        loop = asyncio.get_running_loop()
        purged_s = loop.time()
        while True:
            core.post.wake.clear()
            if self.someone_is_gone:
                self.someone_is_gone = False
                await self._quietly(takeover.run)
            wait_s = await self._tick(core, store, notifier)
            if loop.time() > purged_s + PURGE_EVERY_S:
                purged_s = loop.time()
                for run in seldom:
                    await self._quietly(run)
            try:
                async with asyncio.timeout(wait_s):
                    await core.post.wake.wait()
            except TimeoutError:
                continue
            await passes(TICK_S)

    async def _tick(self, core: Core, store: Store, notifier: Notifier) -> float:
        """Run the jobs that have something to do; seconds until one might have again."""
        look, now_us = self.outside.look(), micros(self.outside.clock.now())
        assert now_us is not None, "a clock always shows something"
        if not store.healthy:
            await self._quietly(store.probe)
        if look.unsettled:
            await self._quietly(core.reconcile.settle_again)
        if look.touched:
            await self._quietly(core.touched.run_due)
        if look.unsent:
            await self._quietly(core.sending.sweep)
        if look.check_us is not None and look.check_us <= now_us:
            await self._quietly(core.reconcile.run_due)
        owed = [at for at in (look.due_us, look.lease_us) if at is not None]
        if owed and min(owed) <= now_us:
            await self._quietly(notifier.run_due)
        moments = owed if look.check_us is None else [*owed, look.check_us]
        left_s = (min(moments) - now_us) / 1e6 if moments else LONGEST_LOOK_S
        if look.unsent or look.touched:
            left_s = LOOK_AGAIN_S
        if not store.healthy:
            left_s = min(left_s, LOOK_WHEN_ILL_S)
        return min(LONGEST_LOOK_S, max(LOOK_AGAIN_S, left_s))

    async def _quietly(self, run: Callable[[], Any]) -> None:
        """As the timetable runs a job: what it raises is logged, and the next tick comes."""
        try:
            await run()
        except Exception as exc:
            self.outside.raised("a job", exc)
            self.life.step(f"a job failed: {type(exc).__name__}: {exc}")

    def rouse(self, *, someone_is_gone: bool = False) -> None:
        """
        What the next tick of each job would see, now: there is something new in the database.

        The histories leave out the ticks that would see nothing.
        """
        if self.core is not None and self.life.alive:
            self.someone_is_gone |= someone_is_gone
            self.lead_may_be_free.set()
            self.core.post.wake.set()
            if self.queue is not None:
                self.queue.seek()
