"""How much a decision is about: what it takes off or counts, and what the books say of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.decisions import Deciding, Ruling, Verdict
from bot.core.record_desk import Known, RecordDesk
from storage.records import OpenKind, Payment, RowState, Source, Status, Word
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_record import (
    OTHER,
    RECEIPT,
    a_row,
    assert_replays,
    born,
    by_hand_ref,
    opens,
    record,
)
from tests.core.test_review import AMINA, BARAKA, credit, proposed_last, review_of

__all__ = ["record"]

BACK = "UKN7BACKBA"


def reverse(payment: Payment, **more: object) -> Ruling:
    ruling = Ruling(
        payment_id=payment.id, deciding=Deciding.REVERSE, by=AMINA, key="press-r", receipt=BACK
    )
    return replace(ruling, **more)  # type: ignore[arg-type]  # a test's own field names


async def much_by_hand(desk: Desk, record: RecordDesk) -> Payment:
    """Somebody is asked for KES 50 and pays KES 90,000 by hand under that account."""
    payment = await desk.ask(amount_kes=50)
    row = a_row(desk.clock.now(), reference=await by_hand_ref(desk, payment), kes=90_000)
    await record.rows.take([row])
    return await born(desk)


async def test_nobody_alone_takes_off_much_that_was_little_when_asked_for(
    desk: Desk, record: RecordDesk
) -> None:
    own = await much_by_hand(desk, record)
    review = review_of(desk, two_people_above_kes=1000)

    assert await review.decide(reverse(own)) is Verdict.PROPOSED

    assert (await desk.get(own.id)).credited_cents == 90_000_00
    agreed = await review.agree(
        own.id, proposal_id=await proposed_last(review, own), by=BARAKA, key="press-2"
    )
    assert agreed is Verdict.DONE
    assert (await desk.get(own.id)).credited_cents == 0
    await assert_replays(desk)


async def test_of_what_went_back_in_part_only_the_rest_needs_people(
    desk: Desk, record: RecordDesk
) -> None:
    own = await much_by_hand(desk, record)
    review = review_of(desk, two_people_above_kes=1000)
    part = reverse(own, amount_cents=89_950_00)
    assert await review.decide(part) is Verdict.PROPOSED
    await review.agree(
        own.id, proposal_id=await proposed_last(review, own), by=BARAKA, key="press-2"
    )

    assert await review.decide(reverse(own, receipt="UKN8BACKBA", key="p3")) is Verdict.DONE

    assert (await desk.get(own.id)).credited_cents == 0


async def held_part(desk: Desk, record: RecordDesk) -> Payment:
    """KES 500 are asked for, and KES 300 paid by hand under the prompt's own reference."""
    payment = await desk.ask(amount_kes=500)
    await record.rows.take([a_row(desk.clock.now(), reference=payment.push_ref, kes=300)])
    return await born(desk)


async def test_a_code_alone_counts_what_the_books_say_came_under_it(
    desk: Desk, record: RecordDesk
) -> None:
    own = await held_part(desk, record)
    assert own.status is Status.REVIEW
    review = review_of(desk)

    assert await review.booked_cents(RECEIPT) == 300_00
    assert await review.decide(credit(own, receipt=RECEIPT)) is Verdict.DONE

    now = await desk.get(own.id)
    assert now.credited_cents == 300_00
    assert Word.OTHER_AMOUNT in now.words
    await assert_replays(desk)


@pytest.mark.parametrize("source", [Source.C2B, None])
async def test_what_the_books_do_not_name_counts_as_it_was_asked_for(
    desk: Desk, record: RecordDesk, source: Source | None
) -> None:
    payment = await desk.ask(amount_kes=500)
    if source is not None:
        await record.rows.claim(a_row(desk.clock.now(), kes=300, source=source))
    review = review_of(desk)

    assert await review.booked_cents(RECEIPT) is None
    assert await review.decide(credit(payment, receipt=RECEIPT)) is Verdict.DONE

    assert (await desk.get(payment.id)).credited_cents == 500_00


