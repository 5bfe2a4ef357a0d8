"""A database that the first release wrote opens in this one, and means what it meant."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Boolean, Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.core.replay import replay
from storage.engine import Store, open_store
from storage.migrations import HEAD, _config
from storage.reading import open_reader, version_at
from storage.records import Notice, Status, reversal_key
from storage.schema import instant
from storage.tx import Tx
from tests.fakes import PHONE, add_payment
from tests.stores import KEY, NOON, TestClock

# Written by that release itself: paid by callback and by query, late, declined, unsure, confirming,
# one that a liar spoke about, one in a group; a person, a draft, an update, a look, the outbox.
FIRST = Path(__file__).parents[1] / "samples" / "first_release.sql"

STATUSES = {
    Status.PAID: 3,
    Status.DECLINED: 1,
    Status.UNSURE: 1,
    Status.CONFIRMING: 1,
    Status.PROMPTED: 2,
}


def first_release() -> sqlite3.Connection:
    books = sqlite3.connect(":memory:")
    books.row_factory = sqlite3.Row
    books.executescript(FIRST.read_text())
    return books


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database as the first release left it."""
    if request.param == "sqlite":
        file = tmp_path / "bot.db"
        with closing(first_release()) as books, closing(sqlite3.connect(file)) as copy:
            books.backup(copy)
        yield f"sqlite:///{file}"
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"first_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**9}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    address = server.removesuffix("postgres") + name
    engine = create_async_engine(address.replace("postgresql", "postgresql+asyncpg"))
    async with engine.begin() as begun:
        await begun.run_sync(_first_tables_and_rows)
    await engine.dispose()
    yield address


def _first_tables_and_rows(connection: Connection) -> None:
    """The tables of the first migration alone, and in them what that release wrote."""
    command.upgrade(_config(connection), "0001")
    tables = MetaData()
    tables.reflect(connection)
    with closing(first_release()) as books:
        for table in tables.sorted_tables:
            if table.name == "alembic_version":
                continue
            flags = {each.name for each in table.columns if isinstance(each.type, Boolean)}
            rows = [dict(row) for row in books.execute(f'SELECT * FROM "{table.name}"')]
            for row in rows:
                row |= {flag: bool(row[flag]) for flag in flags}
            if rows:
                connection.execute(table.insert(), rows)
            if rows and "id" in rows[0] and isinstance(rows[0]["id"], int):
                _go_on_counting(connection, table.name)


def _go_on_counting(connection: Connection, table: str) -> None:
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table}
    ).scalar()
    if sequence is not None:
        highest = text(f"SELECT setval('{sequence}', (SELECT max(id) FROM {table}))")
        connection.execute(highest)


def opened(url: str) -> AbstractAsyncContextManager[Store]:
    return open_store(url, key=KEY, now=TestClock(NOON + timedelta(days=1)).now)


async def test_it_opens_at_todays_version(url: str) -> None:
    assert await version_at(url) == "0001"

    async with opened(url):
        pass

    assert await version_at(url) == HEAD


async def test_every_payment_replays_without_a_difference(url: str) -> None:
    async with opened(url):
        pass

    said: list[str] = []
    async with open_reader(url) as reader:
        found = await replay(reader.every_payment(), lambda each: said.append(str(each)))

    assert said == []
    assert found.payments == sum(STATUSES.values())
    async with open_reader(url) as reader:
        statuses = Counter([kept.payment.status async for kept in reader.every_payment()])
    assert statuses == STATUSES
    assert found.evidence > found.payments
    assert found.stored_cents == found.recomputed_cents == 15_000


async def test_what_went_back_long_ago_is_taken_off_no_other_payment(url: str) -> None:
    """Told twice of one payment and once, later, of another: the first has it."""
    engine = create_async_engine(
        url.replace("postgresql", "postgresql+asyncpg").replace("sqlite", "sqlite+aiosqlite")
    )
    async with engine.begin() as connection:
        ids = (await connection.execute(text("SELECT id FROM payments ORDER BY id"))).scalars()
        first, second = list(ids)[:2]
        for payment_id, digest in ((first, "1"), (first, "2"), (second, "3")):
            await connection.execute(
                text(
                    "INSERT INTO evidence (payment_id, kind, at, receipt, held, digest)"
                    " VALUES (:payment_id, 'reversed', 1, 'UKN9BACK01', false, :digest)"
                ),
                {"payment_id": payment_id, "digest": digest},
            )
    await engine.dispose()

    async with opened(url) as store, store.read() as tx:
        key = reversal_key("UKN9BACK01")
        assert await tx.evidence.receipt_holders([key]) == {key: first}


async def test_nothing_of_it_is_lost_or_unreadable(url: str) -> None:
    with closing(first_release()) as books:
        found = books.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {row["name"] for row in found} - {"alembic_version", "shared", "sqlite_sequence"}
        before = {
            name: books.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables
        }

    async with opened(url) as store, store.read() as tx:
        connection = tx.payments._connection
        after = {
            name: (await connection.execute(text(f'SELECT count(*) FROM "{name}"'))).scalar_one()
            for name in tables
        }
        person = await tx.people.get(1001)
        draft = await tx.drafts.get(chat_id=1001, person_id=1001, now=NOON)
        waiting = await tx.inbox.waiting()

    assert after == before
    assert person is not None
    assert (person.first_name, person.phone) == ("Wanjikũ", PHONE)
    assert draft is not None
    assert draft.note == "chai"
    assert [item.body for item in waiting] == ['{"update_id": 4711}']


async def _tell(notice: Notice, now: datetime, tx: Tx) -> None:
    await tx.notices.told(notice, message_id=1, now=now)


async def test_what_was_owed_is_told(url: str) -> None:
    async with opened(url) as store:
        now = NOON + timedelta(days=1)
        told = []
        while found := await store.write(
            lambda tx: tx.notices.claim(now=now, lease=timedelta(seconds=60), limit=50)
        ):
            for each in found:
                told.append(each)
                await store.write(partial(_tell, each, now))

    words = {each.reply.text for each in told if each.reply is not None}
    assert "Remembered <b>it</b>" in words
    assert -5001 in {each.chat_id for each in told}


async def test_what_was_owed_is_as_old_as_it_was(url: str) -> None:
    with closing(first_release()) as books:
        owed, oldest = books.execute(
            "SELECT count(*), min(CASE kind WHEN 'status' THEN due_at ELSE created_at END)"
            " FROM notices WHERE state IN ('due', 'sending')"
        ).fetchone()

    async with opened(url) as store, store.read() as tx:
        facts = await tx.health.waiting(now=NOON + timedelta(days=1))

    assert owed > 0
    assert (facts.outbox, facts.outbox_since) == (owed, instant(oldest))


async def test_life_goes_on_in_it(url: str) -> None:
    async with opened(url) as store:
        await add_payment(store, 9999)
        async with store.read() as tx:
            assert await tx.payments.get(f"{9999:032x}") is not None
            facts = await tx.health.waiting(now=NOON + timedelta(days=1))
    assert facts.unsure == 1


async def test_two_processes_that_start_at_once_upgrade_it_once(url: str) -> None:
    if url.startswith("sqlite"):
        async with opened(url):
            assert await version_at(url) == HEAD
        return

    async def start() -> None:
        async with opened(url):
            pass

    await asyncio.gather(start(), start())

    assert await version_at(url) == HEAD
