"""A whole web server over a real core and store, as people without Telegram meet it."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any

import aiohttp
from aiohttp import web

from bot.app import pages_of
from bot.building import Parts, build_core
from bot.config import Config
from bot.core.billing import NewInvoice
from bot.core.core import Core
from bot.core.drives import NewDrive
from bot.core.hear import ADDRESS
from bot.core.invoice_acts import Done
from bot.core.invoices import InvoiceView
from bot.core.ports import Ids
from bot.core.post import Post
from bot.core.settle import Settle
from bot.web.drives import Drives
from bot.web.live import Live
from bot.web.server import build_web, serving
from mpesa.callbacks import parse_callback
from storage.engine import Store
from storage.records import Bill, Closing, Drive, Kind, Payment
from storage.tx import Tx
from tests.core.bodies import failure, success
from tests.core.conftest import ScriptedDaraja
from tests.core.shop import NJERI, a_bill
from tests.desk import ScriptedOffice
from tests.fakes import fact, unit_of
from tests.stores import TestClock

__all__ = ["GROUP", "OPENER", "PHONE", "PROXY", "Answer", "Place", "opened_place", "ticket_in"]

PHONE = "0712000001"
MASK = "0712***001"
GROUP = -700
OPENER = 1001
PROXY = "127.0.0.1/32"
_TICKET = re.compile(r'name="ticket" value="([^"]+)"')


def config_of(**limits: int) -> Config:
    return Config.model_validate(
        {
            "telegram": {"token": "123456:" + "A" * 35, "operators": [900]},
            "mpesa": {
                "consumer_key": "k" * 20,
                "consumer_secret": "s" * 20,
                "shortcode": "174379",
                "passkey": "p" * 40,
                "business_name": "Jamii Chama",
            },
            "webhook": {"public_url": "http://pay.example.org", "trusted_proxies": [PROXY]},
            "limits": limits,
        }
    )


@dataclass(frozen=True)
class Answer:
    """What a browser got."""

    status: int
    text: str
    headers: Any

    @property
    def words(self) -> str:
        """What a reader sees, more or less: no tags, one space where there were several."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


@dataclass
class Place:
    """A running server, and a browser of one visitor (each address is another)."""

    store: Store
    clock: TestClock
    core: Core
    daraja: ScriptedDaraja
    port: int
    client: aiohttp.ClientSession
    live: Live
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    issued: int = 0

    new = NewDrive(
        title="Mama Akinyi hospital bill",
        target_kes=50_000,
        chat_id=GROUP,
        thread_id=None,
        language="en",
        opened_by=OPENER,
        opener_name="Mary Wanjikũ",
        open_key="m:-700:1",
    )

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def drive(self, **changes: Any) -> Drive:
        return await self.core.drives.open(replace(self.new, **changes), Closing())

    async def invoice(
        self, bill: Bill | None = None, *, by: int = NJERI, draft: bool = False
    ) -> InvoiceView:
        """One that Mama Njeri has just issued, or is about to."""
        merchants = self.core.merchants
        self.issued += 1
        if self.issued == 1:
            await merchants.appoint(
                by, name="Mama Njeri Shop", language="en", by=900, say=lambda _: Closing()
            )
        new = NewInvoice(
            merchant_id=by,
            bill=bill or a_bill(),
            issue_key=f"m:{by}:{self.issued}",
            draft=draft,
        )
        done = await self.core.billing.make(new, Closing())
        assert isinstance(done, Done), done
        return done.view

    async def reverse(self, payment: Payment, **known: Any) -> None:
        """The money of a paid payment went back; all of it, unless more is *known*."""
        gone = fact(Kind.REVERSED, payment_id=payment.id, at=self.clock.now(), **known)
        await self.store.submit(unit_of(gone, claims=False), self.core.hear._settle)

    async def get(self, path: str, **headers: str) -> Answer:
        async with self.client.get(path, headers=headers, allow_redirects=False) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)

    async def post(
        self,
        path: str,
        fields: dict[str, str],
        *,
        headers: dict[str, str] | None = None,
        cookies: dict[str, str] | None = None,
    ) -> Answer:
        sent = {"Origin": self.origin, **(headers or {})}
        async with self.client.post(
            path, data=fields, headers=sent, cookies=cookies, allow_redirects=False
        ) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)

    async def send(self, path: str, *, address: str = "203.0.113.7", **fields: str) -> Answer:
        """Open the page, fill in its form and send it, as a browser at *address* does."""
        page = await self.get(path)
        given = {"ticket": ticket_in(page.text), "phone": PHONE, "amount": "500", **fields}
        return await self.post(path, given, headers={"X-Forwarded-For": address})

    async def finish(self) -> None:
        """Until what was asked for has been sent."""
        while self.tasks:
            await self.tasks.pop()

    async def payments(self) -> list[Payment]:
        async with self.store.read() as tx:
            found = await tx.payments.of_person(0, chat_id=None, limit=50)
        return [payment for payment, _ in found]

    async def paid(self, payment: Payment, *, push: int | None = None) -> None:
        number = push or len(self.daraja.pushes)
        await self.told(
            payment, success(number, amount=payment.amount_kes, receipt=f"UKN{number:07d}")
        )

    async def failed(self, payment: Payment, code: object = 1032) -> None:
        await self.told(payment, failure(code, len(self.daraja.pushes)))

    async def told(self, payment: Payment, body: bytes) -> None:
        await self.core.hear.callback(payment.id, parse_callback(body), body, source="test")

    async def write(self, run: Callable[[Tx], Awaitable[Any]]) -> None:
        await self.store.write(run)

    def cookie(self) -> tuple[str, str]:
        """The browser's cookie, by its name."""
        [kept] = self.client.cookie_jar
        return kept.key, kept.value

    def callback_address(self, payment_id: str) -> str:
        return f"/c/{payment_id}.{self.store.crypt.sign(ADDRESS, payment_id)}"


