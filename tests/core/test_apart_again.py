"""Counted apart, from behind: held words, credits that were taken off, forged posts, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.decisions import Deciding, Verdict
from bot.core.hear import Hear
from bot.core.record_desk import RecordDesk
from bot.core.review import Review
from bot.core.rulings import Ruling
from bot.core.settle import Settle
from mpesa.callbacks import parse_callback
from storage.hearing import Decision
from storage.records import Alarm, Evidence, Kind, OpenKind, Payment, RowKind, Source, Status
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.test_apart import MISTYPED, an_hour_off, ask_safaricom, told_by_books, twice_asked
from tests.core.test_counted_already import BY_HAND, FORGED, TRUE, named_otherwise, record, review
from tests.core.test_counted_apart import declined, lapsed, unsure
from tests.core.test_record import a_row, assert_replays, born, kinds, opens, unmatched
from tests.core.test_review import alarms, credit, read_by_now, void

__all__ = ["record", "review"]

pytestmark = pytest.mark.both_engines

LARGE_KES = 9000


# --- Words that are held count for nothing, and make no other word count ---


@pytest.mark.parametrize("says", [FORGED, TRUE, None], ids=["forged", "honest", "bare"])
@pytest.mark.parametrize("no", [True, False], ids=["contradicted", "undisturbed"])
async def test_an_early_yes_of_much_money_is_not_made_sure_by_a_callback_that_waits(
    desk: Desk, record: RecordDesk, says: str | None, no: bool
) -> None:
    payment = await desk.ask(amount_kes=LARGE_KES)
    desk.clock.advance(30)
    desk.daraja.answers = ["0"]
    await desk.reconcile.run_due()
    if no:
        await desk.post(payment, failure(1032))
    else:
        for _ in range(60):
            desk.clock.advance(3600)
            desk.daraja.answers = ["4999"] * 3
            await desk.reconcile.run_due()
    at = (payment.begun_at or payment.created_at) - timedelta(hours=1)
    row = a_row(at, reference=payment.push_ref, receipt=TRUE, kes=LARGE_KES)
    await record.rows.take([row])
    assert await record.assign(await unmatched(record), by=900, why="") is Ruling.DONE

    await desk.post(payment, success(amount=LARGE_KES, receipt=says, metadata=says is not None))

    after = await desk.get(payment.id)
    assert (after.credited_cents, after.pending_at is None) == (None, False)
    assert await record.rows.net_cents() == LARGE_KES * 100
    assert bool(await alarms(desk, Alarm.RECEIPT_HELD)) is (says == TRUE)
    await assert_replays(desk)


@pytest.mark.parametrize("says", ["query", "callback"])
async def test_a_credit_that_was_taken_off_does_not_come_back(
    desk: Desk, record: RecordDesk, review: Review, says: str
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=FORGED))
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    await told_by_books(desk, record, other, FORGED)
    off = replace(credit(payment), deciding=Deciding.REVERSE, receipt=FORGED, key="off")
    assert await review.decide(off) is Verdict.DONE
    await an_hour_off(desk, record, payment)
    assert await record.assign(await unmatched(record), by=900, why="") is Ruling.DONE

    if says == "query":
        await ask_safaricom(desk, "0")
    else:
        await desk.post(payment, success(receipt=BY_HAND))

    assert (await desk.get(payment.id)).credited_cents == 0
    assert await record.rows.net_cents() == 100_00
    await assert_replays(desk)


class Unsettled(Settle):
    """A settle that fails on whatever comes: what it is told is kept, and decided later."""

    def __call__(self, payment: Payment, evidence: Sequence[Evidence]) -> Decision:
        raise RuntimeError("mended by the next release")


async def test_what_was_heard_and_is_not_settled_yet_is_not_overlooked(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await lapsed(desk)
    own = await an_hour_off(desk, record, payment)
    hear = Hear(
        store=desk.store,
        settle=Unsettled(operators=[900]),
        clock=desk.clock,
        unconfirmed_total_kes=100_000,
        wake=lambda: None,
    )
    body = success(receipt=FORGED)
    await hear.callback(payment.id, parse_callback(body), body, source="test")
    assert (await desk.get(payment.id)).needs_settle

    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.COUNTED

    await desk.reconcile.settle_again()
    assert await record.rows.net_cents() == 50_00


# --- A line that somebody else has ---


async def named_for_another(
    desk: Desk, record: RecordDesk, review: Review
) -> tuple[Payment, Payment]:
    """The prompt that the books name, and who has its code by an operator's word."""
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    payment = await desk.ask()
    assert await review.decide(credit(other, receipt=TRUE)) is Verdict.DONE
    at = desk.clock.now() - timedelta(hours=1)
    await told_by_books(desk, record, payment, TRUE, at=at)
    assert await opens(record) == [(OpenKind.REVIEW, TRUE)]
    return payment, other


