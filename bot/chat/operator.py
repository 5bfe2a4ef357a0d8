"""Operator: `/pending`: the payments that no machine can decide, and what to look them up by."""

from __future__ import annotations

from bot.chat.cards import pending_card
from bot.chat.context import Turn

__all__ = ["pending"]

SHOWN = 5


async def pending(turn: Turn) -> None:
    """The oldest undecided payments, one message each; whole numbers, so in private only."""
    total, items = await turn.core.books.pending(by=turn.person.id, limit=SHOWN)
    if not items:
        await turn.answer(turn.say("pending.none"))
        return
    title = turn.say("pending.title", total=total, shown=len(items))
    cards = [pending_card(item, turn.paper, language=turn.language) for item in items]
    replies = [turn.reply(title), *(turn.reply(card.text, card.keyboard) for card in cards)]
    await turn.core.post.say(turn.closing(*replies))
