"""Invoice papers: invoices and receipts as PDF, made in a thread when their turn comes."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from bot.chat.invoice_cards import Quill, invoice_link
from bot.chat.keyboards import Stationery
from bot.core.bills import Standing, item_cents
from bot.core.core import Core
from bot.core.eat import day_of
from bot.core.receipts import ReceiptView
from bot.documents import invoice as paper
from bot.documents import receipt as slip
from bot.documents.words import Words
from storage.records import Document, Notice, Reply, Word

__all__ = ["about_payment", "invoice_paper"]

STATES = {
    Standing.DRAFT: paper.InvoiceState.DRAFT,
    Standing.PAID: paper.InvoiceState.PAID,
    Standing.OVERPAID: paper.InvoiceState.OVERPAID,
    Standing.VOID: paper.InvoiceState.VOID,
    Standing.WRITTEN_OFF: paper.InvoiceState.WRITTEN_OFF,
}


async def invoice_paper(core: Core, quill: Quill, *, chat_id: int) -> Reply:
    """The invoice as it stands now, in the language of its merchant's papers."""
    view = quill.view
    invoice, bill = view.invoice, view.invoice.bill
    collector = core.invoices.collector(invoice.account)
    amounts = view.amounts
    now = core.clock.now()
    words = Words(quill.paper.texts, invoice.language)
    page = paper.Invoice(
        number=invoice.label,
        revision=invoice.shown_revision,
        state=STATES.get(view.standing, paper.InvoiceState.OPEN),
        merchant=view.merchant.name,
        logo=await core.merchants.logo(invoice.merchant_id),
        kra_pin=view.merchant.kra_pin,
        customer=bill.customer,
        issued_on=day_of(invoice.issued_at or invoice.created_at),
        due_on=invoice.due_on,
        items=tuple(
            paper.Item(
                what=each.what,
                quantity=Decimal(each.quantity_milli).scaleb(-3),
                price_cents=each.price_cents,
                amount_cents=item_cents(each),
            )
            for each in bill.items
        ),
        vat=paper.VatMode(bill.vat.value),
        vat_percent=Decimal(bill.vat_bp).scaleb(-2),
        net_cents=amounts.net_cents,
        vat_cents=amounts.vat_cents,
        total_cents=amounts.total_cents,
        paid_cents=view.sums.paid_cents,
        note=bill.note,
        etims=None
        if invoice.etims is None
        else paper.Etims(number=invoice.etims.number, qr_text=invoice.etims.qr_text),
        pay_url=invoice_link(quill.paper.username, invoice.code),
        by_hand=paper.ByHand(
            till=collector.kind == "till", number=collector.number, account=invoice.by_hand_ref
        ),
        made_at=now,
        practice=collector.practice,
    )
    content = await asyncio.to_thread(paper.invoice_pdf, page, words)
    return Reply(
        chat_id=chat_id,
        text=quill.say("paper.sent"),
        document=Document(filename=f"{invoice.label}.pdf", content=content),
    )


async def about_payment(core: Core, stationery: Stationery, notice: Notice) -> Reply | None:
    """The receipt of one payment; None if it is not paid any more."""
    view = await core.receipts.of((notice.subject or "").partition(":")[2])
    if view is None:
        return None
    words = Words(stationery.texts, view.intent.language)
    logo = None if view.merchant is None else await core.merchants.logo(view.merchant.id)
    content = await asyncio.to_thread(slip.receipt_pdf, _slip(core, view, logo), words)
    name = view.payment.receipt or view.payment.push_ref
    return Reply(
        chat_id=notice.chat_id,
        text=stationery.texts.say(view.intent.language, "paper.receipt-sent"),
        document=Document(filename=f"receipt-{name}.pdf", content=content),
    )


def _slip(core: Core, view: ReceiptView, logo: bytes | None) -> slip.Receipt:
    payment = view.payment
    at = payment.paid_at or payment.decided_at or payment.created_at
    credited = payment.credited_cents or 0
    gone = (
        (slip.Reversal(cents=credited, at=payment.decided_at or at, receipt=None),)
        if view.reversed
        else ()
    )
    by_hand = Word.BY_HAND in payment.words
    return slip.Receipt(
        collector=view.payee,
        payer=payment.phone_mask,
        amount_cents=credited,
        method=slip.Method.BY_HAND if by_hand else slip.Method.MPESA,
        receipt=payment.receipt,
        paid_at=at,
        made_at=core.clock.now(),
        account=payment.push_ref,
        what_for=view.intent.note,
        page_url=core.receipts.page_url(payment.id),
        logo=logo,
        kra_pin=None if view.merchant is None else view.merchant.kra_pin,
        late=Word.LATE in payment.words,
        reversals=gone,
        practice=view.collector.practice,
    )
