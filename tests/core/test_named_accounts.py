"""Whose account the books name: a drive's, an invoice's; and what they name only afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.bills import Standing
from bot.core.counter import Whose
from bot.core.decisions import Verdict
from bot.core.record_desk import RecordDesk
from bot.core.rulings import Ruling
from storage.records import (
    Alarm,
    NewRecordRow,
    OpenDifference,
    OpenKind,
    Payment,
    RowState,
    Source,
    Status,
    Word,
)
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.drive_life import DriveLife, drives
from tests.core.shop import NJERI, Shop, shop
from tests.core.test_counter import RIVAL, give, nothing_told, seen
from tests.core.test_hear import alarms
from tests.core.test_record import RECEIPT, a_row, assert_replays, born, opens, record
from tests.core.test_review import AMINA, credit, review_of

__all__ = ["drives", "record", "shop"]

BOOKS = Source.PORTAL


async def typed_for(desk: Desk, *, amount_kes: int = 1500) -> Payment:
    """An operator counts that code for somebody's prompt, before the books name it."""
    other = await desk.ask(amount_kes=amount_kes, ask_key="m:77", phone="254722000111")
    review = review_of(desk, two_people_above_kes=50_000)
    assert await review.decide(credit(other, receipt=RECEIPT)) is Verdict.DONE
    return other


async def one_open(record: RecordDesk) -> OpenDifference:
    [found] = await record.open_differences()
    return found


# --- The account of a drive or an invoice, and money that somebody else has ---


@pytest.mark.both_engines
async def test_a_typed_code_that_is_an_invoices_waits_for_a_person(
    desk: Desk, shop: Shop, record: RecordDesk
) -> None:
    view = await shop.issue()
    other = await typed_for(desk)

    reference = view.invoice.by_hand_ref
    row = a_row(desk.clock.now(), reference=reference, kes=1500, source=BOOKS)
    await record.rows.take([row])

    assert await opens(record) == [(OpenKind.REVIEW, RECEIPT)]
    assert (await desk.get(other.id)).status is Status.PAID
    assert Alarm.UNMATCHED in await alarms(desk)


async def test_nor_is_one_that_is_a_drives_called_known(
    desk: Desk, drives: DriveLife, record: RecordDesk
) -> None:
    drive = await drives.open()
    await typed_for(desk)

    row = a_row(desk.clock.now(), reference=drive.reference, kes=1500, source=BOOKS)
    await record.rows.take([row])

    assert await opens(record) == [(OpenKind.REVIEW, RECEIPT)]


async def test_a_code_that_a_post_gave_to_another_pays_the_invoice_that_it_names(
    desk: Desk, shop: Shop, record: RecordDesk
) -> None:
    view = await shop.issue()
    other = await desk.ask(amount_kes=1500)
    await desk.post(other, success(amount=1500, receipt=RECEIPT))

    row = a_row(
        desk.clock.now(), reference=view.invoice.by_hand_ref, kes=1500, source=Source.PORTAL
    )
    await record.rows.take([row])

    assert (await shop.view(view)).standing is Standing.PAID
    assert Word.CONTRADICTED in (await desk.get(other.id)).words
    assert Alarm.RECEIPT_HELD in await alarms(desk)
    await assert_replays(desk)


async def test_a_gift_to_the_same_drive_keeps_its_code(
    desk: Desk, drives: DriveLife, record: RecordDesk
) -> None:
    drive = await drives.open()
    gift = await drives.paid(drive, amount_kes=500)
    assert gift.receipt is not None

    row = a_row(desk.clock.now(), receipt=gift.receipt, reference=drive.reference, kes=500)
    await record.rows.take([row])

    assert await opens(record) == []
    assert (await desk.get(gift.id)).confirmed


async def test_a_draft_takes_no_code_from_anybody(
    desk: Desk, shop: Shop, record: RecordDesk
) -> None:
    draft = await shop.make(draft=True)
    other = await typed_for(desk)

    reference = draft.view.invoice.by_hand_ref  # type: ignore[union-attr]  # it was made
    await record.rows.take([a_row(desk.clock.now(), reference=reference, kes=1500)])

    assert await opens(record) == []
    assert (await desk.get(other.id)).confirmed


# --- An account that is named only after the money was given away ---


