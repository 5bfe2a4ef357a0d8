"""Words: `/i/<code>/word`, where a customer without Telegram asks the merchant, or disowns."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from bot.core.ask import PageAsk
from bot.core.hear import NotKept
from bot.core.invoice_talk import WORDS_CHARS_MAX, OnPage
from bot.core.invoices import InvoicePage, InvoiceView
from bot.core.limits import Refusal
from bot.core.people import is_forgotten
from bot.texts import clean
from bot.web.callbacks import not_found
from bot.web.forms import Sent, Trouble, read_form
from bot.web.rendering import Reader, code_in
from bot.web.seats import NoSeat
from bot.web.site import Site
from bot.web.wishes import Problem

__all__ = ["Talk", "WordPage"]

log = logging.getLogger(__name__)

PURPOSE = "page-word"
SENT = "sent"  # what the address says once the words have arrived
NOT_MINE = "not-mine"
WORDS_BYTES_MAX = 8192  # 500 characters, each up to twelve bytes on the way


class Talk(Protocol):
    """What the page needs of `bot.core.invoice_talk.InvoiceTalk`."""

    async def from_page(
        self, code: str, *, text: str, key: str, page: PageAsk
    ) -> InvoiceView | Refusal | None: ...

    async def on_page(self, code: str) -> tuple[OnPage, ...]: ...


class Invoices(Protocol):
    """Finds what the link is of: `bot.core.invoices.Invoices`."""

    async def page_view(self, code: str) -> InvoicePage | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """The form as it is shown."""

    typed: str = ""
    word: Problem | None = None
    status: int = 200


class WordPage:
    """`GET` and `POST` of the form; it needs no scripts."""

    def __init__(self, site: Site, invoices: Invoices, talk: Talk) -> None:
        self._site = site
        self._invoices = invoices
        self._talk = talk
        self._forms = site.forms

    async def get(self, request: web.Request) -> web.StreamResponse:
        return await self._show(request, _Shown())

    async def post(self, request: web.Request) -> web.StreamResponse:
        """The words: carried on, and answered with a page that may be loaded again."""
        fields = await read_form(
            request, timeout_s=self._site.body_timeout_s, bytes_max=WORDS_BYTES_MAX
        )
        if fields is None:
            return await self._show(request, _Shown(status=400))
        try:
            self._site.sendings.take(self._site.address(request), self._site.clock.now())
        except NoSeat:
            return self._site.problem(Reader.of(request), "page.too-often", status=429)
        sent = self._forms.look(request, fields)
        typed = sent.fields.get("question", "")[:WORDS_CHARS_MAX]
        if sent.trouble is not None:
            status = 403 if sent.trouble is Trouble.FOREIGN else 409
            word = Problem(f"page.form.{sent.trouble}")
            return await self._show(request, _Shown(typed=typed, word=word, status=status))
        disowns = sent.fields.get("what") == NOT_MINE
        text = "" if disowns else clean(typed, limit=WORDS_CHARS_MAX)
        if not text and not disowns:
            word = Problem("page.word.nothing")
            return await self._show(request, _Shown(word=word, status=422), sent)
        return await self._carry_on(request, text, typed, sent)

    async def _carry_on(
        self, request: web.Request, text: str, typed: str, sent: Sent
    ) -> web.StreamResponse:
        reader, code = Reader.of(request), code_in(request)
        async with self._site.reads.turn():
            found = await self._invoices.page_view(code)
        if found is None:
            return not_found()
        page = PageAsk(address=self._site.address(request), page=found.view.invoice.subject)
        # The same form with other words is said besides, not a second sending.
        named = f"{request.path}\0{sent.key}\0{text}"
        key = f"word:{self._site.signer.sign(PURPOSE, named)}"
        try:
            answer = await self._talk.from_page(code, text=text, key=key, page=page)
        except NotKept as exc:
            log.warning("page.word_not_kept why=%s", type(exc).__name__)
            shown = _Shown(typed=typed, word=Problem("page.form.not-kept"), status=503)
            return await self._show(request, shown, sent)
        if answer is None:
            return not_found()
        if isinstance(answer, Refusal):
            until = answer.until or self._site.clock.now()
            said = self._site.press.texts.until(reader.language, until, now=self._site.clock.now())
            shown = _Shown(
                typed=typed, word=Problem("page.word.too-many", {"until": said}), status=429
            )
            return await self._show(request, shown, sent)
        if is_forgotten(answer.invoice.merchant_id):
            names = {"merchant": answer.merchant.name, "collector": found.collector.name}
            shown = _Shown(typed=typed, word=Problem("page.word.gone", names), status=410)
            return await self._show(request, shown, sent)
        where = reader.link(f"{request.path}/{SENT}")
        return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})

    async def sent(self, request: web.Request) -> web.StreamResponse:
        """That the words have arrived."""
        reader = Reader.of(request)
        return self._site.problem(
            reader, "page.word.sent", status=200, again=request.path.removesuffix(f"/{SENT}")
        )

    async def _show(
        self, request: web.Request, shown: _Shown, sent: Sent | None = None
    ) -> web.StreamResponse:
        code = code_in(request)
        async with self._site.reads.turn():
            found = await self._invoices.page_view(code)
            said = () if found is None else await self._talk.on_page(code)
        if found is None:
            return not_found()
        cookie = self._forms.browser(request)
        # The key stays while nothing came of it: sending the form again is still the same words.
        key = None if sent is None else sent.key
        response = self._site.press.page(
            "invoice_word.html",
            Reader.of(request),
            status=shown.status,
            invoice=found.view.invoice,
            merchant=found.view.merchant.name or found.collector.name,
            collector=found.collector,
            said=said,
            ticket=self._forms.ticket(request, cookie, key=key),
            typed=shown.typed,
            word=shown.word,
            chars_max=WORDS_CHARS_MAX,
            back=request.path.removesuffix("/word"),
        )
        self._forms.remember(response, cookie)
        return response
