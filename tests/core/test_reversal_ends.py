"""Ends of reversals: whatever becomes of one, somebody is told, and no money goes back twice."""

from __future__ import annotations

import json

import pytest

from bot.core.decisions import Deciding
from bot.core.decisions import Ruling as Decision
from bot.core.record_desk import RecordDesk
from bot.core.rulings import Ruling
from mpesa.async_results import parse_result
from mpesa.bodies import Unreadable
from mpesa.errors import OutcomeUnknown, Unreachable
from storage.records import Alarm, NewRecordRow, Payment, RowKind, Source
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_hear import alarms
from tests.core.test_record import a_row
from tests.core.test_review import review_of
from tests.desk import ScriptedOffice, a_desk

RECEIPT = "UKN1ABCDEF"
BACK = "UKN8REVERS"
GIVING_BACK = (Alarm.NOT_GIVEN_BACK, Alarm.BACK_UNSURE)


class Death(Exception):
    """The process ends here."""


async def paid(desk: Desk) -> Payment:
    return await desk.post(await desk.ask(), success(receipt=RECEIPT))


async def press(record: RecordDesk, payment: Payment) -> Ruling:
    """Two operators want it given back."""
    await record.reverse(payment.id, by=900, why="wrong shop")
    return await record.reverse(payment.id, by=901, why="wrong shop")


def result(code: object, receipt: str = "") -> bytes:
    frame = {"ResultType": 0, "ResultCode": code, "ResultDesc": "x", "TransactionID": receipt}
    return json.dumps({"Result": frame}).encode()


async def post(
    record: RecordDesk, office: ScriptedOffice, code: object, *, receipt: str = ""
) -> None:
    """What Safaricom says became of the newest reversal."""
    await record.ways.heard(question_of(office), parse_result(result(code, receipt)), timeout=False)


def question_of(office: ScriptedOffice) -> str:
    address = office.reversed[-1][2].result_url
    return address.rpartition("/")[2].partition(".")[0]


async def told(desk: Desk) -> list[Alarm]:
    """What the two operators were told about giving back, since this was last asked."""
    return [each for each in await alarms(desk) if each in GIVING_BACK]


@pytest.mark.parametrize("code", [1, "R000002", "2033", 11, 21, 25, 2001, 26])
async def test_a_no_is_told_and_it_may_be_sent_again(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, code: object
) -> None:
    payment = await paid(desk)
    assert await press(record, payment) is Ruling.DONE

    await post(record, office, code)

    assert await told(desk) == [Alarm.NOT_GIVEN_BACK] * 2
    assert await press(record, payment) is Ruling.DONE
    assert len(office.reversed) == 2
    await post(record, office, code)
    assert await told(desk) == [Alarm.NOT_GIVEN_BACK] * 2, "each time"


@pytest.mark.parametrize("code", [999, "R000001", 0])
async def test_what_may_have_moved_money_is_told_and_not_sent_again(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, code: object
) -> None:
    """Unlisted; reversed before; or done, with no receipt of the reversal to put in the books."""
    payment = await paid(desk)
    await press(record, payment)

    await post(record, office, code)

    assert await told(desk) == [Alarm.BACK_UNSURE] * 2
    assert await press(record, payment) in (Ruling.UNSURE, Ruling.ALREADY)
    assert len(office.reversed) == 1


@pytest.mark.parametrize("timeout", [True, False])
async def test_no_answer_from_safaricom_is_told(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, timeout: bool
) -> None:
    payment = await paid(desk)
    await press(record, payment)

    await record.ways.heard(question_of(office), Unreadable("no Result"), timeout=timeout)

    assert await told(desk) == [Alarm.BACK_UNSURE] * 2
    assert await press(record, payment) is Ruling.UNSURE


async def test_what_went_back_is_told_to_the_payer_and_rings_nobody(
    desk: Desk, record: RecordDesk, office: ScriptedOffice
) -> None:
    payment = await paid(desk)
    await press(record, payment)

    await post(record, office, 0, receipt=BACK)
    desk.clock.advance(3600)
    await record.ways.reversal_ends.tell_silent()

    assert await told(desk) == []
    assert (await desk.get(payment.id)).reversed_cents == 5000
    assert await press(record, payment) is Ruling.ALREADY


