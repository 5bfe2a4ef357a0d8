"""The connection to PostgreSQL is lost at each statement, before the server hears it and after."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

import asyncpg
import pytest
from sqlalchemy import func, select

from storage.engine import open_store
from storage.errors import NotKept
from storage.records import Status
from storage.schema import payments
from tests.flows.clerk import Bank, Clerk, Fate, Life, Taken, fate_of
from tests.flows.wire import Wire, open_wire
from tests.stores import KEY, TestClock

T = TypeVar("T")

ROUNDS = 4
TRIES = 20


@pytest.fixture
async def wire(postgres_server: str) -> AsyncIterator[Wire]:
    connection = await asyncpg.connect(postgres_server)
    try:
        await connection.execute("DROP DATABASE IF EXISTS wire WITH (FORCE)")
        await connection.execute("CREATE DATABASE wire")
    finally:
        await connection.close()
    async with open_wire(postgres_server.removesuffix("postgres") + "wire") as opened:
        yield opened


async def insist(act: Callable[[], Awaitable[T]]) -> T:
    """As everybody does who is told that something was not kept: come again."""
    for _ in range(TRIES):
        try:
            return await act()
        except NotKept:
            continue
    raise AssertionError("it never worked again")


NEVER_SENT = select(func.count()).where(payments.c.status == Status.VOID)


async def pay(clerk: Clerk, update_id: int) -> list[Taken]:
    """One payment from its update to its last word, however often the store fails; its pushes."""
    pushes: list[Taken] = []
    await insist(lambda: clerk.inbox.take(update_id, "a /pay"))
    await insist(lambda: clerk.carry_out(update_id))
    for _ in range(ROUNDS):
        while clerk.tasks:
            await asyncio.gather(*clerk.tasks)
        fresh, clerk.bank.taken = clerk.bank.taken, []
        pushes += fresh
        for taken in fresh:
            if fate_of(taken.reference) is not Fate.PAID_SILENT:
                await insist(partial(clerk.bring, taken))
        await insist(clerk.reconcile.run_due)
        await insist(clerk.reconcile.settle_again)
        await insist(clerk.sending.sweep)
        await insist(clerk.tell)
        clerk.clock.advance(60)
    return pushes


@pytest.mark.postgres
@pytest.mark.parametrize("after", [False, True], ids=["unheard", "done"])
async def test_a_connection_lost_at_any_statement_loses_nothing(
    wire: Wire, clock: TestClock, after: bool
) -> None:
    async with open_store(wire.url, key=KEY, now=clock.now) as store:
        clerk = Clerk(Life(url=wire.url, number=1, asks=0), store, clock, Bank(_nothing), _nothing)
        pushes = await pay(clerk, 0)
        wire.said.clear()
        pushes += await pay(clerk, 1)
        said, broken = list(dict.fromkeys(wire.said)), 0
        for number, words in enumerate(said, 2):
            wire.arm(words, after=after)
            pushes += await pay(clerk, number)
            broken += wire.fell
            wire.mend()

        async with store.read() as tx:
            credited = {payment.id for payment in await tx.payments.credited()}
            unsent = await tx.payments._connection.execute(NEVER_SENT)
            never_sent = unsent.scalar_one()
            assert await tx.inbox.waiting() == []
            assert await tx.notices.owed() == 0
        assert store.healthy
    assert set(Counter(each.reference for each in pushes).values()) == {1}
    # Where the store came back too late for the push, the payment is void, and that was told.
    assert len(pushes) + never_sent == len(said) + 2
    assert never_sent <= 2
    paid = {each.payment_id for each in pushes if fate_of(each.reference).is_paid}
    assert credited == paid
    assert broken > 25


def _nothing(*_words: object) -> None:
    """Nobody listens here."""
