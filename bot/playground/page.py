"""Owns the demo page over HTTP: what a browser may ask for, what it may do, and what it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from aiohttp import web

from bot.playground.botapi import BotApi
from bot.playground.people import Person
from bot.playground.screens import FOLDER, LANGUAGES, Screens, View
from bot.playground.world import Press
from mpesa.simulator import Behaviour, Handset, Simulator

KEEP_ALIVE_S = 15.0
BY_HAND_KES_MAX = 250_000
ACCOUNT_CHARS_MAX = 50
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def same_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what does not come from a page of this very address.

    A foreign host name means DNS rebinding. A browser names the origin of every POST; a POST under
    /page/ without the own origin comes from another site.
    """
    host = request.headers.get("Host", "")
    if host.rpartition(":")[0] not in _LOOPBACK and host not in _LOOPBACK:
        raise web.HTTPForbidden(text="This page answers on loopback only.")
    changes = request.path.startswith("/page/") and request.method != "GET"
    if changes and request.headers.get("Origin") != f"http://{host}":
        raise web.HTTPForbidden(text="This came from another site.")
    return await handler(request)


class Page:
    """The page over the two stand-ins; `mount(app)` adds its routes."""

    def __init__(self, api: BotApi, simulator: Simulator, owners: Mapping[str, str]) -> None:
        self._api = api
        self._simulator = simulator
        self._changes = api.world.changes
        self._closed = False
        self.screens = Screens(api, simulator, owners)

    def mount(self, app: web.Application) -> None:
        """Add the routes; `app` must have the middleware `same_machine`."""
        app.router.add_get("/", self._page)
        app.router.add_get("/events", self._events)
        app.router.add_static("/static/", FOLDER / "static")
        app.router.add_get("/page/file/{file}", self._file)
        app.router.add_post("/page/say", self._say)
        app.router.add_post("/page/press", self._press)
        app.router.add_post("/page/tap", self._tap)
        app.router.add_post("/page/start", self._start)
        app.router.add_post("/page/language", self._language)
        app.router.add_post("/page/phone/{phone}/{act}", self._phone)
        app.on_startup.append(self._listen)
        app.on_shutdown.append(self._close)

    async def _listen(self, app: web.Application) -> None:
        stop = self._simulator.changes.listen(lambda _: self._changes.notify())

        async def unlisten(app: web.Application) -> None:
            stop()

        app.on_cleanup.append(unlisten)

    async def _close(self, app: web.Application) -> None:
        self._closed = True
        self._changes.notify()

    def _view(self, request: web.Request) -> View:
        try:
            return self.screens.view(request.query.get("person", ""), request.query.get("chat", ""))
        except LookupError:
            raise web.HTTPNotFound(text="Nobody of that name, or no such chat.") from None

    async def _page(self, request: web.Request) -> web.Response:
        body = self.screens.page(self._view(request))
        return web.Response(text=body, content_type="text/html", headers=_HEADERS)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        view = self._view(request)
        stream = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await stream.prepare(request)
        # A browser that goes away is no news: it ends the stream.
        with contextlib.suppress(ConnectionResetError):
            await self._tell(view, stream)
        return stream

    async def _tell(self, view: View, stream: web.StreamResponse) -> None:
        """Send every part that changed since it was last sent, until the page closes."""
        sent: dict[str, str] = {}
        while not self._closed:
            ticket = self._changes.ticket()
            for name, html in self.screens.fragments(view).items():
                if sent.get(name) != html:
                    sent[name] = html
                    await stream.write(_event(name, html))
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    await ticket.wait()
            except TimeoutError:
                await stream.write(b": still here\n\n")

    async def _file(self, request: web.Request) -> web.Response:
        file = self._api.world.files.get(request.match_info["file"])
        if file is None:
            raise web.HTTPNotFound
        name = f"attachment; filename*=UTF-8''{quote(file.name)}"
        return web.Response(
            body=file.content,
            content_type="application/octet-stream",
            headers={**_HEADERS, "Content-Disposition": name},
        )

    async def _say(self, request: web.Request) -> web.Response:
        view = self._view(request)
        text = str((await request.post()).get("text", "")).strip()
        problem = ""
        self.screens.presses.pop(view.person.id, None)
        if text:
            try:
                view.person.say(text, chat=view.chat)
            except ValueError as refusal:
                problem = str(refusal)
        return web.Response(text=self.screens.composer(view, problem), content_type="text/html")

    async def _press(self, request: web.Request) -> web.Response:
        view = self._view(request)
        anchor = request.query.get("message", "")
        seen = view.chat.seen_by(view.person.id)
        message = next((each for each in seen if each.anchor == anchor), None)
        index = _number(request, "button")
        # A press that crossed an edit finds another keyboard or none: nothing to do.
        if message is None or not 0 <= index < len(message.buttons):
            return web.Response(status=204)
        button = message.buttons[index]
        payload = self.screens.start_payload(button)
        if payload is not None:
            view.person.start(payload)
        else:
            self._show(view.person, view.person.press(message, button.value))
        return web.Response(status=204)

    def _show(self, person: Person, press: Press) -> None:
        self.screens.presses[person.id] = press
        self._changes.notify()

    async def _tap(self, request: web.Request) -> web.Response:
        view = self._view(request)
        # A tap that crossed the removal of its keyboard has nothing to press.
        label, chosen = request.query.get("label", ""), request.query.get("user", "")
        with contextlib.suppress(LookupError):
            if chosen:
                view.person.choose(label, self.screens.view(chosen, "").person)
            else:
                view.person.tap(label, chat=view.chat)
        return web.Response(status=204)

    async def _start(self, request: web.Request) -> web.Response:
        self._view(request).person.start()
        return web.Response(status=204)

    async def _language(self, request: web.Request) -> web.Response:
        view = self._view(request)
        code = str((await request.post()).get("language", ""))
        if code not in LANGUAGES:
            raise web.HTTPBadRequest(text="That language is not on the list.")
        view.person.language_code = code
        self._changes.notify()
        return web.Response(status=204)

    async def _phone(self, request: web.Request) -> web.Response:
        handset = self._handset(request.match_info["phone"])
        form = await request.post()
        match request.match_info["act"]:
            case "pin":
                handset.enter_pin(str(form.get("pin", "")))
            case "cancel":
                handset.cancel()
            case "ignore":
                handset.ignore()
            case "pay-by-hand":
                await self._pay_by_hand(
                    handset.phone,
                    str(form.get("amount_kes", "")),
                    str(form.get("account_reference", "")),
                )
            case "behaviour":
                try:
                    handset.behave(Behaviour(str(form.get("behaviour", ""))))
                except ValueError:
                    raise web.HTTPBadRequest(text="No phone behaves so.") from None
            case _:
                raise web.HTTPNotFound
        return web.Response(status=204)

    async def _pay_by_hand(self, phone: str, amount: str, account: str) -> None:
        """From the phone's own M-PESA menu, without a prompt."""
        in_bounds = amount.isascii() and amount.isdecimal() and 1 <= int(amount) <= BY_HAND_KES_MAX
        if not in_bounds or len(account) > ACCOUNT_CHARS_MAX:
            raise web.HTTPBadRequest(
                text="M-PESA takes KES 1 to 250,000 and an account of 50 letters."
            )
        await self._simulator.pay_by_hand_if_valid(phone, int(amount), account)

    def _handset(self, phone: str) -> Handset:
        for handset in self._simulator.phones:
            if handset.phone == phone:
                return handset
        raise web.HTTPNotFound(text="No such phone.")


def _number(request: web.Request, name: str) -> int:
    try:
        return int(request.query.get(name, ""))
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name} must be a number") from None


def _event(name: str, html: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
