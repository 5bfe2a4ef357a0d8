"""What is credited by callback alone: bounded at any moment, and never in the way for ever."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import update

from bot.core.hear import Hear
from bot.core.record_desk import RecordDesk
from bot.core.replay import differences
from mpesa.errors import NoAnswer
from storage.engine import Store
from storage.reading import Kept
from storage.records import Alarm, NewRecordRow, Payment, RowKind, Source, Status, Word
from storage.schema import payments
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.test_hear import alarms
from tests.desk import ScriptedOffice, a_desk
from tests.fakes import PHONE
from tests.stores import TestClock

DAY_S = 86_400
TOTAL_KES = 100


@pytest.fixture
def tight(desk: Desk) -> Desk:
    """A desk that credits two small payments unconfirmed, and no third."""
    desk.hear = Hear(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        unconfirmed_total_kes=TOTAL_KES,
        wake=lambda: None,
    )
    return desk


async def told_paid(desk: Desk, number: int) -> Payment:
    """The payment of that number, after a call that says it was paid."""
    payment = await desk.ask(
        phone=f"2547123456{number:02d}", ask_key=f"k{number}", asked_by=900, amount_kes=50
    )
    body = success(len(desk.daraja.pushes), receipt=f"UKN{number:02d}BCDEF")
    return await desk.post(payment, body)


async def pass_time(desk: Desk, days: float, *, every_s: float = 900) -> list[float]:
    """Let time pass, asking whenever that is due; how many hours after the start it was done."""
    asked_after_h = []
    began_at, before = desk.clock.now(), len(desk.daraja.queries)
    for _ in range(int(days * DAY_S / every_s)):
        desk.clock.advance(every_s)
        await desk.reconcile.run_due()
        if len(desk.daraja.queries) > before:
            before = len(desk.daraja.queries)
            asked_after_h.append((desk.clock.now() - began_at).total_seconds() / 3600)
    return asked_after_h


@pytest.mark.both_engines
async def test_after_a_day_without_answers_the_total_clears_itself(tight: Desk) -> None:
    for number in (1, 2):
        assert (await told_paid(tight, number)).status is Status.PAID
    await pass_time(tight, 3, every_s=3600)
    assert (await told_paid(tight, 3)).status is Status.CONFIRMING, "time alone makes no room"

    tight.daraja.answers = ["0"] * 99
    await pass_time(tight, 1)

    async with tight.store.read() as tx:
        assert [each.confirmed for each in await tx.payments.credited()] == [True] * 3
    assert (await told_paid(tight, 4)).status is Status.PAID


async def test_a_credit_is_asked_about_less_and_less_often_and_never_given_up(
    desk: Desk,
) -> None:
    payment = await told_paid(desk, 1)

    asked_after_h = await pass_time(desk, 120, every_s=2 * 3600)

    later = [each for each in asked_after_h if each > 24]
    gaps = [after - before for before, after in pairwise(later)]
    assert min(gaps) >= 5
    assert gaps == sorted(gaps)
    assert 7 * 24 <= max(gaps) <= 7 * 24 + 2
    assert len(later) < 40
    desk.daraja.answers = ["0"]
    await pass_time(desk, 8, every_s=3 * 3600)
    after = await desk.get(payment.id)
    assert (after.confirmed, after.next_check_at) == (True, None)


async def test_an_answer_that_says_nothing_ends_no_asking_either(desk: Desk) -> None:
    payment = await told_paid(desk, 1)
    desk.daraja.answers = ["4999"] * 999

    await pass_time(desk, 60, every_s=3 * 3600)

    after = await desk.get(payment.id)
    assert after.next_check_at is not None
    assert after.next_check_at - desk.clock.now() <= timedelta(days=7)
    assert after.status is Status.PAID
    assert len(desk.daraja.queries) < 60


@pytest.mark.both_engines
async def test_what_an_earlier_version_gave_up_is_asked_about_again(tight: Desk) -> None:
    old = await told_paid(tight, 1)
    tight.clock.advance(90 * DAY_S)
    new = await told_paid(tight, 2)
    tight.clock.advance(2 * DAY_S)
    await tight.store.write(
        lambda tx: tx.payments._connection.execute(update(payments).values(next_check_at=None))
    )
    tight.daraja.answers = ["0", "0"]

    await tight.reconcile.start()
    await tight.reconcile.run_due()
    assert tight.daraja.queries == [], "a thousand at once would be in the way"
    await pass_time(tight, 0.1)

    assert [(await tight.get(each.id)).confirmed for each in (new, old)] == [True, False]
    await pass_time(tight, 2)
    assert (await tight.get(old.id)).confirmed


@pytest.mark.both_engines
async def test_a_no_that_only_a_callback_told_is_looked_into_for_a_day(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), failure(1032))
    desk.clock.advance(DAY_S)

    await desk.reconcile.run_due()

    after = await desk.get(payment.id)
    assert (after.status, after.next_check_at) == (Status.DECLINED, None)
    assert desk.daraja.queries == []


async def test_old_confirmations_wait_behind_everything_that_is_newer(desk: Desk) -> None:
    for number in range(1, 10):
        await told_paid(desk, number)
    desk.clock.advance(2 * DAY_S)
    for _ in range(9):
        await desk.reconcile.run_due()
        desk.clock.advance(12)
    assert len(desk.daraja.queries) == 9, "each had its turn, without an answer"
    desk.clock.advance(2 * DAY_S)
    credited = await told_paid(desk, 11)
    silent = await desk.ask(phone="254712345612", ask_key="k12", asked_by=900)
    desk.clock.advance(200)
    before = len(desk.daraja.queries)

    for _ in range(2):
        await desk.reconcile.run_due()
        desk.clock.advance(12)

    async with desk.store.read() as tx:
        wanted = [await tx.payments.checkout_id(each.id) for each in (silent, credited)]
    assert desk.daraja.queries[before:] == wanted


async def test_the_alarm_is_told_once_an_hour(tight: Desk) -> None:
    for number in range(1, 8):
        await told_paid(tight, number)
    assert (await alarms(tight)).count(Alarm.LIMIT_HELD) == 1

    tight.clock.advance(3600)
    await told_paid(tight, 8)

    assert (await alarms(tight)).count(Alarm.LIMIT_HELD) == 1


async def test_money_that_went_back_is_no_longer_credited_unconfirmed(
    tight: Desk, store: Store, clock: TestClock
) -> None:
    record = a_desk(store, clock)
    for number in (1, 2):
        await told_paid(tight, number)
    await record.rows.take([a_row(clock, "UKN8ABCDEF", RowKind.REVERSAL, "UKN01BCDEF")])
    async with store.read() as tx:
        (back,) = [each for each in await tx.payments.credited() if Word.REVERSED in each.words]
    assert not back.confirmed

    assert (await told_paid(tight, 3)).status is Status.PAID
    assert (await told_paid(tight, 4)).status is Status.CONFIRMING


def a_row(
    clock: TestClock, receipt: str, kind: RowKind = RowKind.PAID, linked: str | None = None
) -> NewRecordRow:
    return NewRecordRow(
        receipt=receipt,
        amount_cents=50_00,
        at=clock.now(),
        source=Source.STATUS,
        kind=kind,
        reference="",
        payer=PHONE,
        linked=linked,
    )


# --- By its receipt ---


async def test_after_a_day_a_credit_is_also_asked_about_by_its_receipt(
    tight: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock
) -> None:
    tight.daraja.answers = [NoAnswer("too old")] * 99
    payment = await told_paid(tight, 1)
    clock.advance(DAY_S - 10)
    await record.ways.ask_due()
    assert office.asked == []
    for _ in range(5 * 8):
        clock.advance(3 * 3600)
        await record.ways.ask_due()
    assert [each for each, _ in office.asked] == ["UKN01BCDEF"] * 5

    await record.rows.take([a_row(clock, "UKN01BCDEF")])

    after = await tight.get(payment.id)
    assert (after.confirmed, after.status, after.credited_cents) == (True, Status.PAID, 50_00)
    assert [await told_paid(tight, each) for each in (2, 3)]
    async with tight.store.read() as tx:
        told = (await tx.evidence.of([payment.id]))[payment.id]
    holds = frozenset({"UKN01BCDEF"})
    kept = Kept(
        payment=after,
        evidence=tuple(told),
        holds=holds,
        holders=dict.fromkeys(holds, payment.id),
    )
    assert list(differences(kept)) == []


@pytest.mark.both_engines
async def test_a_credit_of_another_account_is_not_asked_about_by_this_ones_initiator(
    tight: Desk, record: RecordDesk, office: ScriptedOffice, clock: TestClock
) -> None:
    await told_paid(tight, 1)
    await tight.store.write(
        lambda tx: tx.payments._connection.execute(update(payments).values(account="shop2"))
    )
    clock.advance(2 * DAY_S)

    await record.ways.ask_due()

    assert office.asked == []
