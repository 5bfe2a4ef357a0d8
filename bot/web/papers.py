"""Papers on the web: `GET /i/<code>/pdf`, the invoice of a page to keep or to print."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Protocol

from aiohttp import web

from bot.core.bills import Standing, item_cents
from bot.core.invoices import InvoicePage
from bot.documents import invoice as paper
from bot.documents.words import Words
from bot.texts import EAT
from bot.web.callbacks import not_found
from bot.web.rendering import PAGE_HEADERS, Reader, code_in
from bot.web.seats import Gate, NoSeat, Rates
from bot.web.site import WITHIN, Site
from storage.records import Decided

__all__ = ["InvoicePaper"]

A_MINUTE = 6  # papers for one address: each is tens of milliseconds of work

STATES = {
    Standing.PAID: paper.InvoiceState.PAID,
    Standing.OVERPAID: paper.InvoiceState.OVERPAID,
    Standing.VOID: paper.InvoiceState.VOID,
    Standing.WRITTEN_OFF: paper.InvoiceState.WRITTEN_OFF,
}


class Invoices(Protocol):
    """Finds what the link is of: `bot.core.invoices.Invoices`."""

    async def page_view(self, code: str) -> InvoicePage | None: ...


class Merchants(Protocol):
    """Knows their logos: `bot.core.merchants.Merchants`."""

    async def logo(self, merchant_id: int) -> bytes | None: ...


class InvoicePaper:
    """An invoice as PDF, as it stands now; drawn one at a time, beside everything else."""

    def __init__(self, site: Site, invoices: Invoices, merchants: Merchants) -> None:
        self._site = site
        self._invoices = invoices
        self._merchants = merchants
        self._rates = Rates(count=A_MINUTE, within=WITHIN)
        self._drawing = Gate(1)

    async def get(self, request: web.Request) -> web.StreamResponse:
        reader = Reader.of(request, path=request.path.removesuffix("/pdf"))
        async with self._site.reads.turn():
            page = await self._invoices.page_view(code_in(request))
            if page is None:
                return not_found()
            logo = await self._merchants.logo(page.view.invoice.merchant_id)
        try:
            self._rates.take(self._site.address(request), self._site.clock.now())
        except NoSeat:
            return self._site.problem(reader, "page.too-often", status=429)
        words = Words(self._site.press.texts, reader.language)
        drawn = self._paper(page, logo, self._site.press.public_url + reader.path)
        async with self._drawing.turn():
            content = await asyncio.to_thread(paper.invoice_pdf, drawn, words)
        name = f'attachment; filename="{page.view.invoice.label}.pdf"'
        return web.Response(
            body=content,
            content_type="application/pdf",
            headers={**PAGE_HEADERS, "Content-Disposition": name},
        )

    def _paper(self, page: InvoicePage, logo: bytes | None, address: str) -> paper.Invoice:
        view, collector = page.view, page.collector
        invoice, bill, amounts = view.invoice, view.invoice.bill, view.amounts
        payable = invoice.decided is Decided.ISSUED
        return paper.Invoice(
            number=invoice.label,
            revision=invoice.revision,
            state=STATES.get(view.standing, paper.InvoiceState.OPEN),
            merchant=view.merchant.name or collector.name,
            logo=logo,
            kra_pin=view.merchant.kra_pin,
            customer=bill.customer,
            issued_on=(invoice.issued_at or invoice.created_at).astimezone(EAT).date(),
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
            pay_url=address if payable else None,
            by_hand=paper.ByHand(
                till=collector.kind == "till",
                number=collector.number,
                account=invoice.by_hand_ref,
            ),
            made_at=self._site.clock.now(),
            practice=collector.practice,
        )
