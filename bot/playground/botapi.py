"""Owns the stand-in Bot API server: the HTTP face, the call log, and the people behind it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from bot.playground.asking import ASKING
from bot.playground.backend import Backend, Method
from bot.playground.chats import Chat, User
from bot.playground.editing import EDITING
from bot.playground.errors import ApiError, Json, bad_request, conflict, flood, forbidden
from bot.playground.faults import Fault, Faults, Trouble
from bot.playground.inline import INLINE
from bot.playground.limits import FloodGate, FloodLimits
from bot.playground.params import MAX_UPLOAD_BYTES, Params, read_params
from bot.playground.people import Person
from bot.playground.profile import PROFILE, menu
from bot.playground.sending import SENDING
from bot.playground.updates import UpdateQueue
from bot.playground.webhook import WebhookSender
from bot.playground.whispering import WHISPERING
from bot.playground.world import World

TOKEN = "4242:playground-token"  # noqa: S105 - a made-up token that opens only the stand-in
_PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(eq=False)
class Call:
    """One call of the bot; `answer` is the envelope, None while it runs or if it was cut."""

    method: str
    params: Json
    chat_id: int | None
    at_s: float
    answer: Json | None = None
    fault: Fault | None = None

    @property
    def ok(self) -> bool:
        return bool(self.answer and self.answer["ok"])


class BotApi:
    """A Bot API server over HTTP with people to talk to; state in memory.

    `async with BotApi() as api:` serves on a free loopback port (`api.base_url`,
    `api.base_file_url` for python-telegram-bot, `api.url` for `telegram.api_url`).
    `mount(app)` serves inside another application instead.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        username: str = "lipa_demo_bot",
        limits: FloodLimits | None = None,
        privacy_mode: bool = True,
        clock: Callable[[], float] = time.time,
        webhook_retry_s: float = 0.2,
    ) -> None:
        self.token = token
        bot = User(int(token.partition(":")[0]), "Lipabot", username=username, is_bot=True)
        self.world = World(bot, clock, privacy_mode=privacy_mode)
        sender = WebhookSender(
            self.world.updates, self.world.changes, clock, retry_s=webhook_retry_s
        )
        self.backend = Backend(self.world, FloodGate(limits), sender)
        self.faults = Faults()
        self.calls: list[Call] = []
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._methods: dict[str, Method] = {
            **SENDING,
            **EDITING,
            **ASKING,
            **PROFILE,
            **INLINE,
            **WHISPERING,
        }

    @property
    def base_url(self) -> str:
        return f"{self.url}/bot"

    @property
    def base_file_url(self) -> str:
        return f"{self.url}/file/bot"

    @property
    def updates(self) -> UpdateQueue:
        """The queue of updates: `deliver_twice`, `redeliver`, `out_of_order`, `sent`."""
        return self.world.updates

    def person(
        self,
        person_id: int,
        first_name: str = "Jane",
        *,
        last_name: str = "",
        username: str = "",
        language_code: str = "en",
        phone: str = "",
        started: bool = False,
    ) -> Person:
        """A new person; the bot may not write to them before they have started it."""
        if person_id in self.world.accounts:
            raise ValueError(f"person {person_id} is already there")
        person = Person(
            person_id,
            first_name,
            last_name,
            username,
            language_code,
            phone=phone,
            started=started,
            world=self.world,
        )
        self.world.accounts[person_id] = person
        return person

    def group(
        self,
        group_id: int,
        title: str,
        members: list[Person],
        *,
        supergroup: bool = False,
        forum: bool = False,
        with_bot: bool = True,
    ) -> Chat:
        """A new group; the first member made it, the bot is in it as a plain member."""
        if group_id >= 0:
            raise ValueError("the id of a group is negative")
        kind = "supergroup" if supergroup or forum else "group"
        chat = Chat(group_id, kind, title, forum=forum)
        for number, member in enumerate(members):
            chat.users[member.id] = member
            chat.standing[member.id] = "member" if number else "creator"
        if forum:
            # Message 1 is the General topic, so that no other topic can have that id.
            chat.next_message_id()
        if with_bot:
            chat.users[self.world.bot.id] = self.world.bot
            chat.standing[self.world.bot.id] = "member"
        self.world.chats[group_id] = chat
        return chat

    def upgrade(self, group: Chat, new_id: int) -> Chat:
        """Turn a group into a supergroup with this id (-100…); the bot is told in both."""
        return self.world.upgrade(group, new_id)

    def chat(self, chat_id: int) -> Chat:
        """The chat with this id (a person's id for the private one)."""
        return self.world.chat(chat_id)

    def menu(self, chat: Chat, person: Person) -> list[Json]:
        """The command menu that this person is offered in this chat."""
        return menu(self.backend, chat, person)

    def calls_of(self, method: str) -> list[Call]:
        """The logged calls of one method, oldest first."""
        return [call for call in self.calls if call.method == method.lower()]

    async def wait_for(self, condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Return once the condition holds; it is looked at after every change.

        Raises TimeoutError that tells what was said and called meanwhile.
        """
        try:
            await self.world.changes.until(condition, timeout_s)
        except TimeoutError:
            raise TimeoutError(f"not within {timeout_s} s; {self.transcript()}") from None

    def transcript(self) -> str:
        """What stands in every chat and the last calls, for the reader of a failed test."""
        lines = [repr(m) for chat in self.world.chats.values() for m in chat.messages[-8:]]
        lines += [f"{c.method} {c.answer}" for c in self.calls[-8:] if c.method != "getupdates"]
        return "\n  ".join(["the chats and the last calls:", *lines])

    def mount(self, app: web.Application) -> None:
        """Add the Bot API's routes and its webhook delivery to an application."""
        app.router.add_route("*", "/bot{token}/{method}", self._serve)
        app.router.add_get("/file/bot{token}/{path:.+}", self._serve_file)
        app.cleanup_ctx.append(self._deliver_webhooks)
        app.on_shutdown.append(self._close)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_UPLOAD_BYTES + 64 * 1024)
        self.mount(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _close(self, app: web.Application) -> None:
        self.faults.clear()
        self.world.updates.close()

    async def _deliver_webhooks(self, app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self.backend.sender.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            if request.match_info["token"] != self.token:
                raise ApiError(401, "Unauthorized")
            params = await read_params(request)
        except ApiError as refusal:
            return web.json_response(refusal.body(), status=refusal.code)
        except ConnectionResetError:
            # A bot that goes away in the middle of a call is no news, and reads no answer.
            return _cut(request)
        name = request.match_info["method"].lower()
        call = Call(name, params.values, _chat_id(params), self.world.clock())
        call.fault = self.faults.next_for(name, call.chat_id)
        self.calls.append(call)
        self.world.changes.notify()
        trouble = call.fault.trouble if call.fault else None
        if trouble is Trouble.DROPPED:
            return _cut(request)
        if trouble is Trouble.SERVER_ERROR and call.fault and call.fault.code == 502:
            return web.Response(status=502, text=_PROXY_PAGE, content_type="text/html")
        answer, status = await self._answer(call, params)
        if trouble is Trouble.REPLY_LOST:
            return _cut(request)
        if trouble is Trouble.SILENT and call.fault:
            await call.fault.gate.wait()
        call.answer = answer
        self.world.changes.notify()
        return web.json_response(answer, status=status)

    async def _answer(self, call: Call, params: Params) -> tuple[Json, int]:
        try:
            if call.fault is not None:
                await _instead(call.fault)
            return {"ok": True, "result": await self._do(call.method, params)}, 200
        except ApiError as refusal:
            return refusal.body(), refusal.code

    async def _do(self, name: str, params: Params) -> Any:
        if self.backend.logged_out:
            raise ApiError(400, "Logged out")
        if name == "getupdates":
            return await self._get_updates(params)
        method = self._methods.get(name)
        if method is None or (name in WHISPERING and not self.world.whispers):
            raise ApiError(404, "Not Found: method not found")
        return method(self.backend, params)

    async def _get_updates(self, params: Params) -> list[Json]:
        if self.backend.sender.hook.url:
            raise conflict(
                "can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first"
            )
        queue = self.world.updates
        if params.has("allowed_updates"):
            queue.allowed = list(params.object("allowed_updates") or [])
        limit = params.number("limit", 100)
        return await queue.poll(
            params.number("offset"),
            limit if 1 <= limit <= 100 else 100,
            min(max(params.number("timeout"), 0), 50),
        )

    async def _serve_file(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        found = [f for f in self.world.files.values() if f.path == path]
        if request.match_info["token"] != self.token or not found:
            return web.json_response(ApiError(404, "Not Found").body(), status=404)
        return web.Response(body=found[0].content, content_type="application/octet-stream")


def _chat_id(params: Params) -> int | None:
    try:
        return int(params.values["chat_id"])
    except (KeyError, TypeError, ValueError):
        return None


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _instead(fault: Fault) -> None:
    """The trouble that comes before (or in place of) the deed; raises its ApiError."""
    match fault.trouble:
        case Trouble.FLOOD:
            raise flood(fault.retry_after_s)
        case Trouble.FORBIDDEN:
            raise forbidden(fault.description)
        case Trouble.REFUSED:
            raise bad_request(fault.description)
        case Trouble.SERVER_ERROR:
            raise ApiError(fault.code, "Internal Server Error")
        case Trouble.SLOW:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(fault.delay_s):
                    await fault.gate.wait()
        case Trouble.DROPPED | Trouble.REPLY_LOST | Trouble.SILENT:
            return
