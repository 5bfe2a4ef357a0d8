"""What treasurers may do in the core, on both engines; and what nobody else may."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from bot.core.drive_acts import Actor, Answer
from bot.core.drives import Named
from bot.core.restored import lift, mark
from storage.drive_tables import drive_edits, drive_entries
from storage.errors import StoreFailed
from storage.records import (
    Closing,
    Drive,
    DriveStatus,
    EntryKind,
    Kind,
    Payment,
    TreasurerState,
)
from storage.tx import Tx
from tests.core.bodies import success
from tests.core.drive_life import GROUP, OPENER, DriveLife, drives
from tests.fakes import fact, unit_of

__all__ = ["drives"]

MARY = Actor(id=OPENER, name="Mary")
STRANGER = Actor(id=5555, name="Stranger")
OPERATOR = Actor(id=900, name="Amina", operator=True)

Act = Callable[[DriveLife, Drive, Actor], Awaitable[Answer]]


async def cash(life: DriveLife, drive: Drive, by: Actor) -> Answer:
    return await life.treasury.cash(
        drive.id, by, amount_kes=500, name="Kamau", key="w:1", closing=Closing()
    )


async def correct(life: DriveLife, drive: Drive, by: Actor) -> Answer:
    return await life.treasury.correct(
        drive.id, by, change_kes=-200, reason="counted twice", key="w:2", closing=Closing()
    )


async def rename(life: DriveLife, drive: Drive, by: Actor) -> Answer:
    return await life.treasury.change(
        drive.id, by, what="title", value="Akinyi", told="Akinyi", closing=Closing()
    )


async def pause(life: DriveLife, drive: Drive, by: Actor) -> Answer:
    return await life.treasury.set_status(drive.id, by, DriveStatus.PAUSED, Closing())


async def close(life: DriveLife, drive: Drive, by: Actor) -> Answer:
    return await life.treasury.set_status(drive.id, by, DriveStatus.CLOSED, Closing())


@pytest.mark.parametrize("act", [cash, correct, rename, pause, close])
async def test_nobody_but_a_treasurer_or_an_operator_changes_anything(
    drives: DriveLife, act: Act
) -> None:
    drive = await drives.open()

    assert await act(drives, drive, STRANGER) is Answer.NOT_YOURS
    assert await drives.drives.get(drive.id) == drive
    assert (await drives.drives.totals(drive.id)).cents == 0
    assert await drives.treasury.trail(drive.id) == []

    assert await act(drives, drive, OPERATOR) is Answer.DONE


@pytest.mark.both_engines
async def test_cash_and_corrections_are_lines_that_nobody_can_rewrite(drives: DriveLife) -> None:
    drive = await drives.open()
    await cash(drives, drive, MARY)
    await cash(drives, drive, MARY)
    await correct(drives, drive, MARY)

    totals = await drives.drives.totals(drive.id)
    assert (totals.cash_cents, totals.cash_gifts) == (30_000, 1)
    entries = await drives.treasury.entries(drive.id)
    assert [(each.kind, each.cents, each.by_name, each.reason) for each in entries] == [
        (EntryKind.CASH, 50_000, "Mary", ""),
        (EntryKind.CORRECTION, -20_000, "Mary", "counted twice"),
    ]

    async def rewrite(tx: Tx) -> None:
        await tx.drives._connection.execute(update(drive_entries).values(cents=1))

    async def erase(tx: Tx) -> None:
        await tx.drives._connection.execute(delete(drive_entries))

    async def reason(tx: Tx) -> None:
        await tx.drives._connection.execute(update(drive_entries).values(reason=b"another"))

    for deed in (rewrite, erase, reason):
        with pytest.raises((StoreFailed, IntegrityError)):
            await drives.desk.store.write(deed)
    assert (await drives.drives.totals(drive.id)).cash_cents == 30_000


@pytest.mark.both_engines
async def test_every_change_leaves_a_trail_that_nobody_can_erase(drives: DriveLife) -> None:
    drive = await drives.open()
    assert await rename(drives, drive, MARY) is Answer.DONE
    assert await rename(drives, drive, MARY) is Answer.ALREADY
    await pause(drives, drive, MARY)

    trail = await drives.treasury.trail(drive.id)
    assert [(each.what, each.before, each.after, each.by_name) for each in trail] == [
        ("title", "Mama Akinyi hospital bill", "Akinyi", "Mary"),
        ("status", "open", "paused", "Mary"),
    ]

    async def erase(tx: Tx) -> None:
        await tx.drives._connection.execute(delete(drive_edits))

    async def rewrite(tx: Tx) -> None:
        await tx.drives._connection.execute(update(drive_edits).values(after=b"another"))

    for deed in (erase, rewrite):
        with pytest.raises((StoreFailed, IntegrityError)):
            await drives.desk.store.write(deed)


async def late_gift(drives: DriveLife, drive: Drive, **changes: Any) -> Payment:
    late = await drives.give(drive, 1, **changes)
    drives.desk.clock.advance(1)
    await close(drives, drive, MARY)
    drives.desk.clock.advance(60)
    push = len(drives.desk.daraja.pushes)
    await drives.desk.post(late, success(push, amount=500, receipt=f"UKN{push:07d}"))
    await drives.touched.run_due()
    return late


async def test_a_gift_after_closing_is_asked_about_once_however_late_one_looks(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    late = await drives.give(drive, 1)
    drives.desk.clock.advance(1)
    await close(drives, drive, MARY)
    await drives.touched.run_due()
    drives.desk.clock.advance(60)
    await drives.desk.post(late, success(1, amount=500, receipt="UKN0000001"))

    told: list[str] = []
    for _ in range(3):
        drives.desk.clock.advance(26 * 3600)
        await drives.touched.run_due()
        told += [each.topic for each in await drives.owed(OPENER)]
        await drives.desk.store.write(lambda tx: tx.touched.touch(drive.subject))

    assert told == [f"late:{late.id}"]


@pytest.mark.parametrize(("keep", "left"), [(True, 50_000), (False, 0)])
async def test_a_gift_after_closing_is_kept_or_handed_back_once(
    drives: DriveLife, *, keep: bool, left: int
) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive)

    async def decide(by: Actor, *, keep: bool) -> Answer:
        return await drives.treasury.decide_late(
            drive.id, by, payment_id=late.id, keep=keep, closing=Closing()
        )

    assert await decide(STRANGER, keep=keep) is Answer.NOT_YOURS
    assert await decide(MARY, keep=keep) is Answer.DONE
    assert await decide(MARY, keep=not keep) is Answer.ALREADY
    assert (await drives.drives.totals(drive.id)).cents == left


@pytest.mark.both_engines
async def test_what_was_handed_back_is_as_private_as_the_gift_was(drives: DriveLife) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive, anonymous=True, hide_amount=True)
    drives.desk.clock.advance(60)
    await drives.treasury.decide_late(
        drive.id, MARY, payment_id=late.id, keep=False, closing=Closing()
    )

    view = await drives.drives.card_view(drive.id)
    assert view is not None
    assert [(each.name, each.cents) for each in view.newest] == [(None, None)] * 2
    statement = await drives.treasury.statement(drive.id, MARY)
    assert statement is not None
    assert {row.name for row in statement.rows} == {"Jane"}


async def reverse(drives: DriveLife, payment: Payment, kes: int, *, receipt: str) -> None:
    """Safaricom's books: so much of this gift was taken back."""
    gone = fact(
        Kind.REVERSED,
        payment_id=payment.id,
        at=drives.desk.clock.now(),
        amount_cents=kes * 100,
        receipt=receipt,
    )
    await drives.desk.store.submit(unit_of(gone, claims=False), drives.desk.hear._settle)


