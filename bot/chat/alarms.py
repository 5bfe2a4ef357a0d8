"""Alarms: what operators are told at once, and what they are given to look a payment up by."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.chat.keyboards import Stationery
from bot.chat.pens import Card
from bot.core.books import PendingItem
from bot.texts import Texts, clean, kes, money
from storage.records import Alarm, Payment, PaymentView

__all__ = ["alarm_card", "payment_facts", "pending_card", "short_id"]

LOOK_FROM = timedelta(minutes=-2)
LOOK_TILL = timedelta(minutes=15)
"""Around the push; a PIN entered on the last second arrives within it, with clocks a bit off."""

SHORT_ID_CHARS = 8


def alarm_card(
    alarm: Alarm,
    view: PaymentView | None,
    paper: Stationery,
    *,
    language: str,
    many: int = 0,
    rang_at: datetime | None = None,
) -> Card:
    """
    One alarm: what happened, what it does to the money, and what to do. Masks only.

    *many*: of how many payments, where it is about some of them together. *rang_at*: when that was,
    where it is told much later.
    """
    texts = paper.texts
    lines = [texts.say(language, f"alarm.{alarm}", many=many)]
    if rang_at is not None:
        lines.append(texts.say(language, "rang-at", when=texts.when(language, rang_at)))
    if view is not None:
        lines.append(payment_facts(view.payment, paper, language=language))
    return Card(text="\n".join(lines))


def payment_facts(payment: Payment, paper: Stationery, *, language: str) -> str:
    """
    One payment in one line, for operators; the number masked.

    What came in another amount, or went back, is said below it: the amount is what was asked for.
    """
    texts = paper.texts
    lines = [
        texts.say(
            language,
            "payment.facts",
            id=short_id(payment.id),
            amount=kes(payment.amount_kes),
            phone=payment.phone_mask,
            account=payment.push_ref,
            status=payment.status,
            when=texts.when(language, payment.created_at),
        )
    ]
    if payment.credited_cents is not None:
        arrived, back = payment.arrived_cents, payment.reversed_cents
        if arrived != payment.amount_kes * 100:
            lines.append(texts.say(language, "payment.arrived", amount=money(arrived)))
        if back:
            left = money(payment.credited_cents)
            lines.append(texts.say(language, "payment.back", amount=money(back), left=left))
    return "\n".join(lines)


def pending_card(item: PendingItem, paper: Stationery, *, language: str) -> Card:
    """
    One undecided payment and what to look for in the M-PESA Org portal.

    Holds the whole phone number: for an operator's private chat, and audited by the core.
    """
    texts, view, payment = paper.texts, item.view, item.view.payment
    begun_at = payment.begun_at or payment.created_at
    lines = [
        texts.say(
            language,
            "pending.item",
            id=short_id(payment.id),
            amount=kes(payment.amount_kes),
            phone=_spaced(item.phone),
            account=payment.push_ref,
            reference=view.intent.by_hand_ref,
            kind=texts.say(language, f"kind.{paper.paid_to(payment).kind}"),
            number=paper.paid_to(payment).number,
            since=texts.when(language, begun_at + LOOK_FROM),
            till=texts.when(language, begun_at + LOOK_TILL),
            status=payment.status,
        ),
        _receipt(texts, language, payment.receipt),
        texts.say(language, "pending.claimed") if view.claimed else "",
        texts.say(language, "note", note=view.intent.note) if clean(view.intent.note) else "",
    ]
    return Card(text="\n".join(line for line in lines if line))


def short_id(payment_id: str) -> str:
    """The random end of an id: enough to find it in the logs."""
    return payment_id[-SHORT_ID_CHARS:]


def _receipt(texts: Texts, language: str, receipt: str | None) -> str:
    return "" if receipt is None else texts.say(language, "pending.receipt", receipt=receipt)


def _spaced(phone: str) -> str:
    """2547… as the portal and people write it: 0712 345 678; a dash where no number was told."""
    return f"0{phone[3:6]} {phone[6:9]} {phone[9:]}" if phone else "–"
