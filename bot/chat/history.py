"""History: `/status`, `/history` and `/receipt`: what became of one's own payments."""

from __future__ import annotations

import re

from bot.chat.cards import history_line, receipt_card
from bot.chat.context import Turn
from storage.records import PaymentView, Status

__all__ = ["history", "receipt", "status"]

RECEIPT = re.compile(r"[A-Z0-9]{10}")
LATEST = 3
LISTED = 10


async def status(turn: Turn) -> None:
    """The latest payments one asked for; in a group, those asked for in it."""
    chat_id = None if turn.private else turn.chat_id
    views = await turn.core.books.latest(person_id=turn.person.id, chat_id=chat_id, limit=LATEST)
    await turn.answer(_listed(turn, "list.latest", views))


async def history(turn: Turn) -> None:
    """The last ten payments one asked for."""
    views = await turn.core.books.history(turn.person.id, limit=LISTED)
    await turn.answer(_listed(turn, "list.history", views))


async def receipt(turn: Turn) -> None:
    """
    One paid payment by its M-Pesa code: one's own, or any for an operator.

    Somebody else's is "not among yours", like one that does not exist: codes are not for trying.
    """
    code = "".join(turn.words.split()).upper()
    if not RECEIPT.fullmatch(code):
        await turn.answer(turn.say("receipt.which", receipt=turn.command("receipt")))
        return
    view = await turn.core.books.by_receipt(code)
    if view is None or not _may_see(turn, view):
        await turn.answer(turn.say("receipt.not-yours", code=code))
        return
    card = receipt_card(view, turn.paper)
    await turn.answer(card.text, card.keyboard)


def _may_see(turn: Turn, view: PaymentView) -> bool:
    paid = view.payment.status is Status.PAID
    return paid and (turn.is_operator or view.intent.asked_by == turn.person.id)


def _listed(turn: Turn, title_key: str, views: list[PaymentView]) -> str:
    if not views:
        return turn.say("list.none", pay=turn.command("pay"))
    lines = [
        history_line(view, turn.paper.texts, language=turn.language, private=turn.private)
        for view in views
    ]
    return "\n".join([turn.say(title_key), *lines])