@pytest.mark.parametrize("by", ["given to them", "known otherwise"])
async def test_a_line_that_stays_with_whoever_has_it_counts_no_more_for_its_prompt(
    desk: Desk, record: RecordDesk, review: Review, by: str
) -> None:
    payment, _ = await named_for_another(desk, record, review)
    line = await unmatched(record)
    if by == "given to them":
        assert await record.assign(line, by=900, why="theirs") is Ruling.DONE
    else:
        assert await record.dismiss(line, by=900, why=by) is Ruling.DONE
    assert await opens(record) == []

    await ask_safaricom(desk, "0")

    assert (await desk.get(payment.id)).pending_at is not None
    assert await record.rows.net_cents() == 50_00


async def test_nor_does_it_stay_with_them_where_its_prompt_counts_it(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment, other = await named_for_another(desk, record, review)
    await ask_safaricom(desk, "0")
    assert (await desk.get(payment.id)).credited_cents == 50_00

    line = await unmatched(record)
    assert await record.assign(line, by=900, why="theirs") is Ruling.TWICE
    assert await record.dismiss(line, by=900, why="none of ours") is Ruling.TWICE
    assert await opens(record) == [(OpenKind.REVIEW, TRUE)]

    assert await record.assign(line, to=payment.id, by=900, why="its own") is Ruling.DONE
    assert (await desk.get(payment.id)).receipt == TRUE
    assert (await desk.get(other.id)).pending_at is not None


@pytest.mark.parametrize("code", [FORGED, MISTYPED], ids=["a liar's code", "mistyped"])
async def test_the_prompt_that_counts_it_under_another_code_is_given_its_own(
    desk: Desk, record: RecordDesk, review: Review, code: str
) -> None:
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    payment = await desk.ask()
    assert await review.decide(credit(other, receipt=TRUE)) is Verdict.DONE
    if code == FORGED:
        await desk.post(payment, success(2, receipt=FORGED))
    else:
        assert await review.decide(credit(payment, receipt=code, key="m")) is Verdict.DONE
    await told_by_books(desk, record, payment, TRUE)

    line = await unmatched(record)
    for _ in range(2):
        await record.assign(line, to=payment.id, by=900, why="its own")

    after = await desk.get(payment.id)
    assert (after.receipt, after.credited_cents) == (TRUE, 50_00)
    assert await opens(record) == []
    assert (await desk.get(other.id)).pending_at is not None
    off = replace(credit(other), deciding=Deciding.REVERSE, receipt=TRUE, key="off")
    assert await review.decide(off) is Verdict.DONE
    assert await record.rows.net_cents() == 50_00
    desk.clock.advance(60)
    await told_by_books(desk, record, payment, code)  # no liar, no slip: two payments came
    assert await opens(record) == [(OpenKind.TWICE, code)]
    await assert_replays(desk)


@pytest.mark.parametrize("off", [False, True], ids=["fits", "an hour off"])
async def test_a_code_mistyped_for_the_next_prompt_is_not_counted_for_the_first_as_well(
    desk: Desk, record: RecordDesk, review: Review, off: bool
) -> None:
    first, second = await twice_asked(desk)
    assert await review.decide(credit(second, receipt=MISTYPED)) is Verdict.DONE

    at = desk.clock.now() - timedelta(hours=5 if off else 0)
    await told_by_books(desk, record, first, TRUE, at=at)

    assert await opens(record) == [(OpenKind.REVIEW, TRUE)]
    assert await record.assign(await unmatched(record), by=900, why="") is Ruling.COUNTED
    assert await record.rows.net_cents() == 50_00


# --- Amounts, and parts that went back ---


async def test_a_mistyped_code_with_another_amount_vouches_for_nothing_either(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.ask()
    typed = credit(payment, receipt=MISTYPED, amount_cents=500_00)
    assert await review.decide(typed) is Verdict.DONE
    await told_by_books(desk, record, payment, TRUE)

    ruling = credit(await born(desk, TRUE), receipt=TRUE, key="press-2")
    assert await review.decide(ruling) is Verdict.COUNTED


async def test_of_two_amounts_the_one_that_counts_is_what_its_prompt_counts_no_more(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await unsure(desk)
    at = desk.clock.now() - timedelta(hours=1)
    row = a_row(at, reference=payment.push_ref, receipt=TRUE, kes=70)
    await record.rows.take([row])
    await record.rows.take([replace(row, amount_cents=50_00, source=Source.PORTAL)])
    [differs] = await record.open_differences(kind=OpenKind.AMOUNT_DIFFERS)
    assert await record.assign(differs.id, by=900, why="") is Ruling.DONE

    await desk.post(payment, success(receipt=FORGED))

    assert (await desk.get(payment.id)).credited_cents is None
    assert await record.rows.net_cents() == 50_00


async def test_of_two_lines_of_which_a_part_went_back_one_is_more_money(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await named_otherwise(desk, record)
    await told_by_books(desk, record, payment, BY_HAND)
    for code, of in (("UKN8ABCDEF", TRUE), ("UKN9ABCDEF", BY_HAND)):
        back = a_row(desk.clock.now(), receipt=code, kind=RowKind.REVERSAL, linked=of, kes=10)
        await record.rows.take([back])

    first = await review.decide(credit(await born(desk, TRUE), receipt=TRUE, key="a"))
    second = await review.decide(credit(await born(desk, BY_HAND), receipt=BY_HAND, key="b"))

    assert (first, second) == (Verdict.DONE, Verdict.COUNTED)


# --- What is only posted, and what is refused, changes nothing ---


@pytest.mark.parametrize("paid", [True, False])
async def test_a_post_that_anybody_may_send_is_no_word_of_the_books(
    desk: Desk, record: RecordDesk, review: Review, paid: bool
) -> None:
    first = await desk.ask()
    victim = await desk.post(first, success(receipt=BY_HAND) if paid else failure(1032))
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    row = a_row(desk.clock.now(), reference=victim.push_ref, receipt=TRUE, source=Source.C2B)
    await record.rows.claim(row)

    assert await review.decide(credit(other, receipt=TRUE)) is Verdict.DONE

    await desk.post(victim, success(receipt=BY_HAND))
    assert (await desk.get(victim.id)).credited_cents == 50_00


@pytest.mark.parametrize("how", ["by code", "by line"])
async def test_what_was_refused_is_not_said_to_count_apart(
    desk: Desk, record: RecordDesk, review: Review, how: str
) -> None:
    payment = await declined(desk)
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    await an_hour_off(desk, record, payment)
    if how == "by code":
        assert await review.decide(credit(other, receipt=TRUE)) is Verdict.RECEIPT_TAKEN
    else:
        line = await unmatched(record)
        assert await record.assign(line, to=other.id, by=900, why="") is Ruling.HELD

    assert Kind.COUNTED_APART not in await kinds(desk, payment)


async def test_what_was_refused_leaves_the_other_line_to_be_counted(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await named_otherwise(desk, record)
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    await told_by_books(desk, record, payment, BY_HAND)
    assert await review.decide(credit(other, receipt=TRUE)) is Verdict.RECEIPT_TAKEN
    first = await born(desk, TRUE)
    await review.decide(void(first, await read_by_now(review, first), key="v"))

    ruling = credit(await born(desk, BY_HAND), receipt=BY_HAND, key="b")
    assert await review.decide(ruling) is Verdict.DONE


# --- Written off, and heard of again ---


async def test_a_prompt_beside_its_line_that_is_written_off_opens_again(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await lapsed(desk)
    own = await an_hour_off(desk, record, payment)
    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.DONE
    await desk.post(payment, success(receipt=TRUE))
    write_off = void(payment, await read_by_now(review, payment), key="v")
    assert await review.decide(write_off) is Verdict.DONE

    await desk.post(payment, success(receipt=BY_HAND))
    after = await desk.get(payment.id)
    assert (after.status, after.pending_at is None) == (Status.REVIEW, False)

    await told_by_books(desk, record, payment, BY_HAND, at=payment.begun_at)
    assert await record.rows.net_cents() == 100_00
    await assert_replays(desk)