@asynccontextmanager
async def opened_place(
    store: Store,
    clock: TestClock,
    *,
    seed: int = 7,
    live: Live | None = None,
    drives: Callable[[Drives], Drives] = lambda known: known,
    connections_max: int | None = None,
    keepalive_s: float | None = None,
    **limits: int,
) -> AsyncIterator[Place]:
    """A process that serves pages on *store*; it ends with the block."""
    config, daraja = config_of(**limits), ScriptedDaraja()
    tasks: list[asyncio.Task[None]] = []

    def background(work: Coroutine[Any, Any, None]) -> None:
        tasks.append(asyncio.create_task(work))

    core = build_core(
        Parts(
            config=config,
            store=store,
            daraja=daraja,
            background=background,
            settle=Settle(operators=[900]),
            post=Post(store=store, clock=clock),
            clock=clock,
            ids=Ids(random.Random(seed).randbytes),
            office=ScriptedOffice(),
        )
    )
    pages = pages_of(config, store, core, lambda: "lipa_demo_bot")
    shown = live or Live(every_s=0.01, heartbeat_s=5)
    pages = replace(
        pages, site=replace(pages.site, live=shown, body_timeout_s=1.0), drives=drives(core.drives)
    )
    app: web.Application = build_web(
        core.hear, ready=lambda: True, trusted_proxies=config.webhook.trusted_proxies, pages=pages
    )
    options: dict[str, Any] = {}
    if connections_max is not None:
        options["connections_max"] = connections_max
    if keepalive_s is not None:
        options["keepalive_s"] = keepalive_s
    async with (
        serving(app, host="127.0.0.1", port=0, **options) as port,
        aiohttp.ClientSession(
            f"http://127.0.0.1:{port}",
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            connector=aiohttp.TCPConnector(limit=0),
        ) as client,
    ):
        place = Place(
            store=store,
            clock=clock,
            core=core,
            daraja=daraja,
            port=port,
            client=client,
            live=shown,
            tasks=tasks,
        )
        try:
            yield place
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def ticket_in(html: str) -> str:
    found = _TICKET.search(html)
    assert found is not None, "the page has no form"
    return unescape(found[1])
