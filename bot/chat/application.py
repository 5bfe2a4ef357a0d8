"""Application: the chat side on python-telegram-bot, put together, started and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from telegram import LinkPreviewOptions, Update
from telegram.constants import ParseMode
from telegram.error import InvalidToken, TelegramError
from telegram.ext import (
    Application,
    ApplicationBuilder,
    CallbackContext,
    Defaults,
    ExtBot,
    TypeHandler,
    Updater,
)

from bot.chat.context import Desk
from bot.chat.errors import PollingErrors, PollingRequest, failed
from bot.chat.handling import ALLOWED_UPDATES, carry_out
from bot.chat.holding import HoldingRequest
from bot.chat.inbox import InboxQueue, PerChatProcessor
from bot.chat.keyboards import Stationery
from bot.chat.lanes import Lanes
from bot.chat.letters import Letters
from bot.chat.menus import refresh_menu, set_menus
from bot.chat.notices import CHATS_AT_ONCE, Notifier
from bot.chat.polling import Polling
from bot.chat.whispers import Whispers
from bot.core.core import Core
from bot.texts import Texts

__all__ = ["ChatSettings", "ChatSide", "TokenRefused"]

log = logging.getLogger(__name__)

HANDLED_AT_ONCE = 64
CONNECTIONS = CHATS_AT_ONCE + HANDLED_AT_ONCE + 16
POLL_S = 25
READ_TIMEOUT_S = 15.0
STOP_POLLING_WITHIN_S = 2.0
STOP_HANDLING_WITHIN_S = 3.0
LONGEST_WAIT_S = 30.0
MENU_WAITS_S = (60.0, 600.0, 3600.0)

Bot = ExtBot[None]
Context = CallbackContext[Any, Any, Any, Any]
App = Application[Any, Any, Any, Any, Any, Any]


class TokenRefused(Exception):
    """Telegram does not know this token: a configuration error, so we do not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """What the chat side needs from the configuration."""

    token: str = field(repr=False)
    api_url: str = "https://api.telegram.org"
    messages_per_second: float = 30
    group_messages_per_minute: float = 20
    webhook_url: str | None = None  # None: polling
    webhook_secret: str | None = field(default=None, repr=False)


