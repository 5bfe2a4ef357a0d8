"""
Whispers: what one member of a group is told there, in a message that nobody else sees.

Telegram calls them ephemeral messages (Bot API 10.2). It takes them in groups only: at any time
where the bot is an admin, elsewhere for 15 s after a press; and it does not promise that they
arrive. So they carry progress, and whatever is refused here is told in private instead.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from telegram import Message
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    EndPointNotFound,
    Forbidden,
    RetryAfter,
    TelegramError,
)
from telegram.ext import ExtBot

from bot.chat.context import COURTESY_S
from bot.chat.lanes import GROUP_S, Window
from bot.chat.telling import SAME, inline_markup, says
from bot.core.ports import Clock, SteadyClock
from storage.records import Reply, Whisper

__all__ = ["Whispers"]

log = logging.getLogger(__name__)

REFUSED_FOR = timedelta(hours=1)
"""Then it is tried again: the bot may have become an admin, or the server a newer one."""

SHARE = 0.3
"""Of what a group takes in a minute: the rest is for what everybody there reads."""

FORGET_FROM = 1024

Place = tuple[int, int | None, bool]
"""A group, its topic, and whether a press is answered: without one only an admin may whisper."""


class Whispers:
    """Says things to one member of a group, where Telegram lets us."""

    def __init__(
        self, *, bot: ExtBot[None], clock: Clock, group_messages_per_minute: float
    ) -> None:
        self._bot = bot
        self._clock = SteadyClock(clock)
        self._most = max(1, int(group_messages_per_minute * SHARE))
        self._windows: dict[int, Window] = {}
        self._refused_until: dict[Place | None, datetime] = {}  # None: by the server, everywhere
        self._spoken = False  # whether this server is known to know of whispers

    async def tell(self, reply: Reply, message_id: int | None) -> int | None:
        """
        Say this to `reply.whisper_to`, or change what was said; the whisper's id.

        None: it must be told in private, now; nothing is known of it in the group. Raises
        telegram.error.NetworkError where it may have arrived.
        """
        place = (reply.chat_id, reply.thread_id, reply.query_id is not None)
        if self._was_refused(place) or not await self._is_spoken():
            return None
        # Without the press too: it may be too old by now, and an admin needs none.
        manners = (reply, replace(reply, query_id=None)) if place[2] else (reply,)
        for each in manners:
            if not self._has_room(reply.chat_id):
                return None
            try:
                if message_id is not None:
                    await self._edit(each, message_id)
                    return message_id
                return await self._send(each)
            except RetryAfter:
                return None  # the group is busy, and the private chat need not wait for it
            except (BadRequest, Forbidden, ChatMigrated) as exc:
                log.info("whisper.refused chat=%d why=%s", reply.chat_id, exc.message)
                if message_id is not None:
                    return None
        self._refused(place)
        return None

    async def end(self, whisper: Whisper, said: Reply) -> None:
        """
        It was *said* in private now: the whisper says the same once more, or goes.

        Good to have and no more: a whisper that stays behind is seen by one person, and fades.
        """
        if whisper.message_id is None:
            return
        same = replace(said, chat_id=whisper.chat_id, whisper_to=said.chat_id, keyboard=None)
        try:
            if self._has_room(whisper.chat_id):
                await self._edit(same, whisper.message_id)
                return
        except TelegramError as exc:
            log.info("whisper.not_edited chat=%d why=%s", whisper.chat_id, exc.message)
        try:
            await self._bot.do_api_request(
                "deleteEphemeralMessage",
                api_kwargs={
                    "chat_id": whisper.chat_id,
                    "receiver_user_id": said.chat_id,
                    "ephemeral_message_id": whisper.message_id,
                },
                read_timeout=COURTESY_S,
            )
        except TelegramError as exc:
            log.info("whisper.stays chat=%d why=%s", whisper.chat_id, exc.message)

    async def _send(self, reply: Reply) -> int | None:
        parameters: dict[str, Any] = {"receiver_user_id": reply.whisper_to}
        if reply.query_id is not None:
            parameters["callback_query_id"] = reply.query_id
        sent = await self._bot.send_message(
            reply.chat_id,
            reply.text,
            parse_mode=ParseMode.HTML,
            message_thread_id=reply.thread_id,
            reply_markup=inline_markup(reply.keyboard),
            api_kwargs={"ephemeral_message_parameters": parameters},
        )
        whisper_id = sent.api_kwargs.get("ephemeral_message_id")
        if whisper_id is None:
            await self._said_aloud(sent)
            return None
        return int(whisper_id)

    async def _edit(self, reply: Reply, message_id: int) -> None:
        markup = inline_markup(reply.keyboard)
        words: dict[str, Any] = {
            "chat_id": reply.chat_id,
            "receiver_user_id": reply.whisper_to,
            "ephemeral_message_id": message_id,
            "text": reply.text,
            "parse_mode": ParseMode.HTML.value,
        }
        if markup is not None:
            words["reply_markup"] = markup.to_dict()
        try:
            await self._bot.do_api_request("editEphemeralMessageText", api_kwargs=words)
        except BadRequest as exc:
            if not says(exc, SAME):
                raise

    async def _said_aloud(self, sent: Message) -> None:
        """A server that does not read how to whisper told everybody: take it back at once."""
        log.error("whisper.said_aloud chat=%d", sent.chat_id)
        self._refused(None)
        try:
            await self._bot.delete_message(sent.chat_id, sent.message_id)
        except TelegramError as exc:
            log.error("whisper.not_taken_back chat=%d why=%s", sent.chat_id, exc.message)

    async def _is_spoken(self) -> bool:
        """
        Whether the server knows of whispers at all, asked with a request that does nothing.

        One that does not would read past what it does not know, and tell the whole group.
        """
        if self._spoken:
            return True
        try:
            await self._bot.do_api_request("deleteEphemeralMessage", read_timeout=COURTESY_S)
        except EndPointNotFound:
            log.info("whisper.not_spoken")
            self._refused(None)
        except BadRequest:
            self._spoken = True
        except TelegramError as exc:
            log.info("whisper.not_asked why=%s", exc.message)
        else:
            self._spoken = True
        return self._spoken

    def _was_refused(self, place: Place) -> bool:
        """Whether it is not worth a try: the server, or this group, refused a while ago."""
        now = self._clock.now()
        return any(self._refused_until.get(each, now) > now for each in (None, place))

    def _has_room(self, chat_id: int) -> bool:
        """Whether the group may take one more; it is counted."""
        now = self._clock.now()
        if len(self._windows) >= FORGET_FROM:
            self._windows = {k: each for k, each in self._windows.items() if not each.idle(now)}
        window = self._windows.setdefault(chat_id, Window(self._most, GROUP_S))
        if window.free_at(now) > now:
            return False
        window.take(now)
        return True

    def _refused(self, place: Place | None) -> None:
        now = self._clock.now()
        if len(self._refused_until) >= FORGET_FROM:
            self._refused_until = {k: at for k, at in self._refused_until.items() if at > now}
        self._refused_until[place] = now + REFUSED_FOR
