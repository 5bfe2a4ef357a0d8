"""Gifts that count only after a drive was closed, though something was said of them before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.drive_acts import Actor, Answer
from bot.core.people import FIRST_PSEUDONYM
from storage.records import (
    NOBODY,
    Closing,
    Drive,
    DriveStatus,
    EntryKind,
    Kind,
    NoticeKind,
    Payment,
    Status,
    TreasurerState,
)
from storage.tx import Tx
from tests.core.bodies import failure, success
from tests.core.drive_life import GROUP, OPENER, OPERATOR, DriveLife, drives
from tests.fakes import fact, unit_of

__all__ = ["drives"]

MARY = Actor(id=OPENER, name="Mary")
ALI = Actor(id=1007, name="Ali")


async def become(life: DriveLife, drive: Drive, status: DriveStatus) -> None:
    assert await life.treasury.set_status(drive.id, MARY, status, Closing()) is Answer.DONE
    await life.touched.run_due()


async def doubted(life: DriveLife, drive: Drive) -> Payment:
    """A gift that a query calls paid while its prompt may still be open: so far that is a word."""
    asked = await life.give(drive, 1, amount_kes=6000)
    life.desk.clock.advance(60)
    said = fact(Kind.QUERY_PAID, payment_id=asked.id, at=life.desk.clock.now())
    await life.desk.store.submit(unit_of(said), life.desk.hear._settle)
    assert (await life.desk.get(asked.id)).status is Status.CONFIRMING
    return asked


async def came(life: DriveLife, asked: Payment) -> None:
    """The callback, which makes the word of the query money."""
    life.desk.clock.advance(10)
    push = [each.reference for each in life.desk.daraja.pushes].index(asked.push_ref) + 1
    body = success(push, amount=asked.amount_kes, receipt=f"UKN{push:07d}")
    assert (await life.desk.post(asked, body)).status is Status.PAID
    await life.touched.run_due()


async def topics(life: DriveLife, chat_id: int = OPENER) -> list[str]:
    """What this chat is told; what others are owed is told them too, and gone."""
    return [each.topic.partition(":")[0] for each in await life.owed(chat_id)]


async def decide(life: DriveLife, drive: Drive, gift: Payment, *, keep: bool = False) -> Answer:
    return await life.treasury.decide_late(
        drive.id, MARY, payment_id=gift.id, keep=keep, closing=Closing()
    )


@pytest.mark.both_engines
async def test_what_was_only_a_word_when_it_was_closed_is_asked_about_once(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    gift = await doubted(drives, drive)
    drives.desk.clock.advance(10)
    await become(drives, drive, DriveStatus.CLOSED)
    assert (await drives.drives.totals(drive.id)).cents == 0
    assert await decide(drives, drive, gift) is Answer.ALREADY
    assert await topics(drives) == []

    await came(drives, gift)

    assert await topics(drives) == ["late"]
    await drives.desk.store.write(lambda tx: tx.touched.touch(drive.subject))
    await drives.touched.run_due()
    assert await topics(drives) == []
    assert await decide(drives, drive, gift) is Answer.DONE
    assert await decide(drives, drive, gift, keep=True) is Answer.ALREADY
    assert (await drives.drives.totals(drive.id)).cents == 0


@pytest.mark.both_engines
async def test_what_was_heard_before_closing_and_settled_after_it_is_asked_about(
    drives: DriveLife,
) -> None:
    # As from a process that stood still, or of evidence that was kept first and settled later.
    drive = await drives.open()
    gift = await drives.give(drive, 1)
    drives.desk.clock.advance(130)
    heard_at = drives.desk.clock.now()
    drives.desk.clock.advance(10)
    await become(drives, drive, DriveStatus.CLOSED)
    said = fact(Kind.QUERY_PAID, payment_id=gift.id, at=heard_at)
    await drives.desk.store.submit(unit_of(said), drives.desk.hear._settle)
    drives.desk.clock.advance(26 * 3600)
    await drives.touched.run_due()

    assert await topics(drives) == ["late"]
    assert await decide(drives, drive, gift, keep=True) is Answer.DONE


async def test_what_counted_before_closing_is_not_asked_about(drives: DriveLife) -> None:
    drive = await drives.open()
    gift = await doubted(drives, drive)
    await drives.paid(drive, 2)
    await came(drives, gift)
    await drives.paid(drive, 3)
    await become(drives, drive, DriveStatus.CLOSED)
    again = fact(
        Kind.RECORD_PAID,
        payment_id=gift.id,
        at=drives.desk.clock.now() + timedelta(seconds=1),
        amount_cents=600_000,
        receipt="UKN0000001",
    )
    await drives.desk.store.submit(unit_of(again), drives.desk.hear._settle)
    await drives.touched.run_due()

    assert await topics(drives) == []
    assert await decide(drives, drive, gift) is Answer.ALREADY


@pytest.mark.both_engines
async def test_what_comes_after_a_drive_was_opened_again_is_thanked_for(drives: DriveLife) -> None:
    drive = await drives.open()
    gift = await doubted(drives, drive)
    for status in (DriveStatus.CLOSED, DriveStatus.OPEN, DriveStatus.CLOSED, DriveStatus.OPEN):
        drives.desk.clock.advance(10)
        await become(drives, drive, status)

    await came(drives, gift)

    drives.desk.clock.advance(3600)
    assert "thanks" in await topics(drives, GROUP)
    assert await decide(drives, drive, gift) is Answer.ALREADY
    await become(drives, drive, DriveStatus.CLOSED)
    assert await topics(drives) == []
    assert await decide(drives, drive, gift) is Answer.ALREADY


async def nobody_looks_after(life: DriveLife) -> None:
    """Its only treasurer is forgotten, whom nothing holds."""
    await life.desk.store.write(lambda tx: tx.privacy_in_drives.forget(OPENER, pseudonym=2**60 + 1))
    await life.touched.run_due()


@pytest.mark.both_engines
async def test_where_nobody_looks_after_it_any_more_operators_are_asked_once(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    gift = await drives.give(drive, 1)
    await become(drives, drive, DriveStatus.CLOSED)
    await nobody_looks_after(drives)
    assert await topics(drives, OPERATOR) == []

    await came(drives, gift)

    assert await topics(drives, OPERATOR) == ["late"]
    await drives.desk.store.write(lambda tx: tx.touched.touch(drive.subject))
    await drives.touched.run_due()
    assert await topics(drives, OPERATOR) == []
    assert await decide(drives, drive, gift) is Answer.NOT_YOURS
    operator = Actor(id=OPERATOR, name="Boss", operator=True)
    decided = await drives.treasury.decide_late(
        drive.id, operator, payment_id=gift.id, keep=True, closing=Closing()
    )
    assert decided is Answer.DONE


async def test_what_the_last_treasurer_left_undecided_goes_to_operators(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    kept, open_one = await drives.give(drive, 1), await drives.give(drive, 2)
    await become(drives, drive, DriveStatus.CLOSED)
    await came(drives, kept)
    await came(drives, open_one)
    assert await topics(drives) == ["late", "late"]
    assert await decide(drives, drive, kept, keep=True) is Answer.DONE

    await nobody_looks_after(drives)

    [asked] = await drives.owed(OPERATOR)
    assert asked.topic == f"late:{open_one.id}"


async def lets_in(life: DriveLife, drive: Drive, who: Actor, by: Actor = MARY) -> None:
    treasurers = life.drives.treasurers
    assert await treasurers.ask_to_join(drive.id, who, Closing()) is Answer.DONE
    agreed = await treasurers.agree(drive.id, by, person_id=who.id, yes=True, closing=Closing())
    assert agreed is Answer.DONE
    await life.touched.run_due()


async def steps_down(life: DriveLife, drive: Drive) -> None:
    assert await life.drives.treasurers.leave(drive.id, MARY, Closing()) is Answer.DONE
    await life.touched.run_due()


async def is_forgotten(life: DriveLife, drive: Drive) -> None:
    await nobody_looks_after(life)


async def is_taken_off(life: DriveLife, drive: Drive) -> None:
    async def run(tx: Tx) -> None:
        [mary] = [e for e in await tx.drives.treasurers(drive.id) if e.person_id == OPENER]
        await tx.drives.invite(replace(mary, state=TreasurerState.LEFT, by=ALI.id))
        await tx.touched.touch(drive.subject)

    await life.desk.store.write(run)
    await life.touched.run_due()


@pytest.mark.both_engines
@pytest.mark.parametrize("goes", [steps_down, is_forgotten, is_taken_off])
async def test_who_came_later_is_asked_what_whoever_went_had_not_decided(
    drives: DriveLife, goes: Callable[[DriveLife, Drive], Awaitable[None]]
) -> None:
    drive = await drives.open()
    decided, waits, back = [await drives.give(drive, each) for each in (1, 2, 3)]
    await become(drives, drive, DriveStatus.CLOSED)
    for each in (decided, waits, back):
        await came(drives, each)
    assert await decide(drives, drive, decided) is Answer.DONE
    reversed_ = fact(Kind.REVERSED, payment_id=back.id, at=drives.desk.clock.now())
    await drives.desk.store.submit(unit_of(reversed_), drives.desk.hear._settle)
    await lets_in(drives, drive, ALI)
    await goes(drives, drive)
    for _ in range(2):
        await drives.desk.store.write(lambda tx: tx.touched.touch(drive.subject))
        await drives.touched.run_due()

    asked = [each.topic for each in await drives.owed(ALI.id) if each.topic.startswith("late")]
    assert asked == [f"late:{waits.id}"]
    leave = drives.drives.treasurers.leave
    assert await leave(drive.id, ALI, Closing()) is Answer.AWAITED
    kept = await drives.treasury.decide_late(
        drive.id, ALI, payment_id=waits.id, keep=True, closing=Closing()
    )
    assert kept is Answer.DONE
    assert await leave(drive.id, ALI, Closing()) is Answer.DONE


@pytest.mark.both_engines
async def test_who_comes_after_operators_were_asked_is_asked_too(drives: DriveLife) -> None:
    drive = await drives.open()
    gift = await drives.give(drive, 1)
    await become(drives, drive, DriveStatus.CLOSED)
    await nobody_looks_after(drives)
    await came(drives, gift)

    await lets_in(drives, drive, ALI, by=Actor(id=OPERATOR, name="Boss", operator=True))

    assert "late" in await topics(drives, ALI.id)


async def test_who_would_look_after_what_nobody_does_asks_operators(drives: DriveLife) -> None:
    drive = await drives.open()
    await become(drives, drive, DriveStatus.CLOSED)
    await nobody_looks_after(drives)

    assert await drives.drives.treasurers.ask_to_join(drive.id, ALI, Closing()) is Answer.DONE

    assert await topics(drives, OPERATOR) == ["join"]


@pytest.mark.both_engines
async def test_the_last_treasurer_stays_while_a_late_gift_may_have_to_be_decided(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    gift = await doubted(drives, drive)
    await become(drives, drive, DriveStatus.CLOSED)
    leave = drives.drives.treasurers.leave

    async def alone() -> int:
        async with drives.desk.store.read() as tx:
            return await tx.privacy_in_drives.alone(OPENER)

    # It may still come; then it has come, and waits for a word.
    assert await leave(drive.id, MARY, Closing()) is Answer.AWAITED
    assert await alone() == 1
    await came(drives, gift)
    assert await leave(drive.id, MARY, Closing()) is Answer.AWAITED
    assert await alone() == 1
    assert await decide(drives, drive, gift) is Answer.DONE
    assert await alone() == 0
    assert await leave(drive.id, MARY, Closing()) is Answer.DONE


@pytest.mark.both_engines
async def test_what_comes_when_no_treasurer_is_left_is_for_an_operator_to_decide(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    asked = await drives.give(drive, 1, amount_kes=1000)
    await drives.desk.post(asked, failure(1032, 1))
    await become(drives, drive, DriveStatus.CLOSED)
    assert await drives.drives.treasurers.leave(drive.id, MARY, Closing()) is Answer.DONE
    # Safaricom said no, and then yes.
    await came(drives, asked)

    assert (await topics(drives, OPERATOR)).count("late") == 1
    boss = Actor(id=OPERATOR, name="Boss", operator=True)
    done = await drives.treasury.decide_late(
        drive.id, boss, payment_id=asked.id, keep=True, closing=Closing()
    )
    assert done is Answer.DONE


@pytest.mark.both_engines
async def test_what_may_never_come_holds_nobody_and_goes_to_operators_if_it_does(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    doubted_one, given_up = await doubted(drives, drive), await drives.give(drive, 2)
    await become(drives, drive, DriveStatus.CLOSED)
    leave = drives.drives.treasurers.leave

    async def said(gift: Payment, kind: Kind, status: Status) -> None:
        told = fact(kind, payment_id=gift.id, at=drives.desk.clock.now())
        await drives.desk.store.submit(unit_of(told), drives.desk.hear._settle)
        assert (await drives.desk.get(gift.id)).status is status

    # Both said yes and no: an operator is to find out.
    await said(doubted_one, Kind.QUERY_FAILED, Status.REVIEW)
    assert await leave(drive.id, MARY, Closing()) is Answer.AWAITED
    await said(given_up, Kind.LAPSED, Status.LAPSED)
    async with drives.desk.store.read() as tx:
        assert await tx.privacy_in_drives.alone(OPENER) == 0
    assert await leave(drive.id, MARY, Closing()) is Answer.DONE

    await came(drives, given_up)

    asked = [each.topic for each in await drives.owed(OPERATOR) if each.topic.startswith("late")]
    assert asked == [f"late:{given_up.id}"]


@pytest.mark.both_engines
@pytest.mark.parametrize("keep", [True, False])
async def test_a_giver_hears_once_that_their_gift_was_handed_back(
    drives: DriveLife, keep: bool
) -> None:
    drive = await drives.open()
    gift = await drives.give(drive, 1)
    await become(drives, drive, DriveStatus.CLOSED)
    await came(drives, gift)
    await drives.owed(1005)

    assert await decide(drives, drive, gift, keep=keep) is Answer.DONE
    assert await decide(drives, drive, gift, keep=not keep) is Answer.ALREADY

    told = [(each.kind, each.topic.partition(":")[0]) for each in await drives.owed(1005)]
    news = [] if keep else [(NoticeKind.NEWS, "handed-back")]
    assert sorted(told) == sorted([(NoticeKind.STATUS, ""), *news])
    await become(drives, drive, DriveStatus.OPEN)
    opened = await drives.drives.get(drive.id)
    assert opened is not None
    word = await drives.drives.late_word(opened, await drives.desk.get(gift.id))
    assert word is (EntryKind.KEPT if keep else EntryKind.RETURNED)


async def test_who_is_forgotten_or_gave_on_a_page_hears_nothing(drives: DriveLife) -> None:
    drive = await drives.open()
    page = await drives.give(drive, 1, giver_id=NOBODY, chat_id=NOBODY)
    forgotten = await drives.give(drive, 2)
    await become(drives, drive, DriveStatus.CLOSED)
    await came(drives, page)
    await came(drives, forgotten)

    async def forget(tx: Tx) -> None:
        await tx.privacy_in_drives.forget(1006, pseudonym=FIRST_PSEUDONYM + 7)
        await tx.privacy.forget(1006, pseudonym=FIRST_PSEUDONYM + 7)

    await drives.desk.store.write(forget)
    for gift in (page, forgotten):
        assert await decide(drives, drive, gift) is Answer.DONE

    async with drives.desk.store.read() as tx:
        keys = [f"d:handed-back:{page.id}:{NOBODY}"]
        keys.append(f"d:handed-back:{forgotten.id}:{FIRST_PSEUDONYM + 7}")
        assert await tx.notices.known_of(keys) == set()
