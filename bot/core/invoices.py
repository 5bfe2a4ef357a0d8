"""
Invoices: issued, revised, paid and closed. What is owed is what was billed less what came.

Whether an invoice is paid is never stored: it is added up from paid payments and entries, in
the transaction that needs to know. Whoever has the code of an invoice may see and pay it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.core.ask import Asked, Asking, AskRequest, PageAsk
from bot.core.bills import (
    SHILLING,
    Amounts,
    Standing,
    amounts_of,
    ask_kes,
    excess_cents,
    excess_mark,
    item_cents,
    kept_cents,
    standing,
)
from bot.core.given_back import count_once
from bot.core.invoice_news import card, undone_key
from bot.core.limits import Refusal, RefusalReason
from bot.core.payees import payee_of
from bot.core.people import close
from bot.core.ports import Clock, Collector
from bot.core.restored import restored
from bot.core.turns import AGAIN, PAID, REVERSED
from storage.engine import Store
from storage.records import (
    NOBODY,
    Closing,
    Decided,
    IntentKind,
    Invoice,
    InvoiceEntry,
    InvoiceEntryKind,
    InvoiceSums,
    Merchant,
    Payment,
    Word,
)
from storage.tx import Tx

__all__ = [
    "InvoiceNewsView",
    "InvoicePage",
    "InvoiceView",
    "Invoices",
    "PagePayment",
    "PayInvoice",
    "found_by_code",
    "guard_instalment",
    "instalment_refusal",
    "view_of",
]

CODE_CHARS_MAX = 32
ABOUT_ENTRIES = (
    InvoiceEntryKind.CASH,
    InvoiceEntryKind.CASH_UNDONE,
    InvoiceEntryKind.GIVEN_BACK,
    InvoiceEntryKind.WENT_BACK,
    InvoiceEntryKind.QUESTION,
    InvoiceEntryKind.NOT_MINE,
    InvoiceEntryKind.ANSWER,
    InvoiceEntryKind.THEIRS,
)
"""What news may be about besides money: its topic is one of these and the entry's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice with whose it is and what has come for it, as of one instant."""

    invoice: Invoice
    merchant: Merchant
    sums: InvoiceSums

    @property
    def standing(self) -> Standing:
        return standing(self.invoice, self.sums)

    @property
    def amounts(self) -> Amounts:
        return amounts_of(self.invoice.bill)

    @property
    def line_cents(self) -> tuple[int, ...]:
        """What each item comes to."""
        return tuple(item_cents(each) for each in self.invoice.bill.items)

    @property
    def left_cents(self) -> int:
        """What is still to be paid; nothing when void, written off or overpaid."""
        if self.invoice.decided is not Decided.ISSUED:
            return 0
        return max(0, self.invoice.total_cents - self.sums.paid_cents)

    @property
    def beside_cents(self) -> int:
        """What is left beside what is being made sure of: so much may be asked for."""
        return max(0, self.left_cents - self.sums.waiting_cents)

    @property
    def excess_cents(self) -> int:
        """What was paid too much and neither given back nor agreed to stay."""
        return excess_cents(self.invoice, self.sums)

    @property
    def may_be_paid(self) -> bool:
        """Whether all that is left may have come: M-Pesa says so, and it is being made sure of."""
        return self.left_cents > 0 and not self.beside_cents

    @property
    def kept_cents(self) -> int:
        """What was paid too much and stays with the merchant as agreed."""
        return kept_cents(self.invoice, self.sums)

    @property
    def excess_mark(self) -> str:
        """What a word about the excess names, so that it is about nothing else."""
        return excess_mark(self.invoice, self.sums)

    @property
    def ask_kes(self) -> int:
        """What a prompt for all of it asks for, in whole shillings; 0: it takes no payment now."""
        return ask_kes(self.beside_cents)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceNewsView:
    """An invoice with the one thing that a piece of news is about."""

    view: InvoiceView
    payment: Payment | None = None
    back_cents: int = 0  # of the payment: what had gone back of it when that was news
    entry: InvoiceEntry | None = None
    asked: str = ""  # what the entry answers
    name: str = ""  # who paid, asked or said so


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePayment:
    """Money that came, as anybody with the link may see it."""

    amount_cents: int
    phone_mask: str  # 0712***678
    at: datetime
    reversed: bool  # all of it
    reversed_cents: int = 0  # of the amount, whether all of it or a part


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePage:
    """What somebody who has the link may see. Holds no whole number, and no other invoice."""

    view: InvoiceView
    collector: Collector  # who is paid by hand, with `view.invoice.by_hand_ref` as the account
    payments: tuple[PagePayment, ...]  # paid ones, the oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class PayInvoice:
    """Somebody wants to pay an invoice, or a part of it, from a phone."""

    code: str
    amount_kes: int | None = None  # None: all of `ask_kes`
    phone: str  # 2547…
    ask_key: str  # the same key twice is one payment
    language: str
    asked_by: int = NOBODY
    chat_id: int = NOBODY
    update_id: int | None = None
    page: PageAsk | None = None  # asked for on a public page


