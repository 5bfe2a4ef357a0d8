"""Counted apart: what is said of a line since its account was told counts it for nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.decisions import Verdict
from bot.core.record_desk import RecordDesk
from bot.core.review import Review
from bot.core.rulings import Ruling
from storage.records import OpenDifference, OpenKind, Payment, RowKind, Source
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_apart import MISTYPED, ask_safaricom, told_by_books, twice_asked
from tests.core.test_apart_nobodys import asked_thrice
from tests.core.test_apart_open import long_after
from tests.core.test_counted_already import BY_HAND, FORGED, TRUE, record, review
from tests.core.test_record import a_row, assert_replays, born, opens, unmatched
from tests.core.test_review import credit, read_by_now, void

__all__ = ["record", "review"]

pytestmark = pytest.mark.both_engines


async def named_and_nobody_has_it(
    desk: Desk, record: RecordDesk, review: Review, *, counts: str = ""
) -> tuple[int, Payment, Payment]:
    """A line is called nobody's, and then named for a payment that *counts* it by another code."""
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    payment = await desk.ask()
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, source=Source.STATUS)])
    assert await record.dismiss(await unmatched(record), by=900, why="nobody's") is Ruling.DONE
    if counts == FORGED:
        await desk.post(payment, success(2, receipt=FORGED))
    elif counts == MISTYPED:
        assert await review.decide(credit(payment, receipt=MISTYPED, key="m")) is Verdict.DONE
    await told_by_books(desk, record, payment, TRUE)
    return await unmatched(record), payment, other


async def about(record: RecordDesk, receipt: str) -> OpenDifference:
    return next(each for each in await record.open_differences() if each.receipt == receipt)


@pytest.mark.parametrize("counts", ["", FORGED, MISTYPED], ids=["nothing", "forged", "mistyped"])
async def test_a_liar_who_names_it_afterwards_keeps_it_from_nobody(
    desk: Desk, record: RecordDesk, review: Review, counts: str
) -> None:
    line, payment, other = await named_and_nobody_has_it(desk, record, review, counts=counts)
    await desk.post(other, success(1, receipt=TRUE))
    assert (await desk.get(other.id)).credited_cents == 50_00

    assert await record.assign(line, to=payment.id, by=900, why="its own") is Ruling.DONE

    after = await desk.get(payment.id)
    assert (after.receipt, after.credited_cents) == (TRUE, 50_00)
    assert (await desk.get(other.id)).pending_at is not None
    assert await opens(record) == []
    await assert_replays(desk)


async def test_nor_does_an_operator_who_types_it_for_another(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    line, payment, other = await named_and_nobody_has_it(desk, record, review)
    await ask_safaricom(desk, "1032")
    await long_after(desk)
    assert await review.decide(credit(other, receipt=TRUE)) is Verdict.DONE

    assert await record.assign(line, to=payment.id, by=900, why="its own") is Ruling.DONE

    assert (await desk.get(payment.id)).receipt == TRUE
    assert (await desk.get(other.id)).pending_at is not None


@pytest.mark.parametrize("typed", ["before", "after"])
async def test_what_was_called_nobodys_is_what_it_was_typed_for(
    desk: Desk, record: RecordDesk, review: Review, typed: str
) -> None:
    first, second = await twice_asked(desk)
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, source=Source.STATUS)])
    line = await unmatched(record)
    if typed == "before":
        assert await review.decide(credit(second, receipt=TRUE)) is Verdict.DONE
    assert await record.dismiss(line, by=900, why="nobody's") is Ruling.DONE
    if typed == "after":
        assert await review.decide(credit(second, receipt=TRUE)) is Verdict.DONE
    await told_by_books(desk, record, first, TRUE)
    assert await opens(record) == []
    await long_after(desk)
    await told_by_books(desk, record, second, BY_HAND)

    more = credit(await born(desk, BY_HAND), receipt=BY_HAND, key="more")
    assert await review.decide(more) is Verdict.DONE

    assert await record.rows.net_cents() == 100_00
    await assert_replays(desk)


@pytest.mark.parametrize("account", ["SHOP", ""])
async def test_so_it_is_whatever_its_account_was(
    desk: Desk, record: RecordDesk, review: Review, account: str
) -> None:
    payment = await desk.ask()
    await long_after(desk)
    await record.rows.take([a_row(desk.clock.now(), receipt=TRUE, reference=account)])
    line = await unmatched(record)
    assert await review.decide(credit(payment, receipt=TRUE)) is Verdict.DONE
    assert await record.dismiss(line, by=900, why="nobody's") is Ruling.DONE
    await told_by_books(desk, record, payment, BY_HAND)

    more = credit(await born(desk, BY_HAND), receipt=BY_HAND, key="more")
    assert await review.decide(more) is Verdict.DONE

    assert await record.rows.net_cents() == 100_00


