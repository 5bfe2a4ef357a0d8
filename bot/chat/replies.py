"""Replies: whether words answer the question that is open, or an older one, or none any more."""

from __future__ import annotations

from telegram import Message, MessageEntity

from bot.chat.context import Turn
from bot.texts import plain
from storage.records import Draft

__all__ = ["is_for", "mended"]

LINKS = (MessageEntity.URL, MessageEntity.TEXT_LINK)


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
    # An older version did not keep by what it asked.
    if draft.asked_as is None or above.message_id == draft.message_id:
        return True
    if above.reply_markup is None and await _is_copy(turn, above, draft):
        return True
    asked = await turn.core.people.question_of(draft)
    if asked is None:
        return False  # what nobody has seen cannot be what they replied to
    # Numbers in a chat only grow; and what has buttons is about what they do.
    later = above.message_id > asked and above.reply_markup is None
    return above.message_id == asked or later


async def _is_copy(turn: Turn, above: Message, draft: Draft) -> bool:
    """Whether it is the same question, sent more than once as nobody knew that it had arrived."""
    copies = await turn.core.people.copies_of(draft)
    if copies is None:
        return False
    # An older question may have the same words, and stands above what was told since.
    after, said = copies
    return above.message_id > after and (above.text or "").strip() == plain(said.text).strip()


async def mended(turn: Turn, message: Message, *, is_asked: bool) -> None:
    """
    Words that were changed answer no question: what they said first may be in the books by now.

    Nobody changed those whose link has got its preview since, so that is no news.
    """
    has_link = any(each.type in LINKS for each in message.entities)
    if is_asked or (turn.private and not has_link):
        await turn.answer(turn.say("reply.mended"))
