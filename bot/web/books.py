"""
Where Safaricom posts about its books: `/t/<question>.<mac>`, `/b/<mac>`.

The first is the address of one question and is used once or twice; the second is fixed, for
payments by hand, and as secret as a callback's. Both have the limits and the answers of callbacks:
a wrong address is no address, what came is kept before 200, and 503 means that it was not.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from bot.core.hear import NotKept
from bot.core.unread import BY_HAND
from bot.core.ways import HAND, RESULT, TIMEOUT, VALIDATION, Ways
from bot.web.callbacks import not_found
from bot.web.guard import BODY_TIMEOUT_S, Network, TooLarge, TooSlow, read_body
from mpesa.async_results import AsyncResult, parse_result
from mpesa.c2b import C2bPayment, parse_c2b, validation_answer

__all__ = ["RecordPosts"]

log = logging.getLogger(__name__)

ADDRESS = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{32})")
ACCEPTED = b'{"ResultCode":0,"ResultDesc":"Accepted"}'
NOTHING = "0" * 32


@dataclass(frozen=True, slots=True)
class RecordPosts:
    """The handlers, with what they need."""

    ways: Ways
    trusted_proxies: Sequence[Network]
    body_timeout_s: float = BODY_TIMEOUT_S

    async def result(self, request: web.Request) -> web.Response:
        """How a status question or a reversal ended, or that Safaricom did not get to it."""
        shape = ADDRESS.fullmatch(request.match_info["address"])
        question_id, mac = shape.groups() if shape else (NOTHING, NOTHING)
        # Both are worked out whatever is wrong with the address.
        answered = self.ways.signed(RESULT, question_id, mac)
        timed_out = self.ways.signed(TIMEOUT, question_id, mac)
        if shape is None or not (answered or timed_out):
            return not_found()
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        read = parse_result(body)

        async def keep() -> None:
            if not isinstance(read, AsyncResult) and not timed_out:
                await self.ways.unread.keep(RESULT, read.reason, body)
            await self.ways.heard(question_id, read, timeout=timed_out)

        return await self._kept(keep, ACCEPTED)

    async def by_hand(self, request: web.Request) -> web.Response:
        """A payment by hand: before it is made (validation), and once it is."""
        mac = request.match_info["mac"]
        confirmation = self.ways.signed(HAND, HAND, mac)
        validation = self.ways.signed(VALIDATION, VALIDATION, mac)
        if not (confirmation or validation):
            return not_found()
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body if validation else await self._unread(f"refused: {body.reason}", b"", body)
        if validation:
            # Whoever wants to pay is welcome; what it is for is found out afterwards.
            return web.Response(body=validation_answer(), content_type="application/json")
        read = parse_c2b(body)
        if not isinstance(read, C2bPayment):
            return await self._unread(read.reason, body)
        return await self._kept(lambda: self.ways.posted(read), ACCEPTED)

    async def _unread(
        self, why: str, body: bytes, answer: web.Response | None = None
    ) -> web.Response:
        """Money may stand behind a body that nobody can read: it is kept, and a person told."""
        kept = await self._kept(lambda: self.ways.unread.keep(BY_HAND, why, body), ACCEPTED)
        return kept if answer is None or kept.status != 200 else answer

    async def _body(self, request: web.Request) -> bytes | web.Response:
        closing = {"Connection": "close"}
        if "Content-Encoding" in request.headers:
            return web.Response(status=415, text="Refused", headers=closing)
        try:
            return await read_body(request, timeout_s=self.body_timeout_s)
        except TooLarge:
            return web.Response(status=413, text="Refused", headers=closing)
        except TooSlow:
            return web.Response(status=408, text="Refused", headers=closing)

    async def _kept(self, keep: Callable[[], Awaitable[None]], answer: bytes) -> web.Response:
        try:
            await keep()
        except NotKept as exc:
            log.error("record.not_kept why=%s", type(exc).__name__)
            return web.Response(status=503, text="Try again")
        except Exception:
            # A bug of ours: whether it was kept is not known, so it may come again.
            log.exception("record.failed")
            return web.Response(status=503, text="Try again")
        return web.Response(body=answer, content_type="application/json")
