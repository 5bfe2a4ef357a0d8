"""Invoice papers: invoices and receipts as PDF, made in a thread when their turn comes."""

from __future__ import annotations

import asyncio

from markupsafe import Markup

from bot.chat.invoice_cards import Quill, invoice_link
from bot.chat.keyboards import Stationery
from bot.core.core import Core
from bot.core.receipts import ReceiptView
from bot.documents import receipt as slip
from bot.documents.invoice import invoice_pdf
from bot.documents.invoice_of import invoice_of
from bot.documents.qr import qr_png
from bot.documents.words import Words
from storage.records import Document, Notice, Reply, Word

__all__ = ["about_payment", "invoice_code", "invoice_paper"]


async def invoice_paper(core: Core, quill: Quill, *, chat_id: int) -> Reply:
    """The invoice as it stands now, in the language of its merchant's papers."""
    view = quill.view
    invoice = view.invoice
    page = invoice_of(
        view,
        core.invoices.collector(invoice.account),
        logo=await core.merchants.logo(invoice.merchant_id),
        pay_url=invoice_link(quill.paper.username, invoice.code),
        made_at=core.clock.now(),
    )
    words = Words(quill.paper.texts, invoice.language)
    content = await asyncio.to_thread(invoice_pdf, page, words)
    return Reply(
        chat_id=chat_id,
        text=quill.say("paper.sent"),
        document=Document(filename=f"{invoice.label}.pdf", content=content),
    )


async def invoice_code(quill: Quill, *, chat_id: int) -> Reply:
    """The link as a code, for the camera of somebody who stands there."""
    link = invoice_link(quill.paper.username, quill.view.invoice.code)
    content = await asyncio.to_thread(qr_png, link)
    return Reply(
        chat_id=chat_id,
        text=quill.say("paper.qr", page=Markup.escape(quill.page_url)),
        document=Document(filename=f"{quill.view.invoice.label}.png", content=content),
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
    back_cents = payment.reversed_cents
    gone = (
        (slip.Reversal(cents=back_cents, at=payment.decided_at or at, receipt=None),)
        if back_cents
        else ()
    )
    by_hand = Word.BY_HAND in payment.words
    return slip.Receipt(
        collector=view.payee,
        payer=payment.phone_mask,
        amount_cents=payment.arrived_cents,
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
