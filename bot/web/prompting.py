"""Prompting: a page with a form that sends a prompt to a phone, whatever the money is for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import web

from bot.core.ask import Asked, PageAsk
from bot.core.hear import NotKept
from bot.core.limits import Refusal, RefusalReason
from bot.core.money import AMOUNT_KES_MAX
from bot.texts import kes
from bot.web.callbacks import not_found
from bot.web.forms import Sent, Trouble, read_form
from bot.web.live import Scene
from bot.web.progress import Progress
from bot.web.rendering import Reader, code_in
from bot.web.seats import NoSeat
from bot.web.site import Site
from bot.web.wishes import Problem, Typed, Wish, wish_of

__all__ = ["FormState", "Noun", "PromptPage"]

log = logging.getLogger(__name__)

View = TypeVar("View")
PURPOSE = "page-ask"
TOO_MANY = (RefusalReason.PAGE_ADDRESS, RefusalReason.PAGE_FULL, RefusalReason.PAGE_UNKNOWN)
SHOWN_BESIDE = (RefusalReason.DRIVE_PAUSED, RefusalReason.DRIVE_CLOSED)
OF_THE_LINE = (RefusalReason.PAUSED, RefusalReason.STRANGER_PAUSED, RefusalReason.PAGE_UNKNOWN)


class Noun(Protocol[View]):
    """What a page is about."""

    @property
    def name(self) -> str:
        """Of its templates: "drive"."""
        ...

    @property
    def parts(self) -> Sequence[str]:
        """Which parts of its page change while they are looked at: `drive_bar.html` is "bar"."""
        ...

    async def find(self, code: str) -> View | None:
        """What the link is of, as anybody may see it."""
        ...

    def subject(self, view: View) -> str:
        """What its payments are for: "d:<id>"."""
        ...

    def takes(self, view: View) -> bool:
        """Whether there is a form."""
        ...

    def amount(self, view: View, typed: Typed) -> int | Problem:
        """What a prompt is to ask for."""
        ...

    def values(self, view: View) -> Mapping[str, Any]:
        """What its templates show."""
        ...

    async def ask(
        self, view: View, wish: Wish, *, page: PageAsk, ask_key: str, language: str
    ) -> Asked | Refusal | None:
        """Have the prompt sent; None if there is nothing of that code any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FormState:
    """The form as it is shown: what was typed, and what is wrong with it."""

    ticket: str = field(repr=False)
    typed: Typed = field(default_factory=Typed)
    problems: Mapping[str, Problem] = field(default_factory=dict)
    word: Problem | None = None  # about the form as a whole


