"""A row's money is placed once: whoever dies, is faster, shares a commit, or was given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from bot.core.decisions import Verdict
from bot.core.placing import Placing
from bot.core.record import Record
from bot.core.record_desk import RecordDesk
from bot.core.references import ByHand
from bot.core.rulings import Deed, Ruling, TwoPeople
from storage.engine import Store
from storage.errors import NotKept
from storage.hearing import Decide, Outcome, Unit
from storage.records import (
    OpenDifference,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    Source,
    Status,
    Word,
)
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_record import OTHER, RECEIPT, a_row, assert_replays, born, by_hand_ref, opens
from tests.core.test_review import credit, review_of
from tests.desk import OPERATORS, a_desk

BACK = "UKN7BACKBA"
TWO = (RECEIPT, OTHER)


async def kept(desk: Desk, record: RecordDesk, *rows: Any) -> list[RecordRow]:
    """Rows that are in the books, and not placed yet."""
    await desk.store.write(lambda tx: tx.record.keep(rows, now=desk.clock.now()))
    found = [await record.rows.get(each.receipt) for each in rows]
    return [each for each in found if each is not None]


async def state(record: RecordDesk, receipt: str) -> RowState:
    row = await record.rows.get(receipt)
    assert row is not None
    return row.state


# --- What waits for a person is credited by no machine ---


async def beside(desk: Desk) -> tuple[Payment, Any]:
    """A paid prompt, and more money under its account."""
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    desk.clock.advance(1200)
    return payment, a_row(desk.clock.now(), receipt=OTHER, reference=payment.push_ref)


async def test_a_payment_born_for_a_person_still_waits_when_its_row_is_placed_again(
    desk: Desk, record: RecordDesk
) -> None:
    _, row = await beside(desk)
    [unplaced] = await kept(desk, record, row)
    await record.rows.placing.place(unplaced, None)  # and then we die
    before = await born(desk, OTHER)

    for _ in range(2):
        await a_desk(desk.store, desk.clock, seed=12).rows.place_left()
        await record.rows.take([row])

    assert before.status is Status.REVIEW
    assert await born(desk, OTHER) == before
    assert await opens(record) == [(OpenKind.REVIEW, OTHER)]
    assert await record.rows.net_cents() == 50_00
    await assert_replays(desk)


async def test_nor_is_it_credited_when_two_processes_place_its_row_at_once(
    desk: Desk, record: RecordDesk
) -> None:
    _, row = await beside(desk)
    await kept(desk, record, row)
    rival = a_desk(desk.store, desk.clock, seed=12)

    await asyncio.gather(record.rows.place_left(), rival.rows.place_left())

    assert (await born(desk, OTHER)).status is Status.REVIEW
    assert await opens(record) == [(OpenKind.REVIEW, OTHER)]


@pytest.mark.both_engines
async def test_what_a_person_credited_meanwhile_is_matched_when_its_row_is_placed_again(
    desk: Desk, record: RecordDesk
) -> None:
    payment, row = await beside(desk)
    # Else it may be the very money that the prompt counts.
    await record.rows.take([a_row(desk.clock.now(), receipt=RECEIPT, reference=payment.push_ref)])
    [unplaced] = await kept(desk, record, row)
    await record.rows.placing.place(unplaced, None)
    waiting = await born(desk, OTHER)
    credited = credit(waiting, receipt=OTHER)
    assert await review_of(desk).decide(credited) is Verdict.DONE

    await record.rows.place_left()

    assert await state(record, OTHER) is RowState.MATCHED
    assert (await born(desk, OTHER)).credited_cents == 50_00
    assert await opens(record) == []


# --- What shares a commit ---


class InOneCommit:
    """A store in which the next units share a commit, as they do where commits are slow."""

    def __init__(self, store: Store, *, many: int) -> None:
        self._store = store
        self._left = many
        self._units: list[Unit] = []
        self._told: asyncio.Future[Sequence[Outcome | NotKept]] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def submit(self, unit: Unit, decide: Decide) -> Outcome:
        if not self._left:
            return await self._store.submit(unit, decide)
        self._left -= 1
        self._told = self._told or asyncio.get_running_loop().create_future()
        place = len(self._units)
        self._units.append(unit)
        if not self._left:
            self._told.set_result(await self._store.submit_many(self._units, decide))
        outcome = (await self._told)[place]
        assert isinstance(outcome, Outcome)
        return outcome


def in_one_commit(desk: Desk, *, many: int = 2) -> RecordDesk:
    return a_desk(cast("Store", InOneCommit(desk.store, many=many)), desk.clock)


async def test_of_two_rows_with_one_prompts_account_in_one_commit_one_is_the_prompts(
    desk: Desk,
) -> None:
    payment = await desk.ask()
    record = in_one_commit(desk)
    rows = [a_row(desk.clock.now(), receipt=each, reference=payment.push_ref) for each in TWO]

    taken = await record.rows.take(rows)

    after = await desk.get(payment.id)
    assert (after.status, after.credited_cents, after.words) == (Status.PAID, 50_00, frozenset())
    assert after.receipt in TWO
    [other] = {*TWO} - {after.receipt}
    assert (await born(desk, other)).status is Status.REVIEW
    assert await opens(record) == [(OpenKind.REVIEW, other)]
    assert (taken.matched, taken.open) == (1, 1)
    await assert_replays(desk)


async def test_a_row_beside_the_callback_of_its_prompt_in_one_commit_is_money_of_its_own(
    desk: Desk,
) -> None:
    payment = await desk.ask()
    shared = InOneCommit(desk.store, many=2)
    desk.hear._store = cast("Store", shared)
    record = a_desk(cast("Store", shared), desk.clock)
    row = a_row(desk.clock.now(), receipt=OTHER, reference=payment.push_ref)

    await asyncio.gather(desk.post(payment, success(receipt=RECEIPT)), record.rows.take([row]))

    after = await desk.get(payment.id)
    assert (after.status, after.credited_cents) == (Status.PAID, 50_00)
    # Whichever was first has it; of the other's money a person is told.
    if after.receipt == RECEIPT:
        assert await opens(record) == [(OpenKind.REVIEW, OTHER)]
    else:
        assert Word.TWICE in after.words


async def test_two_operators_who_give_one_payment_two_receipts_at_once_lose_neither(
    desk: Desk,
) -> None:
    payment = await desk.ask()
    record = in_one_commit(desk)
    await record.rows.take([a_row(desk.clock.now(), receipt=each) for each in TWO])
    first, second = await record.open_differences()

    ruled = await asyncio.gather(
        record.assign(first.id, to=payment.id, by=900, why=""),
        record.assign(second.id, to=payment.id, by=901, why=""),
    )

    assert [*ruled] == [Ruling.DONE, Ruling.DONE]
    after = await desk.get(payment.id)
    assert (after.credited_cents, after.words) == (50_00, frozenset())
    [other] = {*TWO} - {after.receipt}
    assert (await born(desk, str(other))).credited_cents == 50_00
    assert await record.rows.net_cents() == 100_00
    assert await opens(record) == []
    await assert_replays(desk)


async def test_two_operators_who_credit_two_receipts_of_one_payment_at_once_are_told_so(
    desk: Desk,
) -> None:
    payment = await desk.ask()
    review = review_of(desk)
    review._store = cast("Store", InOneCommit(desk.store, many=2))

    verdicts = await asyncio.gather(
        *(
            review.decide(credit(payment, receipt=receipt, by=by, key=receipt))
            for receipt, by in zip(TWO, (900, 901), strict=True)
        )
    )

    assert sorted(verdicts) == [Verdict.DONE, Verdict.SETTLED]
    assert (await desk.get(payment.id)).words == frozenset()


async def two_paid(desk: Desk) -> tuple[Payment, Payment]:
    one = await desk.post(await desk.ask(), success(1, receipt=RECEIPT))
    two = await desk.ask(ask_key="m:2", phone="254722000111")
    return one, await desk.post(two, success(2, receipt="UKN4ABCDEF"))


@pytest.mark.both_engines
async def test_of_two_operators_who_give_one_row_to_two_payments_at_once_one_is_told_so(
    desk: Desk, record: RecordDesk
) -> None:
    one, two = await two_paid(desk)
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER)])
    [open_one] = await record.open_differences()
    rival = a_desk(desk.store, desk.clock, seed=12)

    ruled = await asyncio.gather(
        record.assign(open_one.id, to=one.id, by=900, why="Jane's"),
        rival.assign(open_one.id, to=two.id, by=901, why="Peter's"),
    )

    assert sorted(ruled) == [Ruling.DONE, Ruling.HELD]
    theirs = [one, two][ruled.index(Ruling.DONE)]
    own = await born(desk, OTHER)
    assert own.intent_id == theirs.intent_id
    [closed] = await differences_of(desk, OTHER)
    assert (closed.given_to, closed.closed_by) == (own.id, 900 + ruled.index(Ruling.DONE))


async def differences_of(desk: Desk, receipt: str) -> list[OpenDifference]:
    async with desk.store.read() as tx:
        return await tx.record.of_receipt(receipt)


async def test_what_was_given_before_a_death_is_not_given_to_another_after_it(
    desk: Desk, record: RecordDesk
) -> None:
    one, two = await two_paid(desk)
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER)])
    [open_one] = await record.open_differences()
    row = await record.rows.get(OTHER)
    assert row is not None
    await record.rows.placing.bear(row, ByHand(intent_id=one.intent_id), by=900)  # and then we die

    assert await record.assign(open_one.id, to=two.id, by=901, why="Peter's") is Ruling.HELD
    assert await opens(record) == [(OpenKind.UNMATCHED, OTHER)]
    assert await record.assign(open_one.id, to=one.id, by=901, why="Jane's") is Ruling.DONE

    assert await opens(record) == []
    assert await record.rows.net_cents() == 150_00


class Dismissed(TwoPeople):
    """Another operator dismisses the difference after the first one has looked at it."""

    desk: RecordDesk

    async def agreed(self, deed: Deed, subject: str, argument: str, **rest: Any) -> Ruling:
        assert await self.desk.dismiss(int(subject), by=901, why="Shop rent") is Ruling.DONE
        return await super().agreed(deed, subject, argument, **rest)


async def test_what_one_operator_dismissed_just_then_another_gives_to_nobody(
    desk: Desk, record: RecordDesk
) -> None:
    one, _ = await two_paid(desk)
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER)])
    [open_one] = await record.open_differences()
    record.rulings.two_people = Dismissed(
        store=desk.store, clock=desk.clock, above_kes=50_000, operators=OPERATORS
    )
    record.rulings.two_people.desk = record

    assert await record.assign(open_one.id, to=one.id, by=900, why="Jane's") is Ruling.HELD

    assert await record.rows.net_cents() == 100_00
    assert await opens(record) == []


@pytest.mark.both_engines
async def test_another_amount_of_a_second_receipt_is_money_of_its_own_when_a_person_says_so(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await desk.post(payment, success(receipt=OTHER))
    await record.rows.take(
        [a_row(desk.clock.now()), a_row(desk.clock.now(), receipt=OTHER, kes=49)]
    )
    [open_one] = await record.open_differences(kind=OpenKind.AMOUNT_DIFFERS)

    assert await record.assign(open_one.id, by=900, why="looked up") is Ruling.DONE

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert (await born(desk, OTHER)).credited_cents == 49_00
    assert await opens(record) == []
    await assert_replays(desk)


# --- One of two was given back ---


def gone(desk: Desk, receipt: str, *, kes: float = 50, back: str = BACK) -> Any:
    return a_row(desk.clock.now(), receipt=back, kes=kes, kind=RowKind.REVERSAL, linked=receipt)


async def paid_twice(desk: Desk, record: RecordDesk, *, named: Sequence[str] = TWO) -> Payment:
    """Two receipts for one prompt, of which the books name these; the first is credited."""
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await desk.post(payment, success(receipt=OTHER))
    await record.rows.take([a_row(desk.clock.now(), receipt=each) for each in named])
    return await desk.get(payment.id)


async def test_the_second_of_two_given_back_leaves_the_first_credited(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)
    assert payment.receipt == RECEIPT
    assert await opens(record) == [(OpenKind.TWICE, OTHER)]

    for source in (Source.PULL, Source.PORTAL):
        await record.rows.take([replace(gone(desk, OTHER), source=source)])
        await record.rows.look_again()

    after = await desk.get(payment.id)
    assert (after.credited_cents, after.reversed_cents) == (50_00, 0)
    assert Word.REVERSED not in after.words
    assert await opens(record) == []
    assert await state(record, OTHER) is RowState.CLOSED
    assert await state(record, BACK) is RowState.MATCHED
    await assert_replays(desk)


async def test_in_one_file_with_both_it_is_the_same(desk: Desk, record: RecordDesk) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await desk.post(payment, success(receipt=OTHER))
    rows = [gone(desk, OTHER), *(a_row(desk.clock.now(), receipt=each) for each in TWO)]

    await record.rows.take(rows)

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert await opens(record) == []


async def test_told_before_the_books_name_what_it_took_back_it_waits(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record, named=[])

    await record.rows.take([gone(desk, RECEIPT)])
    await record.rows.look_again()
    assert await opens(record) == [(OpenKind.REVERSAL, BACK)]
    assert (await desk.get(payment.id)).credited_cents == 50_00
    # The books name the other one first: that is what counts now.
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER)])
    desk.clock.advance(1)
    await record.rows.take([a_row(desk.clock.now(), receipt=RECEIPT)])
    await record.rows.look_again()

    after = await desk.get(payment.id)
    assert (after.receipt, after.credited_cents, after.reversed_cents) == (OTHER, 50_00, 0)
    assert await opens(record) == []
    assert await state(record, RECEIPT) is RowState.CLOSED


async def test_the_credited_one_given_back_is_taken_off_and_the_other_stays_open(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)

    await record.rows.take([gone(desk, RECEIPT)])

    assert (await desk.get(payment.id)).credited_cents == 0
    assert await opens(record) == [(OpenKind.TWICE, OTHER)]
    [open_one] = await record.open_differences()
    assert await record.assign(open_one.id, by=900, why="this one stayed") is Ruling.DONE
    assert await record.rows.net_cents() == 50_00


async def test_a_part_of_the_second_given_back_waits_for_a_person(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)

    await record.rows.take([gone(desk, OTHER, kes=20)])
    await record.rows.look_again()

    assert (await desk.get(payment.id)).credited_cents == 50_00
    twice, back = await record.open_differences()
    assert (twice.kind, back.kind) == (OpenKind.TWICE, OpenKind.REVERSAL)
    # It is not what this payment counts, whoever says so.
    assert await record.assign(back.id, to=payment.id, by=900, why="") is Ruling.CANNOT
    assert await record.assign(twice.id, by=900, why="paid twice") is Ruling.DONE
    await record.rows.look_again()
    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert (await born(desk, OTHER)).credited_cents == 30_00
    assert await opens(record) == []


async def test_of_a_second_receipt_that_a_person_closed_nothing_is_left_to_take_off(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)
    [twice] = await record.open_differences()
    await record.dismiss(twice.id, by=900, why="given back in the portal")

    await record.rows.take([gone(desk, OTHER)])

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert await opens(record) == []


async def test_a_person_who_gives_the_second_away_just_then_gives_away_what_is_there(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)
    [twice] = await record.open_differences()

    await asyncio.gather(
        record.assign(twice.id, by=900, why="paid twice"),
        record.rows.take([gone(desk, OTHER)]),
    )
    await record.rows.look_again()

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert await record.rows.net_cents() == 50_00
    assert await opens(record) == []


async def test_after_a_person_was_faster_it_is_taken_off_what_they_made_of_it(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await paid_twice(desk, record)
    [twice] = await record.open_differences()
    [back] = await kept(desk, record, gone(desk, OTHER))
    placing: Placing = record.rows.placing
    await record.assign(twice.id, by=900, why="paid twice")

    await placing.place(back, None)

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert (await born(desk, OTHER)).credited_cents == 0


@pytest.mark.both_engines
async def test_what_went_back_of_a_payment_says_nothing_of_a_receipt_told_later(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await record.rows.take([gone(desk, RECEIPT)])
    await desk.post(payment, success(receipt=OTHER))

    await record.rows.take([a_row(desk.clock.now() + timedelta(seconds=1), receipt=OTHER)])

    assert await record.rows.net_cents() == 0
    assert await opens(record) == [(OpenKind.TWICE, OTHER)]
    [open_one] = await record.open_differences()
    assert await record.assign(open_one.id, by=900, why="this one stayed") is Ruling.DONE
    assert await record.rows.net_cents() == 50_00


async def test_a_payment_by_hand_given_back_is_taken_off_that_one(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    reference = await by_hand_ref(desk, payment)
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER, reference=reference)])

    await record.rows.take([gone(desk, OTHER)])

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert (await born(desk, OTHER)).credited_cents == 0


# --- A person was faster than the machine that looked before ---


class Interrupted(Record):
    """A record whose look is followed by something else, before what it found is placed."""

    between: Callable[[], Awaitable[object]]

    async def _place(self, rows: Sequence[RecordRow]) -> dict[str, RowState]:
        await self.between()
        return await super()._place(rows)


@pytest.mark.both_engines
async def test_what_a_person_closes_while_it_is_being_placed_stays_closed(
    desk: Desk, record: RecordDesk
) -> None:
    """Else a merchant could take what an operator has just called none of ours."""
    rows = Interrupted(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        placing=record.rows.placing,
        wake=lambda: None,
    )

    async def others_place_it_and_it_is_closed() -> None:
        await record.rows.place_left()
        [one] = await record.open_differences()
        await record.dismiss(one.id, by=900, why="none of ours")

    rows.between = others_place_it_and_it_is_closed
    await rows.take([a_row(desk.clock.now())])

    after = await record.rows.get(RECEIPT)
    assert after is not None
    assert after.state is RowState.CLOSED
    assert await opens(record) == []
