"""A changed key: what the old one sealed, signed and indexed is still ours; the new one rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.core.hear import ADDRESS, Hear
from bot.core.settle import Settle
from mpesa.callbacks import parse_callback
from storage.engine import Store, open_store
from storage.errors import WrongKey
from storage.hearing import Admitted, Unit
from storage.records import Kind, Status
from tests.core.bodies import success
from tests.fakes import PHONE, add_payment, fact
from tests.stores import NOON, TestClock

OLD, NEW = "the key of last year, long enough", "the key of this year, long enough"
PAYMENT = f"{1:032x}"


def hear(store: Store, clock: TestClock) -> Hear:
    return Hear(
        store=store,
        settle=Settle(operators=[900]),
        clock=clock,
        unconfirmed_total_kes=100_000,
        wake=lambda: None,
    )


async def prompted(store: Store) -> None:
    """A payment whose push was accepted, with the ids that `success()` names."""
    await add_payment(store)
    unit = Unit(
        payment_id=PAYMENT,
        admit=lambda _payment, _seen: Admitted(
            evidence=(fact(Kind.BEGUN), fact(Kind.ACCEPTED)),
            changes={"merchant_request_id": "merchant-1", "begun_at": NOON},
            checkout_id="ws_CO_1712345678",
        ),
        checkout_id="ws_CO_1712345678",
    )
    await store.submit(unit, Settle(operators=[]))


async def test_what_the_old_key_made_goes_on_under_the_new_one(
    tmp_path: Path, clock: TestClock
) -> None:
    url = f"sqlite:///{tmp_path}/bot.db"
    async with open_store(url, now=clock.now, key=OLD) as store:
        await prompted(store)
        mac = store.crypt.sign(ADDRESS, PAYMENT)

    async with open_store(url, now=clock.now, key=NEW, previous_keys=[OLD]) as store:
        listener = hear(store, clock)
        assert listener.signed(PAYMENT, mac)
        assert store.crypt.sign(ADDRESS, PAYMENT) != mac
        body = success(phone=int(PHONE))
        await listener.callback(PAYMENT, parse_callback(body), body, source="test")

        async with store.read() as tx:
            payment = await tx.payments.get(PAYMENT)
            assert payment is not None
            assert payment.status is Status.PAID
            assert await tx.lines.phone(payment.line_id) == PHONE
            assert await tx.payments.checkout_id(PAYMENT) == "ws_CO_1712345678"
        line = await store.write(lambda tx: tx.lines.lock(PHONE))
        assert line.id == payment.line_id  # one phone stays one line


async def test_without_the_old_key_nothing_is_opened_and_nothing_added(
    tmp_path: Path, clock: TestClock
) -> None:
    url = f"sqlite:///{tmp_path}/bot.db"
    async with open_store(url, now=clock.now, key=OLD) as store:
        await prompted(store)

    with pytest.raises(WrongKey):
        async with open_store(url, now=clock.now, key=NEW):
            pytest.fail("it was opened")
