"""Which told payments Safaricom is asked about: none is for ever in the way of another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.record_desk import RecordDesk
from bot.core.ways import ASK_AFTER_S, ASKED_AT_ONCE
from mpesa.async_results import AsyncResult
from mpesa.errors import NotSent
from mpesa.models import ResultUrls
from mpesa.org_results import look_up_org
from storage.engine import Store
from storage.records import Alarm, NewRecordRow, Source
from tests.core.conftest import Desk
from tests.core.test_hear import alarms
from tests.desk import OPERATORS, ScriptedOffice, a_desk
from tests.fakes import PHONE
from tests.storage.test_plans import overheard, plan
from tests.stores import TestClock

DAY_S = 86_400
REAL = "UKNRABCDEF"


@pytest.fixture
def record(store: Store, clock: TestClock, office: ScriptedOffice) -> RecordDesk:
    return a_desk(store, clock, office, c2b="v2")


def receipt_of(number: int) -> str:
    return f"UKN{number:04d}ABC"


async def posted(record: RecordDesk, clock: TestClock, receipt: str) -> None:
    await record.rows.claim(
        NewRecordRow(
            receipt=receipt,
            amount_cents=50_00,
            at=clock.now(),
            source=Source.C2B,
            reference="X1",
            payer=PHONE,
        )
    )


async def pass_days(record: RecordDesk, clock: TestClock, days: float, *, every_s: float) -> None:
    for _ in range(int(days * DAY_S / every_s)):
        clock.advance(every_s)
        await record.ways.ask_due()


def answered(code: str, **values: object) -> AsyncResult:
    return AsyncResult(
        result=look_up_org(code),
        more_coming=False,
        originator_conversation_id="1-2-3",
        conversation_id="AG_1",
        transaction_id=None,
        values={key: [value] for key, value in values.items()},
    )


def question_of(urls: ResultUrls) -> str:
    return urls.result_url.rpartition("/t/")[2].partition(".")[0]


async def answer_all(
    record: RecordDesk, office: ScriptedOffice, code: str, **values: object
) -> None:
    """What Safaricom posts to each question that was asked."""
    for _, urls in office.asked:
        await record.ways.heard(question_of(urls), answered(code, **values), timeout=False)


async def test_posts_that_nobody_knows_are_not_for_ever_in_the_way_of_a_real_one(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock
) -> None:
    for number in range(ASKED_AT_ONCE):
        await posted(record, clock, receipt_of(number))
    await pass_days(record, clock, 3, every_s=4 * 3600)
    assert len(office.asked) == ASKED_AT_ONCE * len(ASK_AFTER_S)

    await posted(record, clock, REAL)
    clock.advance(180)
    await record.ways.ask_due()

    assert office.asked[-1][0] == REAL


async def test_posts_that_wait_for_their_next_question_hold_up_no_other(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock
) -> None:
    for number in range(ASKED_AT_ONCE):
        await posted(record, clock, receipt_of(number))
    clock.advance(180)
    for _ in range(4):
        await record.ways.ask_due()
        clock.advance(1)
    assert len(office.asked) == ASKED_AT_ONCE
    await posted(record, clock, REAL)
    clock.advance(180)

    await record.ways.ask_due()

    assert [each for each, _ in office.asked[ASKED_AT_ONCE:]] == [REAL]


async def test_what_was_never_asked_about_comes_before_what_was(
    desk: Desk, store: Store, clock: TestClock, office: ScriptedOffice
) -> None:
    record = a_desk(store, clock, office, c2b="v2", questions_per_minute=60)
    for number in range(ASKED_AT_ONCE):
        await posted(record, clock, receipt_of(number))
    clock.advance(180)
    for _ in range(ASKED_AT_ONCE):
        await record.ways.ask_due()
        clock.advance(1)
    assert len(office.asked) == ASKED_AT_ONCE
    await posted(record, clock, REAL)
    clock.advance(ASK_AFTER_S[1] + 1)

    await record.ways.ask_due()

    assert office.asked[ASKED_AT_ONCE][0] == REAL


async def test_receipts_that_people_named_are_in_the_way_of_no_other(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock, store: Store
) -> None:
    payment = await desk.ask()

    async def named(receipt: str) -> None:
        await store.write(lambda tx: tx.record.claim(receipt, payment.id, by=1001, at=clock.now()))

    await named(REAL)
    office.fails = [NotSent("a moment without a network")]
    await record.ways.ask_due()
    for number in range(ASKED_AT_ONCE):
        clock.advance(1)
        await named(receipt_of(number))
    await pass_days(record, clock, 1, every_s=1200)

    assert [each for each, _ in office.asked].count(REAL) >= 4


async def test_a_flood_of_pasted_codes_leaves_every_other_turn_to_posts(
    desk: Desk, store: Store, clock: TestClock, office: ScriptedOffice
) -> None:
    record = a_desk(store, clock, office, c2b="v2", questions_per_minute=120)
    payment = await desk.ask()
    await posted(record, clock, REAL)
    clock.advance(180)
    for number in range(ASKED_AT_ONCE):
        each = receipt_of(number)
        await store.write(
            lambda tx, each=each: tx.record.claim(each, payment.id, by=1001, at=clock.now())  # type: ignore[misc]  # the default pins it
        )

    await record.ways.ask_due()

    assert REAL in [each for each, _ in office.asked]
    assert len(office.asked) < ASKED_AT_ONCE


@pytest.mark.parametrize("code", ["2001", "8006", "21"])
async def test_a_password_that_has_ended_uses_up_no_question(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock, code: str
) -> None:
    await posted(record, clock, REAL)
    for _ in range(10):
        clock.advance(DAY_S)
        await record.ways.ask_due()
        await answer_all(record, office, code)
    assert 5 < len(office.asked) <= 10, "once a day"

    asked_before = len(office.asked)
    await pass_days(record, clock, 8, every_s=4 * 3600)

    assert len(office.asked) - asked_before == len(ASK_AFTER_S), "it has them all still"


async def test_a_question_that_did_not_leave_is_none(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock
) -> None:
    await posted(record, clock, REAL)
    office.fails = [NotSent("no network") for _ in range(7)]
    await pass_days(record, clock, 14, every_s=6 * 3600)

    assert len(office.asked) == 7 + len(ASK_AFTER_S)


@pytest.mark.parametrize(
    "said",
    [
        {"TransactionStatus": "Cancelled"},
        {"TransactionStatus": "Declined"},
        {"TransactionStatus": "Expired"},
        {"TransactionStatus": "Completed", "CreditPartyName": "600001 - Other"},
        {"TransactionStatus": "Completed", "CreditPartyName": "254712345678 - A", "Amount": "x"},
    ],
)
async def test_what_is_known_not_to_be_ours_is_asked_about_no_more(
    desk: Desk,
    record: RecordDesk,
    office: ScriptedOffice,
    clock: TestClock,
    said: dict[str, object],
) -> None:
    await posted(record, clock, REAL)
    clock.advance(180)
    await record.ways.ask_due()
    await answer_all(record, office, "0", **said)

    await pass_days(record, clock, 2, every_s=4 * 3600)

    assert len(office.asked) == 1
    assert Alarm.UNREAD not in await alarms(desk)


COMPLETED: dict[str, list[object]] = {
    "DebitPartyName": ["254712345678 - A"],
    "CreditPartyName": ["600000 - Shop"],
    "ReceiptNo": [REAL],
    "TransactionStatus": ["Completed"],
    "Amount": [50],
    "FinalisedTime": [20261123120000],
}


@pytest.mark.both_engines
@pytest.mark.parametrize(
    "change",
    [
        {"DebitPartyName": ["254712345678 - A", "600000 - Shop"]},  # who got it is named twice
        {"CreditPartyName": []},
        {"CreditPartyName": ["Shop"]},
        {"Amount": ["fifty"]},
        {"Amount": [50, 60]},
        {"ReceiptNo": []},
        {"ReceiptNo": [receipt_of(1)]},
        {"ReceiptNo": [receipt_of(1)], "TransactionStatus": ["Cancelled"]},
    ],
)
async def test_an_answer_that_leaves_open_whether_we_were_paid_is_told_and_asked_for_again(
    desk: Desk,
    record: RecordDesk,
    office: ScriptedOffice,
    clock: TestClock,
    change: dict[str, list[object]],
) -> None:
    await posted(record, clock, REAL)
    clock.advance(180)
    await record.ways.ask_due()
    [(_, urls)] = office.asked
    for _ in range(2):
        await record.ways.heard(
            question_of(urls), replace(answered("0"), values=COMPLETED | change), timeout=False
        )

    found = await record.rows.get(REAL)
    assert found is not None
    assert not found.recorded
    assert await alarms(desk) == [Alarm.UNREAD] * len(OPERATORS), "once an hour"
    await pass_days(record, clock, 3, every_s=4 * 3600)
    assert len(office.asked) == len(ASK_AFTER_S)


async def test_what_is_still_on_its_way_is_asked_about_until_it_has_arrived(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock
) -> None:
    await posted(record, clock, REAL)
    for _ in range(10):
        clock.advance(DAY_S)
        await record.ways.ask_due()
        await answer_all(record, office, "0", TransactionStatus="Authorized")
    assert len(office.asked) == 10, "once a day, and none of them counts"

    arrived = {"ReceiptNo": REAL, "Amount": 50, "CreditPartyName": "600000 - Mama Njeri"}
    await answer_all(record, office, "0", TransactionStatus="Completed", **arrived)
    await pass_days(record, clock, 2, every_s=4 * 3600)

    assert len(office.asked) == 10, "the books have it"


async def test_an_answer_that_says_nothing_is_asked_for_again_a_few_times(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock
) -> None:
    await posted(record, clock, REAL)
    for _ in range(10):
        clock.advance(DAY_S)
        await record.ways.ask_due()
        await answer_all(record, office, "0", TransactionStatus="Tbc")

    assert len(office.asked) == len(ASK_AFTER_S)


@pytest.mark.both_engines
async def test_questions_are_counted_by_their_index_however_many_there_were(
    desk: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock, store: Store
) -> None:
    await posted(record, clock, REAL)
    clock.advance(180)
    with overheard() as heard:
        await record.ways.ask_due()

    looks = [each for each in heard if "record_rows" in each[0] and "questions" in each[0]]
    assert looks
    for each in looks:
        found = await plan(store, each)
        assert "SCAN questions" not in found, each[0]
