"""The web server: its few routes, its limits, and its life."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from bot.core.hear import Hear
from bot.core.ways import Ways
from bot.web.books import RecordPosts
from bot.web.callbacks import Callbacks, not_found
from bot.web.guard import BODY_TIMEOUT_S, Network, is_local
from bot.web.pages import Pages
from bot.web.probe import PROBE_PREFIX, ProbeDoor
from bot.web.seats import Crowd
from bot.web.telegram import TelegramDoor

__all__ = ["build_web", "serving"]

log = logging.getLogger(__name__)

KEEPALIVE_S = 15.0  # also how long the head of a request may take
CONNECTIONS_MAX = 768  # fits into the 1,024 open files that a process has by default
LINGER_S = 1.0  # how long the rest of a refused body is still read before we hang up
SHUTDOWN_S = 2.0
CROWD = web.AppKey("crowd", Crowd)


METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counting(Protocol):
    """Who counts answers, and tells; `bot.metrics.Metrics` does."""

    def answered(self, status: int) -> None: ...

    async def page(self) -> bytes:
        """In Prometheus's text format."""
        ...


def build_web(
    hear: Hear,
    *,
    ways: Ways | None = None,
    ready: Callable[[], bool],
    trusted_proxies: Sequence[str] = (),
    telegram: TelegramDoor | None = None,
    counting: Counting | None = None,
    body_timeout_s: float = BODY_TIMEOUT_S,
    pages: Pages | None = None,
    probe: ProbeDoor | None = None,
) -> web.Application:
    """All routes. Whatever is not one of them gets the same 404 as a wrong callback address."""
    networks: list[Network] = [ip_network(each, strict=False) for each in trusted_proxies]
    callbacks = Callbacks(hear, networks, body_timeout_s)
    app = web.Application(middlewares=[_plain, *([] if counting is None else [_counted(counting)])])
    app.router.add_post("/c/{address}", callbacks.post)
    if probe is not None:
        app.router.add_post(f"{PROBE_PREFIX}{{address}}", probe.post)
    if ways is not None:
        posts = RecordPosts(ways, networks, body_timeout_s)
        app.router.add_post("/t/{address}", posts.result)
        app.router.add_post("/b/{mac}", posts.by_hand)
    if telegram is not None:
        app.router.add_post("/telegram", telegram.post)
    if pages is not None:
        pages.mount(app)
        app[CROWD] = pages.site.crowd

    async def healthz(_request: web.Request) -> web.Response:
        if ready():
            return web.Response(text="ok")
        return web.Response(status=503, text="starting")

    app.router.add_get("/healthz", healthz)
    if counting is not None:
        app.router.add_get("/metrics", _metrics(counting))
    return app


def _counted(counting: Counting) -> Middleware:
    """Every answer to a callback is counted, whatever it is; our own probe is none."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.path.startswith("/c/") and not request.path.startswith(PROBE_PREFIX):
            counting.answered(response.status)
        return response

    return count


def _metrics(counting: Counting) -> Handler:
    """For a program on this machine; to all others, and through a proxy, there is no such page."""

    async def metrics(request: web.Request) -> web.Response:
        if not is_local(request):
            return not_found()
        return web.Response(body=await counting.page(), headers={"Content-Type": METRICS_TYPE})

    return metrics


@web.middleware
async def _plain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One face for everything unknown: no route, no method, no word about what runs here."""
    try:
        response = await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        response = not_found()
    response.headers["Server"] = "lipabot"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@asynccontextmanager
async def serving(
    app: web.Application,
    *,
    host: str,
    port: int,
    keepalive_s: float = KEEPALIVE_S,
    connections_max: int = CONNECTIONS_MAX,
) -> AsyncIterator[int]:
    """
    Listen while the block runs; yields the port (a free one for 0).

    What is open needs files that the database needs too. Whoever comes while *connections_max*
    are open takes the place of a page's idle connection; where there is none, they are hung up
    on: the others are few seconds old at most, for a slow client is cut.
    """
    runner = web.AppRunner(
        app,
        access_log=None,  # its lines would hold callback addresses
        logger=_HttpLog(log),
        keepalive_timeout=keepalive_s,
        handler_cancellation=False,  # whoever hangs up does not take along what they told us
        lingering_time=LINGER_S,
        shutdown_timeout=SHUTDOWN_S,
        auto_decompress=False,
    )
    await runner.setup()
    server = runner.server
    assert server is not None, "it is set up"
    crowd = app.get(CROWD)

    def answer() -> asyncio.Protocol:
        full = len(server.connections) >= connections_max
        if full and not (crowd is not None and crowd.make_room()):
            return _HangUp()
        return server()

    try:
        listening = await asyncio.get_running_loop().create_server(
            answer, host, port, backlog=128, reuse_address=True
        )
        try:
            yield listening.sockets[0].getsockname()[1]
        finally:
            listening.close()
    finally:
        await runner.cleanup()


class _HttpLog(logging.LoggerAdapter[logging.Logger]):
    """
    What aiohttp has to say. A stranger's bad HTTP, or hanging up on us, is no error of ours: a
    traceback for each would let anybody fill the disk, and it shows the bytes that came.
    """

    def exception(self, msg: object, *args: object, **more: Any) -> None:
        cause = more.get("exc_info")
        if isinstance(cause, HttpProcessingError | ConnectionError):
            self.debug("web.stranger why=%s", type(cause).__name__)
        else:
            super().exception(msg, *args, **more)

    def debug(self, msg: object, *args: object, **more: Any) -> None:
        more.pop("exc_info", None)
        super().debug(msg, *args, **more)


class _HangUp(asyncio.Protocol):
    """For one connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "TCP"
        transport.abort()
