"""
Moves bytes between us and Daraja, and knows exactly whether any of ours have left.

aiohttp connects, then calls the request's `send`, which writes. `_GatedRequest` stands at that
door: an exception before it means that nothing left, one after it that something may have. The
same door closes when a push has been held up too long.
"""

import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import ceil
from typing import Final

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection

from mpesa.bodies import BODY_BYTES_MAX
from mpesa.errors import TooLate, Unreachable
from mpesa.wire import Reply

# More than the pushes that leave in a burst, so that a token never queues behind them.
_CONNECTIONS_MAX: Final = 200
# A kept connection that the other side has just closed swallows a push, which is then "unknown";
# five seconds is shorter than servers wait and long enough for a burst to share handshakes.
_KEEPALIVE_S: Final = 5
_RETRY_AFTER_MAX_S: Final = 3600
_CONNECT_MIN_S: Final = 0.001


Took = Callable[[str, float], None]
"""Told of each request that began to leave: its path, and how many seconds it took in all."""

Dated = Callable[[datetime], None]
"""Told of each reply's own date (aware, UTC), by the server's clock."""


class Lost(Exception):
    """The request had begun to leave, and no whole reply came back."""


class Deadline:
    """The last moment at which a push may leave, by two clocks: one may be set, one may sleep."""

    def __init__(
        self,
        within_s: float,
        now: Callable[[], datetime],
        timer_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._within_s = within_s
        self._now = now
        self._timer_s = timer_s
        self._began_at = now()
        self._began_s = timer_s()

    def left_s(self) -> float:
        """Seconds left; zero or less when it is over."""
        by_wall = (self._now() - self._began_at).total_seconds()
        return self._within_s - max(by_wall, self._timer_s() - self._began_s)

    def check(self) -> None:
        """Raises TooLate when it is over."""
        if self.left_s() <= 0:
            raise TooLate(f"the push could not leave within {self._within_s:g} s")


@dataclass(slots=True)
class _Gate:
    """What one request must pass, and whether it did."""

    deadline: Deadline | None
    passed: bool = False


_gate: ContextVar[_Gate] = ContextVar("_gate")


class _GatedRequest(ClientRequest):
    async def send(self, conn: Connection) -> ClientResponse:
        gate = _gate.get()
        if gate.deadline is not None:
            gate.deadline.check()
        gate.passed = True
        return await super().send(conn)


class Transport:
    """
    Sends one request once: no redirects, no retries, no proxies from the environment, no cookies.

    Use `open_transport`.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        timeout_s: float,
        took: Took | None = None,
        dated: Dated | None = None,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._took = took
        self._dated = dated
        self._whole = aiohttp.ClientTimeout(total=timeout_s)

    async def get(self, path: str, *, authorization: str) -> Reply:
        """See `post`."""
        return await self._request("GET", path, None, authorization=authorization, deadline=None)

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        authorization: str,
        deadline: Deadline | None = None,
        bytes_max: int = BODY_BYTES_MAX,
    ) -> Reply:
        """
        Send JSON once and read the whole reply, at most *bytes_max* (64 KiB) of it.

        Raises:
            Unreachable: nothing left: no name, no connection, no TLS.
            TooLate: nothing left: `deadline` passed first.
            Lost: something left.
        """
        return await self._request(
            "POST",
            path,
            body,
            authorization=authorization,
            deadline=deadline,
            bytes_max=bytes_max,
        )

    async def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        authorization: str,
        deadline: Deadline | None,
        bytes_max: int = BODY_BYTES_MAX,
    ) -> Reply:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": authorization,
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        gate = _Gate(deadline)
        reset = _gate.set(gate)
        began_s = time.monotonic()
        try:
            async with self._session.request(
                method,
                f"{self._base_url}{path}",
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=self._timeouts(deadline),
            ) as response:
                if self._dated is not None and (at := read_date(response.headers.get("Date", ""))):
                    self._dated(at)
                return await _read(response, bytes_max)
        except (Lost, TooLate):
            raise
        except Exception as exc:
            # Whatever goes wrong from here on, a bug in a library included, bytes have left.
            if gate.passed:
                # aiohttp's own exceptions may hold our headers, and with them the token.
                raise Lost(f"the connection broke off ({type(exc).__name__})") from None
            if not isinstance(exc, aiohttp.ClientError | OSError | ValueError):
                raise
            if deadline is not None:
                deadline.check()
            raise Unreachable(f"Safaricom cannot be reached ({type(exc).__name__})") from exc
        finally:
            _gate.reset(reset)
            if self._took is not None and gate.passed:
                self._took(path, time.monotonic() - began_s)

    def _timeouts(self, deadline: Deadline | None) -> aiohttp.ClientTimeout:
        if deadline is None:
            return self._whole
        left_s = deadline.left_s()
        if left_s >= self._timeout_s:
            return self._whole
        # The door is what keeps a late push back; this only ends a connecting that is in vain.
        # So a second or more is rounded up a little: most pushes then share one value.
        return _connecting(self._timeout_s, ceil(left_s) if left_s > 1 else left_s)


@lru_cache(maxsize=64)
def _connecting(timeout_s: float, left_s: float) -> aiohttp.ClientTimeout:
    # Zero would mean "no limit", and longer limits are rounded up to whole seconds unless aiohttp
    # is told where "longer" begins.
    return aiohttp.ClientTimeout(
        total=timeout_s,
        sock_connect=max(left_s, _CONNECT_MIN_S),
        ceil_threshold=float("inf"),
    )


@asynccontextmanager
async def open_transport(
    base_url: str, *, timeout_s: float, took: Took | None = None, dated: Dated | None = None
) -> AsyncIterator[Transport]:
    """A transport with its connections, which are closed at the end."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS_MAX, keepalive_timeout=_KEEPALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        request_class=_GatedRequest,
        trust_env=False,
    ) as session:
        yield Transport(session, base_url, timeout_s=timeout_s, took=took, dated=dated)


def read_date(written: str) -> datetime | None:
    """A header of the name (RFC 9110 §5.6.7) as aware time; None where that is not what it says."""
    try:
        at = parsedate_to_datetime(written)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return None if at.tzinfo is None else at


async def _read(response: ClientResponse, bytes_max: int) -> Reply:
    body = await response.content.read(bytes_max + 1)
    while not response.content.at_eof() and len(body) <= bytes_max:
        body += await response.content.read(bytes_max + 1 - len(body))
    if len(body) > bytes_max:
        response.close()
        raise Lost("the reply is too long")
    if response.headers.get("Content-Encoding", "identity").lower() in ("gzip", "deflate"):
        body = _inflate(body, bytes_max)
    return Reply(response.status, body, _retry_after_s(response.headers.get("Retry-After", "")))


def _inflate(packed: bytes, bytes_max: int) -> bytes:
    """We ask for plain replies; a proxy that packs them anyway may not blow us up with them."""
    inflater = zlib.decompressobj(wbits=47)
    try:
        plain = inflater.decompress(packed, bytes_max)
    except zlib.error:
        raise Lost("the reply is packed and damaged") from None
    if inflater.unconsumed_tail or not inflater.eof:
        raise Lost("the reply is packed and too long")
    return plain


def _retry_after_s(written: str) -> float | None:
    """Only the form in seconds; the form with a date hangs on two clocks agreeing."""
    text = written.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        return None
    return float(min(int(text), _RETRY_AFTER_MAX_S))
