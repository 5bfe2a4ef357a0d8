"""Context: one update as the handlers see it, with who is speaking, where, and in what language."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zlib import crc32

from telegram import Chat, MaybeInaccessibleMessage, Message, Update
from telegram.ext import ExtBot

from bot.chat.admins import Admins
from bot.chat.keyboards import Stationery
from bot.core.core import Core
from bot.texts import DEFAULT_LANGUAGE, LANGUAGES, Texts, clean, plain
from storage.records import Closing, Deed, Keyboard, NewNotice, PaymentView, Person, Reply

__all__ = ["COURTESY_S", "DeedPress", "Desk", "Press", "Toast", "Turn", "language_of", "open_turn"]

COURTESY_S = 5.0
"""How long a call may take that is good to have and no more."""

TOAST_CHARS_MAX = 200
"""Telegram's: it refuses a longer answer to a press, and the button goes on waiting."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every handler works with, the same for all updates."""

    core: Core
    paper: Stationery
    bot: ExtBot[None]
    beside: Callable[[Coroutine[Any, Any, None]], object]
    """Starts a call to Telegram that the chat, and its place among others, need not wait for."""
    admins: Admins = field(default_factory=Admins)
    menu: Callable[[int], Coroutine[Any, Any, None]] | None = None
    """Brings the menu of this person's private chat up to date; None where there are no menus."""

    @property
    def texts(self) -> Texts:
        return self.paper.texts


@dataclass(frozen=True, slots=True)
class Toast:
    """What the one who pressed sees at once."""

    text: str = ""  # plain; the end of a long one is left out
    alert: bool = False  # a window to be closed, for what must be read
    url: str | None = None  # a link to our own private chat, opened at once
    given: bool = False  # the press was answered already

    @property
    def said(self) -> str | None:
        """What Telegram takes of the text; None where nothing is said."""
        if len(self.text) <= TOAST_CHARS_MAX:
            return self.text or None
        return clean(self.text, limit=TOAST_CHARS_MAX)


@dataclass(slots=True, kw_only=True)
class Turn:
    """
    One update of one person, to be carried out and closed.

    Whatever is said goes into the `Closing` that ends the update, in one commit with its
    effect; a handler that closes nothing leaves the update to be marked done after it.
    """

    desk: Desk
    update_id: int
    chat_id: int
    thread_id: int | None  # the topic of a forum
    message_id: int | None  # of the command, or of the message with the button
    private: bool
    person: Person
    language: str
    message: Message | None = None
    words: str = ""  # what followed the command, or the whole text where there was none
    edited: bool = False
    closed: bool = field(default=False, init=False)

    @property
    def core(self) -> Core:
        return self.desk.core

    @property
    def paper(self) -> Stationery:
        return self.desk.paper

    @property
    def is_operator(self) -> bool:
        return self.person.id in self.core.operators

    @property
    def username(self) -> str:
        """The bot's name in Telegram, without the @."""
        return self.desk.paper.username

    @property
    def written_at(self) -> datetime:
        """When these words were written, by Telegram's clock: we may read them much later."""
        assert self.message is not None, "words are a message"
        return min(self.message.edit_date or self.message.date, self.core.clock.now())

    def say(self, key: str, **values: object) -> str:
        """A sentence of the catalogue in this person's language; HTML."""
        return self.desk.texts.say(self.language, key, **values)

    def toast(self, key: str, *, alert: bool = False, **values: object) -> Toast:
        """A sentence for the one who pressed."""
        return Toast(plain(self.say(key, **values)), alert=alert)

    def command(self, name: str) -> str:
        """A command as this chat must type it: in a group it names us."""
        return f"/{name}" if self.private else f"/{name}@{self.username}"

    def key_of_words(self, kind: str) -> str:
        """The same for the same words of one message; what is mended later is said anew."""
        return f"{kind}:{self.chat_id}:{self.message_id}:{crc32(self.words.encode()):08x}"

    def refresh_menu(self, person_id: int) -> None:
        """What this person may do has changed: their menu follows, and nobody waits for it."""
        if self.desk.menu is not None:
            self.desk.beside(self.desk.menu(person_id))

    def link(self, payload: str) -> str:
        """The address that opens a private chat with us (core.telegram.org/api/links)."""
        return f"https://t.me/{self.username}?start={payload}"

    def go_private(self) -> None:
        """
        Go on in the private chat of whoever pressed.

        What is whispered in a group is a private matter: an answer to it is not for the group.
        """
        if not self.private:
            self.chat_id, self.private = self.person.id, True
            self.thread_id, self.message_id = None, None

    def reply(self, text: str, keyboard: Keyboard | None = None) -> Reply:
        """A message to this chat; in a group it answers the one that was written."""
        return Reply(
            chat_id=self.chat_id,
            thread_id=self.thread_id,
            reply_to=None if self.private else self.message_id,
            text=text,
            keyboard=keyboard,
        )

    def closing(self, *replies: Reply) -> Closing:
        """The end of this update; whoever asks for it commits it."""
        self.closed = True
        return Closing(update_id=self.update_id, replies=replies)

    def closing_with(self, *notices: NewNotice) -> Closing:
        """The end of this update, with messages that are made when their turn comes."""
        return replace(self.closing(), notices=notices)

    def answered(self, *replies: Reply) -> Closing:
        """The end of this update and of the question that it answers."""
        return replace(self.closing(*replies), answers=(self.chat_id, self.person.id))

    async def answer(self, text: str, keyboard: Keyboard | None = None) -> None:
        """Say one thing, and that was all."""
        await self.core.post.say(self.closing(self.reply(text, keyboard)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A press of one of our own buttons about a payment, by somebody who may."""

    turn: Turn
    view: PaymentView
    button: str  # what takes it, where it may have one effect only
    argument: str = ""  # what else the button carries


@dataclass(frozen=True, slots=True, kw_only=True)
class DeedPress:
    """
    A press of a button about a drive, an invoice or a merchant.

    By somebody whom the button itself does not refuse; the handler knows who else may not.
    """

    turn: Turn
    deed: Deed
    button: str
    query_id: str


def language_of(chosen: str | None, telegram_language: str | None) -> str:
    """The language chosen with /language, else Telegram's, else English."""
    if chosen in LANGUAGES:
        return chosen
    spoken = (telegram_language or "").lower().partition("-")[0]
    return spoken if spoken in LANGUAGES else DEFAULT_LANGUAGE


async def open_turn(desk: Desk, update: Update) -> Turn | None:
    """Meet the person behind an update; None when nobody we talk to is behind it."""
    user, chat = update.effective_user, update.effective_chat
    if user is None or chat is None or user.is_bot:
        return None
    private = chat.type == Chat.PRIVATE
    person = await desk.core.people.meet(
        user_id=user.id,
        first_name=user.first_name,
        telegram_language=user.language_code,
        username=user.username,
        private=private,
    )
    message = _message(update)
    place = message if isinstance(message, Message) else None
    topic = place is not None and bool(place.is_topic_message)
    return Turn(
        desk=desk,
        update_id=update.update_id,
        chat_id=chat.id,
        thread_id=place.message_thread_id if topic and place is not None else None,
        message_id=None if message is None else message.message_id,
        private=private,
        person=person,
        language=language_of(person.language, user.language_code),
        message=place,
        edited=update.edited_message is not None,
    )


def _message(update: Update) -> MaybeInaccessibleMessage | None:
    # PTB's own `effective_message` warns where the message under a button is too old to read.
    if update.callback_query is not None:
        return update.callback_query.message
    return update.effective_message
