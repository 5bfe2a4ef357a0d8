"""The web server: its few routes, its limits, and its life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.core.hear import Hear
from bot.web.callbacks import Callbacks, not_found
from bot.web.guard import BODY_TIMEOUT_S, Network
from bot.web.telegram import TelegramDoor

__all__ = ["build_web", "serving"]

KEEPALIVE_S = 15.0
LINGER_S = 1.0  # how long the rest of a refused body is still read before we hang up
SHUTDOWN_S = 2.0


def build_web(
    hear: Hear,
    *,
    ready: Callable[[], bool],
    trusted_proxies: Sequence[str] = (),
    telegram: TelegramDoor | None = None,
    body_timeout_s: float = BODY_TIMEOUT_S,
) -> web.Application:
    """All routes. Whatever is not one of them gets the same 404 as a wrong callback address."""
    networks: list[Network] = [ip_network(each, strict=False) for each in trusted_proxies]
    callbacks = Callbacks(hear, networks, body_timeout_s)
    app = web.Application(middlewares=[_plain])
    app.router.add_post("/c/{address}", callbacks.post)
    if telegram is not None:
        app.router.add_post("/telegram", telegram.post)

    async def healthz(_request: web.Request) -> web.Response:
        if ready():
            return web.Response(text="ok")
        return web.Response(status=503, text="starting")

    app.router.add_get("/healthz", healthz)
    return app


@web.middleware
async def _plain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One face for everything unknown: no route, no method, no word about what runs here."""
    try:
        response = await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        response = not_found()
    response.headers["Server"] = "lipabot"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


@asynccontextmanager
async def serving(app: web.Application, *, host: str, port: int) -> AsyncIterator[int]:
    """Listen while the block runs; yields the port (a free one for 0)."""
    runner = web.AppRunner(
        app,
        access_log=None,  # its lines would hold callback addresses
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGER_S,
        shutdown_timeout=SHUTDOWN_S,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
