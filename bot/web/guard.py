"""What is checked before a request is looked at: who sends it, how much, and how slowly."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

__all__ = [
    "BODY_BYTES_MAX",
    "BODY_TIMEOUT_S",
    "TooLarge",
    "TooSlow",
    "client_address",
    "is_local",
    "read_body",
]

BODY_BYTES_MAX = 16 * 1024
BODY_TIMEOUT_S = 5.0

Network = IPv4Network | IPv6Network


class TooLarge(Exception):
    """The body is larger than anything that Safaricom sends."""


class TooSlow(Exception):
    """The body did not arrive in time: aiohttp itself never cuts a dribbling client."""


async def read_body(
    request: web.Request, *, bytes_max: int = BODY_BYTES_MAX, timeout_s: float = BODY_TIMEOUT_S
) -> bytes:
    """
    The body as it came, never decompressed, at most *bytes_max* of it, within *timeout_s*.

    Raises:
        TooLarge, TooSlow
    """
    if (request.content_length or 0) > bytes_max:
        raise TooLarge
    chunks: list[bytes] = []
    size = 0
    try:
        if request.content.is_eof():
            # It came whole, with the headers: there is nothing to wait for.
            body = await request.content.read(bytes_max + 1)
            if len(body) > bytes_max:
                raise TooLarge
            return body
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_chunked(4096):
                size += len(chunk)
                if size > bytes_max:
                    raise TooLarge
                chunks.append(chunk)
    except (TimeoutError, ConnectionError) as exc:  # the rest never comes, or not in time
        raise TooSlow from exc
    return b"".join(chunks)


def client_address(request: web.Request, trusted_proxies: Sequence[Network]) -> str:
    """
    The address a request comes from.

    X-Forwarded-For is read from the right, and only past proxies that we trust: its left end is
    whatever the sender liked to write. What is no address ends the walk at the proxy that let it
    through.
    """
    address = _address((request.remote or "").partition("%")[0])  # fe80::1%eth0
    if address is None:
        return "unknown"
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    while hops and any(address in network for network in trusted_proxies):
        nearer = _address(hops.pop())
        if nearer is None:
            break
        address = nearer
    return str(address)


def is_local(request: web.Request) -> bool:
    """Whether a program on this machine asks for itself, and not for somebody behind it."""
    address = _address((request.remote or "").partition("%")[0])
    if address is None or not address.is_loopback:
        return False
    return not any(name in request.headers for name in WRITTEN_BY_PROXIES)


WRITTEN_BY_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")

# As proxies write it: 203.0.113.9, 203.0.113.9:4711, 2001:db8::1, [2001:db8::1]:4711, in quotes.
_HOP = re.compile(
    r"""\s*"?(?:([0-9.]+)(?::\d{1,5})?|\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?|([0-9A-Fa-f:.]+))"?\s*""",
    re.ASCII,
)


def _address(written: str) -> IPv4Address | IPv6Address | None:
    shape = _HOP.fullmatch(written)
    if shape is None:
        return None
    try:
        address = ip_address(next(filter(None, shape.groups())))
    except ValueError:
        return None
    # How a socket that listens on both sees the older kind; networks are written in that one.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
