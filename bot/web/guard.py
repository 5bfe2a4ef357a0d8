"""What is checked before a request is looked at: who sends it, how much, and how slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from aiohttp import web

__all__ = ["BODY_BYTES_MAX", "BODY_TIMEOUT_S", "TooLarge", "TooSlow", "client_address", "read_body"]

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
    whatever the sender liked to write.
    """
    peer = request.remote or "unknown"
    hops = [
        hop.strip()
        for header in request.headers.getall("X-Forwarded-For", [])
        for hop in header.split(",")
    ]
    address = peer
    while hops and _is_trusted(address, trusted_proxies):
        candidate = hops.pop()
        try:
            address = str(ip_address(candidate))
        except ValueError:
            break
    return address


def _is_trusted(address: str, trusted_proxies: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted_proxies)
