"""The web's doors over real HTTP: what is kept, what is refused, and what nobody can tell apart."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from bot.core.hear import ADDRESS, Hear, Heard, Unread
from bot.core.settle import Settle
from bot.web.guard import client_address
from bot.web.server import build_web, serving
from bot.web.telegram import TelegramDoor
from mpesa.models import StkCallback
from storage.engine import Store, open_store
from storage.errors import StoreBusy
from tests.stores import TestClock

PAYMENT = "0" * 31 + "1"
SECRET = "what Telegram was told"
NETWORKS = ["10.0.0.0/8", "127.0.0.0/8"]


class ListeningHear(Hear):
    """A Hear that writes down what reaches it; `busy` makes its store refuse."""

    def __init__(self, store: Store) -> None:
        super().__init__(
            store=store,
            settle=Settle(operators=[]),
            clock=TestClock(),
            unconfirmed_total_kes=1,
            wake=lambda: None,
        )
        self.heard: list[tuple[str, Heard, bytes, str]] = []
        self.busy = False
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.written = asyncio.Event()

    async def callback(self, payment_id: str, heard: Heard, raw: bytes, *, source: str) -> None:
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.busy:
            raise StoreBusy("full")
        self.heard.append((payment_id, heard, raw, source))
        self.written.set()


@dataclass
class Door:
    """A running web server and a client of it."""

    hear: ListeningHear
    client: aiohttp.ClientSession
    port: int
    updates: list[bytes]
    mac: str

    @property
    def address(self) -> str:
        return f"/c/{PAYMENT}.{self.mac}"


@pytest.fixture
async def door(migrated_copy: str) -> AsyncIterator[Door]:
    async with (
        open_store(migrated_copy, now=TestClock().now) as store,
        opened_door(ListeningHear(store), store) as opened,
    ):
        yield opened


@asynccontextmanager
async def opened_door(hear: ListeningHear, store: Store) -> AsyncIterator[Door]:
    updates: list[bytes] = []

    async def take_raw(body: bytes) -> None:
        if body == b"busy":
            raise StoreBusy("full")
        if body == b"nonsense":
            raise ValueError("no update")
        updates.append(body)

    app = build_web(
        hear,
        ready=lambda: bool(updates),
        trusted_proxies=NETWORKS,
        telegram=TelegramDoor(SECRET, take_raw),
        body_timeout_s=0.2,
    )
    async with (
        serving(app, host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        yield Door(hear, client, port, updates, store.crypt.sign(ADDRESS, PAYMENT))


async def test_a_body_at_a_good_address_is_kept_and_acknowledged(door: Door) -> None:
    body = b'{"Body":{"stkCallback":{"ResultCode":1032}}}'

    async with door.client.post(door.address, data=body) as answer:
        assert answer.status == 200
        assert await answer.json() == {"ResultCode": 0, "ResultDesc": "Accepted"}

    [(payment_id, heard, raw, source)] = door.hear.heard
    assert (payment_id, raw, source) == (PAYMENT, body, "127.0.0.1")
    assert isinstance(heard, StkCallback)


async def test_wrong_addresses_and_unknown_routes_cannot_be_told_apart(door: Door) -> None:
    wrong = [
        f"/c/{PAYMENT}.{'0' * 32}",
        f"/c/{'f' * 32}.{door.mac}",
        f"/c/{PAYMENT}",
        f"/c/{PAYMENT}.{door.mac}x",
        f"/c/{PAYMENT.upper().replace('0', 'A')}.{door.mac}",
        "/c/",
        "/",
        "/admin",
        "/c/%00.%ff",
    ]
    answers = set()
    for path in wrong:
        async with door.client.post(path, data=b"{}") as answer:
            headers = tuple(sorted((k, v) for k, v in answer.headers.items() if k != "Date"))
            answers.add((answer.status, await answer.text(), headers))
    async with door.client.get(door.address) as answer:
        headers = tuple(sorted((k, v) for k, v in answer.headers.items() if k != "Date"))
        answers.add((answer.status, await answer.text(), headers))

    assert len(answers) == 1
    assert next(iter(answers))[0] == 404
    assert door.hear.heard == []


async def test_an_oversize_body_is_refused_but_noted(door: Door) -> None:
    async with door.client.post(door.address, data=b"x" * 20_000) as answer:
        assert answer.status == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    async with door.client.post(door.address, data=endless()) as answer:
        assert answer.status == 413

    assert [raw for _, _, raw, _ in door.hear.heard] == [b"", b""]
    assert all(not isinstance(heard, StkCallback) for _, heard, _, _ in door.hear.heard)


async def test_a_compressed_body_is_never_unpacked(door: Door) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    async with door.client.post(
        door.address, data=bomb, headers={"Content-Encoding": "gzip"}
    ) as answer:
        assert answer.status == 415


async def test_a_body_that_dribbles_is_cut(door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(
        f"POST {door.address} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode()
    )
    await writer.drain()

    async with asyncio.timeout(15):
        answer = await reader.read()  # until the server closes

    assert answer.startswith(b"HTTP/1.1 408")
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_breaks_off_is_noted(door: Door) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(
        f"POST {door.address} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode()
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    async with asyncio.timeout(60):
        await door.hear.written.wait()

    [(_, heard, _, _)] = door.hear.heard
    assert not isinstance(heard, StkCallback)


async def test_what_cannot_be_kept_is_answered_503(door: Door) -> None:
    door.hear.busy = True
    async with door.client.post(door.address, data=b"{}") as answer:
        assert answer.status == 503


async def test_a_sender_who_hangs_up_does_not_take_the_evidence_along(door: Door) -> None:
    door.hear.gate = asyncio.Event()
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(
        f"POST {door.address} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    )
    await writer.drain()
    await door.hear.entered.wait()
    writer.close()
    await writer.wait_closed()

    door.hear.gate.set()
    async with asyncio.timeout(60):
        await door.hear.written.wait()

    assert door.hear.heard[0][2] == b"{}"


@pytest.mark.parametrize("body", [b"", b"[" * 16_000, b"\xff\xfe", b"null", b'{"a": 1e999}'])
async def test_bad_bodies_are_kept_and_never_a_5xx(door: Door, body: bytes) -> None:
    async with door.client.post(door.address, data=body) as answer:
        assert answer.status == 200

    [(_, heard, raw, _)] = door.hear.heard
    assert not isinstance(heard, StkCallback)
    assert raw == body


async def test_health_is_red_until_ready(door: Door) -> None:
    async with door.client.get("/healthz") as answer:
        assert answer.status == 503
    door.updates.append(b"something")
    async with door.client.get("/healthz") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("secret", "body", "status", "kept"),
    [
        (SECRET, b'{"update_id": 1}', 200, True),
        ("", b"{}", 401, False),
        ("guess", b"{}", 401, False),
        (SECRET, b"busy", 503, False),
        (SECRET, b"nonsense", 200, False),
        (SECRET, b"x" * 1_100_000, 413, False),
    ],
)
async def test_telegram_must_know_the_secret(
    door: Door, secret: str, body: bytes, status: int, kept: bool
) -> None:
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
    async with door.client.post("/telegram", data=BytesIO(body), headers=headers) as answer:
        assert answer.status == status
    assert bool(door.updates) is kept


async def test_who_does_not_know_the_secret_is_told_nothing_and_reaches_nobody(door: Door) -> None:
    name = "X-Telegram-Bot-Api-Secret-Token"
    wrong: list[dict[str, str]] = [
        {},
        *({name: each} for each in ("", SECRET[:-1], f"{SECRET}x", SECRET.upper(), "x" * 256)),
        {"Authorization": SECRET},
        {"Cookie": f"{name}={SECRET}"},
    ]
    answers = set()
    for headers in wrong:
        async with door.client.post(
            f"/telegram?{name}=1", data=b'{"update_id": 1}', headers=headers
        ) as answer:
            shown = tuple(sorted((k, v) for k, v in answer.headers.items() if k != "Date"))
            answers.add((answer.status, await answer.text(), shown))

    assert [status for status, _, _ in answers] == [401]
    assert door.updates == []


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], "127.0.0.1"),
        (["203.0.113.9"], "203.0.113.9"),
        (["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (["6.6.6.6", "203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        (["6.6.6.6, nonsense"], "127.0.0.1"),
        (["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        (["2001:db8::1"], "2001:db8::1"),
    ],
)
def test_forwarded_addresses_are_believed_from_trusted_proxies_only(
    headers: list[str], expected: str
) -> None:
    from ipaddress import ip_network

    from multidict import CIMultiDict

    values = CIMultiDict([("X-Forwarded-For", each) for each in headers])
    request = make_mocked_request("POST", "/", headers=values)
    request = request.clone(remote="127.0.0.1")
    trusted = [ip_network(each) for each in NETWORKS]

    assert client_address(request, trusted) == expected
    assert client_address(request, []) == "127.0.0.1"


def test_an_unread_body_has_a_reason() -> None:
    from mpesa.callbacks import parse_callback

    unread: Heard = parse_callback(b"[")
    assert not isinstance(unread, StkCallback)
    reason: Unread = unread
    assert reason.reason
