"""A push: what it costs beside a bare POST of the same bytes, and how many leave at once."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import aiohttp
from pydantic import SecretStr

from mpesa import wire
from mpesa.client import Daraja, open_daraja
from mpesa.models import Account, Push
from tests.bench.bars import ROUNDS, Bar, median, spread
from tests.bench.stub import Stub, stub

__all__ = ["pushes"]

IN_A_ROW = 1500
WARM_UP = 100
AT_ONCE = 100
IN_ALL = 1000
DELAY_S = 0.3

ACCOUNT = Account(shortcode="174379", passkey=SecretStr("a passkey that is only for the bench"))
CALLBACK = f"https://pay.example.org/c/{'0' * 32}.{'0' * 32}"


def a_push(number: int) -> Push:
    return Push(
        phone=f"2547{number % 10**8:08d}",
        amount_kes=10,
        reference="PAY-ABCDE",
        description="Payment",
        callback_url=CALLBACK,
    )


async def pushes() -> AsyncIterator[Bar]:
    """What one costs, then many at once."""
    for measure in (_cost, _at_once):
        for bar in await measure():
            yield bar


def _opened(daraja: Stub) -> AbstractAsyncContextManager[Daraja]:
    return open_daraja(
        base_url=daraja.url,
        consumer_key=SecretStr("bench-key"),
        consumer_secret=SecretStr("bench-secret"),
        account=ACCOUNT,
        now=lambda: datetime.now(UTC),
    )


async def _cost() -> list[Bar]:
    """CPU of this process for a push, and for a POST of the same bytes with the same headers."""
    one = a_push(1)
    body = json.dumps(wire.build_push(one, ACCOUNT, datetime.now(UTC))).encode()
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Bearer {'a' * 28}",
        "Content-Type": "application/json",
    }
    async with (
        stub() as there,
        _opened(there) as daraja,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):

        async def push() -> None:
            await daraja.push(one, leave_within_s=20)

        async def post() -> None:
            url = f"{there.url}{wire.PUSH_PATH}"
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()

        ours: list[float] = []
        bare: list[float] = []
        gc.collect()
        gc.freeze()  # as `lipabot run` does once it is ready
        for _ in range(ROUNDS):
            ours.append(await _cpu_us(push))
            bare.append(await _cpu_us(post))
        before = await there.tally()
        for _ in range(IN_A_ROW):
            await push()
        after = await there.tally()
    return [
        Bar(
            what="a push: CPU against a bare aiohttp POST",
            figure=median(ours) / median(bare),
            side="at most",
            bar=1.3,
            detail=f"µs each: {spread(ours)} a push, {spread(bare)} a POST",
        ),
        Bar(
            what="a push: requests",
            figure=(after["pushes"] - before["pushes"]) / IN_A_ROW,
            side="exactly",
            bar=1,
        ),
        Bar(
            what=f"{(ROUNDS + 1) * IN_A_ROW} pushes: tokens fetched",
            figure=after["tokens"],
            side="exactly",
            bar=1,
        ),
    ]


async def _cpu_us(once: Callable[[], Awaitable[None]]) -> float:
    for _ in range(WARM_UP):
        await once()
    before = time.process_time()
    for _ in range(IN_A_ROW):
        await once()
    return (time.process_time() - before) / IN_A_ROW * 1e6


async def _at_once() -> list[Bar]:
    """Many at once, each answered after a while: how near the limit that the answers set."""
    rates: list[float] = []
    async with stub(delay_s=DELAY_S) as there, _opened(there) as daraja:
        await daraja.ready()
        for _ in range(ROUNDS):
            began = time.perf_counter()
            numbers = iter(range(IN_ALL))
            await asyncio.gather(*(_line(daraja, numbers) for _ in range(AT_ONCE)))
            rates.append(IN_ALL / (time.perf_counter() - began))
        tally = await there.tally()
    limit = AT_ONCE / DELAY_S
    return [
        Bar(
            what=f"pushes, {AT_ONCE} at once, answered after {DELAY_S:g} s: share of the limit",
            figure=median(rates) / limit,
            side="at least",
            bar=0.9,
            detail=f"a second: {spread(rates)} of {limit:.0f}",
        ),
        Bar(
            what=f"{ROUNDS * IN_ALL} pushes, {AT_ONCE} at once: requests",
            figure=tally["pushes"],
            side="exactly",
            bar=ROUNDS * IN_ALL,
        ),
    ]


async def _line(daraja: Daraja, numbers: Iterator[int]) -> None:
    """Pushes one after the other, of the numbers that all lines share."""
    for number in numbers:
        await daraja.push(a_push(number), leave_within_s=20)
