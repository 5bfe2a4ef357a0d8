"""Talk: a customer and a merchant write to each other about an invoice, by answering messages."""

from __future__ import annotations

from telegram import Message

from bot.chat.bills import ask_merchant
from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.invoice_edits import answer
from bot.chat.invoices import refused
from bot.core.buttons import Verdict
from bot.core.invoice_acts import No
from bot.texts import plain
from storage.records import Deed

__all__ = ["ANSWER", "decide", "replied"]

ANSWER = "answer:"
"""How the argument of the button begins that answers a customer; the entry's id follows."""


async def replied(turn: Turn, message: Message) -> bool:
    """
    Words in answer to a message of ours that has such a button; True if they were carried on.

    Telegram shows us the buttons of the message that is answered: what they do says which
    invoice is meant, and whether this person may.
    """
    for data in _data_of(message.reply_to_message):
        look = await turn.core.buttons.look(data, by=turn.person.id, chat_id=turn.chat_id)
        if look.verdict is not Verdict.GOOD or look.shown is None:
            continue
        if await _carried(turn, look.shown.deed):
            return True
    return False


async def _carried(turn: Turn, deed: Deed) -> bool:
    if deed.action == "inv-ask" and deed.argument.startswith(ANSWER):
        await answer(turn, deed.subject, int(deed.argument.removeprefix(ANSWER)))
        return True
    if deed.action != "bill-question" or await _asked_something(turn):
        return False
    await ask_merchant(turn, deed.subject)
    return True


async def _asked_something(turn: Turn) -> bool:
    """Whether words are awaited anyway: then they are the answer to that, or to nothing."""
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    return draft is not None


def _data_of(above: Message | None) -> list[str]:
    markup = None if above is None else above.reply_markup
    rows = () if markup is None else markup.inline_keyboard
    return [
        button.callback_data
        for row in rows
        for button in row
        if isinstance(button.callback_data, str)
    ]


async def decide(press: DeedPress) -> Toast:
    """After "not mine": it is theirs all the same, or goes to somebody else."""
    turn = press.turn
    said = await turn.core.invoice_talk.decide(
        press.deed.subject,
        theirs=press.deed.argument == "theirs",
        by=turn.person.id,
        closing=turn.closing(),
    )
    if isinstance(said, No):
        turn.closed = False
        return Toast(plain(refused(turn, said)), alert=True)
    key = f"toast.{press.deed.argument}"
    if press.deed.argument == "theirs" and said.view.invoice.customer_id is None:
        key = "toast.theirs-no-chat"
    return turn.toast(key, alert=True)
