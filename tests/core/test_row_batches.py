"""Rows by the hundred come to stand where single ones do, and what is left is never called done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.core.placing import Placing
from bot.core.portal import reconcile_statement
from bot.core.ports import Collector
from bot.core.record_desk import RecordDesk
from bot.core.row_batches import RowBatches
from bot.core.settle import Settle
from bot.core.told_rows import Placed
from mpesa.statement import open_statement
from storage.records import OpenKind, Payment, RecordRow, Source, Status
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_record import a_row, assert_replays, by_hand_ref, opens
from tests.desk import PAYBILL
from tests.stores import TestClock

SHOP = Collector(name="Shop", kind="paybill", number=PAYBILL, practice=False)


async def credited(desk: Desk, number: int) -> Payment:
    """A payment that a callback alone has credited."""
    payment = await desk.ask(ask_key=str(number), phone=f"254722000{number:03d}")
    return await desk.post(payment, success(number, receipt=f"UKN1AAAA{number:02d}"))


async def test_many_of_every_sort_are_each_placed_as_alone(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    known = [await credited(desk, number) for number in range(1, 7)]
    lost = await desk.ask(ask_key="lost", phone="254722000099")
    now = clock.now()
    rows = [
        a_row(now, receipt="UKN1AAAA01", reference=known[0].push_ref),  # its own prompt's
        a_row(now, receipt="UKN1AAAA02", reference=""),
        a_row(now, receipt="UKN1AAAA03", reference="PAY-ZZZZZ"),  # of nobody
        a_row(now, receipt="UKN1AAAA04", reference="school fees"),
        a_row(now, receipt="UKN1AAAA05", kes=70),  # another amount
        a_row(now, receipt="UKN1AAAA06", reference=lost.push_ref),  # the books say: another's
        a_row(now, receipt="UKN1BBBB01", reference=await by_hand_ref(desk, known[0])),
        a_row(now, receipt="UKN1BBBB02", reference="rent"),
    ]

    taken = await record.rows.take(rows)
    again = await record.rows.take(rows)

    assert (taken.rows, taken.matched, taken.open, taken.left) == (8, 6, 2, 0)
    assert (again.fresh, again.matched, again.open) == (0, 6, 2)
    assert all([(await desk.get(each.id)).confirmed for each in known[:4]])
    assert (await desk.get(lost.id)).receipt == "UKN1AAAA06"
    assert sorted(await opens(record)) == [
        (OpenKind.AMOUNT_DIFFERS, "UKN1AAAA05"),
        (OpenKind.UNMATCHED, "UKN1BBBB02"),
    ]
    await assert_replays(desk)


class Interrupted(RowBatches):
    """The store is in the way of the last row."""

    async def place(self, rows: Sequence[RecordRow]) -> list[tuple[RecordRow, Placed | None]]:
        return [*await super().place(rows[:-1]), (rows[-1], None)]


async def test_what_could_not_be_placed_is_said_and_is_placed_by_the_next_turn(
    desk: Desk, record: RecordDesk, clock: TestClock, tmp_path: Path
) -> None:
    payments = [await credited(desk, number) for number in (1, 2)]
    path = tmp_path / "statement.csv"
    lines = [
        f"UKN1AAAA{number:02d},23-11-2026 15:00:00,Pay Bill,Completed,50.00,,{each.push_ref}"
        for number, each in enumerate(payments, 1)
    ]
    heading = "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,A/C No."
    path.write_text("\n".join([heading, *lines, ""]))
    placing: Placing = record.rows.placing
    whole = record.rows._batches
    record.rows._batches = Interrupted(
        store=desk.store, settle=Settle(operators=[]), clock=clock, placing=placing
    )

    with open_statement(path) as statement:
        found = await reconcile_statement(record.rows, statement, SHOP, lambda _bytes: None)
    assert (found.taken.matched, found.taken.left, found.clean) == (1, 1, False)

    record.rows._batches = whole
    await record.rows.place_left()
    with open_statement(path) as statement:
        found = await reconcile_statement(record.rows, statement, SHOP, lambda _bytes: None)
    assert (found.taken.matched, found.taken.left, found.clean) == (2, 0, True)
    assert all([(await desk.get(each.id)).status is Status.PAID for each in payments])
    row = await record.rows.get("UKN1AAAA02")
    assert row is not None
    assert row.sources == {Source.PORTAL}
