"""Apart: a line of the books and its prompt never count one money twice, whichever comes first."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from bot.core.ask import Asked
from bot.core.decisions import Verdict
from bot.core.record_desk import RecordDesk
from bot.core.review import Review
from bot.core.rulings import Ruling
from storage.records import Alarm, OpenKind, Payment, RowKind, Source
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_counted_already import (
    BY_HAND,
    FORGED,
    TRUE,
    named_otherwise,
    record,
    review,
)
from tests.core.test_record import a_row, assert_replays, born, opens, unmatched
from tests.core.test_review import alarms, credit, read_by_now, void

__all__ = ["record", "review"]

MISTYPED = "UKN1ABCDEE"

pytestmark = pytest.mark.both_engines


async def told_by_books(
    desk: Desk, record: RecordDesk, payment: Payment, receipt: str, *, at: datetime | None = None
) -> None:
    row = a_row(at or desk.clock.now(), reference=payment.push_ref, receipt=receipt)
    await record.rows.take([row])


async def an_hour_off(desk: Desk, record: RecordDesk, payment: Payment) -> Payment:
    """The prompt's line, by a clock that is an hour wrong: a payment of its own, which waits."""
    at = (payment.begun_at or payment.created_at) - timedelta(hours=1)
    await told_by_books(desk, record, payment, TRUE, at=at)
    return await born(desk, TRUE)


async def ask_safaricom(desk: Desk, code: str) -> None:
    desk.daraja.answers = [code] * 3
    desk.clock.advance(200)
    await desk.reconcile.run_due()


# --- What a person typed vouches for nothing that the books do not have ---


@pytest.mark.parametrize("by", ["code", "line"])
async def test_a_mistyped_code_lets_nobody_count_the_true_one_as_well(
    desk: Desk, record: RecordDesk, review: Review, by: str
) -> None:
    payment = await desk.ask()
    assert await review.decide(credit(payment, receipt=MISTYPED)) is Verdict.DONE

    await told_by_books(desk, record, payment, TRUE)

    if by == "line":
        assert await record.assign(await unmatched(record), by=900, why="") is Ruling.COUNTED
    else:
        ruling = credit(await born(desk, TRUE), receipt=TRUE, key="press-2")
        assert await review.decide(ruling) is Verdict.COUNTED
    assert await record.rows.net_cents() == 50_00
    await assert_replays(desk)


