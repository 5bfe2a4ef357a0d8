"""Payments that were only posted: operators hear of those that no book names, within two days."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from bot.core.record_desk import RecordDesk
from storage.records import Alarm, Source
from storage.schema import notices
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_claims_asked import answer_all
from tests.core.test_hear import alarms
from tests.core.test_record import OTHER, RECEIPT, a_row, record
from tests.desk import OPERATORS, ScriptedOffice, a_desk

__all__ = ["record"]

HOUR_S, DAY_S = 3600, 86_400
THIRD = "UKN3ABCDEF"


async def rung(desk: Desk) -> int:
    """How often each operator was owed that alarm."""
    async with desk.store.read() as tx:
        wanted = select(notices.c.key).where(notices.c.alarm == Alarm.CLAIMS_WAIT.value)
        keys = list((await tx.payments._connection.execute(wanted)).scalars())
    assert len(keys) % len(OPERATORS) == 0, "each of them the same"
    return len(keys) // len(OPERATORS)


async def hours_go_by(desk: Desk, record: RecordDesk, hours: int) -> None:
    for _ in range(hours):
        desk.clock.advance(HOUR_S)
        await record.rows.place_left()
        await record.rows.look_again()


async def posted(desk: Desk, record: RecordDesk, receipt: str = RECEIPT) -> None:
    row = a_row(
        desk.clock.now(), receipt=receipt, reference="KWA MAMA", source=Source.C2B, kes=70_000
    )
    await record.rows.claim(row)


@pytest.mark.both_engines
async def test_a_payment_that_no_book_ever_names_is_told_once(
    desk: Desk, record: RecordDesk
) -> None:
    await posted(desk, record)

    for _ in range(40):
        desk.clock.advance(DAY_S)
        await record.rows.place_left()
        await record.rows.look_again()

    assert await alarms(desk) == [Alarm.CLAIMS_WAIT] * len(OPERATORS)


async def test_it_is_told_after_a_day_and_no_sooner(desk: Desk, record: RecordDesk) -> None:
    await posted(desk, record)

    await hours_go_by(desk, record, 23)
    assert await rung(desk) == 0
    await hours_go_by(desk, record, 1)

    assert await rung(desk) == 1


async def test_what_the_books_have_named_by_then_rings_nobody(
    desk: Desk, record: RecordDesk
) -> None:
    await posted(desk, record)
    await hours_go_by(desk, record, 20)
    await record.rows.take([a_row(desk.clock.now(), reference="KWA MAMA", kes=70_000)])

    await hours_go_by(desk, record, 72)

    assert await rung(desk) == 0


async def test_a_later_one_rings_on_a_day_of_its_own(desk: Desk, record: RecordDesk) -> None:
    await posted(desk, record)
    await hours_go_by(desk, record, 100)
    await posted(desk, record, OTHER)

    await hours_go_by(desk, record, 23)
    assert await rung(desk) == 1
    await hours_go_by(desk, record, 100)

    assert await rung(desk) == 2


async def test_what_is_a_day_old_after_the_alarm_of_its_day_has_the_next_days(
    desk: Desk, record: RecordDesk
) -> None:
    await posted(desk, record)  # at noon of Nairobi
    await hours_go_by(desk, record, 2)
    await posted(desk, record, OTHER)
    await hours_go_by(desk, record, 3)
    await posted(desk, record, THIRD)

    await hours_go_by(desk, record, 30)
    assert await rung(desk) == 1, "once a day at most: it is 23:00"
    await hours_go_by(desk, record, 1)

    assert await rung(desk) == 2, "nothing is silent for two days"
    await hours_go_by(desk, record, 100)
    assert await rung(desk) == 2, "one for both"


async def test_after_a_stop_of_days_it_rings_once(desk: Desk, record: RecordDesk) -> None:
    await posted(desk, record)
    desk.clock.advance(3 * HOUR_S)
    await posted(desk, record, OTHER)
    desk.clock.advance(9 * DAY_S)

    after = a_desk(desk.store, desk.clock, seed=12)
    await asyncio.gather(after.rows.look_again(), record.rows.look_again())
    await hours_go_by(desk, after, 72)

    assert await rung(desk) == 1


async def test_what_safaricom_calls_anothers_rings_nobody_and_hides_no_other(
    desk: Desk, record: RecordDesk, office: ScriptedOffice
) -> None:
    await posted(desk, record)
    desk.clock.advance(180)
    await record.ways.ask_due()
    await answer_all(record, office, "0", TransactionStatus="Declined")
    await hours_go_by(desk, record, 72)
    assert await rung(desk) == 0

    await posted(desk, record, OTHER)
    desk.clock.advance(HOUR_S)
    await posted(desk, record, THIRD)
    office.asked.clear()
    await record.ways.ask(THIRD)
    await answer_all(record, office, "0", TransactionStatus="Declined")
    await hours_go_by(desk, record, 24)

    assert await rung(desk) == 1
    assert await record.rows.claims.waiting() == 1


async def test_what_was_posted_about_a_payment_that_is_credited_rings_nobody(
    desk: Desk, record: RecordDesk
) -> None:
    """Safaricom tells of money that came by prompt at both addresses."""
    await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await record.rows.claim(a_row(desk.clock.now(), source=Source.C2B))

    await hours_go_by(desk, record, 72)

    assert await rung(desk) == 0


async def test_how_many_wait_counts_the_old_ones_only(desk: Desk, record: RecordDesk) -> None:
    for number in range(3):
        await posted(desk, record, f"UKN{number}ABCDEF")
        desk.clock.advance(HOUR_S)
    desk.clock.advance(22 * HOUR_S)

    assert await record.rows.claims.waiting() == 2
