"""`POST /telegram`: updates pushed by Telegram, for those who prefer that to polling."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from bot.core.hear import NotKept
from bot.web.guard import TooLarge, TooSlow, read_body

__all__ = ["TelegramDoor"]

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TelegramDoor:
    """Takes an update to the inbox; answered only when it is committed there."""

    secret: str = field(repr=False)  # what Telegram sends in X-Telegram-Bot-Api-Secret-Token
    take_raw: Callable[[bytes], Awaitable[None]]

    async def post(self, request: web.Request) -> web.Response:
        given = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.secret.encode()):
            return web.Response(status=401, text="Unauthorized")
        try:
            body = await read_body(request, bytes_max=BODY_BYTES_MAX)
        except (TooLarge, TooSlow):
            return web.Response(status=413, text="Refused", headers={"Connection": "close"})
        try:
            await self.take_raw(body)
        except NotKept:
            return web.Response(status=503, text="Try again")
        except ValueError:
            # Telegram would send it for ever; it is not an update that we can read.
            log.error("telegram.unreadable bytes=%d", len(body))
        return web.Response(text="ok")
