"""The composition root: opens everything in order, and closes it in reverse."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from functools import partial
from ipaddress import ip_network
from typing import Any

from bot.building import Parts, build_core, collectors_of
from bot.chat.application import ChatSettings, ChatSide, TokenRefused
from bot.chat.parse import read_amount
from bot.clock import SystemClock
from bot.config import Config, ConfigError
from bot.config_keys import Mpesa, MpesaAccount
from bot.config_record import initiator_of
from bot.core.core import Core
from bot.core.latencies import Latencies
from bot.core.payees import payees_of
from bot.core.ports import Ids
from bot.core.post import Post
from bot.core.reach import EVERY, Reach
from bot.core.settle import Settle
from bot.core.skew import Skew
from bot.core.takeover import Takeover
from bot.core.tokens import SharedToken
from bot.faults import naming
from bot.jobs import Job, Timetable
from bot.machine import VERSION
from bot.metrics import Metrics
from bot.texts import Texts
from bot.web.pages import Pages
from bot.web.probe import ProbeDoor, probe
from bot.web.rendering import Press
from bot.web.server import build_web, serving
from bot.web.site import Site
from bot.web.telegram import TelegramDoor
from mpesa import client
from mpesa.client import open_daraja
from mpesa.models import Account
from storage.engine import Store, open_store

__all__ = ["Background", "jobs_of", "pages_of", "run", "running"]

log = logging.getLogger(__name__)

STOP_WITHIN_S = 13.0  # 15 s in all are promised; what each part may take adds up to less
PUSHES_FINISH_WITHIN_S = 6.0
CUT_WITHIN_S = 1.5


class Background:
    """Tasks that outlive the call that began them, and are finished or cut at the end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut_at: float | None = None
        self._closed = False

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """
        Begin *work*; once we have closed, not at all.

        Nobody would wait for it then, and a push that is cut as it begins is told as unsure. One
        that is never begun is found by the next process, or by another that is at work.
        """
        if self._closed:
            log.warning("background.refused")
            work.close()
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("background.failed", exc_info=exc)

    def last_call(self) -> float:
        """We are stopping: what runs has until then, while the other parts are closed."""
        self._cut_at = asyncio.get_running_loop().time() + PUSHES_FINISH_WITHIN_S
        return self._cut_at

    async def close(self) -> None:
        """Wait for the rest of that time, then cut: a push that is cut is written as unsure."""
        self._closed = True
        # A start that failed has made no last call.
        cut_at = self.last_call() if self._cut_at is None else self._cut_at
        left_s = cut_at - asyncio.get_running_loop().time()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=max(0.0, left_s))
        for task in set(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=CUT_WITHIN_S)


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[asyncio.Event]:
    """
    The whole bot, at work while the block runs; yields an event that is set once it is ready.

    Order: storage, Daraja, core, chat, web, jobs. Closed in reverse: what is below is still open.
    """
    async with AsyncExitStack() as stack:
        with naming("storage.url"):
            store = await stack.enter_async_context(_open_store(config))
        post = Post(store=store, clock=SystemClock())
        settle = Settle(operators=sorted(config.telegram.operators))
        latencies, skew = Latencies(), Skew(SystemClock())
        opening = partial(_open_daraja, config, store, settle, post, latencies, skew)
        daraja, accounts = await _open_darajas(stack, config, opening)
        background = Background()
        core = build_core(
            Parts(
                config=config,
                store=store,
                daraja=daraja,
                accounts=accounts,
                payees=await payees_of(store, collectors_of(config)),
                background=background.start,
                settle=settle,
                post=post,
                clock=SystemClock(),
                ids=Ids(os.urandom),
                office=daraja.back_office,
                latencies=latencies,
                skew=skew,
            )
        )
        stack.push_async_callback(background.close)
        if store.exclusive:
            await core.sending.sweep(starting=True)
        await core.reconcile.start()
        await core.post.start()
        chat = ChatSide(core=core, texts=Texts.load(), settings=_chat_settings(config, store))
        ready = asyncio.Event()
        metrics = Metrics(look=core.health.look, clock=core.clock, version=VERSION)
        store.on_move(metrics.moved)
        web = build_web(
            core.hear,
            ways=core.record.ways,
            ready=lambda: ready.is_set() and store.healthy,
            trusted_proxies=config.webhook.trusted_proxies,
            telegram=_telegram_door(config, store, chat),
            counting=metrics,
            pages=pages_of(config, store, core, chat.username),
            probe=ProbeDoor(store.crypt),
        )
        with naming("webhook.host, webhook.port"):
            await stack.enter_async_context(
                serving(web, host=config.webhook.host, port=config.webhook.port)
            )
        timetable = Timetable(
            [*jobs_of(core, store), *await _probing(config, store, core)], now=SystemClock().now
        )
        timetable.start()
        stack.push_async_callback(timetable.stop)
        # Not five minutes later: what is paid by hand until then would be told to nobody.
        background.start(core.record.ways.register())
        try:
            await stack.enter_async_context(chat.at_work(ready))
        except TokenRefused as exc:
            raise ConfigError(str(exc)) from None
        stack.callback(background.last_call)
        yield ready