async def hand_back(drives: DriveLife, drive: Drive, late: Payment) -> Answer:
    return await drives.treasury.decide_late(
        drive.id, MARY, payment_id=late.id, keep=False, closing=Closing()
    )


@pytest.mark.parametrize("parts", [(500,), (200, 300), (200, 200, 300), (1,)])
async def test_handed_back_and_taken_back_by_mpesa_too_counts_once(
    drives: DriveLife, parts: tuple[int, ...]
) -> None:
    drive = await drives.open()
    await drives.paid(drive, 7, amount_kes=1000)
    late = await late_gift(drives, drive)
    assert await hand_back(drives, drive, late) is Answer.DONE

    for number, kes in enumerate(parts):
        for _ in range(2):  # told twice, and looked at twice more
            await reverse(drives, late, kes, receipt=f"UKN9BACK0{number}")
            await drives.touched.run_due()
            await drives.desk.store.write(lambda tx: drives.drives.look(tx, drive.subject))
        assert (await drives.drives.totals(drive.id)).cents == 100_000

    statement = await drives.treasury.statement(drive.id, MARY)
    assert statement is not None
    assert sum(each.cents for each in statement.rows) == 100_000
    topics = [each.topic for each in await drives.owed(OPENER)]
    assert sum(each.startswith("went-back:") for each in topics) == len(
        [each for each in await drives.treasury.entries(drive.id) if each.kind == "went-back"]
    )


