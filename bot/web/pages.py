"""The public pages: which there are, for people without Telegram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.web.assets import STATIC, serve_asset
from bot.web.drives import DriveNoun, Drives
from bot.web.invoices import InvoiceNoun, Invoices
from bot.web.papers import InvoiceCode, InvoicePaper, Merchants
from bot.web.progress import Progress
from bot.web.prompting import PromptPage
from bot.web.receipts import ReceiptPage, Receipts
from bot.web.site import Site
from bot.web.words import Talk, WordPage

__all__ = ["Pages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages over one site; `mount(app)` adds their routes."""

    site: Site
    drives: Drives
    invoices: Invoices
    talk: Talk
    receipts: Receipts
    merchants: Merchants

    def mount(self, app: web.Application) -> None:
        """Add the routes; the streams end as soon as the server stops."""
        site, progress = self.site, Progress(self.site)
        app.router.add_get(STATIC + "{name}", site.guarded(serve_asset))
        drives = PromptPage(site, DriveNoun(self.drives, site.read_amount), progress)
        invoices = PromptPage(
            site, InvoiceNoun(self.invoices, site.read_amount, site.clock), progress
        )
        self._mount(app, "/d/{code}", drives, progress)
        self._mount(app, "/i/{code}", invoices, progress)
        papers = InvoicePaper(site, self.invoices, self.merchants)
        app.router.add_get("/i/{code}/pdf", site.seated(papers.get), allow_head=False)
        codes = InvoiceCode(site, self.invoices)
        app.router.add_get("/i/{code}/qr.svg", site.seated(codes.get), allow_head=False)
        words = WordPage(site, self.invoices, self.talk)
        app.router.add_get("/i/{code}/word", site.seated(words.get))
        app.router.add_post("/i/{code}/word", site.seated(words.post))
        app.router.add_get("/i/{code}/word/sent", site.seated(words.sent))
        receipts = ReceiptPage(site, self.receipts)
        app.router.add_get("/r/{code}", site.seated(receipts.get))
        app.on_shutdown.append(self._stop)

    def _mount(
        self, app: web.Application, path: str, page: PromptPage[Any], progress: Progress
    ) -> None:
        site = self.site
        app.router.add_get(path, site.seated(page.get))
        app.router.add_post(path, site.seated(page.post))
        app.router.add_get(f"{path}/live", site.guarded(page.live), allow_head=False)
        app.router.add_get(path + "/p/{address}", site.seated(progress.get))
        app.router.add_get(
            path + "/p/{address}/live", site.guarded(progress.live), allow_head=False
        )

    async def _stop(self, app: web.Application) -> None:
        self.site.live.close()
