"""Replay: a sound store has no difference, and what a hand has altered is named."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bot.core.replay import Difference, Replayed, replay
from storage.reading import open_reader
from storage.records import Payment, Status
from storage.tx import Tx
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.fakes import add_payment

PHONES = ("254712345678", "254722000001", "254733000001")


async def replayed(url: str) -> tuple[Replayed, list[Difference]]:
    """What a reader of that database finds, two payments at a time."""
    found: list[Difference] = []
    async with open_reader(url) as reader:
        done = await replay(reader.every_payment(batch=2), found.append)
    assert done.differences == len(found)
    return done, found


async def by_hand(
    desk: Desk, sql: str, value: object = None, payment_id: str | None = None
) -> None:
    """What somebody with the database's own tools might do."""
    given = {"value": value, "id": payment_id}

    async def run(tx: Tx) -> None:
        named = {name: each for name, each in given.items() if f":{name}" in sql}
        await tx.payments._connection.execute(text(sql), named)

    await desk.store.write(run)


async def some_payments(desk: Desk) -> list[Payment]:
    """One paid, one declined, one that waits, and one that claims the receipt of the first."""
    paid, declined, waits = [
        await desk.ask(phone=phone, ask_key=f"m:{place}") for place, phone in enumerate(PHONES)
    ]
    await desk.post(paid, success(1))
    await desk.post(declined, failure(number=2))
    await desk.post(waits, success(3))
    created = await add_payment(desk.store, 9, phone="254700000009")
    return [await desk.get(each.id) for each in (paid, declined, waits, created)]


async def test_a_sound_store_has_no_difference(desk: Desk, store_url: str) -> None:
    paid, declined, waits, created = await some_payments(desk)
    statuses = [Status.PAID, Status.DECLINED, Status.CONFIRMING, Status.CREATED]
    assert [each.status for each in (paid, declined, waits, created)] == statuses

    done, found = await replayed(store_url)

    assert found == []
    assert (done.payments, done.evidence) == (4, 9)
    assert (done.stored_cents, done.recomputed_cents) == (5000, 5000)


@pytest.mark.parametrize(
    ("column", "value", "stored", "recomputed"),
    [
        ("credited_cents", 500_000, "500000", "5000"),
        ("receipt", "UKN7ABCDEF", "UKN7ABCDEF", "UKN1ABCDEF"),
        ("words", "late", "late", "nothing"),
        ("reason", "cancelled", "cancelled", "nothing"),
        ("confirmed", True, "True", "False"),
        ("needs_settle", True, "True", "False"),
    ],
)
@pytest.mark.both_engines
async def test_an_altered_field_is_named(
    desk: Desk, store_url: str, column: str, value: object, stored: str, recomputed: str
) -> None:
    paid, *_ = await some_payments(desk)

    await by_hand(desk, f"UPDATE payments SET {column} = :value WHERE id = :id", value, paid.id)

    done, [found] = await replayed(store_url)
    assert found == Difference(paid.id, column, stored, recomputed)
    words = f"payment {paid.id}: {column}: stored {stored}, recomputed {recomputed}"
    assert str(found) == words
    assert (done.stored_cents == done.recomputed_cents) is (column != "credited_cents")


@pytest.mark.parametrize("column", ["begun_at", "decided_at", "paid_at"])
@pytest.mark.both_engines
async def test_an_altered_time_is_named(desk: Desk, store_url: str, column: str) -> None:
    paid, *_ = await some_payments(desk)

    await by_hand(desk, f"UPDATE payments SET {column} = NULL WHERE id = :id", None, paid.id)

    _, found = await replayed(store_url)
    was = getattr(paid, column).isoformat()
    assert found == [Difference(paid.id, column, "nothing", was)]


@pytest.mark.both_engines
async def test_money_that_nobody_told_of_is_named(desk: Desk, store_url: str) -> None:
    _, declined, *_ = await some_payments(desk)

    await by_hand(
        desk,
        "UPDATE payments SET status = 'paid', credited_cents = 5000 WHERE id = :id",
        payment_id=declined.id,
    )

    done, found = await replayed(store_url)
    assert {(each.payment_id, each.field) for each in found} == {
        (declined.id, "status"),
        (declined.id, "credited_cents"),
    }
    assert (done.stored_cents, done.recomputed_cents) == (10_000, 5000)


@pytest.mark.both_engines
async def test_a_receipt_in_other_hands_is_named(desk: Desk, store_url: str) -> None:
    paid, declined, *_ = await some_payments(desk)

    await by_hand(desk, "UPDATE receipts SET payment_id = :id", payment_id=declined.id)

    _, found = await replayed(store_url)
    holder = "holder of UKN1ABCDEF"
    assert len(found) == 2
    assert set(found) == {
        Difference(paid.id, holder, declined.id, paid.id),
        Difference(declined.id, holder, declined.id, "another payment"),
    }


@pytest.mark.both_engines
async def test_a_receipt_that_nobody_holds_is_named(desk: Desk, store_url: str) -> None:
    paid, _, waits, _ = await some_payments(desk)

    await by_hand(desk, "DELETE FROM receipts")

    _, found = await replayed(store_url)
    assert set(found) == {
        Difference(paid.id, "holder of UKN1ABCDEF", "nothing", paid.id),
        Difference(waits.id, "holder of UKN1ABCDEF", "nothing", "another payment"),
    }


@pytest.mark.both_engines
async def test_evidence_that_came_behind_the_back_of_settle_shows(
    desk: Desk, store_url: str
) -> None:
    _, declined, *_ = await some_payments(desk)

    await by_hand(
        desk,
        "INSERT INTO evidence (payment_id, kind, at, held, digest) "
        "VALUES (:id, 'record-paid', 1, false, 'x')",
        payment_id=declined.id,
    )

    _, found = await replayed(store_url)
    assert ("status", "declined", "paid") in {
        (each.field, each.stored, each.recomputed) for each in found
    }


@pytest.mark.both_engines
async def test_a_reader_cannot_write(desk: Desk, store_url: str) -> None:
    async with open_reader(store_url) as reader, reader._engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"readonly|read-only"):
            await connection.execute(text("UPDATE payments SET superseded = true"))
