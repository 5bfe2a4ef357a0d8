"""A code under which money went back is no money that came, whoever types it, whenever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.decisions import Deciding, Verdict
from bot.core.record_desk import Known, RecordDesk
from storage.records import NewRecordRow, OpenKind, Payment, RowKind, Status
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_record import OTHER, RECEIPT, a_row, assert_replays, opens, record
from tests.core.test_review import AMINA, BARAKA, credit, proposed_last, review_of

__all__ = ["record"]

BACK = "UKN7BACKBA"


def gone_back(desk: Desk, *, linked: str | None = RECEIPT) -> NewRecordRow:
    return a_row(desk.clock.now(), receipt=BACK, kind=RowKind.REVERSAL, linked=linked)


async def paid_and_back(desk: Desk, record: RecordDesk) -> Payment:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await record.rows.take([a_row(desk.clock.now()), gone_back(desk)])
    return await desk.get(payment.id)


@pytest.mark.both_engines
async def test_what_went_back_is_credited_to_nobody_by_its_code(
    desk: Desk, record: RecordDesk
) -> None:
    await paid_and_back(desk, record)
    other = await desk.ask(ask_key="m:2", phone="254722000111")

    verdict = await review_of(desk).decide(credit(other, receipt=BACK))

    assert verdict is Verdict.WENT_BACK
    assert (await desk.get(other.id)).status is Status.PROMPTED
    assert await record.rows.net_cents() == 0


async def test_nor_by_a_code_that_an_operator_typed_for_what_went_back(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    other = await desk.ask(ask_key="m:2", phone="254722000111")
    review = review_of(desk)
    back = credit(payment, receipt=BACK, deciding=Deciding.REVERSE, key="press-2")
    assert await review.decide(back) is Verdict.DONE

    assert await review.decide(credit(other, receipt=BACK)) is Verdict.WENT_BACK

    found = await record.verify(BACK, by=AMINA)
    assert (found.known, found.payment) == (Known.REVERSAL, None)
    assert found.taken_off is not None
    assert found.taken_off.id == payment.id


async def test_nor_by_a_second_operator_who_agrees_after_the_books_have_named_it(
    desk: Desk, record: RecordDesk
) -> None:
    review = review_of(desk, two_people_above_kes=10)
    other = await desk.ask(ask_key="m:2", phone="254722000111")
    assert await review.decide(credit(other, receipt=BACK)) is Verdict.PROPOSED
    await record.rows.take([gone_back(desk)])

    proposal = await proposed_last(review, other)
    agreed = await review.agree(other.id, proposal_id=proposal, by=BARAKA, key="press-2")

    assert agreed is Verdict.WENT_BACK
    assert (await desk.get(other.id)).status is Status.PROMPTED


async def test_what_was_credited_by_it_before_the_books_named_it_is_only_ours(
    desk: Desk, record: RecordDesk
) -> None:
    """No machine takes a credit away: a person is shown it."""
    other = await desk.ask(ask_key="m:2", phone="254722000111")
    assert await review_of(desk).decide(credit(other, receipt=BACK)) is Verdict.DONE
    payment = await desk.post(
        await desk.ask(),
        success(receipt=RECEIPT, checkout="ws_CO_2712345678", merchant="merchant-2"),
    )
    await record.rows.take([a_row(desk.clock.now()), gone_back(desk)])
    assert (await desk.get(payment.id)).credited_cents == 0

    at = desk.clock.now()
    only = await record.rows.only_ours(since=at - timedelta(days=1), until=at + timedelta(days=1))

    assert only == 1
    assert await opens(record) == [(OpenKind.ONLY_OURS, BACK)]
    found = await record.verify(BACK, by=AMINA)
    assert found.known is Known.REVERSAL
    assert found.payment is not None
    assert found.payment.id == other.id
    await assert_replays(desk)


async def test_the_code_of_a_reversal_is_known_as_one(desk: Desk, record: RecordDesk) -> None:
    payment = await paid_and_back(desk, record)

    found = await record.verify(BACK, by=AMINA)

    assert (found.known, found.payment, found.asked) == (Known.REVERSAL, None, False)
    assert (found.taken_off, found.suggestions) == (payment, ())


async def test_one_that_waits_for_a_person_is_known_as_one_too(
    desk: Desk, record: RecordDesk
) -> None:
    await record.rows.take([gone_back(desk, linked=OTHER)])

    found = await record.verify(BACK, by=AMINA)

    assert (found.known, found.taken_off) == (Known.REVERSAL, None)
    assert found.difference is not None
    assert found.difference.kind is OpenKind.REVERSAL
