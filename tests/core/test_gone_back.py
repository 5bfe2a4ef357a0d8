"""Gone back: money of nobody that M-Pesa took back is given to nobody, and credits nobody."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.building import finders_of
from bot.core.bills import Standing
from bot.core.counter import Whose
from bot.core.placing import Placing
from bot.core.ports import Ids
from bot.core.record_desk import RecordDesk
from bot.core.references import ByHand
from bot.core.rulings import Ruling
from bot.core.told_rows import Placed
from storage.records import (
    NewRecordRow,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    Source,
    Status,
)
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.shop import OPERATOR, Shop
from tests.core.test_counter import came, give, prompted, seen, shop
from tests.core.test_one_reversal import went_back
from tests.core.test_placed_once import BACK, state
from tests.core.test_record import RECEIPT, a_row, assert_replays, opens
from tests.core.test_review import review_of
from tests.desk import a_desk
from tests.fakes import PHONE
from tests.stores import TestClock

__all__ = ["shop"]

ANOTHER = "UKN9BACKBA"


def back(clock: TestClock, *, kes: float = 1500, receipt: str = BACK, **more: Any) -> NewRecordRow:
    known = {"kind": RowKind.REVERSAL, "linked": RECEIPT, "source": Source.PORTAL}
    return a_row(clock.now(), receipt=receipt, kes=kes, **{**known, **more})


async def dismiss(record: RecordDesk, receipt: str = BACK) -> Ruling:
    [found] = [each for each in await record.open_differences() if each.receipt == receipt]
    return await record.dismiss(found.id, by=OPERATOR, why="paid by mistake")


async def assign(record: RecordDesk, to: str) -> Ruling:
    [found] = [each for each in await record.open_differences() if each.receipt == RECEIPT]
    return await record.assign(found.id, to=to, by=OPERATOR, why="theirs")


async def turns(record: RecordDesk) -> None:
    """The jobs that place what waits."""
    await record.rows.place_left()
    await record.rows.look_again()


# --- At the counter ---


@pytest.mark.both_engines
@pytest.mark.parametrize("kes", [1500, 0.5])
async def test_what_went_back_is_nobodys_to_take(
    shop: Shop, record: RecordDesk, clock: TestClock, kes: float
) -> None:
    view = await shop.issue()
    await came(record, clock)
    await record.rows.take([back(clock, kes=kes)])

    shown = await seen(record)

    assert (shown.whose, shown.sure, shown.offers) == (Whose.RETURNED, False, ())
    assert (shown.amount_cents, shown.gone_back_cents) == (None, round(kes * 100))
    assert await give(record, view.invoice) is Ruling.CANNOT
    await turns(record)
    assert (await shop.view(view)).standing is Standing.OPEN
    assert await record.rows.net_cents() == 0


async def test_nor_is_it_once_a_person_has_closed_the_reversal(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    view = await shop.issue()
    await came(record, clock)
    rows = [back(clock)]
    await record.rows.take(rows)

    assert await dismiss(record) is Ruling.DONE

    # Nothing of that money is left: it is closed too, by the same person.
    assert await opens(record) == []
    async with shop.desk.store.read() as tx:
        closed = await tx.record.of_receipt(RECEIPT)
    assert [(each.closed_by, each.why) for each in closed] == [(OPERATOR, "paid by mistake")]
    assert (await seen(record)).whose is Whose.RETURNED
    assert await give(record, view.invoice) is Ruling.CANNOT
    await record.rows.take(rows)
    await turns(record)
    assert await record.rows.net_cents() == 0
    assert await state(record, BACK) is RowState.CLOSED


async def test_where_the_reversal_was_closed_before_the_money_came_into_the_books(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    view = await shop.issue()
    await record.rows.take([back(clock)])
    await dismiss(record)

    await came(record, clock)

    assert (await seen(record)).whose is Whose.RETURNED
    assert await give(record, view.invoice) is Ruling.CANNOT


async def test_of_what_went_back_and_may_be_a_prompts_no_amount_is_told(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    await prompted(shop, "0")
    await came(record, clock)
    await record.rows.take([back(clock)])

    shown = await seen(record)

    assert (shown.whose, shown.gone_back_cents) == (Whose.RETURNED, 0)


class Overtaken(Placing):
    """The books tell the reversal while a merchant takes the money."""

    meanwhile: Callable[[], Awaitable[object]]
    before: bool

    async def bear(self, row: RecordRow, owner: ByHand | str, **more: Any) -> Placed:
        if self.before:
            await self.meanwhile()
        born = await super().bear(row, owner, **more)
        if not self.before:
            await self.meanwhile()
        return born


@pytest.mark.both_engines
@pytest.mark.parametrize("before", [True, False])
async def test_whoever_takes_it_at_that_very_moment_is_credited_nothing(
    shop: Shop, record: RecordDesk, clock: TestClock, before: bool
) -> None:
    view = await shop.issue()
    await came(record, clock)
    ids = Ids(random.Random(12).randbytes)
    slow = Overtaken(
        store=shop.desk.store,
        settle=shop.desk.hear._settle,
        clock=clock,
        ids=ids,
        finders=finders_of(ids, clock),
        confirm_above_kes=5000,
    )
    slow.before = before

    async def kept_and_waiting() -> None:
        rows = [back(clock)]
        await shop.desk.store.write(lambda tx: tx.record.keep(rows, now=clock.now()))

    slow.meanwhile = kept_and_waiting
    record.rulings._placing = slow

    given = await give(record, view.invoice)

    assert given is (Ruling.CANNOT if before else Ruling.DONE)
    assert (await shop.view(view)).standing is Standing.OPEN
    assert await record.rows.net_cents() == 0


# --- Given to somebody by an operator ---


@pytest.mark.both_engines
@pytest.mark.parametrize("dismissed", [True, False])
async def test_whoever_it_is_given_to_bears_what_went_back_at_once(
    desk: Desk, record: RecordDesk, clock: TestClock, dismissed: bool
) -> None:
    payment = await desk.ask(amount_kes=1500)
    await came(record, clock)
    await record.rows.take([back(clock, kes=500)])
    if dismissed:
        await dismiss(record)
        # What is left of it is not closed with the part that went back.
        assert await opens(record) == [(OpenKind.UNMATCHED, RECEIPT)]

    assert await assign(record, payment.id) is Ruling.DONE

    after = await desk.get(payment.id)
    assert (after.status, after.credited_cents, after.reversed_cents) == (
        Status.PAID,
        1000_00,
        500_00,
    )
    assert await opens(record) == []
    assert await state(record, BACK) is RowState.MATCHED
    await assert_replays(desk)


async def test_parts_that_were_closed_close_it_once_they_are_the_whole(
    record: RecordDesk, clock: TestClock
) -> None:
    await came(record, clock)
    await record.rows.take([back(clock, kes=500), back(clock, kes=1000, receipt=ANOTHER)])

    await dismiss(record)
    assert (OpenKind.UNMATCHED, RECEIPT) in await opens(record)
    await dismiss(record, ANOTHER)

    assert await opens(record) == []


@pytest.mark.both_engines
async def test_after_a_death_in_between_the_job_takes_it_off(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    payment = await desk.ask()
    await record.rows.take([a_row(clock.now()), back(clock, kes=50)])
    await dismiss(record)
    # A callback that comes late names it: nobody is asked, and nobody places anything.
    await desk.post(payment, success(receipt=RECEIPT))
    assert await record.rows.net_cents() == 50_00

    for _ in range(2):
        await turns(a_desk(desk.store, clock, seed=12))

    assert (await desk.get(payment.id)).credited_cents == 0
    assert await opens(record) == []
    assert await state(record, BACK) is RowState.MATCHED
    await assert_replays(desk)


async def test_what_a_person_closed_stays_closed_while_nobody_has_that_money(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    await record.rows.take([back(clock)])
    await dismiss(record)

    await turns(record)
    await record.rows.take([back(clock)])

    assert await state(record, BACK) is RowState.CLOSED
    assert await opens(record) == []


async def test_what_a_person_gave_to_one_is_anothers_once_the_books_know_whose_it_was(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    one = await desk.post(await desk.ask(), success(1, receipt="UKN5ABCDEF"))
    clock.advance(600)
    two = await desk.ask(ask_key="m:2", phone="254722000111")
    await record.rows.take([back(clock, kes=50)])
    [found] = await record.open_differences()
    await record.assign(found.id, to=one.id, by=OPERATOR, why="")
    assert (await desk.get(one.id)).credited_cents == 0

    await desk.post(two, success(2, receipt=RECEIPT))
    await turns(record)
    await turns(record)

    left = [(await desk.get(each.id)).credited_cents for each in (one, two)]
    assert left == [50_00, 0]
    await assert_replays(desk)


# --- The receipt that it takes back is told later ---


@pytest.mark.both_engines
@pytest.mark.parametrize("dismissed", [True, False])
async def test_of_two_forms_of_a_statement_either_may_be_read_first(
    desk: Desk, record: RecordDesk, clock: TestClock, dismissed: bool
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await record.rows.take([back(clock, kes=50, linked=None)])
    assert await opens(record) == [(OpenKind.REVERSAL, BACK)]
    if dismissed:
        await dismiss(record)

    await record.rows.take([back(clock, kes=50)])
    await turns(record)
    await record.rows.take([back(clock, kes=50, linked=None)])

    row = await record.rows.get(BACK)
    assert row is not None
    assert (row.linked, row.state, row.payment_id) == (RECEIPT, RowState.MATCHED, payment.id)
    after = await desk.get(payment.id)
    assert (after.credited_cents, after.reversed_cents) == (0, 50_00)
    assert await opens(record) == []
    await assert_replays(desk)


@pytest.mark.both_engines
@pytest.mark.parametrize("typed", [True, False])
async def test_what_a_person_said_of_another_payment_moves_to_the_one_that_is_named_later(
    desk: Desk, record: RecordDesk, clock: TestClock, typed: bool
) -> None:
    one = await desk.post(await desk.ask(), success(1, receipt=RECEIPT))
    clock.advance(600)
    two = await desk.ask(ask_key="m:2", phone="254722000111")
    two = await desk.post(two, success(2, receipt="UKN5ABCDEF"))
    if typed:
        await review_of(desk).decide(went_back(two))
        await record.rows.take([back(clock, kes=50, linked=None)])
    else:
        await record.rows.take([back(clock, kes=50, linked=None)])
        [found] = await record.open_differences()
        await record.assign(found.id, to=two.id, by=OPERATOR, why="")
    assert (await desk.get(two.id)).credited_cents == 0

    await record.rows.take([back(clock, kes=50)])

    left = [(await desk.get(each.id)).credited_cents for each in (one, two)]
    assert left == [0, 50_00]
    assert await opens(record) == []
    await assert_replays(desk)


async def test_what_is_told_twice_in_one_file_has_the_receipt_too(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))

    await record.rows.take([back(clock, kes=50, linked=None), back(clock, kes=50)])

    assert (await desk.get(payment.id)).credited_cents == 0
    assert await opens(record) == []


async def test_which_receipt_was_named_first_stays(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await record.rows.take([back(clock, kes=50, linked="UKN4ABCDEF")])

    await record.rows.take([back(clock, kes=50)])

    assert (await desk.get(payment.id)).credited_cents == 50_00
    assert await opens(record) == [(OpenKind.REVERSAL, BACK)]


# --- A person says whose it was, where the books do not ---


async def suggested(record: RecordDesk, receipt: str = BACK) -> list[tuple[str, bool | None]]:
    found = await record.rows.suggestions(receipt)
    return [(each.payment.id, each.number_fits) for each in found]


async def credited(desk: Desk, number: int, *, kes: int = 50, phone: str = PHONE) -> Payment:
    desk.clock.advance(200)
    payment = await desk.ask(ask_key=f"m:{number}", amount_kes=kes, phone=phone)
    body = success(number, amount=float(kes), receipt=f"UKN{number}ABCDEF")
    return await desk.post(payment, body)


@pytest.mark.both_engines
async def test_only_what_is_credited_may_have_gone_back_and_the_likeliest_comes_first(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    more = await credited(desk, 1, kes=70)
    fits = await credited(desk, 2)
    await credited(desk, 3, kes=49)
    await credited(desk, 4, phone="254722000111")  # another number
    prompt = await desk.ask(ask_key="m:5", phone="254722000222")
    await record.rows.take([back(clock, kes=50, linked=None, payer="2547****678 - ASHA")])

    assert await suggested(record) == [(fits.id, True), (more.id, True)]

    clock.advance(600)
    difference = (await record.open_differences())[0].id
    for payment in (prompt, await credited(desk, 6, kes=49)):
        ruled = await record.assign(difference, to=payment.id, by=OPERATOR, why="")
        assert ruled is Ruling.CANNOT
    # Whoever answers that prompt after all is credited all of it.
    prompt = await desk.post(prompt, success(5, receipt="UKN5ABCDEF"))
    assert (prompt.credited_cents, prompt.reversed_cents) == (50_00, 0)
    assert await opens(record) == [(OpenKind.REVERSAL, BACK)]


async def test_one_reversal_is_not_hidden_behind_another_of_the_same_payment(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    one, two = await credited(desk, 1), await credited(desk, 2)
    await record.rows.take([back(clock, kes=50)])
    assert (await desk.get(one.id)).credited_cents == 0
    await record.rows.take([back(clock, kes=50, linked=None, receipt=ANOTHER)])
    difference = (await record.open_differences())[0].id

    assert await suggested(record, ANOTHER) == [(two.id, True)]
    ruled = [
        await record.assign(difference, to=each.id, by=OPERATOR, why="") for each in (one, two)
    ]

    assert ruled == [Ruling.CANNOT, Ruling.DONE]
    assert await record.rows.net_cents() == 0


async def test_who_says_so_a_moment_after_another_took_all_of_it_back_is_not_believed(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    payment = await credited(desk, 1)
    await record.rows.take([back(clock, kes=50, linked=None)])
    row = await record.rows.get(BACK)
    assert row is not None
    await record.rows.take([back(clock, kes=50, receipt=ANOTHER)])

    assert not await record.rows.placing.reversals.tell(payment.id, row)


async def test_a_reversal_that_names_a_receipt_is_of_no_payment_with_another(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    await credited(desk, 2)
    await record.rows.take([back(clock, kes=50)])

    assert await suggested(record) == []


async def test_where_two_amounts_went_back_the_payment_that_bears_it_is_suggested(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    payment = await credited(desk, 1)
    await credited(desk, 2)
    await record.rows.take([back(clock, kes=50)])
    await record.rows.take([back(clock, kes=20, source=Source.PULL)])

    assert await suggested(record) == [(payment.id, None)]
