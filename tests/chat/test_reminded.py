"""Reminders of pledges in the chat: what is said, and what is no longer so when it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from bot.core.drive_acts import Actor
from bot.core.pledging import day_start
from bot.core.restored import mark
from storage.records import Closing, DriveStatus, Pledge
from tests.chat.drive_office import Harambee

HOUR_S = 3600
PLEDGED = "Your pledge of"


async def pledged(harambee: Harambee) -> Pledge:
    """Jane promised, due in four days."""
    core = harambee.office.core
    made = await core.drives.pledging.promise(
        (await harambee.drive).id,
        person_id=harambee.office.jane.id,
        name="Jane",
        amount_kes=1000,
        due_at=day_start(core.clock.now()) + timedelta(days=4),
        key="b:1",
        closing=Closing(),
    )
    assert made is not None
    return made


async def remind(harambee: Harambee, *, days: int) -> None:
    """Days go by, hour by hour."""
    for _ in range(24 * days):
        harambee.office.clock.advance(HOUR_S)
        await harambee.office.core.drives.pledging.run_due()
        await harambee.office.handled()


def reminders(harambee: Harambee) -> list[str]:
    return [each.text for each in harambee.office.jane.chat.from_bot if PLEDGED in each.text]


async def nothing(harambee: Harambee, pledge: Pledge) -> None:
    """All is as it was."""


async def withdrawn(harambee: Harambee, pledge: Pledge) -> None:
    pledging = harambee.office.core.drives.pledging
    assert await pledging.withdraw(pledge.id, by=pledge.person_id, closing=Closing())


async def closed(harambee: Harambee, pledge: Pledge) -> None:
    await harambee.office.core.drives.treasury.set_status(
        pledge.drive_id, Actor(id=harambee.mary.id, name="Mary"), DriveStatus.CLOSED, Closing()
    )


async def restored(harambee: Harambee, pledge: Pledge) -> None:
    """The books are put back from a copy that still owed the reminders."""
    await mark(harambee.office.store, as_of=pledge.created_at)


@pytest.mark.parametrize(
    ("then", "told"), [(nothing, 1), (withdrawn, 0), (closed, 0), (restored, 0)]
)
async def test_who_lets_us_in_again_hears_only_what_is_still_so(
    harambee: Harambee, then: Callable[[Harambee, Pledge], Awaitable[None]], told: int
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.opened()
    await harambee.jane_gave_her_number()
    pledge = await pledged(harambee)
    jane.block()
    await remind(harambee, days=9)
    three = await office.core.drives.pledging.get(pledge.id)
    assert three is not None
    assert three.reminded == 3
    await then(harambee, pledge)

    jane.start()
    await office.said(jane.chat, "Hello")
    await office.handled()

    assert len(reminders(harambee)) == told


async def test_a_pledge_that_was_taken_back_says_so_when_it_is_put_off(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.opened()
    await harambee.jane_gave_her_number()
    await pledged(harambee)
    await remind(harambee, days=2)
    asked = await office.said(jane.chat, PLEDGED)
    await office.answered(jane.press(asked, "Take it back"))
    await office.said(jane.chat, "Your pledge is taken back")

    answer = await office.answered(jane.press(asked, "Tomorrow"))

    assert "open no more" in answer
    await remind(harambee, days=8)
    assert len(reminders(harambee)) == 1


async def test_who_gave_a_part_is_reminded_of_the_rest_alone(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    await harambee.opened()
    await pledged(harambee)
    office.clock.advance(60)
    jane.say("/give@lipa_demo_bot 900", chat=harambee.group)
    await harambee.pushed(1)
    await harambee.paid()
    await office.said(jane.chat, "✅")
    await remind(harambee, days=2)

    asked = await office.said(jane.chat, PLEDGED)
    assert "KES 100 of it is still to come" in asked.text
    jane.press(asked, "KES 100")
    await harambee.pushed(2)
    assert [each.amount_kes for each in office.daraja.pushes] == [900, 100]
