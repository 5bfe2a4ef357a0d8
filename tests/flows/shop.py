"""
A shop whose every way to the truth is open: core, web and client are real, Safaricom is simulated.

There is no chat: what a person would press is called by its name.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.app import Background
from bot.building import Parts, build_core
from bot.config import Config
from bot.config_record import initiator_of
from bot.core.ask import Asked, AskRequest
from bot.core.core import Core
from bot.core.ports import Ids
from bot.core.post import Post
from bot.core.settle import Settle
from bot.web.server import build_web, serving
from mpesa.client import open_daraja
from mpesa.models import Account
from mpesa.simulator import ManualClock, Portal, Row, Simulator, SimulatorSettings
from storage.engine import Store, open_store
from storage.records import OpenDifference, Payment
from tests.flows.world import free_port
from tests.stores import KEY

__all__ = ["Shop", "open_shop", "phone"]

FAST = SimulatorSettings(
    answer_after_s=0,
    unreachable_after_s=0,
    callback_after_s=0,
    result_after_s=0,
    returns_test_money=False,
    magic_amounts=False,
    pull_page=7,
)
TOKEN = "123456:AbCdEfGhIjKlMnOpQrStUvWxYz012345678"


@dataclass
class Shop:
    """One process of the bot, and the Safaricom that it talks to."""

    core: Core
    store: Store
    simulator: Simulator
    clock: ManualClock
    background: Background
    folder: Path

    async def ask(self, number: int, amount_kes: int) -> Payment:
        """Ask for money, and go on once the push has had its answer, or none."""
        asked = await self.core.asking.open(
            AskRequest(
                asked_by=1001,
                chat_id=1001,
                thread_id=None,
                reply_to=number,
                private=True,
                language="en",
                amount_kes=amount_kes,
                phone=phone(number),
                note="",
                ask_key=f"m:{number}",
                update_id=None,
            )
        )
        assert isinstance(asked, Asked), asked
        await self.quiet()
        return await self.get(asked.payment.id)

    async def quiet(self) -> None:
        """Until nothing is under way any more."""
        async with asyncio.timeout(20):
            while self.background._tasks:
                await self.clock.advance(0.0005)  # real sockets take turns, not time
                await asyncio.sleep(0)
            await self.simulator.settled()

    async def get(self, payment_id: str) -> Payment:
        async with self.store.read() as tx:
            payment = await tx.payments.get(payment_id)
        assert payment is not None
        return payment

    async def by_hand_ref(self, payment: Payment) -> str:
        async with self.store.read() as tx:
            return (await tx.payments.intent(payment.intent_id)).by_hand_ref

    def pay(self, number: int, amount_kes: int, reference: str) -> Row:
        row = self.simulator.pay_by_hand(phone(number), amount_kes, reference)
        assert row is not None
        return row

    async def credited(self) -> dict[str, int]:
        """Receipt -> cents, of all that counts as money."""
        async with self.store.read() as tx:
            found = await tx.payments.credited()
        assert len({each.receipt for each in found}) == len(found), "each receipt once"
        return {str(each.receipt): each.credited_cents or 0 for each in found}

    async def open(self) -> list[OpenDifference]:
        return await self.core.record.open_differences(limit=1000)

    def exported(self) -> Path:
        """The statement that the portal gives today."""
        export = Portal(self.simulator.books, self.simulator.settings, charges=True).export(
            until=self.clock.now()
        )
        path = self.folder / "statement.csv"
        path.write_bytes(export.csv())
        return path

    async def assert_every_shilling_has_a_place(self) -> None:
        """Everything that Safaricom's books hold is credited, or listed with its amount."""
        credited = await self.credited()
        listed = {each.receipt: each.theirs_cents for each in await self.open()}
        for row in self.simulator.books.statement():
            place = credited.get(row.receipt, listed.get(row.receipt))
            assert place == row.amount_cents, (row.receipt, row.account_reference)
        assert credited.keys() <= {row.receipt for row in self.simulator.books.statement()}


def phone(number: int) -> str:
    return f"254722000{number:03}"


@asynccontextmanager
async def open_shop(
    folder: Path,
    database: str,
    *,
    settings: SimulatorSettings = FAST,
    key: str = KEY,
    **mpesa: Any,
) -> AsyncIterator[Shop]:
    """
    A shop whose books are in *database*, open until the block ends; *mpesa* are keys of its
    configuration.
    """
    simulator = Simulator(clock=ManualClock(), settings=settings)
    clock = simulator.clock
    assert isinstance(clock, ManualClock)
    async with AsyncExitStack() as stack:
        daraja_url = await stack.enter_async_context(simulator.serving())
        config = _config(folder, database, daraja_url, simulator, mpesa)
        store = await stack.enter_async_context(
            open_store(config.storage.url.get_secret_value(), key=key, now=clock.now)
        )
        daraja = await stack.enter_async_context(
            open_daraja(
                base_url=daraja_url,
                consumer_key=config.mpesa.consumer_key,
                consumer_secret=config.mpesa.consumer_secret,
                account=Account(
                    shortcode=config.mpesa.shortcode,
                    passkey=config.mpesa.passkey,
                    transaction_type=config.mpesa.transaction_type,
                    till_number=config.mpesa.till_number,
                ),
                now=clock.now,
                timeout_s=5,
                initiator=initiator_of(config),
            )
        )
        background = Background()
        core = build_core(
            Parts(
                config=config,
                store=store,
                daraja=daraja,
                background=background.start,
                settle=Settle(operators=[900, 901]),
                post=Post(store=store, clock=clock),
                clock=clock,
                ids=Ids(os.urandom),
                office=daraja.back_office,
            )
        )
        web = build_web(core.hear, ways=core.record.ways, ready=lambda: store.healthy)
        await stack.enter_async_context(serving(web, host="127.0.0.1", port=config.webhook.port))
        yield Shop(core, store, simulator, clock, background, folder)


def _config(
    folder: Path, database: str, daraja_url: str, simulator: Simulator, mpesa: dict[str, Any]
) -> Config:
    certificate = folder / "safaricom.cer"
    certificate.write_bytes(simulator.org.certificate)
    port, settings = free_port(), simulator.settings
    known = {
        "base_url": daraja_url,
        "consumer_key": settings.consumer_key,
        "consumer_secret": settings.consumer_secret,
        "shortcode": settings.shortcode,
        "passkey": settings.passkey,
        "transaction_type": settings.transaction_type,
        "till_number": settings.till_number,
        "initiator": settings.initiator,
        "initiator_password": settings.initiator_password,
        "certificate": certificate,
        "reversals": True,
    }
    return Config.model_validate(
        {
            "telegram": {"token": TOKEN, "operators": [900, 901]},
            "mpesa": known | mpesa,
            "webhook": {"public_url": f"http://127.0.0.1:{port}", "port": port},
            "storage": {"url": database},
            "polling": {"queries_per_minute": 6000},
            "limits": {"strangers_per_person_per_hour": 10**6},
        }
    )
