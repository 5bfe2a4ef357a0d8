"""One reversal is taken off one payment: whoever says it, twice, at once, or of two payments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from bot.chat.alarms import short_id
from bot.core.decisions import Deciding, Verdict
from bot.core.decisions import Ruling as Decision
from bot.core.record_desk import RecordDesk
from bot.core.reversal_rows import ReversalRows
from bot.core.review import Review
from bot.core.rulings import Ruling
from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    Alarm,
    Kind,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    Source,
    Word,
    reversal_key,
)
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_hear import alarms
from tests.core.test_placed_once import BACK, kept, state
from tests.core.test_record import OTHER, RECEIPT, a_row, assert_replays, kinds, opens, unmatched
from tests.core.test_review import review_of
from tests.desk import a_desk
from tests.fakes import add_payment, fact, told
from tests.stores import OpenStore

ANOTHER = "UKN9BACKBA"


async def two_paid(desk: Desk) -> tuple[Payment, Payment]:
    one = await desk.post(await desk.ask(), success(1, receipt=RECEIPT))
    desk.clock.advance(600)
    two = await desk.ask(ask_key="m:2", amount_kes=70, phone="254722000111")
    return one, await desk.post(two, success(2, amount=70.0, receipt=OTHER))


def back(desk: Desk, *, linked: str | None = None, kes: float = 50) -> Any:
    return a_row(desk.clock.now(), receipt=BACK, kes=kes, kind=RowKind.REVERSAL, linked=linked)


async def left_of(desk: Desk, *paid: Payment) -> list[int | None]:
    return [(await desk.get(each.id)).credited_cents for each in paid]


def went_back(payment: Payment, *, by: int = 900, receipt: str = BACK) -> Decision:
    return Decision(
        payment_id=payment.id,
        deciding=Deciding.REVERSE,
        by=by,
        key=f"{payment.id}:{by}",
        receipt=receipt,
    )


# --- What the books do not say, a person does ---


@pytest.mark.both_engines
async def test_two_operators_who_give_it_to_two_payments_at_once_take_it_off_one(
    desk: Desk, record: RecordDesk
) -> None:
    one, two = await two_paid(desk)
    await record.rows.take([back(desk)])
    difference = await unmatched(record)
    rival = a_desk(desk.store, desk.clock, seed=12)

    ruled = await asyncio.gather(
        record.assign(difference, to=one.id, by=900, why="Jane's"),
        rival.assign(difference, to=two.id, by=901, why="Peter's"),
    )

    # Held, or closed already where one of them was done before the other looked.
    assert sorted(ruled) in ([Ruling.DONE, Ruling.HELD], [Ruling.ALREADY, Ruling.DONE])
    assert await left_of(desk, one, two) in ([0, 70_00], [50_00, 20_00])
    assert await opens(record) == []
    await assert_replays(desk)


@pytest.mark.both_engines
async def test_after_a_death_in_between_it_is_still_that_payments_and_closes_by_itself(
    desk: Desk, record: RecordDesk
) -> None:
    one, two = await two_paid(desk)
    await record.rows.take([back(desk)])
    difference = await unmatched(record)
    row = await record.rows.get(BACK)
    assert row is not None
    assert await record.rows.placing.reversals.tell(one.id, row)  # and then we die
    record = a_desk(desk.store, desk.clock, seed=12)

    assert await record.assign(difference, to=two.id, by=901, why="Peter's") is Ruling.HELD
    await record.rows.look_again()

    assert await left_of(desk, one, two) == [0, 70_00]
    assert await opens(record) == []
    assert await state(record, BACK) is RowState.MATCHED
    assert (await kinds(desk, one)).count(Kind.REVERSED) == 1


async def test_the_same_operator_may_say_it_again_after_a_death(
    desk: Desk, record: RecordDesk
) -> None:
    one, _ = await two_paid(desk)
    await record.rows.take([back(desk)])
    row = await record.rows.get(BACK)
    assert row is not None
    await record.rows.placing.reversals.tell(one.id, row)

    assert await record.assign(await unmatched(record), to=one.id, by=900, why="") is Ruling.DONE

    assert (await desk.get(one.id)).credited_cents == 0
    assert await opens(record) == []


# --- What is typed in /review ---


@pytest.fixture
def review(desk: Desk) -> Review:
    return review_of(desk)


@pytest.mark.both_engines
async def test_one_code_is_taken_off_one_payment(desk: Desk, review: Review) -> None:
    one, two = await two_paid(desk)

    verdicts = [await review.decide(went_back(each)) for each in (one, two, one)]

    assert verdicts == [Verdict.DONE, Verdict.RECEIPT_TAKEN, Verdict.SETTLED]
    assert await left_of(desk, one, two) == [0, 70_00]
    # As they are told to: `/review` and the code.
    view = await desk.books.find(BACK)
    assert view is not None
    assert view.payment.id == one.id
    await assert_replays(desk)


async def test_a_payment_that_waits_is_found_by_as_much_of_its_id_as_is_shown(
    desk: Desk, record: RecordDesk
) -> None:
    """Of less it would be any that waits, and money be given to it."""
    payment = await desk.ask()
    row = a_row(desk.clock.now(), reference=payment.push_ref, kes=51)
    await record.rows.take([row])
    async with desk.store.read() as tx:
        _, [waiting] = await tx.payments.pending(limit=5)

    found = await desk.books.find(short_id(waiting.id).upper())

    assert found is not None
    assert found.payment.id == waiting.id
    for chars in (1, 4, 7):
        assert await desk.books.find(waiting.id[-chars:].upper()) is None


@pytest.mark.both_engines
async def test_at_once_too(desk: Desk, review: Review) -> None:
    one, two = await two_paid(desk)

    verdicts = await asyncio.gather(
        review.decide(went_back(one)), review_of(desk).decide(went_back(two, by=901))
    )

    assert sorted(verdicts) == [Verdict.DONE, Verdict.RECEIPT_TAKEN]


async def test_what_two_people_agree_to_is_taken_off_one_payment(desk: Desk) -> None:
    review = review_of(desk)
    big = await desk.ask(amount_kes=2000)
    big = await desk.post(big, success(1, amount=2000.0, receipt=RECEIPT))
    desk.clock.advance(600)
    small = await desk.ask(ask_key="m:2", amount_kes=70, phone="254722000111")
    small = await desk.post(small, success(2, amount=70.0, receipt=OTHER))
    assert await review.decide(went_back(big)) is Verdict.PROPOSED
    assert await review.decide(went_back(small)) is Verdict.DONE

    item = await review.one(big.id, by=901)
    assert item is not None
    assert item.proposal is not None
    agreed = await review.agree(big.id, proposal_id=item.proposal.id, by=901, key="agree")
    assert agreed is Verdict.RECEIPT_TAKEN

    assert await left_of(desk, big, small) == [2000_00, 0]


async def test_the_code_of_a_reversal_takes_no_receipt_from_a_payment(
    desk: Desk, review: Review
) -> None:
    one, _ = await two_paid(desk)
    # Typed wrong: it is the code of money that is yet to come.
    await review.decide(went_back(one, receipt="UKN5ABCDEF"))

    three = await desk.ask(ask_key="m:3", amount_kes=80, phone="254722000112")
    three = await desk.post(three, success(3, amount=80.0, receipt="UKN5ABCDEF"))

    assert (three.receipt, three.credited_cents) == ("UKN5ABCDEF", 80_00)
    await assert_replays(desk)


@pytest.mark.both_engines
async def test_the_code_of_the_payment_itself_is_none_of_its_reversal(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    one, _ = await two_paid(desk)

    own = replace(went_back(one, receipt=RECEIPT), amount_cents=20_00)
    assert await review.decide(own) is Verdict.OWN_CODE
    # Its own code comes from the books: it is taken off once.
    await record.rows.take([back(desk, linked=RECEIPT, kes=20)])

    assert await left_of(desk, one) == [30_00]


async def test_nor_the_second_code_of_a_payment_that_has_two(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    one, _ = await one_of_two_receipts(desk, record)

    assert await review.decide(went_back(one, receipt=ANOTHER)) is Verdict.OWN_CODE


# --- And then the books ---


@pytest.mark.both_engines
@pytest.mark.parametrize("linked", [RECEIPT, None])
async def test_what_a_person_typed_and_the_books_then_name_is_one(
    desk: Desk, record: RecordDesk, review: Review, linked: str | None
) -> None:
    one, two = await two_paid(desk)
    await review.decide(replace(went_back(one), amount_cents=20_00))

    await record.rows.take([back(desk, linked=linked, kes=20)])

    assert await left_of(desk, one, two) == [30_00, 70_00]
    assert await opens(record) == []


@pytest.mark.both_engines
async def test_the_books_outrank_whoever_typed_it_beside_another_payment(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    one, two = await two_paid(desk)
    await review.decide(replace(went_back(two), amount_cents=50_00))
    assert await left_of(desk, one, two) == [50_00, 20_00]

    for source in (Source.PULL, Source.PORTAL):
        await record.rows.take([replace(back(desk, linked=RECEIPT), source=source)])
        await record.rows.look_again()

    assert await left_of(desk, one, two) == [0, 70_00]
    assert Word.REVERSED not in (await desk.get(two.id)).words
    assert Alarm.BACK_MOVED in await alarms(desk)
    assert await opens(record) == []
    assert await review.decide(went_back(two, by=901)) is Verdict.RECEIPT_TAKEN
    await assert_replays(desk)


class Interrupted(ReversalRows):
    """An operator decides just after it was looked up whose the reversal is."""

    meanwhile: Callable[[], Awaitable[Verdict]]

    async def _outrank(self, holder: str, row: RecordRow, said_of: str | None) -> bool:
        await self.meanwhile()
        return await super()._outrank(holder, row, said_of)


async def test_the_books_take_from_nobody_what_was_said_a_moment_ago(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    one, two = await two_paid(desk)
    placing = record.rows.placing
    rows = Interrupted(
        store=desk.store, settle=desk.hear._settle, clock=desk.clock, disown=placing.disown
    )
    rows.meanwhile = partial(review.decide, replace(went_back(two), amount_cents=50_00))
    whole, placing.reversals = placing.reversals, rows
    await record.rows.take([back(desk, linked=RECEIPT)])
    assert await left_of(desk, one, two) == [50_00, 20_00]

    placing.reversals = whole
    await record.rows.look_again()

    assert await left_of(desk, one, two) == [0, 70_00]
    await assert_replays(desk)


async def test_a_death_between_the_two_payments_is_made_good(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    one, two = await two_paid(desk)
    await review.decide(replace(went_back(two), amount_cents=50_00))
    await kept(desk, record, back(desk, linked=RECEIPT))
    await record.rows.placing.disown(reversal_key(BACK), two.id)  # and then we die

    await a_desk(desk.store, desk.clock, seed=12).rows.place_left()

    assert await left_of(desk, one, two) == [0, 70_00]


async def one_of_two_receipts(desk: Desk, record: RecordDesk) -> tuple[Payment, Payment]:
    """A payment that counts one of its two receipts, and another payment."""
    one = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await desk.post(one, success(receipt=ANOTHER))
    await record.rows.take([a_row(desk.clock.now(), receipt=each) for each in (RECEIPT, ANOTHER)])
    desk.clock.advance(600)
    two = await desk.ask(ask_key="m:2", amount_kes=70, phone="254722000111")
    return one, await desk.post(two, success(2, amount=70.0, receipt=OTHER))


@pytest.mark.both_engines
async def test_what_went_back_of_a_receipt_that_nobody_counts_is_taken_off_nobody_else(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    one, two = await one_of_two_receipts(desk, record)
    await record.rows.take([back(desk, linked=ANOTHER)])
    assert await opens(record) == []

    assert await review.decide(went_back(two)) is Verdict.RECEIPT_TAKEN

    assert await left_of(desk, one, two) == [50_00, 70_00]


async def test_nor_is_the_second_receipt_closed_by_what_a_person_said_of_another_payment(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    _, two = await one_of_two_receipts(desk, record)
    await review.decide(went_back(two))

    await record.rows.take([back(desk, linked=ANOTHER)])

    assert sorted(await opens(record)) == [(OpenKind.REVERSAL, BACK), (OpenKind.TWICE, ANOTHER)]


# --- Two amounts ---


@pytest.mark.both_engines
@pytest.mark.parametrize("linked", [RECEIPT, None])
async def test_which_of_two_amounts_went_back_a_person_says_and_nothing_is_credited_by_it(
    desk: Desk, record: RecordDesk, linked: str | None
) -> None:
    one, two = await two_paid(desk)
    row = back(desk, linked=linked, kes=20)
    await record.rows.take([row])
    if linked is None:
        await record.assign(await unmatched(record), to=one.id, by=900, why="Jane's")
    await record.rows.take([replace(row, amount_cents=30_00, source=Source.PORTAL)])
    [differs] = await record.open_differences()
    assert await left_of(desk, one, two) == [30_00, 70_00]

    assert await record.assign(differs.id, to=two.id, by=900, why="") is Ruling.HELD
    assert await record.assign(differs.id, to=one.id, by=900, why="") is Ruling.DONE

    await record.rows.look_again()
    assert await left_of(desk, one, two) == [20_00, 70_00]
    assert await record.rows.net_cents() == 90_00
    assert await opens(record) == []
    await assert_replays(desk)


async def test_of_a_second_receipt_too_another_amount_is_taken_off_nothing(
    desk: Desk, record: RecordDesk
) -> None:
    one = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await desk.post(one, success(receipt=ANOTHER))
    await record.rows.take([a_row(desk.clock.now(), receipt=each) for each in (RECEIPT, ANOTHER)])
    row = back(desk, linked=ANOTHER)
    await record.rows.take([row])
    await record.rows.take([replace(row, amount_cents=30_00, source=Source.PORTAL)])

    assert await record.assign(await unmatched(record), to=one.id, by=900, why="") is Ruling.CANNOT

    assert await left_of(desk, one) == [50_00]


# --- Two processes ---


def claiming(number: int, receipt: str) -> Unit:
    def admit(payment: Payment, seen: Seen) -> Admitted:
        if seen.receipt_holder not in (None, payment.id):
            return Admitted()
        evidence = fact(Kind.REVERSED, payment_id=payment.id, receipt=receipt)
        return Admitted(evidence=(evidence,), claims_receipt=reversal_key(receipt))

    return Unit(payment_id=f"{number:032x}", admit=admit, receipt=reversal_key(receipt))


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_processes_that_claim_the_same_ones_crosswise_do_not_block_each_other(
    open_a_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_a_store()) for _ in range(2)]
        for number in range(40):
            await add_payment(stores[0], number, phone=f"2547123456{number:02d}")
        receipts = [f"UKN8BACK{number:02d}" for number in range(20)]

        outcomes = await asyncio.gather(
            stores[0].submit_many([claiming(n, receipts[n]) for n in range(20)], told),
            stores[1].submit_many([claiming(39 - n, receipts[n]) for n in range(20)], told),
        )

        fresh = [each for some in outcomes for each in some if getattr(each, "fresh", False)]
        assert len(fresh) == 20
        assert "storage.again" not in caplog.text