async def _probing(config: Config, store: Store, core: Core) -> list[Job]:
    """Looks at our own public address, unless that is turned off."""
    ask = partial(probe, config.webhook.public_url.rstrip("/"), store.crypt)
    reach = Reach(store=store, clock=core.clock, probe=ask)
    if config.webhook.probe:
        every_s = EVERY.total_seconds()
        return [Job(name="see whether we are reached", every_s=every_s, run=reach.look)]
    await reach.forget()
    return []


OpenDaraja = Callable[[Mpesa | MpesaAccount], AbstractAsyncContextManager[client.Daraja]]


async def _open_darajas(
    stack: AsyncExitStack, config: Config, opening: OpenDaraja
) -> tuple[client.Daraja, dict[str, client.Daraja]]:
    """The first account's, and the others' by name: each with its own keys and token."""

    async def opened(account: Mpesa | MpesaAccount) -> client.Daraja:
        return await stack.enter_async_context(opening(account))

    others = {each.name: await opened(each) for each in config.mpesa.accounts}
    return await opened(config.mpesa), others


def pages_of(
    config: Config, store: Store, core: Core, bot_name: Callable[[], str | None] = lambda: None
) -> Pages:
    site = Site(
        press=Press(
            texts=Texts.load(),
            collector=core.collector,
            public_url=config.webhook.public_url.rstrip("/"),
            bot_name=bot_name,
        ),
        signer=store.crypt,
        clock=core.clock,
        books=core.books,
        collector_of=core.invoices.collector,
        read_amount=read_amount,  # the chat's own: an amount reads the same everywhere
        trusted_proxies=[ip_network(each, strict=False) for each in config.webhook.trusted_proxies],
    )
    return Pages(
        site=site,
        drives=core.drives,
        invoices=core.invoices,
        talk=core.invoice_talk,
        receipts=core.receipts,
        merchants=core.merchants,
    )


def _open_daraja(
    config: Config,
    store: Store,
    settle: Settle,
    post: Post,
    latencies: Latencies,
    skew: Skew,
    account: Mpesa | MpesaAccount,
) -> AbstractAsyncContextManager[client.Daraja]:
    base_url, clock = config.mpesa.base_url, SystemClock()
    return open_daraja(
        base_url=base_url,
        consumer_key=account.consumer_key,
        consumer_secret=account.consumer_secret,
        account=Account(
            shortcode=account.shortcode,
            passkey=account.passkey,
            transaction_type=account.transaction_type,
            till_number=account.till_number,
        ),
        now=clock.now,
        shelf=SharedToken(
            store=store,
            settle=settle,
            clock=clock,
            wake=post.wake.set,
            account=f"{base_url} {account.consumer_key.get_secret_value()}",
        ),
        initiator=initiator_of(config),
        took=latencies.took,
        dated=skew.dated,
    )


def _open_store(config: Config) -> AbstractAsyncContextManager[Store]:
    security = config.security
    return open_store(
        config.storage.url.get_secret_value(),
        now=SystemClock().now,
        key=None if security.key is None else security.key.get_secret_value(),
        previous_keys=[each.get_secret_value() for each in security.previous_keys],
        server_time=True,
    )