@pytest.mark.both_engines
@pytest.mark.parametrize("lost", [True, False])
async def test_silence_is_told_once(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, lost: bool
) -> None:
    """The reply to it was lost, or Safaricom took it and says no more."""
    office.fails = [OutcomeUnknown("timeout")] if lost else []
    payment = await paid(desk)
    assert await press(record, payment) is (Ruling.UNSURE if lost else Ruling.DONE)
    desk.clock.advance(599)
    await record.ways.reversal_ends.tell_silent()
    assert await told(desk) == [], "it may still come"

    for _ in range(3):
        desk.clock.advance(60)
        await record.ways.reversal_ends.tell_silent()

    assert await told(desk) == [Alarm.BACK_UNSURE] * 2
    assert await press(record, payment) is Ruling.UNSURE
    assert len(office.reversed) == 1


@pytest.mark.both_engines
async def test_a_process_that_dies_before_it_sends_leaves_a_word(
    desk: Desk, record: RecordDesk, office: ScriptedOffice
) -> None:
    office.fails = [Death()]
    payment = await paid(desk)
    with pytest.raises(Death):
        await press(record, payment)

    desk.clock.advance(600)
    await a_desk(desk.store, desk.clock).ways.reversal_ends.tell_silent()

    assert await told(desk) == [Alarm.BACK_UNSURE] * 2


async def test_a_process_that_dies_with_the_answer_in_the_books_rings_nobody(
    desk: Desk, record: RecordDesk, office: ScriptedOffice
) -> None:
    payment = await paid(desk)
    await press(record, payment)
    row = NewRecordRow(
        receipt=BACK,
        amount_cents=5000,
        at=desk.clock.now(),
        source=Source.STATUS,
        kind=RowKind.REVERSAL,
        linked=RECEIPT,
    )
    await record.rows.take([row])  # and died before it was noted that this answered the question

    desk.clock.advance(600)
    await record.ways.reversal_ends.tell_silent()

    assert await told(desk) == []
    assert await press(record, payment) is Ruling.ALREADY


async def test_what_only_a_person_said_is_no_answer_of_safaricoms(
    desk: Desk, record: RecordDesk, office: ScriptedOffice
) -> None:
    """It was another payment's reversal: whether ours was carried out is as unknown as before."""
    payment = await paid(desk)
    desk.clock.advance(600)
    other = await desk.ask(ask_key="m:2", amount_kes=70, phone="254722000111")
    other = await desk.post(other, success(2, amount=70.0, receipt="UKN2ABCDEF"))
    await press(record, payment)
    await review_of(desk).decide(
        Decision(
            payment_id=payment.id, deciding=Deciding.REVERSE, by=900, key="typed", receipt=BACK
        )
    )
    desk.clock.advance(600)
    await record.ways.reversal_ends.tell_silent()
    assert await told(desk) == []

    row = a_row(desk.clock.now(), receipt=BACK, kind=RowKind.REVERSAL, linked=other.receipt)
    await record.rows.take([row])

    assert (await desk.get(payment.id)).credited_cents == 5000
    assert await press(record, payment) is Ruling.UNSURE
    assert len(office.reversed) == 1


@pytest.mark.parametrize("first", [0, 999])
async def test_a_no_after_a_yes_or_a_doubt_sends_nothing_again(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, first: object
) -> None:
    payment = await paid(desk)
    await press(record, payment)

    for code in (first, 1):
        await post(record, office, code)

    assert await told(desk) == [Alarm.BACK_UNSURE] * 2
    await press(record, payment)
    assert len(office.reversed) == 1


async def test_a_late_answer_outweighs_silence_and_a_late_timeout_no_answer(
    desk: Desk, record: RecordDesk, office: ScriptedOffice
) -> None:
    payment = await paid(desk)
    await press(record, payment)
    desk.clock.advance(600)
    await record.ways.reversal_ends.tell_silent()
    assert await told(desk) == [Alarm.BACK_UNSURE] * 2

    await post(record, office, 1)
    await record.ways.heard(question_of(office), Unreadable("empty"), timeout=True)

    assert await told(desk) == [Alarm.NOT_GIVEN_BACK] * 2
    assert await press(record, payment) is Ruling.DONE


async def test_the_same_answer_twice_is_told_once(
    desk: Desk, record: RecordDesk, office: ScriptedOffice
) -> None:
    await press(record, await paid(desk))

    for _ in range(2):
        await post(record, office, 1)

    assert await told(desk) == [Alarm.NOT_GIVEN_BACK] * 2


async def test_a_request_that_safaricom_does_not_take_is_answered_as_such(
    desk: Desk, record: RecordDesk, office: ScriptedOffice
) -> None:
    office.fails = [Unreachable("x")]
    payment = await paid(desk)

    assert await press(record, payment) is Ruling.NOT_TAKEN
    desk.clock.advance(3600)
    await record.ways.reversal_ends.tell_silent()

    assert await told(desk) == [], "whoever pressed has read it"
