"""
News of invoices: who is owed which message when something has come for one.

Each message has a key of its own, so looking twice says nothing twice: what was paid is told
once for each payment, and what was paid too much once for each sum that came and that is left.
Whoever opens an invoice reads on it what has come so far, and is told only of what comes after.
Where its merchant was forgotten, operators hear of its money: nobody else is left who would.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256

from bot.core.bills import SHILLING, excess_cents
from bot.core.eat import day_of, morning_after
from bot.core.given_back import count_once, sums_of
from bot.core.people import is_forgotten
from bot.core.ports import Clock
from bot.core.turns import AGAIN, REVERSED, topics_of, untold
from storage.records import (
    NOBODY,
    Decided,
    Intent,
    Invoice,
    InvoiceEntryKind,
    NewNotice,
    NoticeKind,
    Payment,
)
from storage.tx import Tx

__all__ = [
    "InvoiceNews",
    "ask_anew",
    "card",
    "cards_of",
    "news",
    "tell_given_back",
    "tell_undone",
    "undone_key",
]

KEY_CHARS_MAX = 96
DIGEST_CHARS = 32


class InvoiceNews:
    """Looks at an invoice whose money has moved; see `bot/core/touched.py`."""

    def __init__(self, *, clock: Clock, operators: Collection[int] = ()) -> None:
        self._clock = clock
        self._operators = operators

    async def look(self, tx: Tx, subject: str) -> None:
        """Owe the news of what has come since, and have every card of it told anew."""
        invoice = await tx.invoices.lock(subject.partition(":")[2])
        if invoice is None:
            return
        now = self._clock.now()
        await count_once(tx, invoice, now)
        credited = await tx.invoices.credited(invoice.id)
        owed = [*await self._came(tx, invoice, credited), *await self._cash(tx, invoice)]
        owed += [
            news(invoice, f"{each.kind}:{each.id}", chat_id=invoice.merchant_id)
            for each in await tx.invoices.entries(invoice.id, InvoiceEntryKind.WENT_BACK)
        ]
        sums = await sums_of(tx, invoice, credited)
        if excess_cents(invoice, sums) >= SHILLING:
            # The same sum may be too much again: more has come by then, or more was said of it.
            came_cents = sum(each.arrived_cents for each in credited)
            topic = f"overpaid:{came_cents}:{sums.paid_cents}"
            topic += f":{sums.excess_words}" if sums.excess_words else ""
            too_much = news(invoice, topic, chat_id=invoice.merchant_id)
            if any(each.topic.startswith(AGAIN) for each in owed):
                # They were told of it before that money was said to have gone back.
                for each in [too_much, *self._to_operators(invoice, topic)]:
                    await tx.notices.send_anew(each.key, now=now)
            owed.append(too_much)
        owed += await self._instead(tx, invoice, owed)
        await tx.notices.owe([*owed, *await cards_of(tx, invoice)], now=now)

    async def _instead(
        self, tx: Tx, invoice: Invoice, owed: Sequence[NewNotice]
    ) -> list[NewNotice]:
        """
        What operators are owed because a merchant who was forgotten cannot be.

        Not what that merchant was told before: it went on under the name that they have now.
        """
        if not is_forgotten(invoice.merchant_id):
            return []
        theirs = [each for each in owed if each.chat_id == invoice.merchant_id]
        known = await tx.notices.known_of([each.key for each in theirs])
        fresh = [each.topic for each in theirs if each.key not in known]
        return [one for topic in fresh for one in self._to_operators(invoice, topic)]

    def _to_operators(self, invoice: Invoice, topic: str) -> list[NewNotice]:
        if not is_forgotten(invoice.merchant_id):
            return []
        return [news(invoice, topic, chat_id=each) for each in sorted(self._operators)]

    async def _came(self, tx: Tx, invoice: Invoice, credited: Sequence[Payment]) -> list[NewNotice]:
        """
        What came or went back and is news.

        Of what the merchant is owed already, whoever had the invoice then is owed it too.
        """
        topics = await topics_of(tx, credited)
        theirs = {
            topic: news(invoice, topic, chat_id=invoice.merchant_id)
            for turns in topics.values()
            for topic in turns
        }
        known = await tx.notices.known_of([each.key for each in theirs.values()])
        told = {topic for topic, each in theirs.items() if each.key in known}
        owed: list[NewNotice] = []
        for payment in credited:
            topic = untold(topics[payment.id], told)
            if topic is not None:
                owed += await self._paid(tx, invoice, payment, theirs[topic])
        return owed

    async def _paid(
        self, tx: Tx, invoice: Invoice, payment: Payment, theirs: NewNotice
    ) -> list[NewNotice]:
        topic = theirs.topic
        reversed_ = topic.startswith(REVERSED)
        if reversed_:
            await ask_anew(tx, invoice, self._clock.now())
        owed = [theirs]
        intent = await tx.payments.intent(payment.intent_id)
        # Whoever asked reads it in the status message of the payment.
        told = (intent.chat_id, invoice.merchant_id)
        others = [each for each in await tx.invoices.readers(invoice.id) if each not in told]
        owed += [news(invoice, topic, chat_id=each) for each in others]
        return owed if reversed_ else [*owed, _paper(payment, intent)]

    async def _cash(self, tx: Tx, invoice: Invoice) -> list[NewNotice]:
        """Cash that counts, for a customer who had the invoice when it was written down."""
        customer_id = invoice.customer_id
        if customer_id in (None, invoice.merchant_id):
            return []
        kinds = (InvoiceEntryKind.CASH, InvoiceEntryKind.CASH_UNDONE)
        entries = await tx.invoices.entries(invoice.id, *kinds, limit=None)
        undone = {each.key for each in entries}
        return [
            news(invoice, f"cash:{each.id}", chat_id=customer_id)
            for each in entries
            if each.kind is InvoiceEntryKind.CASH
            and undone_key(each.id) not in undone
            and customer_id in await tx.invoices.readers(invoice.id, by=each.at)
        ]


def undone_key(entry_id: int) -> str:
    """Under which an entry of cash is taken back: once."""
    return f"{InvoiceEntryKind.CASH_UNDONE}:{entry_id}"


async def tell_undone(tx: Tx, invoice: Invoice, entry_id: int, now: datetime) -> None:
    """Whoever was told of this cash is told that it does not count."""
    undone = await tx.invoices.entered_as(undone_key(entry_id))
    assert undone is not None, "it was entered a moment ago"
    readers = await tx.invoices.readers(invoice.id)
    heard = {each: news(invoice, f"cash:{entry_id}", chat_id=each).key for each in readers}
    read = await tx.notices.perhaps_read(list(heard.values()))
    topic = f"{undone.kind}:{undone.id}"
    owed = [news(invoice, topic, chat_id=each) for each in readers if heard[each] in read]
    await tx.notices.owe(owed, now=now)


async def tell_given_back(
    tx: Tx, invoice: Invoice, key: str, credited: Sequence[Payment], now: datetime
) -> None:
    """Whoever paid, or has the invoice, is told that money was given back: it may be not so."""
    entry = await tx.invoices.entered_as(key)
    assert entry is not None, "it was entered a moment ago"
    chats = dict.fromkeys(await tx.invoices.readers(invoice.id))
    for payment in credited:
        chats[(await tx.payments.intent(payment.intent_id)).chat_id] = None
    topic = f"{entry.kind}:{entry.id}"
    strangers = (NOBODY, invoice.merchant_id)  # who paid on the page has no chat
    others = [each for each in chats if each not in strangers and not is_forgotten(each)]
    await tx.notices.owe([news(invoice, topic, chat_id=each) for each in others], now=now)


async def ask_anew(tx: Tx, invoice: Invoice, now: datetime) -> None:
    """
    Money went out of it again: its merchant is asked about it once more if it is late then.

    While it was paid there was nothing to ask. In the morning, for of this they hear at once.
    """
    if invoice.decided is Decided.ISSUED and invoice.ask_at is None:
        ask_at = morning_after(max(invoice.due_on, day_of(now)))
        await tx.invoices.change(invoice.id, ask_at=ask_at)


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
        key=_fitting(f"i:{invoice.id}:{topic}:{chat_id}"),
        kind=NoticeKind.NEWS,
        chat_id=chat_id,
        subject=invoice.subject,
        topic=topic,
        not_before=not_before,
    )


def _fitting(key: str) -> str:
    """No longer than a key may be, and no other news's for that."""
    if len(key) <= KEY_CHARS_MAX:
        return key
    return key[: KEY_CHARS_MAX - DIGEST_CHARS] + sha256(key.encode()).hexdigest()[:DIGEST_CHARS]


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
