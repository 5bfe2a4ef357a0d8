"""What opens between the two books rings, once an hour at most, and never not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.core.record_desk import RecordDesk
from storage.records import Alarm, NewRecordRow, OpenKind, Source
from storage.schema import notices
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_record import OTHER, RECEIPT, a_row, opens, record
from tests.desk import OPERATORS, a_desk

__all__ = ["record"]

HOUR_S = 3600


async def rung(desk: Desk) -> int:
    """How often each operator was owed that alarm."""
    async with desk.store.read() as tx:
        wanted = select(notices.c.key).where(notices.c.alarm == Alarm.UNMATCHED.value)
        keys = list((await tx.payments._connection.execute(wanted)).scalars())
    assert len(keys) % len(OPERATORS) == 0, "each of them the same"
    return len(keys) // len(OPERATORS)


async def days_go_by(desk: Desk, record: RecordDesk, *, hours: int = 48) -> None:
    for _ in range(hours):
        desk.clock.advance(HOUR_S)
        await record.rows.place_left()
        await record.rows.look_again()


async def decide(record: RecordDesk) -> None:
    for each in await record.open_differences():
        await record.dismiss(each.id, by=900, why="rent of the neighbour")


def money(desk: Desk, receipt: str = RECEIPT, *, kes: int = 50) -> NewRecordRow:
    return a_row(desk.clock.now(), receipt=receipt, kes=kes)


@pytest.mark.both_engines
async def test_what_comes_after_the_alarm_of_the_hour_rings_in_the_next(
    desk: Desk, record: RecordDesk
) -> None:
    await record.rows.take([money(desk)])
    assert await rung(desk) == 1
    await decide(record)
    desk.clock.advance(HOUR_S / 2)
    await record.rows.take([money(desk, OTHER, kes=9000)])
    await record.rows.look_again()
    assert await rung(desk) == 1, "once an hour at most"

    await days_go_by(desk, record)

    assert await rung(desk) == 2
    assert await opens(record) == [(OpenKind.UNMATCHED, OTHER)]


async def test_what_was_decided_by_then_rings_no_more(desk: Desk, record: RecordDesk) -> None:
    await record.rows.take([money(desk)])
    desk.clock.advance(HOUR_S / 2)
    await record.rows.take([money(desk, OTHER)])
    await decide(record)

    await days_go_by(desk, record)

    assert await rung(desk) == 1


async def test_the_alarm_of_the_next_hour_is_of_what_waits_too(
    desk: Desk, record: RecordDesk
) -> None:
    await record.rows.take([money(desk)])
    desk.clock.advance(HOUR_S / 2)
    await record.rows.take([money(desk, OTHER)])
    desk.clock.advance(HOUR_S / 2)
    await record.rows.take([money(desk, "UKN3ABCDEF")])
    assert await rung(desk) == 2

    await days_go_by(desk, record)
    assert await rung(desk) == 2, "one for all"

    [*_, last] = await record.open_differences()
    await record.dismiss(last.id, by=900, why="none of ours")
    await days_go_by(desk, record, hours=3)
    assert await rung(desk) == 2, "of the other two they have been told"


async def test_after_a_stop_of_hours_it_rings_once(desk: Desk, record: RecordDesk) -> None:
    await record.rows.take([money(desk)])
    desk.clock.advance(HOUR_S / 2)
    await record.rows.take([money(desk, OTHER)])
    desk.clock.advance(7 * HOUR_S)

    after = a_desk(desk.store, desk.clock, seed=12)
    await asyncio.gather(after.rows.look_again(), record.rows.look_again())
    await days_go_by(desk, after)

    assert await rung(desk) == 2


async def test_every_hour_that_brings_money_for_nobody_rings(
    desk: Desk, record: RecordDesk
) -> None:
    for number in range(8):
        await record.rows.take([money(desk, f"UKN{number}QWERTY")])
        await record.rows.look_again()
        desk.clock.advance(HOUR_S / 2)

    assert await rung(desk) == 4


async def test_what_a_person_has_just_been_shown_to_be_only_ours_rings_nobody(
    desk: Desk, record: RecordDesk
) -> None:
    await desk.post(await desk.ask(), success(receipt=RECEIPT))
    at = desk.clock.now()
    await record.rows.only_ours(since=at - timedelta(days=1), until=at + timedelta(days=1))

    await days_go_by(desk, record)

    assert await opens(record) == [(OpenKind.ONLY_OURS, RECEIPT)]
    assert await rung(desk) == 0


# --- Another amount in the books ---


@pytest.mark.both_engines
async def test_another_amount_in_the_books_rings(desk: Desk, record: RecordDesk) -> None:
    await desk.post(await desk.ask(), success(receipt=RECEIPT))
    row = money(desk)
    await record.rows.take([row])
    assert await rung(desk) == 0
    desk.clock.advance(2 * HOUR_S)

    said = replace(row, amount_cents=5_00, source=Source.STATUS)
    assert (await record.rows.take([said])).differs == 1

    assert await opens(record) == [(OpenKind.AMOUNT_DIFFERS, RECEIPT)]
    assert await rung(desk) == 1
    for _ in range(5):
        desk.clock.advance(HOUR_S)
        assert (await record.rows.take([said])).differs == 1
        await record.rows.look_again()
    assert await rung(desk) == 1, "told again it rings no more"


async def test_another_amount_in_one_file_is_not_closed_by_its_payment(
    desk: Desk, record: RecordDesk
) -> None:
    """The books have named two amounts: that the first of them is ours settles nothing."""
    await desk.post(await desk.ask(), success(receipt=RECEIPT))
    row = money(desk)

    taken = await record.rows.take([row, replace(row, amount_cents=5_00)])

    assert (taken.differs, taken.matched) == (1, 1)
    assert await opens(record) == [(OpenKind.AMOUNT_DIFFERS, RECEIPT)]
    assert await rung(desk) == 1


async def test_nor_by_a_payment_that_becomes_known_later(desk: Desk, record: RecordDesk) -> None:
    payment = await desk.ask()
    row = money(desk)
    await record.rows.take([row])
    await record.rows.take([replace(row, amount_cents=5_00, source=Source.STATUS)])
    await desk.post(payment, success(receipt=RECEIPT))

    await record.rows.look_again()

    assert await opens(record) == [(OpenKind.AMOUNT_DIFFERS, RECEIPT)]
    found = await record.rows.get(RECEIPT)
    assert found is not None
    assert found.payment_id == payment.id
