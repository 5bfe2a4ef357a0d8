"""Read late: words that we read so long after they were written that no prompt is sent for them."""

from __future__ import annotations

from datetime import timedelta

from bot.chat.context import Turn
from bot.chat.invoice_cards import customer_card
from bot.chat.invoices import quill_of
from bot.core.invoices import InvoiceView
from storage.records import Keyboard

__all__ = ["FRESH_FOR", "bill_read_late", "read_late"]

FRESH_FOR = timedelta(minutes=15)
"""Telegram keeps for a day what was written and pressed while we were away; nobody expects a
prompt then."""


async def read_late(turn: Turn, key: str) -> bool:
    """
    Whether these words come too late to send a prompt; *key* is what its payment is known by.

    Never where they have sent it: carried out once more, they must not deny it.
    """
    late = turn.written_at + FRESH_FOR < turn.core.clock.now()
    return late and await turn.core.asking.known(key) is None


async def bill_read_late(turn: Turn, view: InvoiceView) -> None:
    """Nothing is sent for an invoice; that question is over, and here is what a press would pay."""
    when = turn.paper.texts.when(turn.language, turn.written_at)
    text = turn.say("bill.written-late", when=when)
    card = customer_card(quill_of(turn, view))
    # Two, for one message cannot take the key that shares a number away and have buttons.
    replies = (turn.reply(text, Keyboard(remove=True)), turn.reply(card.text, card.keyboard))
    await turn.core.post.say(turn.answered(*replies))
