"""Counted apart, and nobody shut out: what truly came counts, and what is open can be closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.decisions import Deciding, Verdict
from bot.core.record_desk import RecordDesk
from bot.core.review import Review
from bot.core.rulings import Ruling
from storage.records import Kind, OpenKind, Payment, Source, Status
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_apart import MISTYPED, told_by_books, twice_asked
from tests.core.test_counted_already import BY_HAND, FORGED, TRUE, record, review
from tests.core.test_record import a_row, assert_replays, born, kinds, opens, unmatched
from tests.core.test_review import credit

__all__ = ["record", "review"]

pytestmark = pytest.mark.both_engines


async def long_after(desk: Desk, answer: str = "4999") -> None:
    for _ in range(60):
        desk.clock.advance(3600)
        desk.daraja.answers = [answer] * 3
        await desk.reconcile.run_due()


async def test_of_two_that_paid_one_line_is_what_a_slip_counts_and_the_other_is_more(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    first, second = await twice_asked(desk)
    assert await review.decide(credit(second, receipt=MISTYPED)) is Verdict.DONE
    await told_by_books(desk, record, first, TRUE, at=first.begun_at)
    await told_by_books(desk, record, second, BY_HAND)
    await long_after(desk)

    one = await review.decide(credit(await born(desk, TRUE), receipt=TRUE, key="a"))
    other = await review.decide(credit(await born(desk, BY_HAND), receipt=BY_HAND, key="b"))

    assert (one, other) == (Verdict.DONE, Verdict.COUNTED)
    assert await record.rows.net_cents() == 100_00
    await assert_replays(desk)


@pytest.mark.parametrize("chunks", [1, 2], ids=["one file", "one by one"])
async def test_a_prompt_that_counts_takes_its_own_line_whatever_was_typed_for_the_next(
    desk: Desk, record: RecordDesk, review: Review, chunks: int
) -> None:
    first, second = await twice_asked(desk)
    assert await review.decide(credit(second, receipt=BY_HAND)) is Verdict.DONE
    desk.daraja.answers = ["0"]
    await desk.reconcile.run_due()
    assert (await desk.get(first.id)).credited_cents == 50_00
    rows = [
        a_row(payment.begun_at or desk.clock.now(), reference=payment.push_ref, receipt=receipt)
        for payment, receipt in ((first, TRUE), (second, BY_HAND))
    ]

    for start in range(chunks):
        await record.rows.take(rows[start::chunks])

    assert await opens(record) == []
    assert (await desk.get(first.id)).receipt == TRUE
    assert await record.rows.net_cents() == 100_00


@pytest.mark.parametrize("order", [1, -1])
async def test_one_statement_with_both_of_an_honest_payer_opens_nothing(
    desk: Desk, record: RecordDesk, order: int
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=TRUE))
    await record.rows.take([a_row(desk.clock.now(), receipt=BY_HAND, source=Source.STATUS)])
    line = await unmatched(record)
    assert await record.assign(line, to=payment.id, by=900, why="by hand too") is Ruling.DONE
    now, account = desk.clock.now(), payment.push_ref
    both = [
        a_row(now, reference=account, receipt=receipt, source=Source.PORTAL)
        for receipt in (TRUE, BY_HAND)
    ]

    await record.rows.take(both[::order])

    assert await opens(record) == []
    assert await record.rows.net_cents() == 100_00


async def given_wrongly(
    desk: Desk, record: RecordDesk, code: str | None
) -> tuple[Payment, Payment]:
    """A line without account is given to who has paid already; then it is named for another."""
    payment = await desk.ask()
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    await desk.post(other, success(2, receipt=BY_HAND))
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, source=Source.STATUS)])
    line = await unmatched(record)
    assert await record.assign(line, to=other.id, by=900, why="by hand") is Ruling.DONE
    if code is None:
        desk.clock.advance(200)
        desk.daraja.answers = ["0"] * 2
        await desk.reconcile.run_due()
    else:
        await desk.post(payment, success(receipt=code))
    assert (await desk.get(payment.id)).credited_cents == 50_00
    at = (payment.begun_at or desk.clock.now()) + timedelta(seconds=20)
    await told_by_books(desk, record, payment, TRUE, at=at)
    assert await opens(record) == [(OpenKind.REVIEW, TRUE)]
    return payment, other


@pytest.mark.parametrize("code", [None, FORGED], ids=["by a query", "under another code"])
async def test_what_counts_by_itself_and_for_its_prompt_can_be_put_right(
    desk: Desk, record: RecordDesk, review: Review, code: str | None
) -> None:
    payment, _ = await given_wrongly(desk, record, code)
    line, own = await unmatched(record), await born(desk, TRUE)
    assert await record.assign(line, by=900, why="") is Ruling.TWICE
    assert await record.dismiss(line, by=900, why="") is Ruling.TWICE

    off = replace(credit(own), deciding=Deciding.REVERSE, receipt=TRUE, key="off")
    assert await review.decide(off) is Verdict.DONE
    assert await record.dismiss(line, by=900, why="its prompt counts it") is Ruling.DONE

    assert await opens(record) == []
    assert (await desk.get(payment.id)).status is Status.PAID
    assert await record.rows.net_cents() == 100_00
    await assert_replays(desk)


@pytest.mark.parametrize("by", [900, 901], ids=["the same", "another"])
async def test_who_dies_between_taking_a_code_away_and_giving_it_does_it_again(
    desk: Desk, record: RecordDesk, review: Review, by: int
) -> None:
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    payment = await desk.ask()
    assert await review.decide(credit(other, receipt=TRUE)) is Verdict.DONE
    await desk.post(payment, success(2, receipt=FORGED))
    await told_by_books(desk, record, payment, TRUE)
    line, row = await unmatched(record), await record.rows.get(TRUE)
    assert row is not None
    assert await record.rows.placing.take_away(row, other.id, payment, by=900)  # and then we die
    assert await opens(record) == [(OpenKind.REVIEW, TRUE)]

    assert await record.assign(line, to=payment.id, by=by, why="its own") is Ruling.DONE

    after = await desk.get(payment.id)
    assert (after.receipt, after.credited_cents) == (TRUE, 50_00)
    assert (await desk.get(other.id)).pending_at is not None
    assert await opens(record) == []
    await assert_replays(desk)


async def test_who_dies_after_the_mark_of_a_late_account_or_of_a_word_leaves_one_mark(
    desk: Desk, record: RecordDesk
) -> None:
    first, second = await twice_asked(desk)
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, source=Source.STATUS)])
    line = await unmatched(record)
    assert await record.assign(line, to=second.id, by=900, why="theirs") is Ruling.DONE
    row = await record.rows.get(TRUE)
    assert row is not None
    named = replace(row, reference=first.push_ref)
    assert await record.rows.placing.apart.set(named, second.id) is None  # and then we die
    assert await record.rows.placing.apart.stays(line, by=900) is None  # and so does the next one

    for _ in range(2):
        await told_by_books(desk, record, first, TRUE)

    assert (await kinds(desk, first)).count(Kind.COUNTED_APART) == 1
    assert await record.rows.net_cents() == 50_00
    await assert_replays(desk)