async def test_two_looks_at_one_moment_count_a_gift_once(drives: DriveLife) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive)
    await hand_back(drives, drive, late)
    await reverse(drives, late, 500, receipt="UKN9BACK01")

    def look(tx: Tx) -> Awaitable[None]:
        return drives.drives.look(tx, drive.subject)

    await asyncio.gather(*(drives.desk.store.write(look) for _ in range(4)))

    assert (await drives.drives.totals(drive.id)).cents == 0


@pytest.mark.both_engines
async def test_what_mpesa_took_back_before_is_not_handed_back_as_well(drives: DriveLife) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive)
    await reverse(drives, late, 200, receipt="UKN9BACK01")
    await drives.touched.run_due()

    assert await hand_back(drives, drive, late) is Answer.DONE
    assert (await drives.drives.totals(drive.id)).cents == 0
    await reverse(drives, late, 300, receipt="UKN9BACK02")
    await drives.touched.run_due()

    assert (await drives.drives.totals(drive.id)).cents == 0


async def test_of_a_gift_that_is_gone_nothing_is_decided(drives: DriveLife) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive)
    await reverse(drives, late, 500, receipt="UKN9BACK01")

    assert await hand_back(drives, drive, late) is Answer.ALREADY
    assert await drives.treasury.entries(drive.id) == []


async def test_a_gift_that_was_kept_and_taken_back_is_gone(drives: DriveLife) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive)
    await drives.treasury.decide_late(
        drive.id, MARY, payment_id=late.id, keep=True, closing=Closing()
    )

    await reverse(drives, late, 500, receipt="UKN9BACK01")
    await drives.touched.run_due()

    assert (await drives.drives.totals(drive.id)).cents == 0


async def test_a_gift_in_time_is_nobodys_to_hand_back(drives: DriveLife) -> None:
    drive = await drives.open()
    payment = await drives.paid(drive, 1)

    answer = await drives.treasury.decide_late(
        drive.id, MARY, payment_id=payment.id, keep=False, closing=Closing()
    )

    assert answer is Answer.ALREADY
    assert (await drives.drives.totals(drive.id)).cents == 50_000