class PromptPage(Generic[View]):
    """`GET` and `POST` of one page, and its live part."""

    def __init__(self, site: Site, noun: Noun[View], progress: Progress) -> None:
        self._site = site
        self._noun = noun
        self._progress = progress
        self._forms = site.forms

    async def get(self, request: web.Request) -> web.StreamResponse:
        view = await self._find(request)
        if view is None:
            return not_found()
        return self._show(request, view)

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The part of the page that changes, as it changes."""
        code = code_in(request)
        with self._site.seats.seat(self._site.address(request)):
            view = await self._find(request)
        if view is None:
            return not_found()
        reader = Reader.of(request, path=request.path.removesuffix("/live"))

        async def load() -> Scene | None:
            async with self._site.reads.turn():
                found = await self._noun.find(code)
            return None if found is None else Scene(found)

        return await self._site.live.show(
            request,
            address=self._site.address(request),
            key=self._noun.subject(view),
            load=load,
            draw=lambda seen: {
                part: self._site.press.fragment(
                    f"{self._noun.name}_{part}.html", reader, **self._noun.values(seen)
                )
                for part in self._noun.parts
            },
            look=f"{reader.language}{reader.chosen}",
        )

    async def post(self, request: web.Request) -> web.StreamResponse:
        """The form: carried out, and answered with where to see what becomes of it."""
        fields = await read_form(request, timeout_s=self._site.body_timeout_s)
        view = await self._find(request)
        if view is None:
            return not_found()
        if fields is None:
            return self._show(request, view, status=400)
        try:
            self._site.sendings.take(self._site.address(request), self._site.clock.now())
        except NoSeat:
            return self._site.problem(Reader.of(request), "page.too-often", status=429)
        sent = self._forms.look(request, fields)
        typed = Typed.of(sent.fields)
        if sent.trouble is not None:
            word = Problem(f"page.form.{sent.trouble}")
            status = 403 if sent.trouble is Trouble.FOREIGN else 409
            return self._show(request, view, typed=typed, word=word, status=status)
        wish = wish_of(typed, self._noun.amount(view, typed))
        if not isinstance(wish, Wish):
            word = Problem("page.form.wrong")
            return self._show(
                request, view, typed=typed, problems=wish, word=word, status=422, sent=sent
            )
        return await self._carry_out(request, view, typed, wish, sent)

    async def _carry_out(
        self, request: web.Request, view: View, typed: Typed, wish: Wish, sent: Sent
    ) -> web.StreamResponse:
        reader = Reader.of(request)
        page = PageAsk(address=self._site.address(request), page=self._noun.subject(view))
        # The same form with another amount or phone is another wish, not a second sending.
        named = f"{request.path}\0{sent.key}\0{wish.phone}\0{wish.amount_kes}"
        ask_key = f"w:{self._site.signer.sign(PURPOSE, named)}"
        try:
            answer = await self._noun.ask(
                view, wish, page=page, ask_key=ask_key, language=reader.language
            )
        except NotKept as exc:
            log.warning("page.ask_not_kept why=%s", type(exc).__name__)
            word = Problem("page.form.not-kept")
            return self._show(request, view, typed=typed, word=word, status=503, sent=sent)
        if answer is None:
            return not_found()
        if isinstance(answer, Refusal):
            word = self._refusal(answer, reader)
            status = 429 if answer.reason in TOO_MANY else 409
            # It may be refused for what has happened to the page meanwhile.
            fresh = await self._find(request) or view
            return self._show(request, fresh, typed=typed, word=word, status=status, sent=sent)
        where = reader.link(self._progress.address(request.path, answer.payment.id))
        return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})

    def _refusal(self, refusal: Refusal, reader: Reader) -> Problem:
        until = refusal.until or self._site.clock.now()
        values = {
            "phone": refusal.phone_mask,
            "amount": kes(refusal.amount_kes),
            "most": kes(AMOUNT_KES_MAX),
            "until": self._site.press.texts.until(
                reader.language, until, now=self._site.clock.now()
            ),
        }
        if refusal.reason in SHOWN_BESIDE:
            return Problem("page.refused.closed")
        if refusal.reason in OF_THE_LINE:
            return Problem("page.refused.protect", values)
        return Problem(f"refusal.{refusal.reason}", values)

    async def _find(self, request: web.Request) -> View | None:
        async with self._site.reads.turn():
            return await self._noun.find(code_in(request))

    def _show(
        self,
        request: web.Request,
        view: View,
        *,
        typed: Typed | None = None,
        problems: Mapping[str, Problem] | None = None,
        word: Problem | None = None,
        status: int = 200,
        sent: Sent | None = None,
    ) -> web.Response:
        takes = self._noun.takes(view)
        cookie = self._forms.browser(request)
        # The key stays while nothing came of it: sending the form again is still the same wish.
        key = None if sent is None else sent.key
        form = FormState(
            ticket=self._forms.ticket(request, cookie, key=key) if takes else "",
            typed=typed or Typed(),
            problems=problems or {},
            word=word,
        )
        response = self._site.press.page(
            f"{self._noun.name}.html",
            Reader.of(request),
            status=status,
            form=form if takes or word is not None else None,
            takes=takes,
            **self._noun.values(view),
        )
        if takes:
            self._forms.remember(response, cookie)
        return response
