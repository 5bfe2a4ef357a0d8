"""Batches: what waits together is committed together, poison alone, and nobody is told too soon."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import IntegrityError

from storage.engine import Store
from storage.errors import StoreBusy, StoreFailed
from storage.hearing import Admitted, Outcome, Seen, Unit
from storage.records import Kind, Payment, Person, Status
from storage.rooms import Room, ThreadRoom
from storage.tx import Tx
from storage.writer import QUEUE_MAX
from tests.fakes import add_payment, fact, told, unit_of
from tests.stores import OpenStore

MANY = 60


async def add_many(store: Store) -> None:
    for number in range(1, MANY + 1):
        await add_payment(store, number, phone=f"2547{number:08d}")


def paid(number: int) -> Unit:
    return unit_of(
        fact(
            Kind.CALLBACK_PAID,
            payment_id=f"{number:032x}",
            receipt=f"UKN{number:07d}",
            amount_cents=5000,
        )
    )


async def submit_all(store: Store, poison: Unit) -> list[Outcome | BaseException]:
    """A paid callback for every payment, but the poison for the seventh."""
    return await asyncio.gather(
        *(store.submit(poison if n == 7 else paid(n), told) for n in range(1, MANY + 1)),
        return_exceptions=True,
    )


async def test_a_row_that_the_database_refuses_fails_alone_among_many(store: Store) -> None:
    await add_many(store)
    evidence = fact(Kind.CALLBACK_PAID, payment_id=f"{7:032x}")
    no_row = unit_of(replace(evidence, digest=None))  # type: ignore[arg-type]  # the poison: a column that may not be NULL

    answers = await submit_all(store, no_row)

    assert isinstance(answers.pop(6), IntegrityError)
    assert all(isinstance(each, Outcome) and each.moved for each in answers)
    async with store.read() as tx:
        assert len(await tx.payments.credited()) == MANY - 1
        seventh = await tx.payments.get(f"{7:032x}")
        assert seventh is not None
        assert seventh.status is Status.CREATED


async def test_a_judgement_that_raises_fails_alone_among_many(store: Store) -> None:
    await add_many(store)

    def broken(_payment: Payment, _seen: Seen) -> Admitted:
        raise ZeroDivisionError("a bug in admit")

    answers = await submit_all(store, Unit(payment_id=f"{7:032x}", admit=broken))

    assert isinstance(answers.pop(6), ZeroDivisionError)
    assert all(isinstance(each, Outcome) and each.moved for each in answers)


async def test_functions_and_units_that_wait_together_take_two_commits(store: Store) -> None:
    await add_many(store)
    before = store.commits

    async def put(tx: Tx, number: int) -> None:
        await tx.people.put(Person(id=number))

    await asyncio.gather(
        *(store.submit(paid(n), told) for n in range(1, 31)),
        *(store.write(lambda tx, n=n: put(tx, n)) for n in range(1, 31)),  # type: ignore[misc]  # the default pins n
        *(store.submit(paid(n), told) for n in range(31, MANY + 1)),
    )

    # The first of them found an idle store, and may have left at once.
    assert store.commits - before <= 3
    async with store.read() as tx:
        assert len(await tx.payments.credited()) == MANY
        assert await tx.people.get(30) is not None


async def test_one_payment_is_settled_once_for_all_that_came_of_it(store: Store) -> None:
    await add_payment(store)
    settled: list[int] = []

    def counted(payment: Payment, evidence: Any) -> Any:
        settled.append(len(evidence))
        return told(payment, evidence)

    kinds = (Kind.ACCEPTED, Kind.CLAIM, Kind.QUERY_FAILED, Kind.CALLBACK_PAID)
    units = [unit_of(fact(kind, receipt="UKN1ABCDEF", amount_cents=5000)) for kind in kinds]
    gate = asyncio.Event()
    held = asyncio.create_task(store.write(lambda _tx: gate.wait()))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(store.submit(unit, counted)) for unit in units]
    await asyncio.sleep(0)
    gate.set()
    await held
    outcomes = await asyncio.gather(*waiting)

    assert settled == [len(kinds)]
    assert {each.payment for each in outcomes} == {outcomes[0].payment}
    assert outcomes[0].payment is not None
    assert outcomes[0].payment.rev == len(kinds)


async def test_units_that_wait_when_the_store_closes_are_kept(open_a_store: OpenStore) -> None:
    async with open_a_store() as store:
        await add_many(store)
        waiting = [
            asyncio.create_task(store.submit(paid(number), told)) for number in range(1, MANY + 1)
        ]
        await asyncio.sleep(0)
    assert all(each.done() and each.exception() is None for each in waiting)
    with pytest.raises(StoreBusy):
        await store.submit(paid(1), told)
    async with open_a_store() as again, again.read() as tx:
        assert len(await tx.payments.credited()) == MANY


async def test_a_full_queue_refuses_at_once_and_loses_nobody_who_waits(store: Store) -> None:
    await add_payment(store)
    gate = asyncio.Event()
    held = asyncio.create_task(store.write(lambda _tx: gate.wait()))
    await asyncio.sleep(0)
    same = paid(1)
    waiting = [asyncio.create_task(store.submit(same, told)) for _ in range(QUEUE_MAX)]
    await asyncio.sleep(0)

    with pytest.raises(StoreBusy, match="waiting"):
        await store.submit(same, told)

    gate.set()
    await held
    outcomes = await asyncio.gather(*waiting)
    assert sum(each.fresh for each in outcomes) == 1


async def test_of_many_units_those_that_found_no_room_say_so_and_the_others_are_kept(
    store: Store,
) -> None:
    await add_many(store)
    gate = asyncio.Event()
    held = asyncio.create_task(store.write(lambda _tx: gate.wait()))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(store.submit(paid(1), told)) for _ in range(QUEUE_MAX - 1)]
    await asyncio.sleep(0)

    many = asyncio.create_task(store.submit_many([paid(2), paid(3), paid(4)], told))
    await asyncio.sleep(0)
    gate.set()

    first, *others = await many
    assert isinstance(first, Outcome)
    assert first.fresh
    assert [type(each) for each in others] == [StoreBusy, StoreBusy]
    await asyncio.gather(held, *waiting)


class WatchedRoom:
    """A room that tells when a transaction has returned, and holds its caller there."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.committed = asyncio.Event()
        self.go_on = asyncio.Event()

    async def transact(self, work: Callable[[Connection], None]) -> None:
        await self._room.transact(work)
        self.committed.set()
        await self.go_on.wait()

    async def aclose(self) -> None:
        await self._room.aclose()


