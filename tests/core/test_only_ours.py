"""What is credited here and in no statement is open until the books name it, and no longer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.core.record_desk import RecordDesk
from bot.core.rulings import Ruling
from storage.record_tables import record_open
from storage.records import (
    OpenDifference,
    OpenKind,
    Payment,
    RowKind,
    Status,
)
from storage.tx import Tx
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_record import OTHER, RECEIPT, a_row, opens, record

__all__ = ["record"]

BACK = "UKN7BACKBA"


async def found_by_asking(desk: Desk) -> Payment:
    """A till's payment whose callback was lost: paid, and nobody has told its code."""
    desk.daraja.answers = ["0"]
    payment = await desk.ask()
    desk.clock.advance(131)
    await desk.reconcile.run_due()
    payment = await desk.get(payment.id)
    assert (payment.status, payment.receipt) == (Status.PAID, None)
    return payment


async def compared(desk: Desk, record: RecordDesk) -> int:
    at = desk.clock.now()
    return await record.rows.only_ours(since=at - timedelta(days=1), until=at + timedelta(days=1))


async def the_open(record: RecordDesk, kind: OpenKind) -> OpenDifference:
    [one] = await record.open_differences(kind=kind)
    return one


@pytest.mark.both_engines
async def test_a_payment_whose_receipt_a_person_has_named_is_only_ours_no_more(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await found_by_asking(desk)
    rows = [a_row(desk.clock.now())]
    await record.rows.take(rows)
    assert await compared(desk, record) == 1
    unmatched = await the_open(record, OpenKind.UNMATCHED)

    ruled = await record.assign(unmatched.id, to=payment.id, by=900, why="her SMS")

    assert ruled is Ruling.DONE
    assert (await desk.get(payment.id)).receipt == RECEIPT
    assert await opens(record) == []
    await record.rows.take(rows)
    assert await compared(desk, record) == 0
    assert await opens(record) == []


async def test_money_beside_it_leaves_it_only_ours(desk: Desk, record: RecordDesk) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=OTHER))
    await record.rows.take([a_row(desk.clock.now())])
    assert await compared(desk, record) == 1
    unmatched = await the_open(record, OpenKind.UNMATCHED)

    await record.assign(unmatched.id, to=payment.id, by=900, why="she paid twice")

    assert await opens(record) == [(OpenKind.ONLY_OURS, OTHER)]


async def test_what_went_back_of_it_leaves_it_only_ours(desk: Desk, record: RecordDesk) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=OTHER))
    await record.rows.take([a_row(desk.clock.now(), receipt=BACK, kes=20, kind=RowKind.REVERSAL)])
    assert await compared(desk, record) == 1
    back = await the_open(record, OpenKind.REVERSAL)

    assert await record.assign(back.id, to=payment.id, by=900, why="hers") is Ruling.DONE

    assert await opens(record) == [(OpenKind.ONLY_OURS, OTHER)]


async def test_what_was_left_open_so_is_closed_by_the_next_statement(
    desk: Desk, record: RecordDesk
) -> None:
    """Or by the next one after a stop between the credit and the closing."""
    await desk.post(await desk.ask(), success(receipt=RECEIPT))
    assert await compared(desk, record) == 1
    await record.rows.take([a_row(desk.clock.now())])
    assert await opens(record) == []

    async def as_before(tx: Tx) -> None:
        await tx.payments._connection.execute(update(record_open).values(closed_at=None))

    await desk.store.write(as_before)
    assert await opens(record) == [(OpenKind.ONLY_OURS, RECEIPT)]

    assert await compared(desk, record) == 0

    assert await opens(record) == []
