"""Receipts on the web: `GET /r/<code>`, where anybody finds out whether a paper is true."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from bot.core.receipts import ReceiptView
from bot.web.rendering import Reader
from bot.web.seats import NoSeat
from bot.web.site import Site

__all__ = ["ReceiptPage", "Receipts"]

CODE_CHARS_MAX = 64


class Receipts(Protocol):
    """What the page needs of `bot.core.receipts.Receipts`."""

    async def by_code(self, code: str) -> ReceiptView | None: ...


class ReceiptPage:
    """A receipt as whoever holds its paper may see it."""

    def __init__(self, site: Site, receipts: Receipts) -> None:
        self._site = site
        self._receipts = receipts

    async def get(self, request: web.Request) -> web.StreamResponse:
        reader = Reader.of(request)
        try:
            self._site.lookups.take(self._site.address(request), self._site.clock.now())
        except NoSeat:
            return self._site.problem(reader, "page.too-often", status=429)
        async with self._site.reads.turn():
            view = await self._receipts.by_code(request.match_info["code"][:CODE_CHARS_MAX])
        if view is None:
            return self._site.press.page("receipt.html", reader, status=404, view=None)
        payment = view.payment
        return self._site.press.page(
            "receipt.html",
            reader,
            view=view,
            collector=view.collector,
            cents=payment.arrived_cents,
            paid_at=payment.paid_at or payment.decided_at or payment.created_at,
            code=payment.receipt and f"{payment.receipt[:3]}…{payment.receipt[-3:]}",
        )