async def test_nobody_is_answered_before_the_commit_returned(store: Store) -> None:
    await add_payment(store)
    room = WatchedRoom(store._writer._room)
    store._writer._room = room

    waiting = asyncio.create_task(store.submit(paid(1), told))
    await room.committed.wait()

    async with store.read() as tx:
        assert len(await tx.payments.credited()) == 1  # it is there already, for everybody
    assert not waiting.done()
    room.go_on.set()
    assert (await waiting).moved


@contextmanager
def no_commit() -> Iterator[None]:
    """COMMIT fails, on whichever engine."""

    def fail(_connection: Any) -> None:
        raise OSError("no space left on device")

    event.listen(Engine, "commit", fail)
    try:
        yield
    finally:
        event.remove(Engine, "commit", fail)


async def test_a_commit_that_fails_is_told_to_all_and_nothing_is_there(store: Store) -> None:
    await add_many(store)

    with no_commit():
        answers = await asyncio.gather(
            *(store.submit(paid(n), told) for n in range(1, MANY + 1)), return_exceptions=True
        )

    assert all(isinstance(each, StoreFailed) for each in answers)
    assert not store.healthy
    async with store.read() as tx:
        assert await tx.payments.credited() == []
    assert (await store.submit(paid(1), told)).moved
    assert store.healthy


async def test_a_function_whose_commit_failed_leaves_nothing_for_the_next_one(
    store: Store,
) -> None:
    with no_commit(), pytest.raises(StoreFailed):
        await store.write(lambda tx: tx.people.put(Person(id=1)))

    await store.write(lambda tx: tx.people.put(Person(id=2)))

    async with store.read() as tx:
        assert await tx.people.get(1) is None
        assert await tx.people.get(2) is not None


async def test_one_who_is_cut_off_in_the_midst_leaves_the_room_clean(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE cut (n INTEGER)"))
    room = ThreadRoom(engine)
    inside, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    rows: list[int] = []

    def slow(connection: Connection) -> None:
        connection.execute(text("INSERT INTO cut VALUES (1)"))
        loop.call_soon_threadsafe(inside.set)
        go_on.wait()

    def count(connection: Connection) -> None:
        rows.append(connection.execute(text("SELECT count(*) FROM cut")).scalar_one())

    cut = asyncio.create_task(room.transact(slow))
    await inside.wait()
    cut.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await cut
    await room.transact(count)
    await room.aclose()

    assert rows == [1]  # it was at work already, and nobody waits for its rest
