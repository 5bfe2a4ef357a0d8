"""Errors: a failed update is logged, tried again, and in the end set aside with a calm word."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from telegram import Chat, Update
from telegram.error import Conflict, NetworkError, TelegramError
from telegram.request import HTTPXRequest

from bot.chat.context import Desk, language_of
from bot.chat.inbox import InboxQueue
from bot.core.hear import NotKept
from bot.core.inbox import NotHeld
from bot.core.ports import Clock
from storage.records import Closing, Reply

__all__ = ["PollingErrors", "PollingRequest", "failed"]

log = logging.getLogger(__name__)

STORE_DOWN_WAIT_S = 5.0
SAME_AGAIN_AFTER = timedelta(minutes=10)


async def failed(desk: Desk, queue: InboxQueue, update: object, error: Exception) -> None:
    """
    A handler raised: log it first, count the try, come back later.

    The log holds the update's number and the stack, never the update: it may hold a phone.
    """
    update_id = update.update_id if isinstance(update, Update) else None
    if isinstance(error, NotHeld):
        # We were away too long: nothing of ours was written, and it is carried out elsewhere.
        log.info("update.not_ours id=%s", update_id)
        return
    log.error("update.failed id=%s kind=%s", update_id, type(error).__name__, exc_info=error)
    if not isinstance(update, Update) or update.inline_query is not None:
        return  # what is typed in another chat is not kept: it is typed again
    if isinstance(error, NotKept):
        # Not this update's fault: it is not counted, and waits for as long as it takes.
        queue.again(update, after_s=STORE_DOWN_WAIT_S)
        return
    try:
        after_s = await desk.core.inbox.failed(update.update_id, _calm(desk, update))
    except NotHeld:
        log.info("update.not_ours id=%s", update_id)
        return
    except NotKept as exc:
        log.warning("update.failure_not_counted id=%d why=%s", update.update_id, exc)
        after_s = STORE_DOWN_WAIT_S
    if after_s is not None:
        queue.again(update, after_s=after_s)


class PollingRequest(HTTPXRequest):
    """
    The connection that polls: it asks for more only when everything it brought is *kept*, for to
    ask is to let Telegram forget.

    A refused token does not end it. PTB stops polling for good on a 401 or 404, and tells nobody;
    a proxy or a Bot API server that is being restarted says them too. At start the token is tried
    by getMe, which does refuse it.
    """

    def __init__(self, *, kept: Callable[[], Awaitable[None]]) -> None:
        super().__init__(connection_pool_size=1)
        self._kept = kept

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        await self._kept()
        status, body = await super().do_request(*args, **kwargs)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
            raise NetworkError("Telegram does not know telegram.token any more")
        return status, body


class PollingErrors:
    """What goes wrong while polling, logged once per change: a night offline is not 9,000 lines."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: str | None = None
        self._logged_at: datetime | None = None

    def __call__(self, exc: TelegramError) -> None:
        """PTB's `error_callback`; PTB itself waits longer after each error, up to 30 s."""
        kind, now = type(exc).__name__, self._clock.now()
        fresh = self._logged_at is None or now - self._logged_at > SAME_AGAIN_AFTER
        if kind == self._last and not fresh:
            return
        self._last, self._logged_at = kind, now
        if isinstance(exc, Conflict):
            log.error(
                "polling.conflict: another program polls with this token, or a webhook is set; "
                "stop the other one. Waiting, and looking again."
            )
        else:
            log.warning("polling.failed kind=%s why=%s", kind, exc.message)


def _calm(desk: Desk, update: Update) -> Closing:
    """What the chat is told when we give up: nothing was lost, and what to do."""
    user, chat = update.effective_user, update.effective_chat
    replies: tuple[Reply, ...] = ()
    speaks = update.message is not None or update.callback_query is not None
    if user is not None and chat is not None and not user.is_bot and speaks:
        language = language_of(None, user.language_code)
        message = update.message
        replies = (
            Reply(
                chat_id=chat.id,
                text=desk.texts.say(language, "error.gave-up", reference=update.update_id),
                thread_id=message.message_thread_id
                if message is not None and message.is_topic_message
                else None,
                reply_to=None
                if chat.type == Chat.PRIVATE or message is None
                else message.message_id,
            ),
        )
    return Closing(update_id=update.update_id, replies=replies)
