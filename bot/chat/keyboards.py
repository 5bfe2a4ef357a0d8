"""Keyboards: the buttons under a message, named from the catalogues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.core.payees import payee_of
from bot.core.ports import Collector
from bot.texts import Texts, kes, plain
from storage.records import Button, Deed, Keyboard, Payment, PaymentView

__all__ = [
    "Action",
    "Stationery",
    "action_buttons",
    "copy_button",
    "keyboard",
    "share_number",
]

PER_ROW = 2
COPY_CHARS_MAX = 256  # Telegram's limit for what a button copies


class Action(StrEnum):
    """What a button about a payment does."""

    AGAIN = "again"  # ask the same phone for the same amount once more
    UNSEEN = "unseen"  # "no prompt came": the same, once the first one can be gone
    CHECK = "check"  # ask Safaricom now
    BYHAND = "byhand"  # how to pay without a prompt
    CLAIM = "claim"  # "I have paid": paste the M-PESA message
    PAPER = "paper"  # the receipt as a PDF
    WHY = "why"  # groups: tell the one who asked, alone, why it was not paid


STYLES = {Action.AGAIN: "primary", Action.CHECK: "primary"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stationery:
    """What every card is written with."""

    texts: Texts
    collector: Collector
    username: str  # the bot's, without the @
    inline: bool = False  # it may be asked in any chat
    collectors: Mapping[str, Collector] = field(default_factory=dict)  # of further accounts

    def paid_to(self, payment: Payment) -> Collector:
        """Who this payment is paid to."""
        return payee_of({"": self.collector, **self.collectors}, payment.account)


def action_buttons(
    actions: Iterable[Action], view: PaymentView, paper: Stationery
) -> tuple[Button, ...]:
    """One button per action, in the language of the payment, for the one who asked for it."""
    language = view.intent.language
    values = {
        "amount": kes(view.payment.amount_kes),
        "kind": plain(paper.texts.say(language, f"kind.{paper.paid_to(view.payment).kind}")),
    }
    return tuple(
        Button(
            label=plain(paper.texts.say(language, f"button.{action}", **values)),
            does=Deed(action=action, subject=view.payment.id, owner=view.intent.asked_by),
            style=STYLES.get(action),
        )
        for action in actions
    )


def copy_button(text: str) -> Button:
    """A button that copies *text*, which is also what it says."""
    assert 0 < len(text) <= COPY_CHARS_MAX, "Telegram refuses to copy more"
    return Button(label=f"📋 {text}", copy=text)


def keyboard(buttons: Iterable[Button]) -> Keyboard | None:
    """Buttons in rows of two, the first one first; None without any."""
    row = tuple(buttons)
    if not row:
        return None
    starts = range(0, len(row), PER_ROW)
    return Keyboard(rows=tuple(row[start : start + PER_ROW] for start in starts))


def share_number(texts: Texts, language: str) -> Keyboard:
    """The key that shares one's own number; Telegram allows it in private chats only."""
    return Keyboard(ask_contact=plain(texts.say(language, "button.share-number")))
