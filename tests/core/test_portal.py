"""What of the portal's export is taken into the books: only our own, and only what is complete."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bot.core.placing import Placing
from bot.core.portal import BadStatement, Reconciled, reconcile_statement
from bot.core.ports import Collector, Ids
from bot.core.record import Record
from mpesa.statement import open_statement
from tests.core.conftest import Desk

OURS = Collector(name="Mama Njeri Shop", kind="paybill", number="600000", practice=False)
HEADING = "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,A/C No."


def a_line(receipt: str, status: str) -> str:
    details = "Pay Bill from 25471****678 - ASHA Acc. LUNCH"
    return f"{receipt},23-11-2026 12:01:00,{details},{status},50.0,,LUNCH"


def a_record(desk: Desk) -> Record:
    placing = Placing(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        ids=Ids(random.Random(7).randbytes),
        finders=(),
        confirm_above_kes=5_000,
    )
    return Record(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        placing=placing,
        wake=lambda: None,
    )


async def taken(record: Record, folder: Path, *lines: str, short_code: str) -> Reconciled:
    path = folder / "statement.csv"
    path.write_text("\n".join([f"Short Code:,{short_code}", HEADING, *lines]))
    with open_statement(path) as statement:
        return await reconcile_statement(record, statement, OURS, lambda _bytes: None)


@pytest.mark.both_engines
async def test_a_line_that_was_not_completed_is_no_money(desk: Desk, tmp_path: Path) -> None:
    record = a_record(desk)
    lines = a_line("UKN7H4QRX1", "Completed"), a_line("UKN7H4QRX2", "Declined")

    done = await taken(record, tmp_path, *lines, short_code=OURS.number)

    assert (done.lines, done.payments, done.incomplete) == (2, 1, 1)
    assert await record.get("UKN7H4QRX1") is not None
    assert await record.get("UKN7H4QRX2") is None


async def test_a_statement_of_another_short_code_is_refused_whole(
    desk: Desk, tmp_path: Path
) -> None:
    record = a_record(desk)

    with pytest.raises(BadStatement, match="600009"):
        await taken(record, tmp_path, a_line("UKN7H4QRX1", "Completed"), short_code="600009")

    assert await record.get("UKN7H4QRX1") is None
