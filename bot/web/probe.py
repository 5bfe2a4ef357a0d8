"""
Probe: `POST /c/probe/<word>.<mac>`: asks our own public address whether it is us who answer there.

It goes the way that Safaricom's calls go: the name, the certificate, the proxy and its rule for
`/c/`. Only we sign the question, only we can sign the answer, and neither does anything.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Protocol

import aiohttp
from aiohttp import web

from bot.core.reach import Reached
from bot.web.callbacks import not_found

__all__ = ["PROBE_PREFIX", "ProbeDoor", "Signer", "probe"]

PROBE_PREFIX = "/c/probe/"
ADDRESS = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{32})")
NOTHING = "0" * 32
QUESTION, ANSWER = "probe", "probe-answer"
WITHIN_S = 10.0
ANSWER_BYTES_MAX = 64


class Signer(Protocol):
    """Signs for a purpose. `storage.crypt.Crypt` is one."""

    def sign(self, purpose: str, text: str) -> str: ...

    def signs(self, purpose: str, text: str) -> list[str]: ...

    def signed(self, purpose: str, text: str, mac: str) -> bool: ...


class ProbeDoor:
    """Answers the question that we put to ourselves; all others get the 404 of every address."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def post(self, request: web.Request) -> web.Response:
        shape = ADDRESS.fullmatch(request.match_info["address"])
        word, mac = shape.groups() if shape else (NOTHING, NOTHING)
        if not self._signer.signed(QUESTION, word, mac) or shape is None:
            return not_found()
        return web.Response(text=self._signer.sign(ANSWER, word))


async def probe(public_url: str, signer: Signer, *, within_s: float = WITHIN_S) -> Reached:
    """Who answers at *public_url*. Never raises for what it meets there."""
    word = secrets.token_hex(16)
    url = f"{public_url}{PROBE_PREFIX}{word}.{signer.sign(QUESTION, word)}"
    timeout = aiohttp.ClientTimeout(total=within_s)
    try:
        # No proxy of the environment: it might know a way to us that Safaricom does not.
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
            http.post(url, json={}, allow_redirects=False) as answer,
        ):
            said = await answer.content.read(ANSWER_BYTES_MAX)
    except aiohttp.ClientConnectorCertificateError:
        return Reached.BAD_CERTIFICATE
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return Reached.NOBODY
    # A process that was given a new key a moment ago, or not yet, is one of us.
    good = (each.encode() for each in signer.signs(ANSWER, word))
    ours = answer.status == 200 and any(hmac.compare_digest(each, said) for each in good)
    return Reached.OURS if ours else Reached.SOMEBODY_ELSE
