"""Two processes at one line, one of which forgets it: no payment is ever without its number."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from bot.core.ask import Asked
from bot.core.limits import Refusal
from storage.engine import Store
from storage.records import Payment
from storage.tx import Tx
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.core.test_forgotten_lines import (
    BOTH_WAYS,
    JANE,
    OTIENO,
    Forget,
    kept,
    line_of,
    privacy_at,
    share,
)
from tests.fakes import PHONE, a_payment, an_intent
from tests.stores import OpenStore, TestClock

WAITS_WITHIN_S = 4.0  # less than the server lets a transaction be idle

on_postgres = pytest.mark.parametrize("store_url", ["postgres"], indirect=True)


async def until_somebody_waits(store: Store) -> None:
    """For a row that another holds."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    waiting = 0
    async with asyncio.timeout(WAITS_WITHIN_S):
        while not waiting:
            async with store.read() as tx:
                waiting = (await tx.lines._connection.execute(query)).scalar_one()


async def opened(desk: Desk, asked: asyncio.Task[Asked | Refusal]) -> Payment:
    answer = await asked
    assert isinstance(answer, Asked), answer
    await desk.finish()
    return await desk.get(answer.payment.id)


@pytest.mark.postgres
@on_postgres
@BOTH_WAYS
async def test_to_forget_waits_for_another_process_that_is_opening_a_payment(
    open_a_store: OpenStore, clock: TestClock, daraja: ScriptedDaraja, forget: Forget
) -> None:
    async with open_a_store() as one, open_a_store() as other:
        desk, rival = make_desk(one, clock, daraja), make_desk(other, clock, daraja, seed=8)
        await share(desk)
        locked, go_on = asyncio.Event(), asyncio.Event()

        async def hold(tx: Tx) -> None:
            await tx.lines.lock(PHONE)
            await tx.payments.add_intent(an_intent())
            locked.set()
            await go_on.wait()
            line = await tx.lines.lock(PHONE)
            await tx.payments.add(a_payment(line_id=line.id))

        opening = asyncio.create_task(other.write(hold))
        async with asyncio.timeout(WAITS_WITHIN_S):
            await locked.wait()
        forgetting = asyncio.create_task(forget(desk, privacy_at(desk, clock)))
        try:
            await until_somebody_waits(one)
        finally:
            go_on.set()
            await asyncio.gather(opening, forgetting)

        assert await kept(one) == [PHONE]
        async with one.read() as tx:
            payment = await tx.payments.get(a_payment().id)
            assert payment is not None
            assert await tx.lines.phone(payment.line_id) == PHONE
        await rival.close()


@pytest.mark.postgres
@on_postgres
async def test_who_asks_a_line_that_another_process_is_forgetting_makes_it_anew(
    open_a_store: OpenStore, clock: TestClock, daraja: ScriptedDaraja
) -> None:
    async with open_a_store() as one, open_a_store() as other:
        desk, rival = make_desk(one, clock, daraja), make_desk(other, clock, daraja, seed=8)
        await share(desk)
        line_id = await line_of(one)
        dropped, go_on = asyncio.Event(), asyncio.Event()

        async def forget_slowly(tx: Tx) -> None:
            await tx.people.set_line(JANE, None)
            assert await tx.lines.drop_unused(line_id)
            dropped.set()
            await go_on.wait()

        forgetting = asyncio.create_task(one.write(forget_slowly))
        async with asyncio.timeout(WAITS_WITHIN_S):
            await dropped.wait()
        asking = asyncio.create_task(rival.open(asked_by=OTIENO, chat_id=OTIENO))
        try:
            await until_somebody_waits(one)
        finally:
            go_on.set()
            await forgetting
        payment = await opened(rival, asking)

        assert payment.line_id != line_id
        assert await kept(one) == [PHONE]
        assert [push.phone for push in daraja.pushes] == [PHONE]
        await rival.close()
