"""Counted apart: a line that was called nobody's, or left where it was, shuts nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.ask import Asked
from bot.core.decisions import Ruling as Press
from bot.core.decisions import Verdict
from bot.core.record_desk import RecordDesk
from bot.core.review import Review
from bot.core.rulings import Ruling
from storage.records import Kind, OpenKind, Payment, Source
from storage.tx import Tx
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_apart import MISTYPED, ask_safaricom, told_by_books, twice_asked
from tests.core.test_apart_open import given_wrongly, long_after
from tests.core.test_counted_already import BY_HAND, FORGED, TRUE, record, review
from tests.core.test_record import a_row, assert_replays, born, kinds, opens, unmatched
from tests.core.test_review import credit, read_by_now, void

__all__ = ["record", "review"]

pytestmark = pytest.mark.both_engines


async def called_nobodys(
    desk: Desk, record: RecordDesk, review: Review, *, typed: str
) -> tuple[Payment, Payment]:
    """
    A line without account: its code is typed for the wrong payment, and it is called nobody's.

    Then the books name its account, another's. In which order, *typed* says.
    """
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    payment = await desk.ask()
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, source=Source.STATUS)])
    line = await unmatched(record)
    if typed == "before":
        assert await review.decide(credit(other, receipt=TRUE)) is Verdict.DONE
    assert await record.dismiss(line, by=900, why="somebody else's") is Ruling.DONE
    if typed == "after":
        assert await review.decide(credit(other, receipt=TRUE)) is Verdict.DONE
    if typed == "by a liar":
        await desk.post(other, success(1, receipt=TRUE))
    assert (await desk.get(other.id)).credited_cents == 50_00
    return payment, other


@pytest.mark.parametrize("typed", ["before", "after", "by a liar"])
async def test_a_line_that_was_called_nobodys_is_taken_from_whoever_has_it(
    desk: Desk, record: RecordDesk, review: Review, typed: str
) -> None:
    payment, other = await called_nobodys(desk, record, review, typed=typed)

    await told_by_books(desk, record, payment, TRUE)
    assert await opens(record) == [(OpenKind.REVIEW, TRUE)]
    line = await unmatched(record)
    assert await record.assign(line, to=payment.id, by=900, why="its own") is Ruling.DONE

    assert await opens(record) == []
    after = await desk.get(payment.id)
    assert (after.receipt, after.credited_cents) == (TRUE, 50_00)
    assert (await desk.get(other.id)).pending_at is not None
    await assert_replays(desk)


@pytest.mark.parametrize("code", [FORGED, MISTYPED], ids=["a liar's code", "mistyped"])
async def test_and_given_to_the_prompt_that_counts_it_under_another_code(
    desk: Desk, record: RecordDesk, review: Review, code: str
) -> None:
    payment, other = await called_nobodys(desk, record, review, typed="before")
    if code == FORGED:
        await desk.post(payment, success(2, receipt=FORGED))
    else:
        assert await review.decide(credit(payment, receipt=code, key="m")) is Verdict.DONE
    await told_by_books(desk, record, payment, TRUE)
    line = await unmatched(record)
    assert await record.dismiss(line, by=900, why="somebody else's") is Ruling.TWICE

    assert await record.assign(line, to=payment.id, by=900, why="its own") is Ruling.DONE

    assert (await desk.get(payment.id)).receipt == TRUE
    assert (await desk.get(other.id)).pending_at is not None
    assert await opens(record) == []
    await assert_replays(desk)


async def test_what_a_prompt_hears_after_its_line_was_typed_for_another_waits(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment, _ = await called_nobodys(desk, record, review, typed="before")
    await told_by_books(desk, record, payment, TRUE)

    await ask_safaricom(desk, "0")

    assert (await kinds(desk, payment)).count(Kind.COUNTED_APART) == 1
    assert (await desk.get(payment.id)).pending_at is not None
    assert await record.rows.net_cents() == 50_00


async def test_an_account_that_is_whose_code_was_typed_opens_nothing(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    _, other = await called_nobodys(desk, record, review, typed="before")

    await told_by_books(desk, record, other, TRUE)

    assert await opens(record) == []
    assert await record.rows.net_cents() == 50_00


async def test_an_account_of_whom_another_amount_was_counted_is_looked_at(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.ask()
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, kes=70, source=Source.STATUS)])
    line = await unmatched(record)
    assert await record.dismiss(line, by=900, why="somebody else's") is Ruling.DONE
    less = credit(payment, receipt=TRUE, amount_cents=50_00)
    assert await review.decide(less) is Verdict.DONE

    named = a_row(desk.clock.now(), receipt=TRUE, kes=70, reference=payment.push_ref)
    await record.rows.take([named])

    assert await opens(record) == [(OpenKind.REVIEW, TRUE)]
    line = await unmatched(record)
    assert await record.assign(line, by=900, why="all of it") is Ruling.DONE
    assert await record.rows.net_cents() == 70_00
    assert await opens(record) == []


async def test_a_line_that_was_left_where_it_is_is_what_that_one_counts(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment, other = await called_nobodys(desk, record, review, typed="before")
    await told_by_books(desk, record, payment, TRUE)
    await told_by_books(desk, record, other, BY_HAND)  # what they paid besides
    one = next(each for each in await record.open_differences() if each.receipt == TRUE)
    assert await record.dismiss(one.id, by=900, why="known otherwise") is Ruling.DONE

    own = await born(desk, BY_HAND)
    assert await review.decide(credit(own, receipt=BY_HAND, key="own")) is Verdict.DONE

    assert await record.rows.net_cents() == 100_00
    await assert_replays(desk)


async def test_of_two_lines_of_the_next_prompt_a_slip_for_the_first_shuts_out_one(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    first, second = await twice_asked(desk)
    assert await review.decide(credit(first, receipt=MISTYPED)) is Verdict.DONE
    await desk.post(second, success(2, receipt="UKN9ABCDEF"))
    for receipt in ("UKN9ABCDEF", TRUE, BY_HAND):  # by the prompt, and twice by hand
        await told_by_books(desk, record, second, receipt)
    await long_after(desk)

    said = [
        await review.decide(credit(await born(desk, receipt), receipt=receipt, key=receipt))
        for receipt in (TRUE, BY_HAND)
    ]

    assert said == [Verdict.DONE, Verdict.COUNTED]
    assert await record.rows.net_cents() == 150_00
    await assert_replays(desk)


async def test_what_was_made_of_a_line_and_counts_another_leaves_that_line_to_the_prompt(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.ask()
    assert await review.decide(credit(payment, receipt=MISTYPED)) is Verdict.DONE
    await told_by_books(desk, record, payment, TRUE)
    made = await born(desk, TRUE)
    nothing = void(made, await read_by_now(review, made), key="nothing")
    assert await review.decide(nothing) is Verdict.DONE
    await record.rows.take([a_row(desk.clock.now(), receipt=BY_HAND, source=Source.STATUS)])
    line = next(each for each in await record.open_differences() if each.receipt == BY_HAND)
    assert await record.assign(line.id, to=made.id, by=900, why="paid twice") is Ruling.DONE
    assert (await born(desk, TRUE)).receipt == BY_HAND
    await told_by_books(desk, record, payment, BY_HAND)
    third = "UKN3ABCDEF"
    await told_by_books(desk, record, payment, third)

    said = await review.decide(credit(await born(desk, third), receipt=third, key="third"))

    assert said is Verdict.DONE
    assert await record.rows.net_cents() == 150_00
    await assert_replays(desk)


async def test_a_difference_that_is_closed_is_not_looked_at_again_whoever_counts_it(
    desk: Desk, record: RecordDesk
) -> None:
    await given_wrongly(desk, record, FORGED)
    line = await unmatched(record)

    async def close(tx: Tx) -> None:
        await tx.record.close([(OpenKind.REVIEW, TRUE)], now=desk.clock.now(), by=901, why="")

    await desk.store.write(close)

    assert await record.dismiss(line, by=900, why="none of ours") is Ruling.ALREADY


async def asked_thrice(desk: Desk, *, waits: bool = False) -> list[Payment]:
    """Three prompts for one thing; where it *waits*, the last alone may be answered yet."""
    first, second = await twice_asked(desk)
    if waits:
        await long_after(desk)
    desk.clock.advance(200)
    again = await desk.asking.again(second.id, by=1001, update_id=None, language="en")
    assert isinstance(again, Asked), again
    await desk.finish()
    third = await desk.get(again.payment.id)
    assert len({first.id, second.id, third.id}) == 3
    return [first, second, third]


async def lines_of(
    desk: Desk, record: RecordDesk, prompted: Payment, receipts: Sequence[str]
) -> list[Press]:
    """So many lines under one account, and for each the press that counts it by itself."""
    for receipt in receipts:
        at = (prompted.begun_at or desk.clock.now()) - timedelta(hours=1)
        await told_by_books(desk, record, prompted, receipt, at=at)
    return [credit(await born(desk, receipt), receipt=receipt, key=receipt) for receipt in receipts]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("slips", "own", "lines", "counted"),
    [
        (1, False, 1, 0),
        (1, False, 2, 1),
        (2, False, 2, 0),
        (2, False, 3, 1),
        (1, True, 2, 0),
        (1, True, 3, 1),
    ],
)
async def test_each_slip_and_each_prompt_that_counts_leaves_one_line_uncounted(
    desk: Desk,
    record: RecordDesk,
    review: Review,
    slips: int,
    own: bool,
    lines: int,
    counted: int,
    at_once: bool,
) -> None:
    *others, last = await asked_thrice(desk)
    if own:
        await desk.post(last, success(3, receipt=FORGED))
    else:
        await long_after(desk)
    for number, payment in enumerate(others[:slips]):
        typed = credit(payment, receipt=f"UKN1ABCDE{number}", key=f"slip-{number}")
        assert await review.decide(typed) is Verdict.DONE
    presses = await lines_of(desk, record, last, [TRUE, BY_HAND, "UKN3ABCDEF"][:lines])

    if at_once:
        said = list(await asyncio.gather(*map(review.decide, presses)))
    else:
        said = [await review.decide(each) for each in presses]
    for each in presses:
        await review.decide(replace(each, key=f"again-{each.key}"))

    assert said.count(Verdict.DONE) == counted
    assert await record.rows.net_cents() == (slips + own + counted) * 50_00
    await assert_replays(desk)