def _chat_settings(config: Config, store: Store) -> ChatSettings:
    webhook = config.telegram.mode == "webhook"
    base = config.webhook.public_url.rstrip("/")
    return ChatSettings(
        token=config.telegram.token.get_secret_value(),
        api_url=config.telegram.api_url,
        messages_per_second=config.telegram.messages_per_second,
        group_messages_per_minute=config.telegram.group_messages_per_minute,
        webhook_url=f"{base}/telegram" if webhook else None,
        webhook_secret=_webhook_secret(store) if webhook else None,
    )


def _telegram_door(config: Config, store: Store, chat: ChatSide) -> TelegramDoor | None:
    if config.telegram.mode != "webhook":
        return None
    return TelegramDoor(_webhook_secret(store), chat.take_raw)


def _webhook_secret(store: Store) -> str:
    return store.crypt.sign("telegram", "webhook")


def jobs_of(core: Core, store: Store) -> list[Job]:
    """What runs by the clock. Everything that is due stands in the database."""
    return [
        Job(name="ask about silent payments", every_s=1, run=core.reconcile.run_due),
        Job(name="find what was left half asked", every_s=5, run=core.sending.sweep),
        Job(name="look at what payments have touched", every_s=1, run=core.touched.run_due),
        Job(name="close drives whose time is over", every_s=30, run=core.drives.treasury.close_due),
        Job(name="remind of pledges", every_s=60, run=core.drives.pledging.run_due),
        Job(name="remind of invoices, and sum the day up", every_s=5, run=core.reminders.run_due),
        Job(
            name="take over from the dead",
            every_s=2,
            run=Takeover(store=store, clock=core.clock, wake=core.post.wake.set).run,
        ),
        Job(name="settle what could not be settled", every_s=30, run=core.reconcile.settle_again),
        Job(name="tell operators what changed", every_s=30, run=core.health.watch),
        Job(name="place rows of the record", every_s=30, run=core.record.rows.place_left),
        Job(name="look at open rows again", every_s=600, run=core.record.rows.look_again),
        Job(name="ask about receipts", every_s=30, run=core.record.ways.ask_due),
        Job(
            name="tell of reversals without an answer",
            every_s=60,
            run=core.record.ways.reversal_ends.tell_silent,
        ),
        Job(name="fetch the list of payments", every_s=60, run=core.record.ways.pull_due),
        Job(name="register addresses", every_s=300, run=core.record.ways.register),
        Job(name="read unread posts again", every_s=3600, run=core.record.ways.unread.read_again),
        Job(name="tell again what was set aside", every_s=600, run=core.post.try_set_aside),
        Job(name="see whether a failed store is back", every_s=5, run=store.probe),
        Job(name="keep nothing for too long", every_s=3600, run=core.privacy.keep_no_longer),
        Job(name="forget what is long done", every_s=3600, run=core.inbox.purge),
    ]


async def run(config: Config) -> None:
    """Be the bot until SIGTERM or SIGINT; then stop within 15 s, with nothing half done."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    stack = AsyncExitStack()
    opening = asyncio.ensure_future(stack.enter_async_context(running(config)))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            waiting = asyncio.ensure_future((await opening).wait())
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                log.info("lipabot.ready")
                # What the start has made stays: looking through it for garbage again and again
                # takes a fifth of the price of a callback.
                gc.collect()
                gc.freeze()
            waiting.cancel()
            await stopping
        log.info("lipabot.stopping")
    finally:
        stopping.cancel()
        await _close(stack, opening)
    log.info("lipabot.stopped")


async def _close(stack: AsyncExitStack, opening: asyncio.Future[asyncio.Event]) -> None:
    """Close every part in time; a start that waits for somebody (Telegram, say) is given up."""
    try:
        async with asyncio.timeout(STOP_WITHIN_S) as limit:
            if not opening.done():
                opening.cancel()
                await asyncio.wait((opening,))
            await stack.aclose()
    except TimeoutError:
        if not limit.expired():
            raise
        # Everything that counts is committed; the next start goes on from there.
        log.warning("lipabot.stop_cut after_s=%.0f", STOP_WITHIN_S)
