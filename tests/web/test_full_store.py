"""A callback and the real store behind it: 200 once it is kept, 503 where it cannot be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from bot.core.hear import ADDRESS, Hear, Heard
from bot.core.settle import Settle
from bot.web.server import build_web, serving
from storage.engine import Store, open_store
from storage.records import Kind, Status
from storage.writer import QUEUE_MAX
from tests.core.bodies import success
from tests.fakes import add_payment, fact, told, unit_of
from tests.stores import TestClock

PAYMENT = f"{1:032x}"


class NoticedHear(Hear):
    """A Hear that says when a callback has come to it."""

    def __init__(self, store: Store) -> None:
        super().__init__(
            store=store,
            settle=Settle(operators=[]),
            clock=TestClock(),
            unconfirmed_total_kes=100_000,
            wake=lambda: None,
        )
        self.entered = asyncio.Event()

    async def callback(self, payment_id: str, heard: Heard, raw: bytes, *, source: str) -> None:
        self.entered.set()
        await super().callback(payment_id, heard, raw, source=source)


async def test_a_full_queue_is_answered_503_and_the_next_callback_is_kept(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/bot.db", now=TestClock().now) as store:
        await add_payment(store)
        gate = asyncio.Event()
        async with (
            serving(
                build_web(NoticedHear(store), ready=lambda: True), host="127.0.0.1", port=0
            ) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
        ):
            address = f"/c/{PAYMENT}.{store.crypt.sign(ADDRESS, PAYMENT)}"
            held = asyncio.create_task(store.write(lambda _tx: gate.wait()))
            await asyncio.sleep(0)
            same = unit_of(fact(Kind.ACCEPTED))
            waiting = [asyncio.create_task(store.submit(same, told)) for _ in range(QUEUE_MAX)]
            await asyncio.sleep(0)

            async with client.post(address, data=success()) as answer:
                refused = answer.status
            gate.set()
            await asyncio.gather(held, *waiting)
            async with client.post(address, data=success()) as answer:
                kept = answer.status

        assert (refused, kept) == (503, 200)
        async with store.read() as tx:
            payment = await tx.payments.get(PAYMENT)
            assert payment is not None
            assert payment.status is Status.PAID


async def test_a_server_that_stops_leaves_the_writing_to_the_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bot.db"
    async with open_store(url, now=TestClock().now) as store:
        await add_payment(store)
        gate, entered = asyncio.Event(), asyncio.Event()

        async def hold(_tx: object) -> None:
            entered.set()
            await gate.wait()

        hear = NoticedHear(store)
        app = build_web(hear, ready=lambda: True)
        async with serving(app, host="127.0.0.1", port=0) as port:
            held = asyncio.create_task(store.write(hold))
            await entered.wait()
            address = f"/c/{PAYMENT}.{store.crypt.sign(ADDRESS, PAYMENT)}"
            body = success()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"POST {address} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            await hear.entered.wait()
            writer.close()
        gate.set()  # after the server has gone, and the handler with it
        await held

    async with open_store(url, now=TestClock().now) as store, store.read() as tx:
        assert len((await tx.evidence.of([PAYMENT]))[PAYMENT]) == 1