class ChatSide:
    """Telegram in and out, over one core."""

    def __init__(self, *, core: Core, texts: Texts, settings: ChatSettings) -> None:
        self._core = core
        self._texts = texts
        self._settings = settings
        self._queue = InboxQueue(inbox=core.inbox, clock=core.clock)
        self._app = _build(core, settings, self._queue)

    def username(self) -> str | None:
        """The bot's name, without the @; None until Telegram was reached."""
        try:
            username: str = self._app.bot.username
        except RuntimeError:
            return None
        return username

    async def take_raw(self, body: bytes) -> None:
        """An update from the webhook; see `InboxQueue.take_raw`."""
        await self._queue.take_raw(body)

    @asynccontextmanager
    async def at_work(self, ready: asyncio.Event) -> AsyncIterator[None]:
        """
        Serve the chats while the block runs; *ready* is set once updates are being received.

        A Telegram that cannot be reached is waited for in the background: payments and their
        callbacks do not need it. Raises TokenRefused when it can be, and refuses our token.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            reached = await self._reach()
            stop = asyncio.Event()
            work = asyncio.create_task(self._work(ready, stop, reached=reached), name="chat")
            try:
                yield
            finally:
                stop.set()
                if not ready.is_set():
                    work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def _close(self) -> None:
        with contextlib.suppress(RuntimeError):  # a part did not stop in time
            await self._app.shutdown()
        # By itself too: it holds connections even if Telegram was never reached.
        await self._app.bot.shutdown()

    async def _work(self, ready: asyncio.Event, stop: asyncio.Event, *, reached: bool) -> None:
        try:
            async with AsyncExitStack() as stack:
                if not reached:
                    await self._patiently("reach", self._reach_or_fail)
                await self._start(stack)
                ready.set()
                await stop.wait()
        except Exception:
            log.exception("chat.failed")

    async def _start(self, stack: AsyncExitStack) -> None:
        """Everything from the replay of the inbox to receiving; undone in reverse."""
        bot: Bot = self._app.bot
        paper = Stationery(
            texts=self._texts,
            collector=self._core.collector,
            collectors=self._core.invoices.collectors,
            username=bot.username,
            inline=bool(bot.bot.supports_inline_queries),
        )
        menu = partial(refresh_menu, bot, self._texts, self._core)
        self._route(Desk(self._core, paper, bot, self._app.create_task, menu=menu))
        await self._patiently("replay", self._queue.replay)
        looking = asyncio.Event()
        _alongside(stack, self._queue.work(looking), looking)
        letters = Letters(self._core, paper)
        notifier = Notifier(
            bot=bot,
            post=self._core.post,
            clock=self._core.clock,
            make=letters.make,
            whispers=Whispers(
                bot=bot,
                clock=self._core.clock,
                group_messages_per_minute=self._settings.group_messages_per_minute,
            ),
        )
        halt = asyncio.Event()
        _alongside(stack, notifier.run(halt), halt)
        stack.push_async_callback(self._queue.close)
        await self._app.start()
        stack.push_async_callback(_within, STOP_HANDLING_WITHIN_S, self._app.stop)
        await self._receive(stack, bot)
        _alongside(stack, self._keep_menus(bot))

    def _route(self, desk: Desk) -> None:
        async def on_update(update: Update, _context: Context) -> None:
            await carry_out(desk, update)

        async def on_error(update: object, context: Context) -> None:
            if context.error is not None:
                await failed(desk, self._queue, update, context.error)

        self._app.add_handler(TypeHandler(Update, on_update))
        self._app.add_error_handler(on_error)

    async def _receive(self, stack: AsyncExitStack, bot: Bot) -> None:
        url, updater = self._settings.webhook_url, self._app.updater
        if url is not None:
            await self._patiently("webhook", lambda: self._set_webhook(bot, url))
            return
        assert updater is not None, "an application that polls has an updater"
        polling = Polling(
            updater=updater,
            lead=self._core.lead,
            # Its own retries give up when the token is refused, which may pass (PollingRequest).
            start=lambda: self._patiently("polling", lambda: self._poll(updater)),
            stop=lambda: _within(STOP_POLLING_WITHIN_S, updater.stop),
        )
        await polling.begin()
        halt = asyncio.Event()
        _alongside(stack, polling.run(halt), halt)

    async def _poll(self, updater: Updater) -> None:
        await updater.start_polling(
            timeout=POLL_S,
            bootstrap_retries=-1,
            allowed_updates=list(ALLOWED_UPDATES),
            error_callback=PollingErrors(self._core.clock),
        )

    async def _set_webhook(self, bot: Bot, url: str) -> None:
        await bot.set_webhook(
            url,
            allowed_updates=list(ALLOWED_UPDATES),
            secret_token=self._settings.webhook_secret,
            max_connections=HANDLED_AT_ONCE,
        )

    async def _keep_menus(self, bot: Bot) -> None:
        for wait_s in MENU_WAITS_S:
            operators = self._core.operators
            merchants = [each.id for each in await self._core.merchants.all()]
            others = [each for each in merchants if each not in operators]
            gone = await self._core.merchants.revoked()
            if await set_menus(bot, self._texts, operators, others, gone):
                return
            await self._core.clock.sleep(wait_s)

    async def _reach(self) -> bool:
        try:
            await self._reach_or_fail()
        except TelegramError as exc:
            log.warning("telegram.unreachable why=%s", exc.message)
            return False
        return True

    async def _reach_or_fail(self) -> None:
        try:
            await self._app.initialize()
        except InvalidToken:
            raise TokenRefused("telegram.token: Telegram does not know this token") from None

    async def _patiently(self, what: str, act: Callable[[], Awaitable[object]]) -> None:
        """Until it works, with growing waits."""
        wait_s = 0.5
        while True:
            try:
                await act()
            except Exception as exc:
                log.warning("chat.waiting for=%s wait_s=%.1f why=%s", what, wait_s, exc)
                await self._core.clock.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                return


def _build(core: Core, settings: ChatSettings, queue: InboxQueue) -> App:
    # PTB's own durations as timedelta, which it will soon do by itself; else it warns.
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    builder = (
        ApplicationBuilder()
        .token(settings.token)
        .base_url(f"{settings.api_url.rstrip('/')}/bot")
        .base_file_url(f"{settings.api_url.rstrip('/')}/file/bot")
        .update_queue(queue)
        .concurrent_updates(PerChatProcessor(HANDLED_AT_ONCE, finished=queue.finished))
        .job_queue(None)
        .rate_limiter(
            Lanes(
                clock=core.clock,
                messages_per_second=settings.messages_per_second,
                group_messages_per_minute=settings.group_messages_per_minute,
            )
        )
        .defaults(
            Defaults(
                parse_mode=ParseMode.HTML,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                allow_sending_without_reply=True,
            )
        )
        .request(
            HoldingRequest(
                connection_pool_size=CONNECTIONS,
                read_timeout=READ_TIMEOUT_S,
                write_timeout=READ_TIMEOUT_S,
            )
        )
        .get_updates_request(PollingRequest(kept=queue.kept))
    )
    if settings.webhook_url is not None:
        return builder.updater(None).build()
    return builder.build()


def _alongside(
    stack: AsyncExitStack, work: Coroutine[Any, Any, None], halt: asyncio.Event | None = None
) -> None:
    """Run *work* until the stack unwinds: it is asked to halt if it can be, else cut."""
    task = asyncio.create_task(work)

    async def end() -> None:
        if halt is None:
            task.cancel()
        else:
            halt.set()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


async def _within(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    """Stop a part, but not for ever: what it leaves is in the inbox."""
    with contextlib.suppress(TimeoutError, RuntimeError):
        async with asyncio.timeout(seconds):
            await act()
