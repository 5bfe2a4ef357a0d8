"""
Forms: what a browser sends back, whether it came from our own page, and once.

A form carries a ticket, signed over the page, the browser's cookie, the time and a random key.
The cookie is the only one there is: 128 random bits that say nothing. The key makes two sendings
of one form one payment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from bot.core.ports import Clock
from bot.web.guard import BODY_TIMEOUT_S, TooLarge, read_body

__all__ = ["FORM_BYTES_MAX", "Forms", "RandomHex", "Sent", "Signer", "Trouble", "read_form"]

FORM_BYTES_MAX = 4096
FIELDS_MAX = 16
GOOD_FOR = timedelta(hours=4)
PURPOSE = "page-form"
_HEX = re.compile(r"[0-9a-f]{32}")
_TICKET = re.compile(r"([0-9a-f]{1,16})\.([0-9a-f]{32})\.([0-9a-f]{32})")


class Signer(Protocol):
    """What signs and knows its own signatures again: `storage.crypt.Crypt`."""

    def sign(self, purpose: str, text: str) -> str: ...

    def signed(self, purpose: str, text: str, mac: str) -> bool: ...


class RandomHex(Protocol):
    """128 random bits as 32 hex digits."""

    def __call__(self) -> str: ...


class Trouble(StrEnum):
    """Why a form is not carried out, whatever stands in it; each has its sentence."""

    FOREIGN = "foreign"  # from another site
    NO_COOKIE = "no-cookie"
    STALE = "stale"  # too old, or made for another page or browser


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A form that came back."""

    fields: Mapping[str, str]
    trouble: Trouble | None
    key: str | None  # what makes two sendings one; None with a trouble


class Forms:
    """Makes tickets and looks at them."""

    def __init__(
        self, *, signer: Signer, clock: Clock, public_url: str, random_hex: RandomHex
    ) -> None:
        self._signer = signer
        self._clock = clock
        self._random_hex = random_hex
        self._origin = _origin(public_url)
        self.secure = self._origin.startswith("https:")
        self.cookie = "__Host-lipabot" if self.secure else "lipabot"

    def ticket(self, request: web.Request, response_cookie: str, *, key: str | None = None) -> str:
        """What the form of this page carries, for the browser with that cookie."""
        at = f"{int(self._clock.now().timestamp()):x}"
        key = key or self._random_hex()
        return f"{at}.{key}.{self._mac(request.path, response_cookie, at, key)}"

    def browser(self, request: web.Request) -> str:
        """The browser's cookie, or a new one for it."""
        known = request.cookies.get(self.cookie, "")
        return known if _HEX.fullmatch(known) else self._random_hex()

    def remember(self, response: web.Response, cookie: str) -> None:
        """Leave the cookie: for this session, out of scripts' reach, not sent by other sites."""
        response.set_cookie(
            self.cookie, cookie, httponly=True, samesite="Lax", secure=self.secure, path="/"
        )

    def look(self, request: web.Request, fields: Mapping[str, str]) -> Sent:
        """Whether this form came from our own page, in this browser, not too long ago."""
        trouble, key = self._look(request, fields.get("ticket", ""))
        if trouble is Trouble.FOREIGN:
            fields = {}  # what another site wrote is not shown as if the reader had
        return Sent(fields=fields, trouble=trouble, key=None if trouble else key)

    def _look(self, request: web.Request, ticket: str) -> tuple[Trouble | None, str]:
        if not self._ours(request):
            return Trouble.FOREIGN, ""
        cookie = request.cookies.get(self.cookie, "")
        if not _HEX.fullmatch(cookie):
            return Trouble.NO_COOKIE, ""
        if (shape := _TICKET.fullmatch(ticket)) is None:
            return Trouble.STALE, ""
        at, key, mac = shape.groups()
        named = f"{request.path}\0{cookie}\0{at}\0{key}"
        if not self._signer.signed(PURPOSE, named, mac):
            return Trouble.STALE, ""
        age_s = self._clock.now().timestamp() - int(at, 16)
        if not -60 <= age_s <= GOOD_FOR.total_seconds():
            return Trouble.STALE, ""
        return None, key

    def _ours(self, request: web.Request) -> bool:
        """
        Whether a page of ours sent this, as far as the browser tells.

        Browsers that tell nothing are left to the ticket: no other site can read one.
        """
        origin = request.headers.get("Origin", "null")
        site = request.headers.get("Sec-Fetch-Site", "")
        if origin == "null":
            return site in ("", "same-origin", "none")
        return origin in (self._origin, f"{_scheme(self._origin)}://{request.host}")

    def _mac(self, path: str, cookie: str, at: str, key: str) -> str:
        return self._signer.sign(PURPOSE, f"{path}\0{cookie}\0{at}\0{key}")


async def read_form(
    request: web.Request,
    *,
    timeout_s: float = BODY_TIMEOUT_S,
    bytes_max: int = FORM_BYTES_MAX,
) -> Mapping[str, str] | None:
    """
    The fields of a form, the first of each name; None if it is none, or is too large.

    Raises:
        TooSlow
    """
    if request.content_type != "application/x-www-form-urlencoded":
        return None
    if "Content-Encoding" in request.headers:
        return None
    try:
        body = await read_body(request, bytes_max=bytes_max, timeout_s=timeout_s)
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except (TooLarge, ValueError):
        return None
    return dict(reversed(pairs))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _scheme(origin: str) -> str:
    return origin.partition(":")[0]
