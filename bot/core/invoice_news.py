"""
News of invoices: who is owed which message when something has come for one.

Each message has a key of its own, so looking twice says nothing twice: what was paid is told
once for each payment, and what was paid too much once for each sum that came and that is left.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.core.bills import SHILLING, excess_cents
from bot.core.eat import at_eat, day_of
from bot.core.given_back import count_once, sums_of
from bot.core.ports import Clock
from storage.records import (
    Decided,
    Intent,
    Invoice,
    InvoiceEntry,
    InvoiceEntryKind,
    NewNotice,
    NoticeKind,
    Payment,
    Status,
    Word,
)
from storage.tx import Tx

__all__ = ["InvoiceNews", "ask_anew", "card", "cards_of", "news"]

PAYMENTS_MAX = 500
ASK_HOUR = 9  # East Africa Time


class InvoiceNews:
    """Looks at an invoice whose money has moved; see `bot/core/touched.py`."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    async def look(self, tx: Tx, subject: str) -> None:
        """Owe the news of what has come since, and have every card of it told anew."""
        invoice = await tx.invoices.lock(subject.partition(":")[2])
        if invoice is None:
            return
        now = self._clock.now()
        await count_once(tx, invoice, now)
        found = await tx.invoices.payments(invoice.id, limit=PAYMENTS_MAX)
        owed: list[NewNotice] = []
        for payment in found:
            if payment.status is Status.PAID:
                owed += await self._paid(tx, invoice, payment)
        for entry in await tx.invoices.entries(invoice.id, InvoiceEntryKind.CASH):
            owed += self._cash(invoice, entry)
        for entry in await tx.invoices.entries(invoice.id, InvoiceEntryKind.WENT_BACK):
            owed.append(news(invoice, f"{entry.kind}:{entry.id}", chat_id=invoice.merchant_id))
        credited = await tx.invoices.credited(invoice.id)
        sums = await sums_of(tx, invoice, credited)
        if excess_cents(invoice, sums) >= SHILLING:
            # The same sum may be too much again: more has come by then, or more was said of it.
            came_cents = sum(each.arrived_cents for each in credited)
            topic = f"overpaid:{came_cents}:{sums.paid_cents}"
            topic += f":{sums.excess_words}" if sums.excess_words else ""
            owed.append(news(invoice, topic, chat_id=invoice.merchant_id))
        await tx.notices.owe([*owed, *await cards_of(tx, invoice)], now=now)

    async def _paid(self, tx: Tx, invoice: Invoice, payment: Payment) -> list[NewNotice]:
        reversed_ = Word.REVERSED in payment.words
        topic = f"{'reversed' if reversed_ else 'paid'}:{payment.id}"
        if reversed_ and payment.credited_cents:
            topic += f":{payment.reversed_cents}"  # of two parts that went back, both are told
        theirs = news(invoice, topic, chat_id=invoice.merchant_id)
        if reversed_ and not await tx.notices.known(theirs.key):
            await ask_anew(tx, invoice, self._clock.now())
        owed = [theirs]
        intent = await tx.payments.intent(payment.intent_id)
        # Whoever asked reads it in the status message of the payment.
        told = (intent.chat_id, invoice.merchant_id)
        others = [each for each in await tx.invoices.readers(invoice.id) if each not in told]
        owed += [news(invoice, topic, chat_id=each) for each in others]
        return owed if reversed_ else [*owed, _paper(payment, intent)]

    def _cash(self, invoice: Invoice, entry: InvoiceEntry) -> list[NewNotice]:
        if invoice.customer_id in (None, invoice.merchant_id):
            return []
        return [news(invoice, f"cash:{entry.id}", chat_id=invoice.customer_id)]


async def ask_anew(tx: Tx, invoice: Invoice, now: datetime) -> None:
    """
    Money went out of it again: its merchant is asked about it once more if it is late then.

    While it was paid there was nothing to ask. In the morning, for of this they hear at once.
    """
    if invoice.decided is Decided.ISSUED and invoice.ask_at is None:
        day = max(invoice.due_on, day_of(now)) + timedelta(days=1)
        await tx.invoices.change(invoice.id, ask_at=at_eat(day, hour=ASK_HOUR))


def _paper(payment: Payment, intent: Intent) -> NewNotice:
    """The receipt as a file, for whoever paid; nobody on a page has a chat to send it to."""
    return NewNotice(
        key=f"p:{payment.id}:receipt",
        kind=NoticeKind.NEWS,
        chat_id=intent.chat_id,
        subject=f"p:{payment.id}",
        topic="receipt",
    )


def news(
    invoice: Invoice, topic: str, *, chat_id: int | None, not_before: datetime | None = None
) -> NewNotice:
    """One new message about an invoice, told once under its topic."""
    return NewNotice(
        key=f"i:{invoice.id}:{topic}:{chat_id}"[:96],
        kind=NoticeKind.NEWS,
        chat_id=chat_id,
        subject=invoice.subject,
        topic=topic,
        not_before=not_before,
    )


async def cards_of(tx: Tx, invoice: Invoice) -> list[NewNotice]:
    """Every message that shows this invoice, to be told as it stands now."""
    readers = [] if invoice.decided is Decided.DRAFT else await tx.invoices.readers(invoice.id)
    others = [reader for reader in readers if reader != invoice.merchant_id]
    return [
        card(invoice, invoice.merchant_id, "merchant"),
        *(card(invoice, reader, "customer") for reader in others),
    ]


def card(invoice: Invoice, chat_id: int, topic: str) -> NewNotice:
    """The one message of an invoice in a chat, for its merchant or for a customer."""
    return NewNotice(
        key=f"i:{invoice.id}:card:{chat_id}",
        kind=NoticeKind.CARD,
        chat_id=chat_id,
        subject=invoice.subject,
        topic=topic,
    )