def by_code(full: NewRecordRow) -> NewRecordRow:
    """As Safaricom answers when asked about the code: without an account."""
    return replace(full, reference="", source=Source.STATUS)


@pytest.mark.both_engines
async def test_no_merchant_takes_money_whose_account_is_not_told_yet(
    desk: Desk, shop: Shop, record: RecordDesk
) -> None:
    await shop.appoint(RIVAL)
    owed, other = await shop.issue(by=RIVAL), await shop.issue(by=NJERI)
    full = a_row(desk.clock.now(), reference=owed.invoice.by_hand_ref, kes=1500)
    await record.rows.take([by_code(full)])

    shown = await seen(record)
    assert shown.whose is Whose.UNNAMED
    assert nothing_told(shown)
    assert await give(record, other.invoice) is Ruling.CANNOT

    await record.rows.take([full])
    assert (await shop.view(owed)).standing is Standing.PAID
    assert (await shop.view(other)).standing is Standing.OPEN
    assert await opens(record) == []


async def test_what_is_told_without_an_account_at_last_is_free(
    desk: Desk, shop: Shop, record: RecordDesk
) -> None:
    view = await shop.issue()
    full = a_row(desk.clock.now(), reference="", kes=1500)
    await record.rows.take([by_code(full)])
    await record.rows.take([full])

    assert (await seen(record)).whose is Whose.FREE
    assert await give(record, view.invoice) is Ruling.DONE


@pytest.mark.parametrize("at_first", ["typed", "posted", "assigned"])
async def test_a_person_hears_whose_it_was_and_can_give_it_to_them(
    desk: Desk, record: RecordDesk, at_first: str
) -> None:
    mine = await desk.ask(amount_kes=50)
    full = a_row(desk.clock.now(), reference=mine.push_ref, source=BOOKS)
    if at_first == "typed":
        other = await typed_for(desk, amount_kes=50)
        await record.rows.take([by_code(full)])
    elif at_first == "posted":
        other = await desk.ask(ask_key="m:77", phone="254722000111")
        await desk.post(other, success(2, amount=50, receipt=RECEIPT))
        await record.rows.take([by_code(full)])
    else:
        other = await desk.ask(ask_key="m:77", phone="254722000111")
        await record.rows.take([by_code(full)])
        waits = await one_open(record)
        assert await record.assign(waits.id, to=other.id, by=AMINA, why="seen") is Ruling.DONE
    assert await opens(record) == []

    for _ in range(2):  # the same statement again says nothing more
        await record.rows.take([full])
        await record.rows.look_again()

    found = await one_open(record)
    assert (found.kind, found.receipt, found.payment_id) == (OpenKind.REVIEW, RECEIPT, other.id)
    assert Alarm.UNMATCHED in await alarms(desk)
    ruled = await record.assign(found.id, to=mine.id, by=AMINA, why="as the books say")
    assert ruled is Ruling.DONE
    now, was = await desk.get(mine.id), await desk.get(other.id)
    assert (now.status, now.receipt, now.credited_cents) == (Status.PAID, RECEIPT, 50_00)
    assert (was.receipt, Word.CONTRADICTED in was.words) == (None, True)
    assert await opens(record) == []
    await assert_replays(desk)


@pytest.mark.both_engines
async def test_after_a_death_in_between_it_is_given_when_it_is_pressed_again(
    desk: Desk, record: RecordDesk
) -> None:
    """Taken from the one, and not yet given to the other: it still stands in the queue."""
    mine = await desk.ask(amount_kes=50)
    other = await typed_for(desk, amount_kes=50)
    full = a_row(desk.clock.now(), reference=mine.push_ref, source=BOOKS)
    await record.rows.take([by_code(full)])
    await record.rows.take([full])
    found = await one_open(record)
    row = await record.rows.get(RECEIPT)
    assert row is not None

    assert await record.rows.placing.take_away(row, other.id, mine, by=AMINA)
    assert await opens(record) == [(OpenKind.REVIEW, RECEIPT)]
    for _ in range(2):
        await record.assign(found.id, to=mine.id, by=AMINA, why="as the books say")

    now, was = await desk.get(mine.id), await desk.get(other.id)
    assert (now.status, now.receipt, now.credited_cents) == (Status.PAID, RECEIPT, 50_00)
    assert was.receipt is None
    assert await opens(record) == []
    await assert_replays(desk)


