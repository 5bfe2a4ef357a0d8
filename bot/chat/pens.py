"""Pens: sentences and buttons about one payment, in the language it was asked for in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.chat.keyboards import Action, Stationery, action_buttons, keyboard
from bot.texts import clean, kes
from storage.records import IntentKind, Keyboard, Payment, PaymentView

__all__ = ["Card", "Pen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a message says and what can be pressed below it."""

    text: str  # HTML
    keyboard: Keyboard | None = None


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes about one payment."""

    view: PaymentView
    paper: Stationery

    @property
    def payment(self) -> Payment:
        return self.view.payment

    @property
    def private(self) -> bool:
        return self.view.intent.private

    def say(self, key: str, **more: object) -> str:
        """A sentence with what most of them need: amount, phone mask, who is paid, /pay."""
        values: dict[str, object] = {
            "amount": kes(self.payment.amount_kes),
            "phone": self.payment.phone_mask,
            "collector": self.paper.paid_to(self.payment).name,
            "account": self.payment.push_ref,
            # In a group a bare command may be taken by another bot.
            "pay": "/pay" if self.private else f"/pay@{self.paper.username}",
        }
        return self.paper.texts.say(self.view.intent.language, key, **(values | more))

    def card(self, lines: Sequence[str], actions: Sequence[Action]) -> Card:
        """
        A message about an attempt that is not paid.

        To go on is the newer attempt's, if there is one; what may be known of this one stays.
        """
        own = (Action.CHECK, Action.CLAIM)
        pressable = [each for each in actions if each in own or not self.payment.superseded]
        return Card(
            text="\n".join(line for line in lines if line),
            keyboard=keyboard(action_buttons(pressable, self.view, self.paper)),
        )

    def note(self) -> str:
        """What the payment is for, or nothing."""
        if self.view.intent.kind is IntentKind.GIFT:
            return ""  # what it is for stands below, with how the group sees it
        note = clean(self.view.intent.note)
        return self.say("note", note=note) if note else ""
