"""Whoever ran a group and runs it no more: what they may still press, and for how long."""

from __future__ import annotations

from bot.playground.chats import Message
from bot.playground.people import Person
from tests.chat.drive_office import Harambee
from tests.chat.test_departures import ALONE
from tests.chat.test_drive_wizard import to_the_preview

KNOWN_S = 60
"""So long a standing that Telegram told is believed: what operators are promised."""
ADMINS_ONLY = "Only an admin of this group can open a drive here."


def stands(harambee: Harambee, person: Person, standing: str) -> None:
    """Telegram tells us nothing of it: we are no admin of the group."""
    harambee.group.standing[person.id] = standing


async def drives_here(harambee: Harambee) -> list[str]:
    found = await harambee.office.core.drives.in_chat(harambee.group.id)
    return [each.title for each in found]


async def asked_as_the_group(harambee: Harambee) -> Message:
    """Somebody who writes as the group itself wants a drive: an admin is asked to open it."""
    group = harambee.group
    itself = {"id": group.id, "type": "supergroup", "title": group.title}
    harambee.api.updates.add(
        "message",
        {
            "message_id": 990,
            "date": int(harambee.office.clock.now().timestamp()),
            "chat": group.json(),
            "from": {"id": 1087968824, "is_bot": True, "first_name": "Group"},
            "sender_chat": itself,
            "text": "/newdrive@lipa_demo_bot 50000 School fees",
        },
    )
    return await harambee.office.said(group, "I cannot see who you are")


async def test_what_an_admin_described_is_not_posted_once_they_are_none(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    preview = await to_the_preview(harambee, "none")
    before = harambee.group.texts
    stands(harambee, mary, "member")
    office.clock.advance(KNOWN_S + 1)

    told = await office.answered(mary.press(preview, "Post it"))
    await office.handled()

    assert told == ADMINS_ONLY
    assert await drives_here(harambee) == []
    assert harambee.group.texts == before
    # What they had answered is kept: an admin again, they need not begin anew.
    stands(harambee, mary, "administrator")
    office.clock.advance(KNOWN_S + 1)
    mary.press(preview, "Post it")
    await office.said(harambee.group, "Treasurers: Mary")


async def test_who_was_put_out_of_the_group_posts_nothing_into_it(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    preview = await to_the_preview(harambee, "none")
    stands(harambee, mary, "kicked")
    office.clock.advance(KNOWN_S + 1)

    told = await office.answered(mary.press(preview, "Post it"))

    assert told == ADMINS_ONLY
    assert await drives_here(harambee) == []


async def test_nothing_is_posted_where_telegram_does_not_say_who_runs_the_group(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    preview = await to_the_preview(harambee, "none")
    office.clock.advance(KNOWN_S + 1)
    harambee.api.faults.server_error(method="getChatMember")

    told = await office.answered(mary.press(preview, "Post it"))

    assert told == ADMINS_ONLY
    assert await drives_here(harambee) == []


async def test_for_a_minute_what_telegram_said_is_believed_and_no_longer(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    mary.start()
    await office.said(mary.chat, "Hello Mary")

    async def asks(title: str) -> None:
        mary.say(f"/newdrive@lipa_demo_bot 500 {title}", chat=harambee.group)
        await office.handled()

    await asks("First")
    stands(harambee, mary, "member")
    office.clock.advance(KNOWN_S)
    await asks("Within the minute")
    office.clock.advance(1)
    await asks("After it")
    assert sorted(await drives_here(harambee)) == ["First", "Within the minute"]
    assert harambee.group.last.text == ADMINS_ONLY

    # A no is kept as long as a yes is: whoever is an admin since waits for as long at most.
    stands(harambee, mary, "administrator")
    await asks("Too soon")
    office.clock.advance(KNOWN_S + 1)
    await asks("An admin again")
    assert sorted(await drives_here(harambee)) == ["An admin again", "First", "Within the minute"]


async def test_an_admin_who_is_none_any_more_opens_and_takes_over_nothing(
    harambee: Harambee,
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await harambee.jane_gave_her_number()
    stands(harambee, jane, "administrator")
    await harambee.opened()
    jane.say("/newdrive@lipa_demo_bot 500 Of Jane", chat=harambee.group)
    await office.said(harambee.group, "Treasurers: Jane")
    question = await asked_as_the_group(harambee)
    mary.leave(harambee.group)
    offer = await office.said(harambee.group, ALONE)
    await office.handled()
    stands(harambee, jane, "member")
    office.clock.advance(KNOWN_S + 1)

    opens = await office.answered(jane.press(question, "Open: School fees"))
    takes = await office.answered(jane.press(offer, "Look after it"))

    assert opens == ADMINS_ONLY
    assert takes == "Only an admin of the group can do that. Nothing was changed."
    titles = await drives_here(harambee)
    assert sorted(titles) == ["Mama Akinyi hospital bill", "Of Jane"]
    marys = next(
        each
        for each in await office.core.drives.in_chat(harambee.group.id)
        if each.title != "Of Jane"
    )
    assert [each.name for each in await office.core.drives.treasurers.of(marys.id)] == ["Mary"]


async def test_a_treasurer_stays_one_who_runs_the_group_no_more(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    await harambee.opened()
    stands(harambee, mary, "member")
    office.clock.advance(KNOWN_S + 1)

    mary.say("/closedrive@lipa_demo_bot", chat=harambee.group)
    sure = await office.said(mary.chat, "Close Mama Akinyi hospital bill?")
    mary.press(sure, "Yes, close it")

    await office.said(harambee.group, "is closed")
    assert await drives_here(harambee) == []