class Invoices:
    """Issues invoices, and has them paid."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        asking: Asking,
        collectors: Mapping[str, Collector],
        public_url: str,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._public_url = public_url
        self._clock = clock
        self._asking = asking
        self.collectors = collectors  # by account; "" is [mpesa]
        self._wake = wake

    async def by_code(self, code: str) -> InvoiceView | None:
        """The issued invoice with this code; None for anything else that was typed."""
        async with self._store.read() as tx:
            invoice = await found_by_code(tx, code)
            return None if invoice is None else await view_of(tx, invoice)

    async def news_view(self, invoice_id: str, topic: str) -> InvoiceNewsView | None:
        """The invoice as it is now, with what *topic* names: a payment, or an entry."""
        kind, _, detail = topic.partition(":")
        async with self._store.read() as tx:
            invoice = await tx.invoices.get(invoice_id)
            asks = kind in ("remind", "late")
            if invoice is None or (asks and await restored(tx) is not None):
                return None  # what a backup still owed to somebody: they may have paid since
            if kind == "remind":
                last = await tx.reminders.last_sent(invoice_id)
                if last not in (None, int(detail)):
                    return None  # who let us in again hears the last one, not all at once
            payment, back_cents, entry, asked, who = None, 0, None, "", NOBODY
            if kind in (PAID, REVERSED, AGAIN):
                payment_id, part_cents, *_ = f"{detail}:".split(":")
                payment = await tx.payments.get(payment_id)
                if payment is not None:
                    back_cents = int(part_cents or payment.arrived_cents)
                    who = (await tx.payments.intent(payment.intent_id)).asked_by
            elif kind in ABOUT_ENTRIES:
                entry = await tx.invoices.entry(invoice_id, int(detail))
                if await tx.invoices.entered(undone_key(int(detail))):
                    entry = None  # cash that was taken back before anybody heard of it
                who = NOBODY if entry is None else entry.by
                if entry is not None and entry.answers is not None:
                    said = await tx.invoices.entry(invoice_id, entry.answers)
                    asked = "" if said is None else said.why
            person = None if who == NOBODY else await tx.people.get(who)
            return InvoiceNewsView(
                view=await view_of(tx, invoice),
                payment=payment,
                back_cents=back_cents,
                entry=entry,
                asked=asked,
                name="" if person is None else person.first_name,
            )

    async def page_view(self, code: str) -> InvoicePage | None:
        """The same for the public page, with the money that came and how to pay by hand."""
        view = await self.by_code(code)
        if view is None:
            return None
        async with self._store.read() as tx:
            found = await tx.invoices.credited(view.invoice.id)
        return InvoicePage(
            view=view,
            collector=self.collector(view.invoice.account),
            payments=tuple(_on_page(each) for each in found),
        )

    async def pay(self, request: PayInvoice) -> Asked | Refusal | None:
        """
        Put a prompt on the phone; None if there is no such invoice.

        The guard refuses, in the transaction that would open the payment, whatever is no longer
        owed: an old button, link or page pays nothing twice.
        """
        view = await self.by_code(request.code)
        if view is None:
            return None
        invoice = view.invoice
        # A paid one goes to the guard as well: it is the guard that says why not.
        amount_kes = request.amount_kes or view.ask_kes or 1
        return await self._asking.open(
            AskRequest(
                asked_by=request.asked_by,
                chat_id=request.chat_id,
                thread_id=None,
                reply_to=None,
                private=True,
                language=request.language,
                amount_kes=amount_kes,
                phone=request.phone,
                note=invoice.label,
                ask_key=request.ask_key,
                update_id=request.update_id,
                kind=IntentKind.INSTALMENT,
                subject=invoice.subject,
                label=_prompt_label(invoice),
                account=invoice.account,
                page=request.page,
            )
        )

    async def open(self, code: str, *, person_id: int, closing: Closing) -> InvoiceView | None:
        """
        Show the invoice to somebody who came by its link; None if there is none.

        The first one who opens it, and does not say that it is not theirs, is its customer.
        """
        now = self._clock.now()

        async def run(tx: Tx) -> InvoiceView | None:
            found = await found_by_code(tx, code)
            if found is None:
                return None
            invoice = await tx.invoices.lock(found.id)
            assert invoice is not None, "found a moment ago"
            if person_id != invoice.merchant_id:
                await tx.invoices.opened(invoice.id, person_id, at=now)
                await tx.invoices.disown(invoice.id, person_id, not_mine=False)
                if invoice.customer_id is None:
                    await tx.invoices.change(invoice.id, customer_id=person_id)
            topic = "merchant" if person_id == invoice.merchant_id else "customer"
            shown = card(invoice, person_id, topic)
            await tx.notices.owe([shown], now=now)
            await tx.notices.send_anew(shown.key, now=now)
            await close(tx, closing, self._clock)
            return await view_of(tx, invoice)

        return await self._write(run)

    async def _write(
        self, run: Callable[[Tx], Awaitable[InvoiceView | None]]
    ) -> InvoiceView | None:
        view = await self._store.write(run)
        self._wake()
        return view

    def page_url(self, code: str) -> str:
        """The address of the page for customers without Telegram."""
        return f"{self._public_url}/i/{code}"

    def collector(self, account: str) -> Collector:
        """Who is paid on this account, also if the configuration has lost it."""
        return payee_of(self.collectors, account)


async def guard_instalment(tx: Tx, request: AskRequest, now: datetime) -> RefusalReason | None:
    """
    Whether the invoice still takes this payment; its row stays locked until the commit.

    A payment that comes in at this very moment waits for no lock of ours: two people who pay at
    once have both paid, and the invoice is then called overpaid.
    """
    assert request.subject is not None, "an instalment is of an invoice"
    invoice = await tx.invoices.lock(request.subject.partition(":")[2])
    if invoice is not None and invoice.decided is Decided.ISSUED:
        await count_once(tx, invoice, now)
    return await instalment_refusal(tx, invoice, request)


async def instalment_refusal(
    tx: Tx, invoice: Invoice | None, request: AskRequest | Payment
) -> RefusalReason | None:
    """Why an invoice, as it is here, takes no such payment."""
    if invoice is None or invoice.decided is Decided.DRAFT:
        return RefusalReason.INVOICE_GONE
    if invoice.decided is not Decided.ISSUED:
        return RefusalReason.INVOICE_CLOSED
    sums = await tx.invoices.sums(invoice.id)
    left = invoice.total_cents - sums.paid_cents
    if left <= 0:
        return RefusalReason.INVOICE_PAID
    beside = left - sums.waiting_cents
    if beside <= 0:
        return RefusalReason.INVOICE_WAITING
    if request.amount_kes * SHILLING >= beside + SHILLING:
        return RefusalReason.INVOICE_LESS_LEFT
    return None


async def found_by_code(tx: Tx, code: str) -> Invoice | None:
    """The issued invoice with this code; None for a draft, and for anything else."""
    if not 0 < len(code) <= CODE_CHARS_MAX:
        return None
    invoice = await tx.invoices.by_code(code)
    return None if invoice is None or invoice.decided is Decided.DRAFT else invoice


async def view_of(tx: Tx, invoice: Invoice) -> InvoiceView:
    """The invoice with whose it is and what came for it."""
    merchant = await tx.merchants.get(invoice.merchant_id)
    assert merchant is not None, "a merchant is never taken out of the books"
    return InvoiceView(invoice=invoice, merchant=merchant, sums=await tx.invoices.sums(invoice.id))


def _prompt_label(invoice: Invoice) -> str:
    """How the account on the prompt begins: `INV42`, as far as six characters go."""
    label = f"INV{invoice.number}"
    return label if len(label) <= 6 else "INV"


def _on_page(payment: Payment) -> PagePayment:
    return PagePayment(
        amount_cents=payment.arrived_cents,
        phone_mask=payment.phone_mask,
        at=payment.paid_at or payment.decided_at or payment.created_at,
        reversed=Word.REVERSED in payment.words and not payment.credited_cents,
        reversed_cents=payment.reversed_cents,
    )
