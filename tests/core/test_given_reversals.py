"""A reversal that a person has given to a payment, and that the books then name another way."""

from __future__ import annotations

import pytest

from bot.core.decisions import Verdict
from bot.core.rulings import Ruling
from storage.records import NewRecordRow, OpenKind, RowKind, RowState, Source
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_hear import alarms
from tests.core.test_one_reversal import left_of, two_paid
from tests.core.test_placed_once import BACK
from tests.core.test_record import a_row, assert_replays, opens
from tests.core.test_review import AMINA, credit, review_of
from tests.desk import a_desk

pytestmark = pytest.mark.both_engines

UNKNOWN = "UKN7NOTUS1"


def took_back(desk: Desk, linked: str | None, source: Source) -> NewRecordRow:
    return a_row(
        desk.clock.now(), receipt=BACK, kind=RowKind.REVERSAL, linked=linked, source=source
    )


async def test_it_stays_there_until_the_payment_is_known_that_it_took_back(desk: Desk) -> None:
    record = a_desk(desk.store, desk.clock)
    one, _ = await two_paid(desk)
    await record.rows.take([took_back(desk, None, Source.PULL)])
    [found] = await record.open_differences()
    assert await record.assign(found.id, to=one.id, by=AMINA, why="") is Ruling.DONE
    assert await alarms(desk)
    desk.clock.advance(7200)

    for _ in range(2):
        await record.rows.take([took_back(desk, UNKNOWN, Source.PORTAL)])
        await record.rows.look_again()

    row = await record.rows.get(BACK)
    assert row is not None
    assert (row.state, row.payment_id, row.linked) == (RowState.MATCHED, one.id, UNKNOWN)
    assert await left_of(desk, one) == [0]
    assert await opens(record) == []
    assert await alarms(desk) == [], "nothing is there to be looked at"

    late = await desk.ask(ask_key="m:3", phone="254722000333")
    await desk.post(late, success(3, receipt=UNKNOWN))
    await record.rows.look_again()

    assert await left_of(desk, one, late) == [50_00, 0]
    assert await opens(record) == []
    await assert_replays(desk)


async def test_what_nobody_has_given_waits(desk: Desk) -> None:
    record = a_desk(desk.store, desk.clock)
    one = await desk.ask()
    assert await review_of(desk).decide(credit(one)) is Verdict.DONE
    await record.rows.take([took_back(desk, UNKNOWN, Source.PORTAL)])

    assert await opens(record) == [(OpenKind.REVERSAL, BACK)]
    assert await left_of(desk, one) == [50_00]
