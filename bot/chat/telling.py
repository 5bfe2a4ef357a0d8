"""Telling: one message to Telegram, sent or edited, with what to do when it will not take it so."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from telegram import (
    CopyTextButton,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    KeyboardButton,
    KeyboardButtonRequestUsers,
    Message,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    ReplyParameters,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest, TelegramError, TimedOut
from telegram.ext import ExtBot

from bot.texts import plain
from storage.records import Button, Keyboard, Reply

__all__ = ["CLOSED", "LOST", "SAME", "UNREACHABLE", "edit", "inline_markup", "says", "send"]

log = logging.getLogger(__name__)

# Telegram's words, as tdlib/telegram-bot-api writes them; there are no codes to go by.
SAME = ("message is not modified",)
LOST = ("message to edit not found", "message can't be edited", "message_id_invalid")
UNREACHABLE = (
    "chat not found",
    "user not found",
    "user is deactivated",
    "peer_id_invalid",
    "group chat was deactivated",
)
# In a group its admins say who may write, and when: at night nobody, say. Telegram tells us of
# neither the end nor the beginning.
CLOSED = (
    "chat_write_forbidden",
    "chat_restricted",
    "have no rights to send a message",
    "not enough rights to send",
)
NO_THREAD = ("message thread not found", "topic_closed", "topic_deleted")
NO_REPLY = ("message to be replied not found", "message to reply not found", "reply message")
BAD_HTML = ("can't parse entities",)
NO_PICTURE = ("image_process_failed", "photo_invalid_dimensions", "photo_save_file_invalid")
TOO_LONG = ("caption is too long",)

CAPTION_UNITS_MAX = 1024  # UTF-16, as Telegram counts (core.telegram.org/bots/api#senddocument)

USERS_REQUEST = 1
"""Telegram wants a number for each sort of choice; there is one sort."""

UPLOAD_WITHIN_S = 60.0
"""A document is on its way no longer: with the time to begin that is within the notice's lease."""

InlineMarkup = InlineKeyboardMarkup | None
Markup = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove | ForceReply | None


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a text goes out; each thing Telegram refuses is left away once."""

    html: bool = True
    thread: bool = True
    reply: bool = True
    whole: bool = True  # the caption of a document
    picture: bool = True  # shown in the chat, where it is one

    def without(self, exc: BadRequest) -> _Manner | None:
        """The manner that avoids this refusal, or None if there is no other."""
        if self.html and says(exc, BAD_HTML):
            log.error("message.bad_html why=%s", exc.message)
            return replace(self, html=False)
        if self.whole and says(exc, TOO_LONG):
            log.error("message.caption_cut why=%s", exc.message)
            return replace(self, html=False, whole=False)
        if self.picture and says(exc, NO_PICTURE):
            return replace(self, picture=False)
        if self.thread and says(exc, NO_THREAD):
            return replace(self, thread=False)
        if self.reply and says(exc, NO_REPLY):
            return replace(self, reply=False)
        return None


async def send(bot: ExtBot[None], reply: Reply) -> int:
    """
    Send a new message; returns its id.

    A closed or deleted topic falls back to the group's general one, HTML that Telegram cannot
    read to plain text. Raises telegram.error.TelegramError for the rest.
    """
    manner = _Manner()
    while True:
        try:
            message = await _send(bot, reply, manner)
        except BadRequest as exc:
            other = manner.without(exc)
            if other is None:
                raise
            manner = other
        else:
            if reply.pin:
                await _pin(bot, message)
            return message.message_id


async def _pin(bot: ExtBot[None], message: Message) -> None:
    """Keep it at the top of the chat, if we may; without, it is there all the same."""
    try:
        await bot.pin_chat_message(message.chat_id, message.message_id, disable_notification=True)
    except TelegramError as exc:
        log.info("message.not_pinned why=%s", exc.message)


async def edit(bot: ExtBot[None], reply: Reply, message_id: int) -> None:
    """Make message *message_id* say this. Raises BadRequest with LOST words if it is gone."""
    manner = _Manner()
    while True:
        try:
            await bot.edit_message_text(
                _text(reply, manner),
                chat_id=reply.chat_id,
                message_id=message_id,
                parse_mode=_parse_mode(manner),
                reply_markup=inline_markup(reply.keyboard),
            )
        except BadRequest as exc:
            if says(exc, SAME):
                return
            other = manner.without(exc)
            if other is None:
                raise
            manner = other
        else:
            return


def says(exc: BadRequest, words: tuple[str, ...]) -> bool:
    """Whether Telegram's description holds one of these words."""
    message = exc.message.lower()
    return any(word in message for word in words)


