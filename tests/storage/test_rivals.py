"""Rivals, lost connections and values that a database refuses cost nobody else their write."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.crypt import key_beside
from storage.engine import Store
from storage.errors import StoreBusy, StoreFailed
from storage.records import Kind, Person
from storage.tx import Tx
from tests.fakes import add_payment, fact, told, unit_of
from tests.stores import OpenStore


async def test_payments_that_wait_together_are_settled_in_one_commit(store: Store) -> None:
    for number in (1, 2, 3):
        await add_payment(store, number, phone=f"25471234567{number}")
    before = store.commits

    outcomes = await asyncio.gather(
        *(
            store.submit(
                unit_of(fact(Kind.ACCEPTED, payment_id=f"{n:032x}"), checkout_id=id_), told
            )
            for n, id_ in ((1, None), (2, "ws_CO_2"), (3, "ws_CO_3"))
        )
    )

    assert store.commits - before == 1
    assert all(outcome.moved for outcome in outcomes)


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_two_processes_that_block_each_other_both_get_through(
    open_a_store: OpenStore,
) -> None:
    async with open_a_store() as one, open_a_store() as other:
        await add_payment(one, 1)
        await add_payment(one, 2, phone="254712345670")
        waiting = [asyncio.Event(), asyncio.Event()]

        async def cross(tx: Tx, first: int, then: int) -> None:
            await tx.payments.lock(f"{first:032x}")
            waiting[first - 1].set()
            await waiting[then - 1].wait()
            await tx.payments.lock(f"{then:032x}")

        await asyncio.gather(
            one.write(lambda tx: cross(tx, 1, 2)), other.write(lambda tx: cross(tx, 2, 1))
        )


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_connections_that_the_server_closed_cost_nobody_a_write_or_a_look(
    open_a_store: OpenStore,
) -> None:
    async with open_a_store() as store:
        await add_payment(store)
        async with store.read(), store.read() as tx:
            await tx.shared._connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

        assert (await store.submit(unit_of(fact(Kind.ACCEPTED)), told)).fresh
        async with store.read() as one, store.read() as other:
            assert await one.payments.get(f"{1:032x}") == await other.payments.get(f"{1:032x}")


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_a_value_that_the_database_refuses_fails_alone(open_a_store: OpenStore) -> None:
    async with open_a_store() as store:
        poison = Person(id=1, language="\0")  # no text of PostgreSQL's may hold it
        answers = await asyncio.gather(
            *(
                store.write(lambda tx, person=person: tx.people.put(person))  # type: ignore[misc]  # the default pins person
                for person in (poison, Person(id=2), Person(id=3))
            ),
            return_exceptions=True,
        )

        assert isinstance(answers[0], StoreFailed)
        assert answers[1:] == [None, None]


def test_a_key_that_was_half_written_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "bot.db.key.new").write_text("half a k")  # a first start that was killed

    key = key_beside(tmp_path / "bot.db")

    assert len(key) == 64
    assert key_beside(tmp_path / "bot.db") == key
    assert [each.name for each in tmp_path.iterdir()] == ["bot.db.key"]
    assert (tmp_path / "bot.db.key").stat().st_mode & 0o077 == 0


async def test_a_store_that_failed_finds_out_by_itself_that_it_is_well_again(store: Store) -> None:
    async def nonsense(tx: Tx) -> None:
        await tx.shared._connection.execute(text("no such statement"))

    with pytest.raises(StoreFailed):
        await store.write(nonsense)
    assert not store.healthy

    await store.probe()

    assert store.healthy


async def test_a_look_sees_one_moment(store: Store) -> None:
    async with store.read() as tx:
        before = await tx.people.get(1)
        await store.write(lambda tx: tx.people.put(Person(id=1)))

        assert await tx.people.get(1) is before is None


async def test_closing_waits_until_nobody_looks_and_lets_nobody_look_any_more(
    open_a_store: OpenStore,
) -> None:
    looking, gone = asyncio.Event(), False

    async def look(store: Store) -> None:
        nonlocal gone
        try:
            async with store.read() as tx:
                looking.set()
                while True:
                    await tx.people.get(1)
        finally:
            gone = True

    async with open_a_store() as store:
        task = asyncio.create_task(look(store))
        await looking.wait()
        task.cancel()  # cut off, as a job is at the end, and not waited for

    assert gone
    with pytest.raises(StoreBusy):
        async with store.read():
            pass
    await asyncio.gather(task, return_exceptions=True)
