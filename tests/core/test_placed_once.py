"""A row's money is placed once: whoever dies, is faster, shares a commit, or was given back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.core.placing import Placing
from bot.core.record_desk import RecordDesk
from bot.core.rulings import Ruling
from storage.engine import Store
from storage.records import (
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    Source,
    Word,
)
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_record import OTHER, RECEIPT, a_row, assert_replays, born, by_hand_ref, opens
from tests.desk import a_desk
from tests.stores import TestClock

BACK = "UKN7BACKBA"


@pytest.fixture
def record(store: Store, clock: TestClock) -> RecordDesk:
    return a_desk(store, clock)


async def kept(desk: Desk, record: RecordDesk, *rows: Any) -> list[RecordRow]:
    """Rows that are in the books, and not placed yet."""
    await desk.store.write(lambda tx: tx.record.keep(rows, now=desk.clock.now()))
    found = [await record.rows.get(each.receipt) for each in rows]
    return [each for each in found if each is not None]


async def state(record: RecordDesk, receipt: str) -> RowState:
    row = await record.rows.get(receipt)
    assert row is not None
    return row.state


# --- One of two was given back ---

TWO = (RECEIPT, OTHER)


def gone(desk: Desk, receipt: str, *, kes: float = 50, back: str = BACK) -> Any:
    return a_row(desk.clock.now(), receipt=back, kes=kes, kind=RowKind.REVERSAL, linked=receipt)


async def paid_twice(desk: Desk, record: RecordDesk, *, named: Sequence[str] = TWO) -> Payment:
    """Two receipts for one prompt, of which the books name these; the first is credited."""
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await desk.post(payment, success(receipt=OTHER))
    await record.rows.take([a_row(desk.clock.now(), receipt=each) for each in named])
    return await desk.get(payment.id)


async def test_the_second_of_two_given_back_leaves_the_first_credited(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)
    assert payment.receipt == RECEIPT
    assert await opens(record) == [(OpenKind.TWICE, OTHER)]

    for source in (Source.PULL, Source.PORTAL):
        await record.rows.take([replace(gone(desk, OTHER), source=source)])
        await record.rows.look_again()

    after = await desk.get(payment.id)
    assert (after.credited_cents, after.reversed_cents) == (50_00, 0)
    assert Word.REVERSED not in after.words
    assert await opens(record) == []
    assert await state(record, OTHER) is RowState.CLOSED
    assert await state(record, BACK) is RowState.MATCHED
    await assert_replays(desk)


async def test_in_one_file_with_both_it_is_the_same(desk: Desk, record: RecordDesk) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await desk.post(payment, success(receipt=OTHER))
    rows = [gone(desk, OTHER), *(a_row(desk.clock.now(), receipt=each) for each in TWO)]

    await record.rows.take(rows)

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert await opens(record) == []


async def test_told_before_the_books_name_what_it_took_back_it_waits(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record, named=[])

    await record.rows.take([gone(desk, RECEIPT)])
    await record.rows.look_again()
    assert await opens(record) == [(OpenKind.REVERSAL, BACK)]
    assert (await desk.get(payment.id)).credited_cents == 50_00
    # The books name the other one first: that is what counts now.
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER)])
    desk.clock.advance(1)
    await record.rows.take([a_row(desk.clock.now(), receipt=RECEIPT)])
    await record.rows.look_again()

    after = await desk.get(payment.id)
    assert (after.receipt, after.credited_cents, after.reversed_cents) == (OTHER, 50_00, 0)
    assert await opens(record) == []
    assert await state(record, RECEIPT) is RowState.CLOSED


async def test_the_credited_one_given_back_is_taken_off_and_the_other_stays_open(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)

    await record.rows.take([gone(desk, RECEIPT)])

    assert (await desk.get(payment.id)).credited_cents == 0
    assert await opens(record) == [(OpenKind.TWICE, OTHER)]
    [open_one] = await record.open_differences()
    assert await record.assign(open_one.id, by=900, why="this one stayed") is Ruling.DONE
    assert await record.rows.net_cents() == 50_00


async def test_a_part_of_the_second_given_back_waits_for_a_person(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)

    await record.rows.take([gone(desk, OTHER, kes=20)])
    await record.rows.look_again()

    assert (await desk.get(payment.id)).credited_cents == 50_00
    twice, back = await record.open_differences()
    assert (twice.kind, back.kind) == (OpenKind.TWICE, OpenKind.REVERSAL)
    # It is not what this payment counts, whoever says so.
    assert await record.assign(back.id, to=payment.id, by=900, why="") is Ruling.CANNOT
    assert await record.assign(twice.id, by=900, why="paid twice") is Ruling.DONE
    await record.rows.look_again()
    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert (await born(desk, OTHER)).credited_cents == 30_00
    assert await opens(record) == []


async def test_of_a_second_receipt_that_a_person_closed_nothing_is_left_to_take_off(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)
    [twice] = await record.open_differences()
    await record.dismiss(twice.id, by=900, why="given back in the portal")

    await record.rows.take([gone(desk, OTHER)])

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert await opens(record) == []


async def test_a_person_who_gives_the_second_away_just_then_gives_away_what_is_there(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)
    [twice] = await record.open_differences()

    await asyncio.gather(
        record.assign(twice.id, by=900, why="paid twice"),
        record.rows.take([gone(desk, OTHER)]),
    )
    await record.rows.look_again()

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert await record.rows.net_cents() == 50_00
    assert await opens(record) == []


async def test_after_a_person_was_faster_it_is_taken_off_what_they_made_of_it(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)
    [twice] = await record.open_differences()
    [back] = await kept(desk, record, gone(desk, OTHER))
    placing: Placing = record.rows.placing
    await record.assign(twice.id, by=900, why="paid twice")

    await placing.place(back, None)

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert (await born(desk, OTHER)).credited_cents == 0


async def test_what_went_back_of_a_payment_says_nothing_of_a_receipt_told_later(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await record.rows.take([gone(desk, RECEIPT)])
    await desk.post(payment, success(receipt=OTHER))

    await record.rows.take([a_row(desk.clock.now() + timedelta(seconds=1), receipt=OTHER)])

    assert await record.rows.net_cents() == 0
    assert await opens(record) == [(OpenKind.TWICE, OTHER)]
    [open_one] = await record.open_differences()
    assert await record.assign(open_one.id, by=900, why="this one stayed") is Ruling.DONE
    assert await record.rows.net_cents() == 50_00


async def test_a_payment_by_hand_given_back_is_taken_off_that_one(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    reference = await by_hand_ref(desk, payment)
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER, reference=reference)])

    await record.rows.take([gone(desk, OTHER)])

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert (await born(desk, OTHER)).credited_cents == 0
