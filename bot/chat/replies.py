"""Replies: whether words that answer a message of ours answer the question that is open."""

from __future__ import annotations

from telegram import Message

from bot.chat.context import Turn
from storage.records import Draft

__all__ = ["is_for"]


async def is_for(turn: Turn, message: Message, draft: Draft) -> bool:
    """
    Whether these words are for the open question.

    Whoever just types answers the newest question; whoever replies to a message of ours answers
    that message. It must be the question, the message whose button led to it, or what we said
    later about a first answer: else the words are about something else, and its money.
    """
    above = message.reply_to_message
    author = None if above is None else above.from_user
    if above is None or author is None or author.id != turn.desk.bot.id:
        return True
    if above.message_id == draft.message_id:
        return True
    asked = await turn.core.people.question_of(draft)
    if asked is None:
        return False  # what nobody has seen cannot be what they replied to
    # Numbers in a chat only grow; and what has buttons is about what they do.
    later = above.message_id > asked and above.reply_markup is None
    return above.message_id == asked or later