async def _send(bot: ExtBot[None], reply: Reply, manner: _Manner) -> Message:
    answers = None
    if manner.reply and reply.reply_to is not None:
        answers = ReplyParameters(reply.reply_to, allow_sending_without_reply=True)
    thread_id = reply.thread_id if manner.thread else None
    if reply.document is not None:
        # The timeouts of a connection are for each piece of it: a slow line could go on for ever.
        try:
            async with asyncio.timeout(UPLOAD_WITHIN_S):
                file = InputFile(reply.document.content, filename=reply.document.filename)
                picture = manner.picture and reply.document.is_picture
                return await (bot.send_photo if picture else bot.send_document)(
                    reply.chat_id,
                    file,
                    caption=_text(reply, manner),
                    parse_mode=_parse_mode(manner),
                    message_thread_id=thread_id,
                    reply_parameters=answers,
                    reply_markup=_markup(reply.keyboard),
                    disable_notification=reply.quiet,
                )
        except TimeoutError:
            raise TimedOut from None
    return await bot.send_message(
        reply.chat_id,
        _text(reply, manner),
        parse_mode=_parse_mode(manner),
        message_thread_id=thread_id,
        reply_parameters=answers,
        reply_markup=_markup(reply.keyboard),
        disable_notification=reply.quiet,
    )


def _text(reply: Reply, manner: _Manner) -> str:
    text = reply.text if manner.html else plain(reply.text)
    return text if manner.whole else _cut(text, CAPTION_UNITS_MAX)


def _cut(text: str, units: int) -> str:
    """Its beginning; Telegram counts UTF-16 units, and half of a pair is no character."""
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore")


def _parse_mode(manner: _Manner) -> ParseMode | None:
    return ParseMode.HTML if manner.html else None


def _markup(keyboard: Keyboard | None) -> Markup:
    if keyboard is None:
        return None
    if keyboard.remove:
        return ReplyKeyboardRemove()
    if keyboard.force_reply is not None:
        return ForceReply(selective=True, input_field_placeholder=keyboard.force_reply or None)
    if keyboard.ask_users is not None:
        wanted = KeyboardButtonRequestUsers(
            USERS_REQUEST,
            user_is_bot=False,
            max_quantity=keyboard.ask_users_max,
            request_name=True,
        )
        chooser = KeyboardButton(keyboard.ask_users, request_users=wanted)
        return ReplyKeyboardMarkup([[chooser]], resize_keyboard=True, one_time_keyboard=True)
    if keyboard.ask_contact is not None:
        keys = [[KeyboardButton(keyboard.ask_contact, request_contact=True)]]
        keys += [[KeyboardButton(label)] for label in keyboard.other_keys]
        return ReplyKeyboardMarkup(keys, resize_keyboard=True, one_time_keyboard=True)
    return inline_markup(keyboard)


def inline_markup(keyboard: Keyboard | None) -> InlineMarkup:
    """The buttons below a message, as Telegram takes them."""
    if keyboard is None or not keyboard.rows:
        return None
    return InlineKeyboardMarkup([[_button(each) for each in row] for row in keyboard.rows])


def _button(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(
        button.label,
        callback_data=button.data,
        url=button.url,
        switch_inline_query=button.share,
        copy_text=None if button.copy is None else CopyTextButton(button.copy),
        style=button.style,
    )
