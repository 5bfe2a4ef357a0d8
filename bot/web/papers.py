"""Papers on the web: the invoice of a page as PDF, to keep or to print, and its code."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiohttp import web

from bot.core.invoices import InvoicePage
from bot.documents.invoice import invoice_pdf
from bot.documents.invoice_of import invoice_of
from bot.documents.qr import qr_svg
from bot.documents.words import Words
from bot.web.callbacks import not_found
from bot.web.rendering import PAGE_HEADERS, Reader, code_in
from bot.web.seats import Gate, NoSeat, Rates
from bot.web.site import WITHIN, Site

__all__ = ["InvoiceCode", "InvoicePaper"]

A_MINUTE = 6  # papers for one address: each is tens of milliseconds of work


class Invoices(Protocol):
    """Finds what the link is of: `bot.core.invoices.Invoices`."""

    async def page_view(self, code: str) -> InvoicePage | None: ...


class Merchants(Protocol):
    """Knows their logos: `bot.core.merchants.Merchants`."""

    async def logo(self, merchant_id: int) -> bytes | None: ...


class InvoiceCode:
    """`GET /i/<code>/qr.svg`: the address of the page, for the camera of another phone."""

    def __init__(self, site: Site, invoices: Invoices) -> None:
        self._site = site
        self._invoices = invoices

    async def get(self, request: web.Request) -> web.StreamResponse:
        async with self._site.reads.turn():
            found = await self._invoices.page_view(code_in(request))
        if found is None:
            return not_found()
        address = self._site.press.public_url + request.path.removesuffix("/qr.svg")
        return web.Response(
            body=qr_svg(address), content_type="image/svg+xml", headers=PAGE_HEADERS
        )


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
        drawn = invoice_of(
            page.view,
            page.collector,
            logo=logo,
            pay_url=self._site.press.public_url + reader.path,
            made_at=self._site.clock.now(),
        )
        async with self._drawing.turn():
            content = await asyncio.to_thread(invoice_pdf, drawn, words)
        name = f'attachment; filename="{page.view.invoice.label}.pdf"'
        return web.Response(
            body=content,
            content_type="application/pdf",
            headers={**PAGE_HEADERS, "Content-Disposition": name},
        )
