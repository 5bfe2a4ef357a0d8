"""The longest receipt and the largest sums that anybody may tell are received like any other."""

from __future__ import annotations

import pytest

from bot.core.record_desk import RecordDesk
from bot.core.references import ByHand
from mpesa.c2b import C2bPayment, parse_c2b
from storage.engine import Store
from storage.records import OpenKind, Source, Status
from storage.tx import Tx
from tests.core.conftest import Desk
from tests.core.test_record import a_row, born, by_hand_ref, opens
from tests.desk import PAYBILL, ScriptedOffice, a_desk
from tests.fakes import PHONE
from tests.stores import TestClock

pytestmark = pytest.mark.both_engines

LONGEST_RECEIPT = "UKN1ABCDEF12"
LARGEST_KES = 999_999_999_999


@pytest.fixture
def record(store: Store, clock: TestClock, office: ScriptedOffice) -> RecordDesk:
    return a_desk(store, clock, office, pull=True, pull_number=PHONE, c2b="v2")


@pytest.mark.parametrize("held", [False, True])
async def test_the_longest_receipt_of_a_statement_is_placed(
    desk: Desk, record: RecordDesk, held: bool
) -> None:
    payment = await desk.ask()
    reference = payment.push_ref if held else await by_hand_ref(desk, payment)
    row = a_row(
        desk.clock.now(),
        receipt=LONGEST_RECEIPT,
        reference=reference,
        source=Source.PORTAL,
        kes=60,
    )

    taken = await record.rows.take([row])

    assert taken.left == 0
    own = await born(desk, LONGEST_RECEIPT)
    assert own.receipt == LONGEST_RECEIPT
    assert own.status is (Status.REVIEW if held else Status.PAID)


async def test_the_largest_sum_is_placed(desk: Desk, clock: TestClock, store: Store) -> None:
    """Also where nobody had said how much there should be."""
    payment = await desk.ask()

    async def drives(_tx: Tx, _reference: str) -> ByHand:
        return ByHand(intent_id=payment.intent_id, subject="d:1")

    record = a_desk(store, clock, finders=[drives])

    taken = await record.rows.take([a_row(clock.now(), reference="MOSQUE-7K2QX", kes=LARGEST_KES)])

    assert taken.left == 0
    own = await born(desk)
    assert (own.status, own.credited_cents) == (Status.PAID, LARGEST_KES * 100)


async def test_the_largest_sum_without_an_account_waits_for_a_person(
    desk: Desk, record: RecordDesk
) -> None:
    row = a_row(desk.clock.now(), source=Source.PORTAL, kes=LARGEST_KES)

    await record.rows.take([row])
    found = await record.verify(row.receipt, by=900)

    assert await opens(record) == [(OpenKind.UNMATCHED, row.receipt)]
    assert found.suggestions == ()


async def test_the_largest_sum_may_be_posted_by_anybody(desk: Desk, record: RecordDesk) -> None:
    """It is a claim like any other; what the books then name is what counts."""
    reference = await by_hand_ref(desk, await desk.ask())
    posted = parse_c2b(
        b'{"TransID":"UKN1ABCDEF","TransAmount":"%d","BusinessShortCode":"%s","MSISDN":"%s",'
        b'"BillRefNumber":"%s"}'
        % (LARGEST_KES, PAYBILL.encode(), PHONE.encode(), reference.encode())
    )
    assert isinstance(posted, C2bPayment)

    await record.ways.posted(posted)
    found = await record.verify(posted.receipt, by=900)
    await record.rows.take([a_row(desk.clock.now(), reference=reference)])

    assert found.row is not None
    assert found.row.amount_cents == LARGEST_KES * 100
    assert (await born(desk)).credited_cents == 50_00
