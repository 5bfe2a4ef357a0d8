"""Owns the HTTP of the simulator: routes in, Daraja's answers out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from aiohttp import web

from mpesa.simulator import answers
from mpesa.simulator.answers import HttpAnswer
from mpesa.simulator.control import Control
from mpesa.simulator.endpoints import Endpoints, Incoming
from mpesa.simulator.org_endpoints import OrgEndpoints
from mpesa.simulator.safaricom import Safaricom

LARGEST_BODY = 64 * 1024
TOKEN_PATH = "/oauth/v1/generate"  # noqa: S105 - an address, not a secret
PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"
STATUS_PATH = "/mpesa/transactionstatus/v1/query"
REVERSAL_PATH = "/mpesa/reversal/v1/request"
REGISTER_PATHS = {"v1": "/mpesa/c2b/v1/registerurl", "v2": "/mpesa/c2b/v2/registerurl"}
PULL_REGISTER_PATH = "/pulltransactions/v1/register"
PULL_PATH = "/pulltransactions/v1/query"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(safaricom: Safaricom) -> web.Application:
    """Daraja's addresses and the control calls on one aiohttp application."""
    endpoints = Endpoints(safaricom)

    async def token(request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        return _send(request, await endpoints.token(request.query, authorization))

    async def push(request: web.Request) -> web.StreamResponse:
        return _send(request, await endpoints.push(await _incoming(request)))

    async def query(request: web.Request) -> web.StreamResponse:
        return _send(request, await endpoints.query(await _incoming(request)))

    async def run(_: web.Application) -> AsyncIterator[None]:
        async with safaricom.running():
            yield

    @web.middleware
    async def speak_as_daraja(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _send(request, answers.unknown_path(request.path))
        except web.HTTPMethodNotAllowed:
            refusal = answers.METHOD_NOT_ALLOWED
            return _send(request, refusal.answer(safaricom.ids.request()))

    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[speak_as_daraja])
    app.router.add_get(TOKEN_PATH, token)
    app.router.add_post(PUSH_PATH, push)
    app.router.add_post(QUERY_PATH, query)
    app.add_routes(_org_routes(OrgEndpoints(safaricom)))
    app.add_routes(Control(safaricom).routes())
    app.cleanup_ctx.append(run)
    return app


def _org_routes(desk: OrgEndpoints) -> list[web.RouteDef]:
    calls: dict[str, Callable[[Incoming], Awaitable[HttpAnswer]]] = {
        STATUS_PATH: desk.status,
        REVERSAL_PATH: desk.reversal,
        PULL_REGISTER_PATH: desk.register_pull,
        PULL_PATH: desk.pull,
        **{
            path: partial(desk.register, version=version)
            for version, path in REGISTER_PATHS.items()
        },
    }

    def handler(call: Callable[[Incoming], Awaitable[HttpAnswer]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return _send(request, await call(await _incoming(request)))

        return handle

    return [web.post(path, handler(call)) for path, call in calls.items()]


async def _incoming(request: web.Request) -> Incoming:
    return Incoming(
        authorization=request.headers.get("Authorization", ""),
        content_type=request.content_type,
        body=await request.read(),
    )


def _send(request: web.Request, answer: HttpAnswer) -> web.StreamResponse:
    if answer.drop and request.transport is not None:
        request.transport.abort()
    return web.Response(
        # A dropped answer is never seen, but aiohttp wants one in its range.
        status=answer.status or 500,
        text=answer.text,
        content_type=answer.content_type,
        charset="utf-8",
    )
