"""Pledges in the chat: one question is one promise, whichever of its days are pressed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.drive_acts import Actor, Answer
from bot.core.pledging import day_start
from bot.playground.chats import Message
from bot.playground.updates import Update
from storage.records import Closing, Pledge, PledgeState
from tests.chat.drive_office import Harambee

DAY = timedelta(days=1)
DAY_S = 86_400
MADE = "🙏 Thank you"


async def opened(harambee: Harambee) -> Message:
    """Jane's number is known, and Mary has opened a drive: its card."""
    await harambee.jane_gave_her_number()
    return await harambee.opened()


async def asked(harambee: Harambee) -> Message:
    """Jane wrote what she pledges; by which day?"""
    harambee.office.jane.say("/pledge@lipa_demo_bot 1000", chat=harambee.group)
    return await harambee.office.said(harambee.office.jane.chat, "by which day")


async def pledges(harambee: Harambee) -> list[Pledge]:
    drive = await harambee.drive
    return await harambee.office.core.drives.pledging.of_drive(drive.id)


async def closes(harambee: Harambee, *, days: int) -> None:
    """Mary sets the last day of the drive, so many days from today."""
    core, drive = harambee.office.core, await harambee.drive
    over = day_start(core.clock.now()) + (days + 1) * DAY
    mary = Actor(id=harambee.mary.id, name="Mary")
    done = await core.drives.treasury.change(
        drive.id, mary, what="closes_at", value=over, told="a day", closing=Closing()
    )
    assert done is Answer.DONE


async def test_another_day_changes_the_promise_and_makes_no_second_one(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    card = await opened(harambee)
    days = await asked(harambee)
    first_day, second_day = days.labels[:2]
    jane.press(days, first_day)
    first = await office.said(jane.chat, MADE)
    jane.press(days, second_day)
    second = await office.said(jane.chat, MADE, after=first)
    jane.press(days, "Another day")
    await office.said(jane.chat, "By which day? Write it")
    jane.say("27/11")
    third = await office.said(jane.chat, MADE, after=second)
    await harambee.look(10)
    await harambee.api.wait_for(lambda: "Pledged" in card.text)

    assert first_day in first.text
    assert second_day in second.text
    assert "Fri 27 Nov" in third.text
    assert "Pledged: KES 1,000" in card.text
    [pledge] = await pledges(harambee)
    assert office.core.clock.now() < pledge.due_at <= day_start(office.core.clock.now()) + 4 * DAY


async def test_a_promise_is_taken_back_at_once_and_made_again_as_it_is_said(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await opened(harambee)
    days = await asked(harambee)
    label = days.labels[0]
    jane.press(days, label)
    first = await office.said(jane.chat, MADE)
    jane.press(first, "Take it back")
    await office.said(jane.chat, "Your pledge is taken back")
    assert [each.state for each in await pledges(harambee)] == [PledgeState.WITHDRAWN]

    jane.press(days, label)
    again = await office.said(jane.chat, MADE, after=first)
    assert label in again.text
    [pledge] = await pledges(harambee)
    assert pledge.state is PledgeState.OPEN
    assert pledge.remind_at is not None


async def test_a_button_is_the_day_that_it_shows_however_late_it_is_pressed(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await opened(harambee)
    days = await asked(harambee)
    tomorrow, in_a_week = days.labels[:2]
    office.clock.advance(DAY_S)
    jane.press(days, in_a_week)
    made = await office.said(jane.chat, MADE)
    assert in_a_week in made.text

    office.clock.advance(DAY_S)
    jane.press(days, tomorrow)
    fresh = await office.said(jane.chat, "by which day", after=made)
    assert tomorrow not in fresh.labels
    jane.press(fresh, fresh.labels[0])
    changed = await office.said(jane.chat, MADE, after=fresh)
    assert fresh.labels[0] in changed.text
    assert len(await pledges(harambee)) == 1


async def test_no_day_is_taken_after_the_last_one_of_the_drive(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await opened(harambee)
    days = await asked(harambee)
    in_a_month = days.labels[3]
    await closes(harambee, days=10)

    jane.press(days, in_a_month)
    fresh = await office.said(jane.chat, "by which day", after=days)
    assert in_a_month not in fresh.labels
    jane.press(fresh, "Another day")
    await office.said(jane.chat, "By which day? Write it")
    jane.say("31/12")
    late = await office.said(jane.chat, "last day")
    assert "Thu 3 Dec" in late.text
    assert await pledges(harambee) == []
    jane.say("3/12")
    made = await office.said(jane.chat, MADE)
    assert "by Thu 3 Dec" in made.text


@pytest.mark.parametrize("days", [0, 2])
async def test_reminders_are_spoken_of_only_where_there_will_be_any(
    harambee: Harambee, days: int
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await opened(harambee)
    await closes(harambee, days=days)
    question = await asked(harambee)
    jane.press(question, question.labels[0])
    made = await office.said(jane.chat, MADE)

    assert ("I will remind you" in made.text) is (days > 0)


async def test_a_kept_promise_is_not_changed(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await opened(harambee)
    days = await asked(harambee)
    jane.press(days, days.labels[0])
    await office.said(jane.chat, MADE)
    office.clock.advance(60)
    jane.say("/give@lipa_demo_bot 1000", chat=harambee.group)
    await harambee.pushed(1)
    await harambee.paid()
    await office.said(jane.chat, "✅")
    await harambee.look()

    toast = await office.answered(jane.press(days, days.labels[1]))
    assert "open no more" in toast
    [pledge] = await pledges(harambee)
    assert pledge.state is PledgeState.KEPT


async def test_a_question_whose_update_has_the_number_of_an_old_one_is_another(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await opened(harambee)
    days = await asked(harambee)
    [old] = [each for each in harambee.api.updates.sent if "/pledge" in str(each.body)]
    jane.press(days, days.labels[0])
    first = await office.said(jane.chat, MADE)
    await office.handled()
    office.clock.advance(8 * DAY_S)
    await office.core.inbox.purge()

    again = {**old.body["message"], "message_id": 100_000}
    harambee.api.updates.redeliver(Update(old.id, {"update_id": old.id, "message": again}))
    days = await office.said(jane.chat, "by which day", after=first)
    jane.press(days, days.labels[0])
    await office.said(jane.chat, MADE, after=first)

    assert len(await pledges(harambee)) == 2