async def test_or_leaves_it_where_it_is(desk: Desk, record: RecordDesk) -> None:
    mine = await desk.ask(amount_kes=50)
    other = await typed_for(desk, amount_kes=50)
    full = a_row(desk.clock.now(), reference=mine.push_ref, source=BOOKS)
    await record.rows.take([by_code(full)])
    await record.rows.take([full])
    found = await one_open(record)

    assert await record.assign(found.id, by=AMINA, why="so it is") is Ruling.DONE

    assert (await desk.get(other.id)).receipt == RECEIPT
    assert (await desk.get(mine.id)).status is Status.PROMPTED
    await record.rows.take([full])
    assert await opens(record) == []


async def test_nobody_else_is_given_it_by_a_slip(desk: Desk, record: RecordDesk) -> None:
    """Only whom the books name; a third payment cannot take what they said is another's."""
    mine = await desk.ask(amount_kes=50)
    other = await typed_for(desk, amount_kes=50)
    third = await desk.ask(ask_key="m:78", phone="254733000111")
    full = a_row(desk.clock.now(), reference=mine.push_ref, source=BOOKS)
    await record.rows.take([by_code(full)])
    await record.rows.take([full])
    found = await one_open(record)

    assert await record.assign(found.id, to=third.id, by=AMINA, why="slip") is Ruling.HELD

    assert (await desk.get(other.id)).receipt == RECEIPT
    assert (await desk.get(third.id)).status is Status.PROMPTED


async def test_an_account_that_is_its_own_or_nobodys_opens_nothing(
    desk: Desk, record: RecordDesk
) -> None:
    other = await typed_for(desk, amount_kes=50)
    full = a_row(desk.clock.now(), reference=other.push_ref, source=BOOKS)
    await record.rows.take([by_code(full)])
    await record.rows.take([full])
    assert await opens(record) == []
    async with desk.store.read() as tx:
        kept = await tx.record.get(RECEIPT)
    assert kept is not None
    assert (kept.reference, kept.state) == (other.push_ref, RowState.MATCHED)

    rent = a_row(desk.clock.now(), receipt="UKN3ABCDEF", reference="RENT", source=BOOKS)
    await record.rows.take([by_code(rent)])
    await record.dismiss((await one_open(record)).id, by=AMINA, why="rent")
    await record.rows.take([rent])
    assert await opens(record) == []


async def test_what_was_put_aside_is_looked_at_again_if_it_was_somebodys(
    desk: Desk, drives: DriveLife, record: RecordDesk
) -> None:
    drive = await drives.open()
    full = a_row(desk.clock.now(), reference=drive.reference, source=BOOKS)
    await record.rows.take([by_code(full)])
    await record.dismiss((await one_open(record)).id, by=AMINA, why="none of ours")

    await record.rows.take([full])

    assert await opens(record) == [(OpenKind.REVIEW, RECEIPT)]


async def test_money_that_a_payment_was_made_of_stays_with_it(
    desk: Desk, record: RecordDesk
) -> None:
    """A liar who knew both ids gave the prompt another code: what the books name waits, and is lost
    to nobody by an operator who says that it is the prompt's."""
    mine = await desk.ask(amount_kes=50)
    await desk.post(mine, success(amount=50, receipt="ZHR9KBPC9K"))
    await record.rows.take([a_row(desk.clock.now(), reference=mine.push_ref, source=BOOKS)])
    waits = await one_open(record)
    assert (waits.kind, waits.payment_id) == (OpenKind.REVIEW, (await born(desk)).id)

    assert await record.assign(waits.id, to=mine.id, by=AMINA, why="as it says") is Ruling.COUNTED

    assert await opens(record) == [(OpenKind.REVIEW, RECEIPT)]
    assert (await born(desk)).receipt == RECEIPT
    assert await record.assign(waits.id, by=AMINA, why="two") is Ruling.COUNTED
    theirs = a_row(desk.clock.now(), reference=mine.push_ref, receipt="ZHR9KBPC9K", source=BOOKS)
    await record.rows.take([theirs])  # no liar: two payments came
    assert await record.assign(waits.id, by=AMINA, why="two") is Ruling.DONE
    assert (await born(desk)).credited_cents == 50_00
    await assert_replays(desk)