async def test_closing_posts_what_it_came_to_once(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.owed(GROUP)

    assert await close(drives, drive, MARY) is Answer.DONE
    assert await close(drives, drive, MARY) is Answer.ALREADY
    drives.desk.clock.advance(10)
    topics = [each.topic.partition(":")[0] for each in await drives.owed(GROUP)]

    assert topics == ["closed", "statement"]
    await drives.touched.run_due()
    drives.desk.clock.advance(10)
    assert [each.topic for each in await drives.owed(GROUP)] == ["card:1"]


async def test_a_drive_whose_time_is_over_is_closed_by_itself(drives: DriveLife) -> None:
    drive = await drives.open(closes_at=drives.desk.clock.now() + timedelta(hours=1))
    await drives.treasury.close_due()
    assert await drives.drives.in_chat(GROUP) == [drive]

    drives.desk.clock.advance(3600)
    await drives.treasury.close_due()
    await drives.treasury.close_due()

    after = await drives.drives.get(drive.id)
    assert after is not None
    assert (after.status, after.closed_at) == (DriveStatus.CLOSED, drives.desk.clock.now())
    assert [each.by for each in await drives.treasury.trail(drive.id)] == [0]


async def test_no_drive_is_closed_on_a_total_that_a_backup_gives(drives: DriveLife) -> None:
    drive = await drives.open(closes_at=drives.desk.clock.now() + timedelta(hours=1))
    await mark(drives.desk.store, as_of=drives.desk.clock.now())
    drives.desk.clock.advance(3600)

    await drives.treasury.close_due()
    assert await drives.drives.in_chat(GROUP) == [drive]

    await lift(drives.desk.store)
    await drives.treasury.close_due()
    assert await drives.drives.in_chat(GROUP) == []


@pytest.mark.both_engines
async def test_a_drive_that_is_opened_again_takes_gifts_and_stays_open(drives: DriveLife) -> None:
    drive = await drives.open(closes_at=drives.desk.clock.now() + timedelta(hours=1))
    drives.desk.clock.advance(3600)
    await drives.treasury.close_due()
    answer = await drives.treasury.set_status(drive.id, MARY, DriveStatus.OPEN, Closing())
    assert answer is Answer.DONE
    await drives.treasury.close_due()

    await drives.paid(drive, 1)

    assert (await drives.drives.totals(drive.id)).cents == 50_000


ALI = Actor(id=1002, name="Ali")


async def test_a_treasurer_is_let_in_by_another_and_may_then_act(drives: DriveLife) -> None:
    drive = await drives.open()
    treasurers = drives.drives.treasurers
    assert await treasurers.ask_to_join(drive.id, ALI, Closing()) is Answer.DONE
    assert await treasurers.ask_to_join(drive.id, ALI, Closing()) is Answer.ALREADY
    assert await cash(drives, drive, ALI) is Answer.NOT_YOURS
    alone = await treasurers.agree(drive.id, ALI, person_id=ALI.id, yes=True, closing=Closing())
    assert alone is Answer.NOT_YOURS
    topics = [each.topic.partition(":")[0] for each in await drives.owed(OPENER)]
    assert topics == ["join"]

    let_in = await treasurers.agree(drive.id, MARY, person_id=ALI.id, yes=True, closing=Closing())

    assert let_in is Answer.DONE
    assert await cash(drives, drive, ALI) is Answer.DONE
    again = await treasurers.agree(drive.id, MARY, person_id=ALI.id, yes=True, closing=Closing())
    assert again is Answer.ALREADY


async def test_who_was_named_has_no_power_before_they_accept_and_accepts_once(
    drives: DriveLife,
) -> None:
    named = tuple(Named(id=each, name=f"P{each}") for each in (OPENER, 5001, 5002, 5003))
    drive = await drives.open(named=named)
    first, second, third = (Actor(id=each, name=f"P{each}") for each in (5001, 5002, 5003))

    async def accept(who: Actor, *, yes: bool = True) -> Answer:
        return await drives.drives.treasurers.accept(drive.id, who, yes=yes, closing=Closing())

    assert await pause(drives, drive, first) is Answer.NOT_YOURS
    assert [each.topic.partition(":")[0] for each in await drives.owed(5001)] == ["named"]
    assert await accept(STRANGER) is Answer.NOT_YOURS
    assert await accept(first) is Answer.DONE
    assert await accept(first) is Answer.ALREADY
    assert await pause(drives, drive, first) is Answer.DONE
    assert await accept(second) is Answer.DONE
    assert await accept(third) is Answer.FULL
    assert await accept(third, yes=False) is Answer.DONE
    assert await accept(third) is Answer.NOT_YOURS

    trail = await drives.treasury.trail(drive.id)
    assert [each.after for each in trail if each.what == "treasurers"] == ["+ P5001", "+ P5002"]
    told = [each.topic.partition(":")[0] for each in await drives.owed(OPENER)]
    assert told == ["accepted", "accepted", "declined"]


async def test_the_same_drive_opened_twice_asks_the_named_once(drives: DriveLife) -> None:
    named = (Named(id=5001, name="Ali"),)
    await drives.open(named=named)
    await drives.open(named=named)

    assert len(await drives.owed(5001)) == 1


async def test_three_treasurers_are_as_many_as_may_be(drives: DriveLife) -> None:
    drive = await drives.open()
    answers = []
    for number in range(1002, 1005):
        who = Actor(id=number, name=str(number))
        await drives.drives.treasurers.ask_to_join(drive.id, who, Closing())
        answers.append(
            await drives.drives.treasurers.agree(
                drive.id, MARY, person_id=number, yes=True, closing=Closing()
            )
        )

    assert answers == [Answer.DONE, Answer.DONE, Answer.FULL]


async def test_who_steps_down_is_replaced_by_the_others(drives: DriveLife) -> None:
    drive = await drives.open()
    treasurers = drives.drives.treasurers
    assert await treasurers.leave(drive.id, MARY, Closing()) is Answer.LAST
    await treasurers.ask_to_join(drive.id, ALI, Closing())
    await treasurers.agree(drive.id, MARY, person_id=ALI.id, yes=True, closing=Closing())
    await drives.owed(ALI.id)

    assert await treasurers.leave(drive.id, MARY, Closing()) is Answer.DONE
    assert await cash(drives, drive, MARY) is Answer.NOT_YOURS
    assert [each.topic.partition(":")[0] for each in await drives.owed(ALI.id)] == ["left"]
    await treasurers.ask_to_join(drive.id, MARY, Closing())
    back = await treasurers.agree(drive.id, ALI, person_id=OPENER, yes=True, closing=Closing())
    assert back is Answer.DONE
    async with drives.desk.store.read() as tx:
        states = [each.state for each in await tx.drives.treasurers(drive.id)]
    assert states == [TreasurerState.ACCEPTED] * 2


@pytest.mark.parametrize("seed", [0, 1])
async def test_whatever_becomes_of_late_gifts_each_counts_for_what_is_left_of_it(
    drives: DriveLife, seed: int
) -> None:
    """Decided before, between and after what M-Pesa takes back, in parts, told and looked twice."""
    dice = random.Random(seed)
    drive = await drives.open()
    late = [await drives.give(drive, number, amount_kes=500) for number in range(6)]
    drives.desk.clock.advance(1)
    await close(drives, drive, MARY)
    drives.desk.clock.advance(60)
    for number, gift in enumerate(late, start=1):
        body = success(number, amount=500, receipt=f"UKN{number:07d}")
        await drives.desk.post(gift, body)
    left = {gift.id: 500 for gift in late}
    decided: dict[str, bool] = {}  # and whether it stays

    for step in range(40):
        gift = dice.choice(late)
        if dice.random() < 0.3:
            keep = dice.random() < 0.25
            answer = await drives.treasury.decide_late(
                drive.id, MARY, payment_id=gift.id, keep=keep, closing=Closing()
            )
            fresh = gift.id not in decided and left[gift.id] > 0
            assert (answer is Answer.DONE) is fresh
            if fresh:
                decided[gift.id] = keep
        elif left[gift.id]:
            kes = dice.choice([left[gift.id], *(dice.randint(1, left[gift.id]) for _ in range(3))])
            left[gift.id] -= kes
            for _ in range(2):
                await reverse(drives, gift, kes, receipt=f"UKN9{step:06d}")
        if dice.random() < 0.6:
            await drives.touched.run_due()
            await drives.desk.store.write(lambda tx: drives.drives.look(tx, drive.subject))
            counts = sum(kes for each, kes in left.items() if decided.get(each, True))
            assert (await drives.drives.totals(drive.id)).cents == counts * 100

    handed_back = [each for each, keep in decided.items() if not keep]
    assert handed_back, "the story tells too little"
    assert "went-back" in [each.kind for each in await drives.treasury.entries(drive.id)]


@pytest.mark.both_engines
async def test_what_is_at_work_is_found_before_many_that_are_closed(drives: DriveLife) -> None:
    old = await drives.open()
    for number in range(20):
        drives.desk.clock.advance(60)
        other = await drives.open(open_key=f"m:-701:{number}", title="Weekly", chat_id=GROUP - 1)
        if number < 19:
            await close(drives, other, MARY)

    first = await drives.drives.of_treasurer(OPENER)
    assert [each.id for each in first][:2] == [other.id, old.id]
    assert len(first) == 20
    assert {each.id for each in await drives.drives.known_to(OPENER)} == {other.id, old.id}
    [here] = await drives.drives.of_treasurer(OPENER, chat_id=GROUP)
    assert here.id == old.id
