"""Counted already: a line of the books that may be what its prompt counts is not credited again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.decisions import Verdict
from bot.core.record_desk import RecordDesk
from bot.core.review import Review
from bot.core.rulings import Ruling
from storage.engine import Store
from storage.records import Payment, Status
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.test_record import a_row, born, unmatched
from tests.core.test_review import credit, review_of, void
from tests.desk import ScriptedOffice, a_desk
from tests.fakes import PHONE
from tests.stores import TestClock

TRUE, FORGED, BY_HAND = "UKN1ABCDEF", "ZKN9ABCDEF", "UKN2ABCDEF"

pytestmark = pytest.mark.both_engines


@pytest.fixture
def review(desk: Desk) -> Review:
    return review_of(desk)


@pytest.fixture
def record(store: Store, clock: TestClock, office: ScriptedOffice) -> RecordDesk:
    return a_desk(store, clock, office, pull=True, pull_number=PHONE, c2b="v2")


async def named_otherwise(desk: Desk, record: RecordDesk) -> Payment:
    """A prompt that counts what a liar called otherwise; then the books tell the truth."""
    payment = await desk.post(await desk.ask(), success(receipt=FORGED))
    await record.rows.take([a_row(desk.clock.now(), reference=payment.push_ref, receipt=TRUE)])
    assert (await born(desk, TRUE)).status is Status.REVIEW
    return payment


async def test_a_line_that_its_prompt_may_count_is_credited_by_nobody(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await named_otherwise(desk, record)
    own = await born(desk, TRUE)

    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.COUNTED
    assert await record.assign(await unmatched(record), by=900, why="") is Ruling.COUNTED

    assert (await born(desk, TRUE)).status is Status.REVIEW
    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert await record.rows.net_cents() == 50_00


async def test_nor_is_it_credited_to_anybody_else(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await named_otherwise(desk, record)
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")

    assert await record.assign(await unmatched(record), to=other.id, by=900, why="") is (
        Ruling.COUNTED
    )
    assert (await desk.get(other.id)).credited_cents is None
    assert (await desk.get(payment.id)).credited_cents == 50_00


async def test_that_nothing_more_came_can_be_said(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    await named_otherwise(desk, record)
    own = await born(desk, TRUE)
    item = await review.one(own.id, by=900)
    assert item is not None

    assert await review.decide(void(own, item.read_up_to)) is Verdict.DONE

    assert (await born(desk, TRUE)).status is Status.VOID
    assert await record.rows.net_cents() == 50_00


async def test_once_the_books_vouch_for_the_prompt_the_other_line_is_money_of_its_own(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=TRUE))
    row = a_row(desk.clock.now(), reference=payment.push_ref, receipt=BY_HAND)
    await record.rows.take([row])
    own = await born(desk, BY_HAND)
    assert await review.decide(credit(own, receipt=BY_HAND)) is Verdict.COUNTED

    await record.rows.take([a_row(desk.clock.now(), reference=payment.push_ref, receipt=TRUE)])

    again = credit(own, receipt=BY_HAND, key="press-2")
    assert await review.decide(again) is Verdict.DONE
    assert await record.rows.net_cents() == 100_00


async def test_a_prompt_whose_code_is_to_follow_may_have_brought_a_line_of_another_hour(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.ask()
    desk.clock.advance(130)
    desk.daraja.answers = ["0"]
    await desk.reconcile.run_due()
    assert (await desk.get(payment.id)).status is Status.PAID
    at = desk.clock.now() - timedelta(hours=1)  # one of the two clocks is an hour wrong

    await record.rows.take([a_row(at, reference=payment.push_ref, receipt=TRUE)])

    own = await born(desk, TRUE)
    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.COUNTED
    assert await record.rows.net_cents() == 50_00


@pytest.mark.parametrize("code", ["0", "1032"], ids=["paid", "cancelled"])
async def test_a_prompt_that_is_asked_about_yet_is_waited_for(
    desk: Desk, record: RecordDesk, review: Review, code: str
) -> None:
    payment = await desk.ask()
    at = desk.clock.now() - timedelta(hours=1)
    await record.rows.take([a_row(at, reference=payment.push_ref, receipt=TRUE)])
    own = await born(desk, TRUE)
    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.COUNTED

    desk.clock.advance(130)
    desk.daraja.answers = [code]
    await desk.reconcile.run_due()

    paid = (await desk.get(payment.id)).status is Status.PAID
    verdict = await review.decide(credit(own, receipt=TRUE, key="press-2"))
    assert (paid, verdict) == (code == "0", Verdict.COUNTED if paid else Verdict.DONE)
    assert await record.rows.net_cents() == 50_00


async def test_the_same_code_that_a_callback_names_hours_later_counts_nothing_more(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.post(await desk.ask(), failure(1032))
    at = desk.clock.now() - timedelta(hours=1)
    await record.rows.take([a_row(at, reference=payment.push_ref, receipt=TRUE)])
    own = await born(desk, TRUE)
    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.DONE

    for _ in range(2):
        await desk.post(payment, success(receipt=TRUE))

    assert (await desk.get(payment.id)).credited_cents is None
    assert await record.rows.net_cents() == 50_00


async def test_another_amount_is_other_money(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=FORGED))
    row = a_row(desk.clock.now(), reference=payment.push_ref, receipt=TRUE, kes=70)
    await record.rows.take([row])

    ruling = credit(await born(desk, TRUE), receipt=TRUE)
    assert await review.decide(ruling) is Verdict.DONE
    assert await record.rows.net_cents() == 120_00
