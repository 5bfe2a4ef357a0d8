"""The guard: whose address is believed, and what slow, greedy and garbled clients get."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from bot.core.hear import ADDRESS
from bot.web.guard import client_address
from bot.web.server import _HttpLog, build_web, serving
from storage.engine import open_store
from tests.stores import TestClock
from tests.web.test_doors import PAYMENT, ListeningHear

# Who connects, and whom we trust: nobody in front of us; a proxy here; a chain; IPv6 throughout.
BARE, NEAR, CHAIN, SIX = range(4)
TOPOLOGIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("203.0.113.7", ()),
    ("127.0.0.1", ("127.0.0.0/8",)),
    ("10.0.0.1", ("10.0.0.0/8", "198.51.100.0/24")),
    ("2001:db8:1::1", ("2001:db8:1::/48", "10.0.0.0/8")),
)
PEERS = tuple(peer for peer, _ in TOPOLOGIES)
CLIENT = "192.0.2.55"

# Each: the lines of X-Forwarded-For, and whose address it is, seen from the three with a proxy.
MATRIX: list[tuple[tuple[str, ...], tuple[str | None, str | None, str | None]]] = [
    ((), (None, None, None)),
    (("",), (None, None, None)),
    ((" ",), (None, None, None)),
    ((",",), (None, None, None)),
    ((f"{CLIENT}",), (CLIENT,) * 3),
    ((f"  {CLIENT}\t",), (CLIENT,) * 3),
    ((f"{CLIENT},",), (None, None, None)),
    ((f",{CLIENT}",), (CLIENT,) * 3),
    ((f"6.6.6.6, {CLIENT}",), (CLIENT,) * 3),
    ((f"6.6.6.6,7.7.7.7,8.8.8.8,{CLIENT}",), (CLIENT,) * 3),
    (("6.6.6.6", CLIENT), (CLIENT,) * 3),
    ((f"6.6.6.6, {CLIENT}", ""), (None, None, None)),
    (("6.6.6.6", "7.7.7.7", CLIENT), (CLIENT,) * 3),
    ((f"{CLIENT}, 10.1.2.3",), ("10.1.2.3", CLIENT, CLIENT)),
    ((CLIENT, "10.1.2.3"), ("10.1.2.3", CLIENT, CLIENT)),
    ((f"{CLIENT}, 10.1.2.3, 10.3.2.1",), ("10.3.2.1", CLIENT, CLIENT)),
    ((f"{CLIENT}, 198.51.100.4, 10.1.2.3",), ("10.1.2.3", CLIENT, "198.51.100.4")),
    ((f"{CLIENT}, 127.0.0.1",), (CLIENT, "127.0.0.1", "127.0.0.1")),
    ((f"10.0.0.9, {CLIENT}",), (CLIENT,) * 3),
    (("10.0.0.9",), ("10.0.0.9",) * 3),
    (("10.0.0.9, 10.0.0.8",), ("10.0.0.8", "10.0.0.9", "10.0.0.9")),
    (("127.0.0.1, 127.0.0.2",), ("127.0.0.1", "127.0.0.2", "127.0.0.2")),
    ((f"{CLIENT}:443",), (CLIENT,) * 3),
    ((f"{CLIENT}:70000x",), (None, None, None)),
    ((f"{CLIENT}:",), (None, None, None)),
    ((f'"{CLIENT}"',), (CLIENT,) * 3),
    ((f'"{CLIENT}:8080"',), (CLIENT,) * 3),
    (("2001:db8::55",), ("2001:db8::55",) * 3),
    (("[2001:db8::55]",), ("2001:db8::55",) * 3),
    (("[2001:db8::55]:443",), ("2001:db8::55",) * 3),
    (("2001:DB8:0:0:0:0:0:55",), ("2001:db8::55",) * 3),
    (("[2001:db8::55",), (None, None, None)),
    ((f"::ffff:{CLIENT}",), (CLIENT,) * 3),
    (("::1%" + "z" * 500,), (None, None, None)),
    (("2001:db8::55, 2001:db8:1::2",), ("2001:db8:1::2", "2001:db8:1::2", "2001:db8::55")),
    (("unknown",), (None, None, None)),
    ((f"{CLIENT}, unknown",), (None, None, None)),
    (("_hidden, 999.1.1.1",), (None, None, None)),
    (("0x7f.1, 127.1, 2130706433",), (None, None, None)),
    ((f"{CLIENT}; DROP TABLE payments",), (None, None, None)),
    (("9" * 4000,), (None, None, None)),
    (("۱.۲.۳.۴",), (None, None, None)),
]


def seen_from(topology: int, lines: tuple[str, ...], header: str = "X-Forwarded-For") -> str:
    peer, trusted = TOPOLOGIES[topology]
    headers = CIMultiDict([(header, line) for line in lines])
    request = make_mocked_request("POST", "/", headers=headers).clone(remote=peer)
    return client_address(request, [ip_network(each) for each in trusted])


def test_the_matrix_is_as_wide_as_it_should_be() -> None:
    assert len(MATRIX) >= 40


@pytest.mark.parametrize(("lines", "expected"), MATRIX)
def test_an_address_is_believed_from_trusted_proxies_and_from_the_right(
    lines: tuple[str, ...], expected: tuple[str | None, ...]
) -> None:
    assert seen_from(BARE, lines) == PEERS[BARE]  # whatever is claimed
    for topology, address in zip((NEAR, CHAIN, SIX), expected, strict=True):
        assert seen_from(topology, lines) == (address or PEERS[topology]), topology


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "Client-IP", "Via"]
)
def test_no_other_header_is_believed_from_anybody(header: str) -> None:
    for topology, peer in enumerate(PEERS):
        assert seen_from(topology, (CLIENT,), header) == peer


def test_a_peer_is_seen_the_same_on_a_socket_for_both_kinds_of_address() -> None:
    request = make_mocked_request(
        "POST", "/", headers=CIMultiDict([("X-Forwarded-For", CLIENT)])
    ).clone(remote="::ffff:127.0.0.1")

    assert client_address(request, [ip_network("127.0.0.0/8")]) == CLIENT
    assert client_address(request, []) == "127.0.0.1"


class Guarded:
    """A running door with short patience."""

    def __init__(self, hear: ListeningHear, port: int, path: str) -> None:
        self.hear, self.port, self.path = hear, port, path

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def honest(self) -> int:
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"http://127.0.0.1:{self.port}{self.path}", data=b"{}") as answer,
        ):
            return answer.status


@asynccontextmanager
async def guarded(folder: Path, *, connections_max: int = 768) -> AsyncIterator[Guarded]:
    async with open_store(f"sqlite:///{folder}/bot.db", now=TestClock().now) as store:
        hear = ListeningHear(store)
        app = build_web(hear, ready=lambda: True, body_timeout_s=0.3)
        async with serving(
            app, host="127.0.0.1", port=0, keepalive_s=0.3, connections_max=connections_max
        ) as port:
            path = f"/c/{PAYMENT}.{store.crypt.sign(ADDRESS, PAYMENT)}"
            yield Guarded(hear, port, path)


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What was still sent, once the other side hung up."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"P",
        b"POST {path} HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nPOST {path} HTTP/1.1\r\nHos",
    ],
)
async def test_who_dribbles_a_head_is_hung_up_on(tmp_path: Path, head: bytes) -> None:
    async with guarded(tmp_path) as door:
        reader, writer = await door.open()
        writer.write(head.replace(b"{path}", door.path.encode()))

        def dribble() -> None:
            if not writer.is_closing():
                writer.write(b"a")
                loop.call_later(0.05, dribble)

        loop = asyncio.get_running_loop()
        dribble()
        await closed(reader)
        writer.close()
        assert await door.honest() == 200


async def test_dribblers_are_cut_and_the_honest_are_served_meanwhile(tmp_path: Path) -> None:
    async with guarded(tmp_path) as door:
        dribblers = [await door.open() for _ in range(60)]
        for number, (_, writer) in enumerate(dribblers):
            head = f"POST {door.path} HTTP/1.1\r\nHost: x\r\n"
            body = "Content-Length: 100\r\n\r\n{" if number % 2 else "X: "
            writer.write((head + body).encode())

        assert [await door.honest() for _ in range(10)] == [200] * 10

        answers = await asyncio.gather(*(closed(reader) for reader, _ in dribblers))
        for _, writer in dribblers:
            writer.close()
        assert sum(answer.startswith(b"HTTP/1.1 408") for answer in answers) == 30


async def test_one_connection_too_many_is_hung_up_on_and_a_place_that_is_free_is_given(
    tmp_path: Path,
) -> None:
    async with guarded(tmp_path, connections_max=5) as door:
        opened = [await door.open() for _ in range(5)]
        for reader, writer in opened:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")

        reader, writer = await door.open()
        assert await closed(reader) == b""
        writer.close()

        for reader, _ in opened:
            await closed(reader)  # idle for longer than we wait
        assert await door.honest() == 200
        for _, writer in opened:
            writer.close()


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: ws_CO_2311\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nws_CO_231",
    ],
)
async def test_junk_is_no_error_of_ours_and_its_bytes_stay_out_of_the_log(
    tmp_path: Path, junk: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with guarded(tmp_path) as door:
        reader, writer = await door.open()
        writer.write(junk)
        answer = await closed(reader)
        writer.close()

    assert re.match(rb"$|HTTP/1\.. 400", answer)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert "ws_CO" not in caplog.text


def test_who_hangs_up_on_us_is_no_error_of_ours_and_a_bug_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    http = _HttpLog(logging.getLogger("bot.web.server"))

    http.exception("Error handling request from %s", "1.2.3.4", exc_info=ConnectionResetError())
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []

    http.exception("Error handling request from %s", "1.2.3.4", exc_info=ZeroDivisionError())
    loud = [record.levelno for record in caplog.records if record.levelno > logging.INFO]
    assert loud == [logging.ERROR]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * 17_000, 413),
        (b"[" * 16_000, 200),
        (b'{"a":' * 3000, 200),
        (b'{"Body":{"stkCallback":{"ResultCode":0,"ResultCode":1032}}}', 200),
        (b'{"Body":{"stkCallback":{"ResultCode":0}},"Body":{}}', 200),
        (b'{"Body":{"stkCallback":{"ResultCode":' + b"7" * 5000 + b"}}}", 200),
        (b'{"Body":{"stkCallback":{"ResultCode":1e999}}}', 200),
        (b'{"Body":{"stkCallback":{"ResultCode":NaN}}}', 200),
        (b'\xef\xbb\xbf{"Body":{"stkCallback":{"ResultCode":[]}}}', 200),
        (b"\xff\xfe{\x00", 200),
    ],
)
async def test_what_breaks_readers_is_kept_and_believed_by_nobody(
    tmp_path: Path, body: bytes, status: int
) -> None:
    from mpesa.models import StkCallback

    async with guarded(tmp_path) as door:
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"http://127.0.0.1:{door.port}{door.path}", data=body) as answer,
        ):
            assert answer.status == status

        [(_, heard, _, _)] = door.hear.heard
        assert not (isinstance(heard, StkCallback) and heard.result.paid)