async def test_an_amount_that_is_named_needs_two_where_the_books_say_much(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.ask(amount_kes=50)
    await record.rows.take([a_row(desk.clock.now(), kes=90_000)])  # without an account
    review = review_of(desk, two_people_above_kes=1000)

    assert await review.decide(credit(payment, receipt=RECEIPT)) is Verdict.PROPOSED

    agreed = await review.agree(
        payment.id, proposal_id=await proposed_last(review, payment), by=BARAKA, key="press-2"
    )
    assert agreed is Verdict.DONE
    assert (await desk.get(payment.id)).credited_cents == 90_000_00


async def test_what_a_person_counted_otherwise_than_the_books_stays_open(
    desk: Desk, record: RecordDesk
) -> None:
    """Dead between the birth and the row's own commit, which the job makes up for."""
    own = await held_part(desk, record)
    async with desk.store.read() as tx:
        row = await tx.record.get(RECEIPT)
    assert row is not None
    await review_of(desk).decide(credit(own, receipt=RECEIPT, amount_cents=500_00))
    await desk.store.write(lambda tx: tx.record.place([RECEIPT], RowState.NEW))

    await record.rows.place_left()

    assert (OpenKind.AMOUNT_DIFFERS, RECEIPT) in await opens(record)
    async with desk.store.read() as tx:
        kept = await tx.record.get(RECEIPT)
    assert kept is not None
    assert kept.state is RowState.OPEN


async def test_an_amount_that_changes_nothing_is_not_called_done(desk: Desk) -> None:
    payment = await desk.ask(amount_kes=1000)
    review = review_of(desk, two_people_above_kes=50_000)
    mistyped = credit(payment, amount_cents=100_00)
    assert await review.decide(mistyped) is Verdict.DONE
    desk.clock.advance(60)

    again = await review.decide(credit(payment, key="press-2", amount_cents=1000_00))

    assert again is Verdict.OTHER_AMOUNT
    assert (await desk.get(payment.id)).credited_cents == 100_00
    assert await review.decide(mistyped) is Verdict.DONE  # the same press, told twice
    assert await review.decide(credit(payment, key="press-3")) is Verdict.DONE  # makes it sure


async def test_nor_is_it_by_two_people(desk: Desk) -> None:
    payment = await desk.ask(amount_kes=5000)
    review = review_of(desk, two_people_above_kes=1000)
    assert await review.decide(credit(payment, amount_cents=500_00)) is Verdict.DONE
    desk.clock.advance(60)

    again = await review.decide(credit(payment, key="press-2", amount_cents=5000_00))

    assert again is Verdict.OTHER_AMOUNT


async def test_money_of_another_payment_is_not_what_went_back(
    desk: Desk, record: RecordDesk
) -> None:
    await desk.post(await desk.ask(), success(1, receipt=OTHER))
    bad = await desk.ask(phone="254722000111", ask_key="m:2", asked_by=1002, chat_id=1002)
    bad = await desk.post(bad, success(2, receipt=RECEIPT))
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER)])

    verdict = await review_of(desk).decide(reverse(bad, receipt=OTHER))

    assert verdict is Verdict.CAME_IN
    assert (await desk.get(bad.id)).credited_cents == bad.credited_cents
    assert (await record.verify(OTHER, by=AMINA, may_ask=False)).known is Known.OURS


async def test_nor_is_money_that_is_nobodys_yet(desk: Desk, record: RecordDesk) -> None:
    bad = await desk.post(await desk.ask(), success(1, receipt=RECEIPT))
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER)])

    assert await review_of(desk).decide(reverse(bad, receipt=OTHER)) is Verdict.CAME_IN

    assert (await record.verify(OTHER, by=AMINA, may_ask=False)).known is Known.UNMATCHED


async def test_a_clock_that_was_set_back_leaves_a_proposal_to_agree_to(desk: Desk) -> None:
    payment = await desk.ask(amount_kes=5000)
    review = review_of(desk, two_people_above_kes=1000)
    desk.clock.advance(7200)
    part = credit(payment, receipt=RECEIPT, amount_cents=500_00)
    assert await review.decide(part) is Verdict.DONE
    desk.clock.advance(-3600)

    again = reverse(payment, amount_cents=5000_00)
    assert await review.decide(again) is Verdict.PROPOSED

    item = await review.one(payment.id, by=BARAKA)
    assert item is not None
    assert item.proposal is not None
    assert item.proposal.deciding is Deciding.REVERSE
