"""
`make bench`: ratios measured in one run, because machines differ and are noisy.

Each pair of arms runs alternately (ABAB…), and the medians are compared. CPU is that of the
server process alone; the load comes from a process of its own and stays on loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import SecretStr

from bot.core.hear import ADDRESS, Hear, Heard
from bot.core.settle import Settle
from bot.web.server import build_web, serving
from mpesa.client import open_daraja
from mpesa.models import Account, Push
from mpesa.simulator import Behaviour, Simulator, SimulatorSettings
from storage.engine import Store, open_store
from storage.records import Payment, Status
from storage.tx import Tx
from tests.bench.load import LOAD
from tests.fakes import add_payment
from tests.stores import TestClock

CONNECTIONS = 64
ROUNDS = 3


class ReadyHear(Hear):
    """The same route, MAC and validation, with a store that is always ready."""

    async def callback(self, payment_id: str, heard: Heard, raw: bytes, *, source: str) -> None:
        await asyncio.sleep(0)


async def callbacks(seconds: float) -> None:
    """Callbacks committed before their 200, against the same route with nothing to commit."""
    kept: list[float] = []
    ready: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(ROUNDS):
            for arm, costs in ((Hear, kept), (ReadyHear, ready)):
                url = f"sqlite:///{folder}/{arm.__name__}{turn}.db"
                costs.append(await _one_arm(arm, url, seconds))
    ratio = statistics.median(ready) / statistics.median(kept)
    click.echo(
        f"callbacks, SQLite FULL, {CONNECTIONS} connections: "
        f"{statistics.median(kept):.0f} µs CPU each, {statistics.median(ready):.0f} µs with a "
        f"store that is always ready: ratio {ratio:.2f}"
    )


async def _one_arm(arm: type[Hear], url: str, seconds: float) -> float:
    """CPU microseconds of this process per callback."""
    clock = TestClock()
    async with open_store(url, now=clock.now) as store:
        hear = arm(
            store=store,
            settle=Settle(operators=[]),
            clock=clock,
            unconfirmed_total_kes=10**9,
            wake=lambda: None,
        )
        count = int(4000 * seconds)
        await _payments(store, count)
        async with serving(build_web(hear, ready=lambda: True), host="127.0.0.1", port=0) as port:
            paths = [
                f"/c/{number:032x}.{store.crypt.sign(ADDRESS, f'{number:032x}')}"
                for number in range(1, count + 1)
            ]
            return await _loaded(port, paths, seconds)


async def _payments(store: Store, count: int) -> None:
    """*count* prompted payments, a thousand to a commit."""
    first = await add_payment(store, 1)

    def prompted(number: int) -> Payment:
        return replace(
            first,
            id=f"{number:032x}",
            intent_id=f"{1:032x}",
            push_ref=f"P{number:09d}",
            ask_key=f"b:{number}",
            begun_at=first.created_at,
            status=Status.PROMPTED,
        )

    for start in range(2, count + 1, 1000):

        async def some(tx: Tx, start: int = start) -> None:
            for number in range(start, min(start + 1000, count + 1)):
                await tx.payments.add(prompted(number))

        await store.write(some)


async def _loaded(port: int, paths: list[str], seconds: float) -> float:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LOAD, str(port), str(CONNECTIONS), str(seconds)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(paths).encode() + b"\n")
    await process.stdin.drain()
    await process.stdout.readline()  # it is ready
    before = time.process_time()
    process.stdin.write(b"go\n")
    await process.stdin.drain()
    answered = int(await process.stdout.readline())
    spent = time.process_time() - before
    await process.wait()
    return spent / max(answered, 1) * 1e6


@asynccontextmanager
async def _daraja() -> AsyncIterator[tuple[Simulator, str]]:
    simulator = Simulator(
        settings=SimulatorSettings(
            default_behaviour=Behaviour.IGNORE, blocks_lines=False, callback_after_s=60
        )
    )
    async with simulator.serving() as base_url:
        yield simulator, base_url


async def pushes(count: int) -> None:
    """One request a push, one token for everybody."""
    async with _daraja() as (simulator, base_url):
        async with open_daraja(
            base_url=base_url,
            consumer_key=SecretStr("demo-key"),
            consumer_secret=SecretStr("demo-secret"),
            account=Account(shortcode="174379", passkey=SecretStr("demo-passkey")),
            now=lambda: datetime.now(UTC),
        ) as daraja:
            await daraja.ready()
            began = time.perf_counter()
            await asyncio.gather(
                *(
                    daraja.push(
                        Push(
                            phone=f"2547{number:08d}",
                            amount_kes=10,
                            reference="PAY-ABCDE",
                            description="Payment",
                            callback_url="http://127.0.0.1:9/c/x",
                        ),
                        leave_within_s=20,
                    )
                    for number in range(count)
                )
            )
            took = time.perf_counter() - began
        click.echo(
            f"pushes, {count} at once: {len(simulator.pushes)} requests, "
            f"{simulator.tokens.issued} token, {count / took:.0f} a second with the simulator on "
            "the same core"
        )


def start() -> None:
    """`lipabot run` ready, against the time its libraries take to import."""
    imports = (
        "import telegram.ext, aiohttp.web, pydantic_settings, apscheduler.schedulers.asyncio, "
        "sqlalchemy.ext.asyncio, aiosqlite, cryptography.hazmat.primitives.ciphers.aead, "
        "phonenumbers, structlog, babel"
    )
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        for code, costs in (("import bot.app", ours), (imports, theirs)):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
            costs.append(time.perf_counter() - began)
    ratio = statistics.median(ours) / statistics.median(theirs)
    click.echo(
        f"import of the bot {statistics.median(ours):.2f} s, of its libraries "
        f"{statistics.median(theirs):.2f} s: ratio {ratio:.2f}"
    )


@click.command()
@click.option("--seconds", type=float, default=5.0, show_default=True, help="Load per arm.")
def main(seconds: float) -> None:
    """Measure, and print one line a figure."""
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    asyncio.run(callbacks(seconds))
    asyncio.run(pushes(200))
    start()


if __name__ == "__main__":
    main()
