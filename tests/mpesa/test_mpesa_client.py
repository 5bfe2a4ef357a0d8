"""The client against real sockets: what left, what came back, and how often anything was sent."""

import asyncio
import gzip
import json
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mpesa.client import Daraja, open_daraja
from mpesa.errors import (
    BadCredentials,
    NoAnswer,
    NotSent,
    OutcomeUnknown,
    Refused,
    Throttled,
    TooLate,
    Unreachable,
)
from mpesa.models import Accepted, Account, Push
from mpesa.results import Meaning
from mpesa.transport import Dated, Deadline, Lost, Took, open_transport, read_date

NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PUSH = Push(
    phone="254712345678",
    amount_kes=50,
    reference="LUNCH-7K2",
    description="Lunch",
    callback_url="https://pay.example.org/c/1.sesame",
)
INVALID_TOKEN = {"errorCode": "404.001.03", "errorMessage": "Invalid Access Token"}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Safaricom:
    """
    A small Daraja on loopback: one token is good at a time, and every request is counted.

    `answer` may be set to reply to pushes and queries whose token is good.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.tokens_granted = 0
        self.token_is_good = True
        self.grants: Answer | None = None
        self.answer: Answer | None = None
        self.requests: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.accepted = 0
        self.closing = asyncio.Event()

    def void_token(self) -> None:
        self.token_is_good = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path)
        if request.path == "/oauth/v1/generate":
            return await self._grant(request)
        self.bodies.append(json.loads(await request.read()))
        token = f"Bearer token{self.tokens_granted}"
        if not self.token_is_good or request.headers["Authorization"] != token:
            return web.json_response(INVALID_TOKEN, status=404)
        if self.answer is not None:
            return await self.answer(request)
        self.accepted += 1
        return web.json_response(
            {
                "MerchantRequestID": f"m-{self.accepted}",
                "CheckoutRequestID": f"ws_CO_{self.accepted}",
                "ResponseCode": "0",
            }
        )

    async def hold_back(self, _request: web.Request) -> web.StreamResponse:
        """An answer that comes only when the test is over."""
        await self.closing.wait()
        return web.Response()

    async def _grant(self, request: web.Request) -> web.StreamResponse:
        if self.grants is not None:
            return await self.grants(request)
        self.tokens_granted += 1
        self.token_is_good = True
        return web.json_response(
            {"access_token": f"token{self.tokens_granted}", "expires_in": "3599"}
        )

    @property
    def pushes(self) -> int:
        return self.requests.count("/mpesa/stkpush/v1/processrequest")


@pytest.fixture
async def safaricom() -> AsyncIterator[Safaricom]:
    service = Safaricom()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    service.closing.set()
    await runner.cleanup()


@asynccontextmanager
async def opened(
    base_url: str,
    *,
    timeout_s: float = 5,
    took: Took | None = None,
    dated: Dated | None = None,
) -> AsyncIterator[Daraja]:
    async with open_daraja(
        base_url=base_url,
        consumer_key=SecretStr("key"),
        consumer_secret=SecretStr("secret"),
        account=Account(shortcode="174379", passkey=SecretStr("a-passkey")),
        now=lambda: NOON,
        timeout_s=timeout_s,
        took=took,
        dated=dated,
    ) as daraja:
        yield daraja


@pytest.fixture
async def daraja(safaricom: Safaricom) -> AsyncIterator[Daraja]:
    async with opened(safaricom.base_url) as client:
        yield client


@asynccontextmanager
async def deaf_server(last_words: bytes | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """
    A port that takes connections and keeps what it hears.

    It never says a word, or, with `last_words`, says them after the first it hears and hangs up.
    """
    heard: list[bytes] = []
    done = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            heard.append(data)
            if last_words is not None:
                writer.write(last_words)
                break
        writer.close()
        done.set()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
    async with asyncio.timeout(60):
        await done.wait()


async def closed_port() -> int:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


def answering(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers)

    return answer


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_a_push_is_accepted_with_its_ids(daraja: Daraja, safaricom: Safaricom) -> None:
    accepted = await daraja.push(PUSH, leave_within_s=20)

    assert accepted == Accepted("m-1", "ws_CO_1")
    assert safaricom.bodies[0]["PhoneNumber"] == "254712345678"
    assert safaricom.bodies[0]["Timestamp"] == "20261123120000"


async def test_getting_ready_fetches_the_token_that_the_pushes_use(
    daraja: Daraja, safaricom: Safaricom
) -> None:
    await daraja.ready()
    await daraja.push(PUSH, leave_within_s=20)
    await daraja.push(PUSH, leave_within_s=20)

    assert safaricom.tokens_granted == 1
    assert safaricom.pushes == 2


async def test_a_token_that_ended_between_is_renewed_and_the_push_sent_once_more(
    daraja: Daraja, safaricom: Safaricom
) -> None:
    await daraja.ready()
    safaricom.void_token()

    await daraja.push(PUSH, leave_within_s=20)

    assert safaricom.pushes == 2
    assert safaricom.accepted == 1
    assert safaricom.tokens_granted == 2


async def test_a_hundred_pushes_with_a_dead_token_renew_it_once(
    daraja: Daraja, safaricom: Safaricom
) -> None:
    await daraja.ready()
    safaricom.void_token()

    outcomes = await asyncio.gather(*(daraja.push(PUSH, leave_within_s=20) for _ in range(100)))

    assert len({outcome.checkout_request_id for outcome in outcomes}) == 100
    assert safaricom.accepted == 100
    assert safaricom.tokens_granted == 2


async def test_a_fresh_token_refused_twice_is_a_matter_of_configuration(
    daraja: Daraja, safaricom: Safaricom
) -> None:
    safaricom.answer = answering(json.dumps(INVALID_TOKEN).encode(), 404)

    with pytest.raises(BadCredentials, match="M-PESA Express") as raised:
        await daraja.push(PUSH, leave_within_s=20)

    assert raised.value.code == "404.001.03"
    assert safaricom.pushes == 2
    assert safaricom.tokens_granted == 2


async def test_a_connection_closed_after_reading_leaves_the_outcome_unknown_and_sends_once(
    daraja: Daraja, safaricom: Safaricom
) -> None:
    await daraja.ready()
    safaricom.answer = hang_up

    with pytest.raises(OutcomeUnknown):
        await daraja.push(PUSH, leave_within_s=20)

    assert safaricom.pushes == 1


async def test_a_kept_connection_that_the_other_side_dropped_sends_once(
    daraja: Daraja, safaricom: Safaricom
) -> None:
    await daraja.push(PUSH, leave_within_s=20)
    safaricom.answer = hang_up

    with pytest.raises(OutcomeUnknown):
        await daraja.push(PUSH, leave_within_s=20)

    assert safaricom.pushes == 2


@pytest.mark.parametrize(
    "answer",
    [
        answering(b"", 500),
        answering(b"<html>Bad Gateway</html>", 502),
        answering(b"", 504),
        answering(b"garbage", 200),
        answering(b'{"ResponseCode":"0"}', 200),
        answering(b"{}" + b" " * 70_000, 200),
        answering(gzip.compress(b" " * 10_000_000), 200, {"Content-Encoding": "gzip"}),
        answering(b"not gzip", 200, {"Content-Encoding": "gzip"}),
        answering(b"", 307, {"Location": "/elsewhere"}),
        answering(b"", 302, {"Location": "/elsewhere"}),
    ],
)
async def test_an_unclear_answer_leaves_the_outcome_unknown_and_sends_once(
    daraja: Daraja, safaricom: Safaricom, answer: Answer
) -> None:
    safaricom.answer = answer

    with pytest.raises(OutcomeUnknown):
        await daraja.push(PUSH, leave_within_s=20)

    assert safaricom.pushes == 1
    assert "/elsewhere" not in safaricom.requests


async def test_a_slow_answer_leaves_the_outcome_unknown_and_sends_once(
    safaricom: Safaricom,
) -> None:
    safaricom.answer = safaricom.hold_back
    async with opened(safaricom.base_url, timeout_s=0.1) as daraja:
        with pytest.raises(OutcomeUnknown):
            await daraja.push(PUSH, leave_within_s=20)

    assert safaricom.pushes == 1


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"ResponseCode":"0"',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
async def test_an_answer_cut_short_is_lost(part: bytes) -> None:
    async with (
        deaf_server(last_words=part) as (port, heard),
        open_transport(f"http://127.0.0.1:{port}", timeout_s=5) as transport,
    ):
        with pytest.raises(Lost):
            await transport.post("/push", b"{}", authorization="Bearer t")

    assert b"".join(heard).count(b"POST") == 1


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_an_answer_packed_against_our_wish_is_still_read(
    daraja: Daraja, safaricom: Safaricom, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    body = {"MerchantRequestID": "m", "CheckoutRequestID": "c", "ResponseCode": "0"}
    safaricom.answer = answering(
        pack(json.dumps(body).encode()), 200, {"Content-Encoding": encoding}
    )

    assert await daraja.push(PUSH, leave_within_s=20) == Accepted("m", "c")


async def test_a_refusal_is_not_sent_again(daraja: Daraja, safaricom: Safaricom) -> None:
    body = {"errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid Amount"}
    safaricom.answer = answering(json.dumps(body).encode(), 400)

    with pytest.raises(Refused) as raised:
        await daraja.push(PUSH, leave_within_s=20)

    assert raised.value.meaning is Meaning.BAD_AMOUNT
    assert safaricom.pushes == 1


@pytest.mark.parametrize(
    ("written", "wait_s"), [("7", 7.0), ("Mon, 23 Nov 2026 09:00:00 GMT", None), ("999999", 3600)]
)
async def test_a_throttled_push_says_when_to_come_back(
    daraja: Daraja, safaricom: Safaricom, written: str, wait_s: float | None
) -> None:
    safaricom.answer = answering(b"", 429, {"Retry-After": written})

    with pytest.raises(Throttled) as raised:
        await daraja.push(PUSH, leave_within_s=20)

    assert raised.value.retry_after_s == wait_s
    assert safaricom.pushes == 1


async def test_a_closed_port_is_unreachable() -> None:
    async with opened(f"http://127.0.0.1:{await closed_port()}") as daraja:
        with pytest.raises(Unreachable):
            await daraja.push(PUSH, leave_within_s=20)


async def test_a_push_to_a_closed_port_did_not_leave() -> None:
    async with open_transport(f"http://127.0.0.1:{await closed_port()}", timeout_s=5) as transport:
        with pytest.raises(Unreachable):
            await transport.post("/push", b"{}", authorization="Bearer t")


async def test_a_port_without_tls_is_unreachable(safaricom: Safaricom) -> None:
    async with open_transport(
        safaricom.base_url.replace("http:", "https:"), timeout_s=5
    ) as transport:
        with pytest.raises(Unreachable):
            await transport.post("/push", b"{}", authorization="Bearer t")

    assert safaricom.requests == []


async def test_a_silent_handshake_is_too_late_for_a_push_and_nothing_of_it_left() -> None:
    async with (
        deaf_server() as (port, heard),
        open_transport(f"https://127.0.0.1:{port}", timeout_s=5) as transport,
    ):
        with pytest.raises(TooLate):
            await transport.post(
                "/push",
                b"{}",
                authorization="Bearer t",
                deadline=Deadline(0.1, lambda: NOON),
            )

    assert b"POST" not in b"".join(heard)


async def test_a_silent_server_after_the_request_left_is_lost() -> None:
    async with (
        deaf_server() as (port, heard),
        open_transport(f"http://127.0.0.1:{port}", timeout_s=0.1) as transport,
    ):
        with pytest.raises(Lost):
            await transport.post("/push", b"{}", authorization="Bearer t")

    assert b"".join(heard).startswith(b"POST /push")


class ClosedDoor(Deadline):
    """A deadline that leaves time to connect, and none once the connection stands."""

    def check(self) -> None:
        raise TooLate("the door is closed")


async def test_a_deadline_that_passes_while_connecting_keeps_the_push_from_leaving() -> None:
    async with (
        deaf_server() as (port, heard),
        open_transport(f"http://127.0.0.1:{port}", timeout_s=5) as transport,
    ):
        with pytest.raises(TooLate):
            await transport.post(
                "/push", b"{}", authorization="Bearer t", deadline=ClosedDoor(20, lambda: NOON)
            )

    assert heard == []


async def test_a_push_without_time_left_does_not_leave(
    daraja: Daraja, safaricom: Safaricom
) -> None:
    await daraja.ready()

    with pytest.raises(TooLate):
        await daraja.push(PUSH, leave_within_s=0)

    assert safaricom.pushes == 0


async def test_a_push_whose_token_is_slow_does_not_leave(
    daraja: Daraja, safaricom: Safaricom
) -> None:
    safaricom.grants = safaricom.hold_back

    with pytest.raises(TooLate):
        await daraja.push(PUSH, leave_within_s=0.05)

    assert safaricom.pushes == 0


def test_a_deadline_passes_when_the_wall_clock_leaps() -> None:
    times = iter([NOON, NOON, NOON.replace(hour=10)])
    deadline = Deadline(20, lambda: next(times))

    deadline.check()

    with pytest.raises(TooLate):
        deadline.check()


def test_a_deadline_does_not_stretch_when_the_wall_clock_falls_back() -> None:
    times = iter([NOON, NOON.replace(hour=8)])
    seconds = iter([100.0, 112.5])

    deadline = Deadline(20, lambda: next(times), lambda: next(seconds))

    assert deadline.left_s() == 7.5


async def test_the_date_of_every_reply_is_told(safaricom: Safaricom) -> None:
    seen: list[datetime] = []
    written = {"Date": "Mon, 23 Nov 2026 12:00:07 +0300"}
    safaricom.answer = answering(b"", 429, written)

    async with opened(safaricom.base_url, dated=seen.append) as daraja:
        with pytest.raises(Throttled):
            await daraja.push(PUSH, leave_within_s=20)

    of_the_token, of_the_push = seen
    assert of_the_token.tzinfo is not None
    assert of_the_push == datetime(2026, 11, 23, 9, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        *("", "soon", "Mon, 23 Nov 2026 12:00:07", "Mon, 99 Nov 2026 12:00:07 GMT"),
        *(
            "Fri, 01 Jan 99999999999999999999 00:00:00 GMT",
            "1 1 1 1 1 1",
            "-",
            "(",
            "23 Nov :: GMT",
        ),
        "Mon, 23 Nov 2026 12:00:07 +99999999999",
    ],
)
async def test_a_date_that_is_none_loses_no_reply(safaricom: Safaricom, written: str) -> None:
    seen: list[datetime] = []
    body = {"MerchantRequestID": "m", "CheckoutRequestID": "ws_CO_1", "ResponseCode": "0"}
    safaricom.answer = answering(json.dumps(body).encode(), 200, {"Date": written})

    async with opened(safaricom.base_url, dated=seen.append) as daraja:
        accepted = await daraja.push(PUSH, leave_within_s=20)

    assert accepted.checkout_request_id == "ws_CO_1"
    assert len(seen) == 1  # the token's


@given(st.text())
def test_no_date_whatever_it_is_raises(written: str) -> None:
    at = read_date(written)

    assert at is None or at.tzinfo is not None


async def test_every_request_that_left_is_timed_by_its_kind_and_no_other(
    safaricom: Safaricom,
) -> None:
    seen: list[tuple[str, float]] = []

    def took(kind: str, seconds: float) -> None:
        seen.append((kind, seconds))

    async with opened(safaricom.base_url, took=took) as daraja:
        await daraja.push(PUSH, leave_within_s=20)
        body = {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "ResultCode": "0"}
        safaricom.answer = answering(json.dumps(body).encode())
        await daraja.query("ws_CO_1")
    async with opened("http://127.0.0.1:9", took=took) as nobody:
        with pytest.raises(Unreachable):
            await nobody.push(PUSH, leave_within_s=20)

    assert [kind for kind, _ in seen] == ["token", "push", "query"]
    assert all(0 < seconds < 10 for _, seconds in seen)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (answering(b"", 400), BadCredentials),
        (answering(b"", 401), BadCredentials),
        (answering(b"", 500), Unreachable),
        (hang_up, Unreachable),
        (answering(b"Request unsuccessful. Incapsula incident ID: 1-2", 503), Unreachable),
    ],
)
async def test_without_a_token_nothing_is_sent(
    daraja: Daraja, safaricom: Safaricom, answer: Answer, kind: type[NotSent]
) -> None:
    safaricom.grants = answer

    with pytest.raises(kind):
        await daraja.push(PUSH, leave_within_s=20)

    assert safaricom.pushes == 0


async def test_a_query_reads_the_answer_about_its_payment(
    daraja: Daraja, safaricom: Safaricom
) -> None:
    body = {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "ResultCode": "0"}
    safaricom.answer = answering(json.dumps(body).encode())

    answer = await daraja.query("ws_CO_1")

    assert answer.result.paid
    assert safaricom.requests.count("/mpesa/stkpushquery/v1/query") == 1


async def test_a_query_renews_a_dead_token_once(daraja: Daraja, safaricom: Safaricom) -> None:
    await daraja.ready()
    safaricom.void_token()
    body = {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "ResultCode": "1032"}
    safaricom.answer = answering(json.dumps(body).encode())

    answer = await daraja.query("ws_CO_1")

    assert answer.result.meaning is Meaning.CANCELLED
    assert safaricom.tokens_granted == 2


@pytest.mark.parametrize(
    "answer",
    [
        hang_up,
        answering(b"", 500),
        answering(b"", 429),
        answering(b"<html>", 503),
        answering(json.dumps(INVALID_TOKEN).encode(), 404),
        answering(b'{"ResponseCode":"0","CheckoutRequestID":"ws_CO_2","ResultCode":"0"}'),
    ],
)
async def test_a_query_that_learns_nothing_says_so(
    daraja: Daraja, safaricom: Safaricom, answer: Answer
) -> None:
    safaricom.answer = answer

    with pytest.raises(NoAnswer):
        await daraja.query("ws_CO_1")


async def test_a_query_to_nowhere_learns_nothing() -> None:
    async with opened(f"http://127.0.0.1:{await closed_port()}") as daraja:
        with pytest.raises(NoAnswer):
            await daraja.query("ws_CO_1")


async def test_no_error_and_no_log_line_holds_a_secret(
    daraja: Daraja, safaricom: Safaricom, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    echo = {
        "requestId": "ws_CO_254712345678",
        "errorCode": "500.001.1001",
        "errorMessage": "token1 254712345678 https://pay.example.org/c/1.sesame a-passkey1",
    }
    for answer in (
        hang_up,
        answering(json.dumps(echo).encode(), 500),
        answering(json.dumps(echo | {"errorCode": "400.002.02"}).encode(), 400),
        answering(json.dumps(echo | {"errorCode": "500.003.02"}).encode(), 500),
        answering(b"HTTP nonsense", 200, {"Content-Encoding": "gzip"}),
    ):
        safaricom.answer = answer
        with pytest.raises((Refused, OutcomeUnknown)) as raised:
            await daraja.push(PUSH, leave_within_s=20)
        error = raised.value
        shown.append(f"{error} {error!r} {error.code} {error.request_id} {error.__cause__!r}")

    for secret in ("token1", "712345678", "sesame", "a-passkey", "ws_CO", "secret"):
        assert secret not in "\n".join([*shown, caplog.text])