async def counts_another(
    desk: Desk, record: RecordDesk, review: Review, payment: Payment
) -> Payment:
    """What was made of a line is written off, and then given another line."""
    await told_by_books(desk, record, payment, TRUE)
    made = await born(desk, TRUE)
    nothing = void(made, await read_by_now(review, made), key="nothing")
    assert await review.decide(nothing) is Verdict.DONE
    await record.rows.take([a_row(desk.clock.now(), receipt=BY_HAND, source=Source.STATUS)])
    line = await about(record, BY_HAND)
    assert await record.assign(line.id, to=made.id, by=900, why="paid twice") is Ruling.DONE
    assert (await born(desk, TRUE)).receipt == BY_HAND
    return made


async def test_a_line_is_not_closed_where_what_was_made_of_it_counts_another(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=FORGED))
    await told_by_books(desk, record, payment, FORGED)
    await counts_another(desk, record, review, payment)

    line = await about(record, TRUE)
    assert await record.assign(line.id, by=900, why="it is theirs") is Ruling.HELD

    assert (OpenKind.REVIEW, TRUE) in await opens(record)
    assert await record.rows.net_cents() == 100_00
    assert await record.dismiss(line.id, by=900, why="known otherwise") is Ruling.DONE


async def test_what_went_back_of_another_line_is_not_this_ones_way_back(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.ask()
    assert await review.decide(credit(payment, receipt=MISTYPED)) is Verdict.DONE
    await counts_another(desk, record, review, payment)
    await told_by_books(desk, record, payment, BY_HAND)
    back = a_row(desk.clock.now(), receipt="UKN9ABCDEF", kind=RowKind.REVERSAL, linked=BY_HAND)
    await record.rows.take([back])
    third = "UKN3ABCDEF"
    await told_by_books(desk, record, payment, third)

    more = credit(await born(desk, third), receipt=third, key="more")
    assert await review.decide(more) is Verdict.DONE

    assert await record.rows.net_cents() == 100_00


@pytest.mark.parametrize("said", ["asked", "posted long after"])
async def test_a_line_that_its_own_prompt_may_count_yet_is_not_left_for_a_slip(
    desk: Desk, record: RecordDesk, review: Review, said: str
) -> None:
    first, second, third = await asked_thrice(desk, waits=said == "asked")
    if said == "posted long after":
        await long_after(desk)
    assert await review.decide(credit(second, receipt=MISTYPED, key="m")) is Verdict.DONE
    at = (third.begun_at or desk.clock.now()) - timedelta(hours=1)
    await told_by_books(desk, record, first, BY_HAND, at=at)
    await told_by_books(desk, record, third, TRUE, at=at)

    line = await about(record, BY_HAND)
    assert await record.assign(line.id, by=900, why="paid by hand") is Ruling.COUNTED

    if said == "asked":
        await ask_safaricom(desk, "0")
    else:
        await desk.post(third, success(3, receipt=FORGED))
    assert await record.rows.net_cents() == 100_00


async def test_two_operators_at_once_are_told_of_in_one_order(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    first, second = await twice_asked(desk)
    await long_after(desk)
    for number, payment in enumerate((first, second)):
        typed = credit(payment, receipt=f"UKN1ABCDE{number}", key=f"slip-{number}")
        assert await review.decide(typed) is Verdict.DONE
    lines = {TRUE: first, "UKN3ABCDEF": first, BY_HAND: second, "UKN4ABCDEF": second}
    for receipt, prompted in lines.items():
        at = (prompted.begun_at or desk.clock.now()) - timedelta(hours=1)
        await told_by_books(desk, record, prompted, receipt, at=at)
    presses = [credit(await born(desk, receipt), receipt=receipt, key=receipt) for receipt in lines]

    one, other = presses[0], presses[2]
    said = await asyncio.gather(review.decide(one), review.decide(other))
    for each in presses:
        await review.decide(replace(each, key=f"again-{each.key}"))

    assert Verdict.DONE in said
    assert await record.rows.net_cents() == 200_00
    await assert_replays(desk)
