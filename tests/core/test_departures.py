"""Departures on every engine: told once whatever comes at once, and one only takes over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.core.departures import Departures
from bot.core.drive_acts import Actor, Answer
from bot.core.drives import Named
from storage.records import AWAY, Closing, Drive, DriveStatus
from tests.core.drive_life import GROUP, OPENER, DriveLife, drives
from tests.stores import NOON

__all__ = ["drives"]

MARY = Actor(id=OPENER, name="Mary")
OTIENO = Actor(id=1002, name="Otieno")
JANE = Actor(id=1003, name="Jane")


@pytest.fixture
def departures(drives: DriveLife) -> Departures:
    return drives.drives.departures


async def left(departures: Departures, who: Actor, seconds: float = 0) -> None:
    await departures.left_group(
        chat_id=GROUP,
        person_id=who.id,
        at=NOON + timedelta(seconds=seconds),
        closing=Closing(),
    )


async def at_work(drives: DriveLife, drive: Drive) -> set[str]:
    return {each.name for each in await drives.drives.treasurers.of(drive.id)}


async def of_two(drives: DriveLife) -> Drive:
    drive = await drives.open(named=(Named(id=OTIENO.id, name=OTIENO.name),))
    await drives.drives.treasurers.accept(drive.id, OTIENO, yes=True, closing=Closing())
    return drive


def topics(notices: list[str], word: str) -> list[str]:
    return [each for each in notices if each.startswith(word)]


async def owed(drives: DriveLife, chat_id: int) -> list[str]:
    return [each.topic for each in await drives.owed(chat_id)]


async def test_many_reports_at_once_of_one_departure_are_one(
    drives: DriveLife, departures: Departures
) -> None:
    drive = await of_two(drives)

    await asyncio.gather(*(left(departures, OTIENO, each) for each in (0, 1, 0, 2)))

    trail = await drives.treasury.trail(drive.id)
    assert [(e.what, e.by_name) for e in trail if e.what == AWAY] == [(AWAY, "Otieno")]
    assert await at_work(drives, drive) == {"Mary", "Otieno"}
    assert len(topics(await owed(drives, OPENER), "gone")) == 1


async def test_one_of_three_admins_who_press_at_once_takes_over(
    drives: DriveLife, departures: Departures
) -> None:
    drive = await drives.open()
    early = await departures.take_over(drive.id, JANE, person_id=OPENER, closing=Closing())
    await left(departures, MARY)

    answers = await asyncio.gather(
        *(
            departures.take_over(
                drive.id, Actor(id=2000 + n, name=f"A{n}"), person_id=OPENER, closing=Closing()
            )
            for n in range(3)
        )
    )

    assert early is Answer.ALREADY
    assert sorted(answers) == [Answer.ALREADY, Answer.ALREADY, Answer.DONE]
    assert len(await at_work(drives, drive)) == 2
    assert len(topics(await owed(drives, GROUP), "alone")) == 1


@pytest.mark.both_engines
async def test_two_who_left_cannot_take_off_each_other(
    drives: DriveLife, departures: Departures
) -> None:
    drive = await of_two(drives)
    await left(departures, MARY)
    await left(departures, OTIENO)

    answers = await asyncio.gather(
        departures.take_off(drive.id, MARY, person_id=OTIENO.id, closing=Closing()),
        departures.take_off(drive.id, OTIENO, person_id=MARY.id, closing=Closing()),
    )

    assert sorted(answers) == [Answer.DONE, Answer.NOT_YOURS]
    assert len(await at_work(drives, drive)) == 1


async def test_nobody_is_taken_off_who_has_not_left_and_no_closed_drive_is_taken_over(
    drives: DriveLife, departures: Departures
) -> None:
    drive = await of_two(drives)
    there = await departures.take_off(drive.id, MARY, person_id=OTIENO.id, closing=Closing())
    stranger = await departures.take_off(drive.id, JANE, person_id=OTIENO.id, closing=Closing())
    keeping = await departures.keep(drive.id, JANE, person_id=OTIENO.id, closing=Closing())
    await drives.treasury.set_status(drive.id, MARY, DriveStatus.CLOSED, Closing())
    late = await departures.take_over(drive.id, JANE, person_id=OPENER, closing=Closing())

    assert (there, stranger, keeping, late) == (
        Answer.ALREADY,
        Answer.NOT_YOURS,
        Answer.NOT_YOURS,
        Answer.CLOSED,
    )
    assert await at_work(drives, drive) == {"Mary", "Otieno"}


async def test_when_the_last_of_two_leaves_an_admin_may_come_in(
    drives: DriveLife, departures: Departures
) -> None:
    drive = await of_two(drives)
    await left(departures, OTIENO)
    early = await departures.take_over(drive.id, JANE, person_id=OTIENO.id, closing=Closing())
    assert early is Answer.ALREADY
    assert topics(await owed(drives, GROUP), "alone") == []

    await left(departures, MARY, 3600)
    await left(departures, MARY, 3601)

    assert len(topics(await owed(drives, GROUP), "alone")) == 1
    answers = await asyncio.gather(
        *(
            departures.take_over(drive.id, who, person_id=OPENER, closing=Closing())
            for who in (JANE, Actor(id=2001, name="Ali"), OTIENO)
        )
    )
    assert sorted(answers) == [Answer.ALREADY, Answer.ALREADY, Answer.DONE]
    assert await at_work(drives, drive) > {"Mary", "Otieno"}
    [winner] = {each.person_id for each in await drives.drives.treasurers.of(drive.id)} - {
        OPENER,
        OTIENO.id,
    }
    asked = topics(await owed(drives, winner), "gone")
    assert {each.split(":")[1] for each in asked} == {str(OPENER), str(OTIENO.id)}


async def test_nobody_takes_over_from_two_of_whom_one_was_let_in_again(
    drives: DriveLife, departures: Departures
) -> None:
    drive = await of_two(drives)
    await left(departures, OTIENO)
    off = await departures.take_off(drive.id, MARY, person_id=OTIENO.id, closing=Closing())
    assert off is Answer.DONE
    drives.desk.clock.advance(60)
    treasurers = drives.drives.treasurers
    await treasurers.ask_to_join(drive.id, OTIENO, Closing())
    await treasurers.agree(drive.id, MARY, person_id=OTIENO.id, yes=True, closing=Closing())

    await left(departures, MARY, 3600)

    assert topics(await owed(drives, GROUP), "alone") == []
    taken = await departures.take_over(drive.id, JANE, person_id=OPENER, closing=Closing())
    assert taken is Answer.ALREADY
