"""
`POST /c/<payment id>.<mac>`: where Safaricom tells how one payment ended.

The address is the only thing that guards it (Safaricom signs nothing), so a wrong one gets the
same answer as an address that never was. A body at a good address is always kept before it is
answered, and never answered with a 5xx, except 503 when it could not be kept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from bot.core.hear import Hear, Heard, NotKept
from bot.web.guard import BODY_TIMEOUT_S, Network, TooLarge, TooSlow, client_address, read_body
from mpesa.callbacks import Unreadable, parse_callback

__all__ = ["Callbacks", "not_found"]

log = logging.getLogger(__name__)

ADDRESS = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{32})")
ACCEPTED = b'{"ResultCode":0,"ResultDesc":"Accepted"}'
NO_MAC = "0" * 32


def not_found() -> web.Response:
    """The one constant answer to everything that is not ours to answer."""
    return web.Response(status=404, text="Not found")


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The handler, with what it needs."""

    hear: Hear
    trusted_proxies: Sequence[Network]
    body_timeout_s: float = BODY_TIMEOUT_S

    async def post(self, request: web.Request) -> web.Response:
        shape = ADDRESS.fullmatch(request.match_info["address"])
        payment_id, mac = shape.groups() if shape else ("0" * 32, NO_MAC)
        # The MAC is worked out in either case: a malformed address takes as long as a wrong one.
        if not self.hear.signed(payment_id, mac) or shape is None:
            return not_found()
        source = client_address(request, self.trusted_proxies)
        if "Content-Encoding" in request.headers:
            return await self._kept(payment_id, Unreadable("encoded"), b"", source, status=415)
        try:
            body = await read_body(request, timeout_s=self.body_timeout_s)
        except TooLarge:
            return await self._kept(payment_id, Unreadable("too large"), b"", source, status=413)
        except TooSlow:
            return await self._kept(payment_id, Unreadable("too slow"), b"", source, status=408)
        return await self._kept(payment_id, parse_callback(body), body, source, status=200)

    async def _kept(
        self,
        payment_id: str,
        heard: Heard,
        body: bytes,
        source: str,
        *,
        status: int,
    ) -> web.Response:
        try:
            # A sender that hangs up does not take the evidence along: see `serving`.
            await self.hear.callback(payment_id, heard, body, source=source)
        except NotKept as exc:
            log.error("callback.not_kept id=%s why=%s", payment_id, type(exc).__name__)
            return web.Response(status=503, text="Try again")
        except Exception:
            # A bug of ours. Whether it was kept is not known, so whoever sent it may come again.
            log.exception("callback.failed id=%s", payment_id)
            return web.Response(status=503, text="Try again")
        if status != 200:
            return web.Response(status=status, text="Refused", headers={"Connection": "close"})
        return web.Response(body=ACCEPTED, content_type="application/json")