async def test_nor_does_a_liars_code_that_an_operator_types_again(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await named_otherwise(desk, record)
    assert await review.decide(credit(payment, receipt=FORGED, key="again")) is Verdict.DONE

    own = await born(desk, TRUE)
    assert await review.decide(credit(own, receipt=TRUE, key="press-2")) is Verdict.COUNTED
    assert await record.rows.net_cents() == 50_00


async def test_a_typed_code_that_the_books_have_vouches(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.ask()
    assert await review.decide(credit(payment, receipt=BY_HAND)) is Verdict.DONE
    await told_by_books(desk, record, payment, TRUE)
    own = await born(desk, TRUE)
    again = credit(own, receipt=TRUE, key="press-2")
    assert await review.decide(again) is Verdict.COUNTED

    await told_by_books(desk, record, payment, BY_HAND)

    assert await review.decide(credit(own, receipt=TRUE, key="press-3")) is Verdict.DONE
    assert await record.rows.net_cents() == 100_00


# --- Two lines for one prompt, of which neither is the one that it counts ---


@pytest.mark.parametrize("other", ["waits", "nothing came", "none of ours"])
async def test_of_two_lines_one_is_what_the_prompt_counts_and_the_other_is_more(
    desk: Desk, record: RecordDesk, review: Review, other: str
) -> None:
    payment = await named_otherwise(desk, record)
    first, line = await born(desk, TRUE), await unmatched(record)
    await told_by_books(desk, record, payment, BY_HAND)
    second = await born(desk, BY_HAND)
    if other == "nothing came":
        await review.decide(void(first, await read_by_now(review, first), key="press-0"))
    elif other == "none of ours":
        assert await record.dismiss(line, by=900, why="nothing more came") is Ruling.DONE

    assert await review.decide(credit(second, receipt=BY_HAND)) is Verdict.DONE

    again = credit(first, receipt=TRUE, key="press-2")
    assert await review.decide(again) is Verdict.COUNTED
    assert await record.rows.net_cents() == 100_00
    await assert_replays(desk)


async def test_two_operators_at_once_count_one_of_them(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await named_otherwise(desk, record)
    await told_by_books(desk, record, payment, BY_HAND)
    rulings = [
        credit(await born(desk, receipt), receipt=receipt, key=receipt)
        for receipt in (TRUE, BY_HAND)
    ]

    verdicts = await asyncio.gather(*map(review.decide, rulings))

    assert sorted(verdicts) == [Verdict.COUNTED, Verdict.DONE]
    assert await record.rows.net_cents() == 100_00


async def test_a_line_that_went_back_is_not_what_the_prompt_counts(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await named_otherwise(desk, record)
    back = a_row(desk.clock.now(), receipt="UKN9ABCDEF", kind=RowKind.REVERSAL, linked=TRUE)
    await record.rows.take([back])
    await told_by_books(desk, record, payment, BY_HAND)

    ruling = credit(await born(desk, BY_HAND), receipt=BY_HAND)
    assert await review.decide(ruling) is Verdict.COUNTED


async def test_a_line_of_another_amount_is_not_what_the_prompt_counts(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await named_otherwise(desk, record)
    more = a_row(desk.clock.now(), reference=payment.push_ref, receipt=BY_HAND, kes=70)
    await record.rows.take([more])

    ruling = credit(await born(desk, TRUE), receipt=TRUE)
    assert await review.decide(ruling) is Verdict.COUNTED


# --- Two prompts for one thing, and a code that was typed for the one ---


async def twice_asked(desk: Desk) -> tuple[Payment, Payment]:
    """A prompt that nobody answered, and the next one for the same."""
    first = await desk.ask()
    desk.clock.advance(200)
    again = await desk.asking.again(first.id, by=1001, update_id=None, language="en")
    assert isinstance(again, Asked), again
    await desk.finish()
    return first, await desk.get(again.payment.id)


async def test_what_the_books_name_the_first_for_and_both_count_is_looked_at(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    first, second = await twice_asked(desk)
    assert await review.decide(credit(second, receipt=TRUE)) is Verdict.DONE
    await desk.post(first, success(receipt=FORGED))

    await told_by_books(desk, record, first, TRUE)

    assert await opens(record) == [(OpenKind.REVIEW, TRUE)]
    assert await alarms(desk, Alarm.UNMATCHED)


@pytest.mark.parametrize("says", ["query", "forged"])
async def test_what_the_books_name_the_first_for_it_counts_no_more(
    desk: Desk, record: RecordDesk, review: Review, says: str
) -> None:
    first, second = await twice_asked(desk)
    assert await review.decide(credit(second, receipt=TRUE)) is Verdict.DONE
    await told_by_books(desk, record, first, TRUE)
    assert await opens(record) == []

    if says == "forged":
        await desk.post(first, success(receipt=FORGED))
    await ask_safaricom(desk, "0")

    after = await desk.get(first.id)
    assert (after.credited_cents, after.pending_at is None) == (None, False)
    assert await record.rows.net_cents() == 50_00
    await assert_replays(desk)


# --- An account that the books tell only afterwards ---


async def test_money_put_beside_a_prompt_that_counts_it_perhaps_is_looked_at(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=FORGED))
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, source=Source.STATUS)])
    line = await unmatched(record)
    assert await record.assign(line, to=payment.id, by=900, why="more") is Ruling.DONE

    await told_by_books(desk, record, payment, TRUE)

    assert await opens(record) == [(OpenKind.REVIEW, TRUE)]


async def test_nor_may_a_prompt_that_is_named_late_count_it_afterwards(
    desk: Desk, record: RecordDesk
) -> None:
    first, second = await twice_asked(desk)
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, source=Source.STATUS)])
    line = await unmatched(record)
    assert await record.assign(line, to=second.id, by=900, why="theirs") is Ruling.DONE

    await told_by_books(desk, record, first, TRUE)
    await ask_safaricom(desk, "0")

    assert (await desk.get(first.id)).credited_cents is None
    assert await record.rows.net_cents() == 50_00


async def test_money_put_beside_a_prompt_whose_own_line_is_known_is_not(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=BY_HAND))
    await told_by_books(desk, record, payment, BY_HAND)
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, source=Source.STATUS)])
    assert await record.assign(await unmatched(record), to=payment.id, by=900, why="") is (
        Ruling.DONE
    )

    await told_by_books(desk, record, payment, TRUE)

    assert await opens(record) == []
    assert await record.rows.net_cents() == 100_00
