"""Asides: what is said in somebody's private chat, or kept from the group, wherever they are."""

from __future__ import annotations

import logging

from telegram.error import BadRequest, TelegramError

from bot.chat.context import COURTESY_S, DeedPress, Toast, Turn
from bot.chat.outcomes import standing
from bot.texts import plain
from storage.records import Button, Closing, Keyboard, Reply

log = logging.getLogger(__name__)

TOO_OLD = "query is too old"

__all__ = [
    "answered_in_time",
    "aside",
    "aside_reply",
    "button",
    "door",
    "hide_number",
    "invite",
    "key_of_press",
    "leads_in_private",
    "pressed_before",
]

INVITED_FOR_S = 600
"""A group is told no more often than that that one may come to the private chat."""


def aside_reply(turn: Turn, text: str, keyboard: Keyboard | None = None) -> Reply:
    """A message to the private chat of whoever speaks."""
    return Reply(chat_id=turn.person.id, text=text, keyboard=keyboard)


async def aside(turn: Turn, text: str, keyboard: Keyboard | None = None) -> None:
    """Say one thing in private, and that was all."""
    await turn.core.post.say(turn.closing(aside_reply(turn, text, keyboard)))


def leads_in_private(turn: Turn) -> bool:
    """Whether we may write to whoever speaks in private."""
    return turn.private or turn.person.reachable


def door(turn: Turn, payload: str) -> Toast:
    """A press that opens our private chat, where it goes on."""
    return Toast(url=turn.link(payload))


def button(turn: Turn, key: str, payload: str) -> Keyboard:
    """A link that opens our private chat."""
    return Keyboard(rows=((Button(label=plain(turn.say(key)), url=turn.link(payload)),),))


async def invite(turn: Turn, text: str, payload: str, *, once_as: str) -> None:
    """
    Tell the group how to come to the private chat: one line in ten minutes, whoever asked.

    Five hundred people who all write `/give` at once must not fill their group.
    """
    window = int(turn.core.clock.now().timestamp()) // INVITED_FOR_S
    reply = Reply(
        chat_id=turn.chat_id,
        thread_id=turn.thread_id,
        text=text,
        keyboard=button(turn, "drive.button.open", payload),
        quiet=True,
    )
    closing = turn.closing(reply)
    once = Closing(
        update_id=closing.update_id,
        replies=closing.replies,
        once_as=f"invite:{turn.chat_id}:{once_as}:{window}",
    )
    await turn.core.post.say(once)


async def answered_in_time(press: DeedPress, text: str) -> bool:
    """
    Answer the press before anything is sent: False if Telegram says that it is an old one.

    It dates no press, and brings those that were made while we were away.
    """
    try:
        await press.turn.desk.bot.answer_callback_query(
            press.query_id, text, read_timeout=COURTESY_S
        )
    except BadRequest as exc:
        return TOO_OLD not in exc.message.lower()
    except TelegramError as exc:
        log.info("press.not_answered why=%s", exc.message)
    return True


def key_of_press(turn: Turn) -> str:
    """What a payment that is opened by this press is known by."""
    return f"u:{turn.update_id}"


async def pressed_before(turn: Turn) -> Toast | None:
    """
    Where this very press has opened a payment: what became of that. To be asked first of all.

    A press is carried out once more where we were cut off, or could not see that its commit had
    happened. By then it is answered, so Telegram calls it old, and "I sent nothing" would be wrong.
    """
    payment = await turn.core.asking.known(key_of_press(turn))
    return None if payment is None else turn.toast(f"toast.pressed.{standing(payment)}")


async def hide_number(turn: Turn, message_id: int) -> None:
    """Take a typed number out of a group, if we may; its prompt is on its way either way."""
    try:
        await turn.desk.bot.delete_message(turn.chat_id, message_id, read_timeout=COURTESY_S)
    except TelegramError as exc:
        log.info("number.not_hidden why=%s", exc.message)
