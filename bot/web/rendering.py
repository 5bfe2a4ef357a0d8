"""Rendering: templates, the reader's language, and the headers that every page carries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bot.core.ports import Collector
from bot.texts import DEFAULT_LANGUAGE, EAT, LANGUAGES, Texts, clean, kes, money, signed
from bot.web.assets import asset_address

__all__ = ["PAGE_HEADERS", "Press", "Reader", "code_in", "language_of"]

SHOWN_CHARS_MAX = 200
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Nothing leaves for other sites; with no-referrer a browser would also hide from us that a
    # form came from our own page (Origin: null).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}
_WISH = re.compile(
    r"\s*([a-zA-Z]{1,8})(?:-[a-zA-Z0-9-]{1,32})?\s*(?:;\s*q=([01](?:\.\d{1,3})?))?\s*"
)
WISHES_MAX = 16
_CODE = re.compile(r"[A-Za-z0-9_-]{1,32}")
NO_CODE = "-"


def code_in(request: web.Request) -> str:
    """
    The code of a link. What cannot be one becomes one that nothing has: it is looked up like any
    other, and takes as long.
    """
    code = request.match_info["code"]
    return code if _CODE.fullmatch(code) else NO_CODE


def language_of(request: web.Request) -> str:
    """What the link says (`?lang=sw`), else what the browser likes best of what we speak."""
    said = request.query.get("lang", "")
    if said in LANGUAGES:
        return said
    best, best_weight = DEFAULT_LANGUAGE, 0.0
    for wish in request.headers.get("Accept-Language", "")[:512].split(",")[:WISHES_MAX]:
        if (shape := _WISH.fullmatch(wish)) is None:
            continue
        weight = float(shape[2] or 1)
        if shape[1].lower() in LANGUAGES and weight > best_weight:
            best, best_weight = shape[1].lower(), weight
    return best


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads: their language, and the page they are on."""

    language: str
    path: str  # of the page, without its query
    chosen: bool = False  # by a link: links on the page then keep it

    @classmethod
    def of(cls, request: web.Request, *, path: str | None = None) -> Reader:
        return cls(
            language=language_of(request),
            path=request.path if path is None else path,
            chosen=request.query.get("lang", "") in LANGUAGES,
        )

    @property
    def other(self) -> str:
        """The language that they are not reading."""
        return next(each for each in LANGUAGES if each != self.language)

    def link(self, path: str, *, language: str | None = None) -> str:
        """An address of ours that keeps a language that was chosen."""
        said = language or (self.language if self.chosen else None)
        return path if said is None else f"{path}?{urlencode({'lang': said})}"


def _nobody() -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Prints pages."""

    texts: Texts
    collector: Collector
    public_url: str  # https://pay.example.org, without a slash at the end
    bot_name: Callable[[], str | None] = _nobody  # without the @; None until Telegram was reached

    def fragment(self, template: str, reader: Reader, **values: object) -> str:
        """A piece of a page, for an event stream."""

        def say(key: str, /, **blanks: object) -> Markup:
            filled = {name: _shown(value) for name, value in blanks.items()}
            said = self.texts.say(reader.language, key, **filled)
            return Markup(_kept_together(said).replace("\n", "<br>"))  # noqa: S704 -- Texts.say has escaped it

        frame: dict[str, object] = {
            "say": say,
            "when": lambda at: self.texts.when(reader.language, at),
            "day": lambda at: self._day(at, reader),
            "reader": reader,
            "collector": self.collector,
            "here": self.public_url + reader.path,
            "in_telegram": self._in_telegram,
        }
        return _environment().get_template(template).render({**frame, **values})

    def page(
        self,
        template: str,
        reader: Reader,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> web.Response:
        """A whole page with its headers."""
        return web.Response(
            text=self.fragment(template, reader, **values),
            status=status,
            content_type="text/html",
            headers={**PAGE_HEADERS, "Content-Language": reader.language, **(headers or {})},
        )

    def _in_telegram(self, payload: str) -> str | None:
        """The address that goes on in the bot's private chat (core.telegram.org/api/links)."""
        name = self.bot_name()
        return None if name is None else f"https://t.me/{name}?{urlencode({'start': payload})}"

    def _day(self, at: date, reader: Reader) -> str:
        """`23 Nov 2026`; of an instant, the day it is in Nairobi."""
        if not isinstance(at, datetime):
            at = datetime.combine(at, time(12), EAT)
        return self.texts.when(reader.language, at).rpartition(" ")[0]


def _shown(value: object) -> object:
    """What people wrote, cut where a page would still be read; the rest as it is."""
    if isinstance(value, Markup | int):
        return value
    return clean(str(value), limit=SHOWN_CHARS_MAX)


def _kept_together(text: str) -> str:
    """No line ends between a currency and its number."""
    return text.replace("KES ", "KES\u00a0")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("bot.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["shown"] = lambda text: clean(str(text), limit=SHOWN_CHARS_MAX)
    made.filters["money"] = lambda cents: _kept_together(money(cents))
    made.filters["signed"] = lambda cents: _kept_together(signed(cents))
    made.filters["kes"] = lambda amount_kes: _kept_together(kes(amount_kes))
    made.globals["asset"] = asset_address
    return made
