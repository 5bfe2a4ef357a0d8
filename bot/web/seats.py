"""Seats: how many may be at the public pages at once, so that callbacks always find room."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from aiohttp import web

__all__ = ["Crowd", "NoSeat", "Rates", "Seats", "neighbourhood"]

KNOWN_MAX = 2048  # connections, more than can be open; the closed ones are forgotten then
IPV6_HOME_BITS = 64  # what one customer of a network is given: all of it is one somebody


class NoSeat(Exception):
    """Too many are here, or came from one address."""


def neighbourhood(address: str) -> str:
    """The address as limits count it: itself, or the /64 of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_HOME_BITS), strict=False))
    return str(parsed)


class Seats:
    """Places, in all and for one address. Whoever finds none is sent away at once."""

    def __init__(self, *, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        return self._taken.total()

    @contextmanager
    def seat(self, address: str) -> Iterator[None]:
        """A place while the block runs. Raises NoSeat."""
        if self.taken >= self._total or self._taken[address] >= self._per_address:
            if not self._taken[address]:
                del self._taken[address]
            raise NoSeat
        self._taken[address] += 1
        try:
            yield
        finally:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]


class Rates:
    """So many questions in a while from one address; of the addresses only the latest are kept."""

    ADDRESSES_MAX = 4096

    def __init__(self, *, count: int, within: timedelta) -> None:
        self._count = count
        self._within = within
        self._asked: OrderedDict[str, list[datetime]] = OrderedDict()

    def take(self, address: str, now: datetime) -> None:
        """Count one question. Raises NoSeat when it is one too many."""
        recent = [at for at in self._asked.pop(address, []) if now - at < self._within]
        self._asked[address] = recent
        while len(self._asked) > self.ADDRESSES_MAX:
            self._asked.popitem(last=False)
        if len(recent) >= self._count:
            raise NoSeat
        recent.append(now)


class Gate:
    """Few at a time, in a queue: the readers of the database are for everybody."""

    def __init__(self, width: int) -> None:
        self._free = asyncio.Semaphore(width)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._free:
            yield


class Crowd:
    """
    Connections that pages keep open between two requests, the longest idle first.

    They are the ones that are closed when a connection comes and all places are taken: a
    browser opens another without anybody noticing, and a callback is money.
    """

    def __init__(self) -> None:
        self._idle: OrderedDict[asyncio.BaseTransport, None] = OrderedDict()

    def busy(self, request: web.Request) -> None:
        """This connection is at work again."""
        if request.transport is not None:
            self._idle.pop(request.transport, None)

    def idle(self, request: web.Request) -> None:
        """The connection has its page, or will have it in a moment."""
        if request.transport is not None:
            self._idle[request.transport] = None
        if len(self._idle) > KNOWN_MAX:
            open_still = (each for each in self._idle if not each.is_closing())
            self._idle = OrderedDict.fromkeys(open_still)

    def make_room(self) -> bool:
        """Close the connection that has been idle for longest; False if there is none."""
        while self._idle:
            transport, _ = self._idle.popitem(last=False)
            if not transport.is_closing() and isinstance(transport, asyncio.Transport):
                transport.abort()
                return True
        return False
