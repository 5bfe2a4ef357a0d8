"""The probe of our own address: only we answer it, only we can ask, and it moves nothing."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.core.reach import Reached
from bot.metrics import Metrics
from bot.web.probe import ProbeDoor, probe
from bot.web.server import build_web, serving
from storage.crypt import Crypt
from storage.engine import Store
from tests.core.conftest import ScriptedDaraja, make_desk
from tests.core.test_health import health_at
from tests.stores import TestClock

OURS, THEIRS = Crypt("1" * 64), Crypt("2" * 64)


@asynccontextmanager
async def answering(handler: object) -> AsyncIterator[str]:
    """A server that answers every POST so."""
    app = web.Application()
    app.router.add_post("/{way:.*}", handler)  # type: ignore[arg-type]  # any handler will do
    async with serving(app, host="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def house(signer: Crypt) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/c/probe/{address}", ProbeDoor(signer).post)
    async with serving(app, host="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def house_with_tls(signer: Crypt, folder: Path) -> AsyncIterator[str]:
    """The same behind a certificate that nobody in particular has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(folder))
    app = web.Application()
    app.router.add_post("/c/probe/{address}", ProbeDoor(signer).post)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def self_signed(folder: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(host, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_we_know_ourselves_and_nobody_else() -> None:
    async with house(OURS) as url:
        assert await probe(url, OURS) is Reached.OURS
        assert await probe(url, THEIRS) is Reached.SOMEBODY_ELSE


async def test_a_process_with_the_key_of_before_is_still_one_of_us() -> None:
    async with house(Crypt("1" * 64)) as url:
        rotated = Crypt("3" * 64, ["1" * 64])
        # It asks with the new key, which the other does not know yet: that one is another.
        assert await probe(url, rotated) is Reached.SOMEBODY_ELSE
    async with house(Crypt("3" * 64, ["1" * 64])) as url:
        assert await probe(url, Crypt("1" * 64, ["3" * 64])) is Reached.OURS


async def _yes_to_all(request: web.Request) -> web.Response:
    return web.Response(text=request.path[-32:])


async def _elsewhere(_request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/c/probe/x"})


async def _parked(_request: web.Request) -> web.Response:
    return web.Response(text="This domain is for sale" * 1000)


@pytest.mark.parametrize("handler", [_yes_to_all, _elsewhere, _parked])
async def test_who_cannot_sign_is_somebody_else(handler: object) -> None:
    async with answering(handler) as url:
        assert await probe(url, OURS) is Reached.SOMEBODY_ELSE


async def test_nobody_is_told_from_somebody() -> None:
    assert await probe("http://127.0.0.1:9", OURS) is Reached.NOBODY
    assert await probe("https://nowhere.invalid", OURS, within_s=2) is Reached.NOBODY


async def test_a_certificate_that_safaricom_would_not_take_is_named(tmp_path: Path) -> None:
    async with house_with_tls(OURS, tmp_path) as url:
        assert await probe(url, OURS) is Reached.BAD_CERTIFICATE


async def test_strangers_get_the_constant_answer_and_no_callback_is_counted(
    store: Store, clock: TestClock, tmp_path: Path
) -> None:
    desk = make_desk(store, clock, ScriptedDaraja())
    metrics = Metrics(look=health_at(store, clock).look, clock=clock, version="1")
    app = build_web(desk.hear, ready=lambda: True, counting=metrics, probe=ProbeDoor(store.crypt))
    async with (
        serving(app, host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        for path in ("/c/probe/x", f"/c/probe/{'a' * 32}.{'b' * 32}"):
            async with http.post(path, json={}) as answer:
                assert (answer.status, await answer.text()) == (404, "Not found")
        assert await probe(f"http://127.0.0.1:{port}", store.crypt) is Reached.OURS
        page = (await metrics.page()).decode()
    await desk.close()

    assert "lipabot_callbacks_total{" not in page
