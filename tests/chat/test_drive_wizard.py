"""A drive described step by step: who looks after it is named, asked, and has no power before."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.chat.drive_wizard import Plan
from bot.core.drives import NewDrive
from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.texts import EAT
from storage.engine import Store
from storage.records import Closing, TreasurerState
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import Office
from tests.stores import TestClock

TITLE = "Mama Akinyi hospital bill"


async def to_the_treasurers(harambee: Harambee) -> Message:
    """Mary has answered everything before; the question who else looks after it."""
    office, mary = harambee.office, harambee.mary
    mary.start()
    await office.said(mary.chat, "Hello Mary")
    mary.say("/newdrive@lipa_demo_bot", chat=harambee.group)
    await office.said(mary.chat, "What is it for?")
    mary.say(TITLE)
    asked = await office.said(mary.chat, "How much is needed?")
    mary.press(asked, "Skip")
    asked = await office.said(mary.chat, "Which is the last day?")
    mary.press(asked, "Skip")
    asked = await office.said(mary.chat, "What may everybody")
    mary.press(asked, "Names only")
    asked = await office.said(mary.chat, "What sort of drive")
    mary.press(asked, "Harambee")
    return await office.said(mary.chat, "Who else looks after the money?")


async def states(harambee: Harambee) -> dict[str, TreasurerState]:
    drive = await harambee.drive
    async with harambee.office.store.read() as tx:
        return {each.name: each.state for each in await tx.drives.treasurers(drive.id)}


async def test_people_are_chosen_asked_and_are_treasurers_once_they_accept(
    harambee: Harambee,
) -> None:
    office, mary, jane, otieno = (
        harambee.office,
        harambee.mary,
        harambee.office.jane,
        harambee.office.otieno,
    )
    otieno.start()
    jane.start()
    await office.said(jane.chat, "Hello Jane")
    asked = await to_the_treasurers(harambee)
    mary.press(asked, "Choose people")
    await office.said(mary.chat, "choose up to 2 people")
    mary.choose("👥 Choose people", jane, otieno)
    preview = await office.said(mary.chat, "Shall I post it?")
    assert "👥 Mary, and once they accept: Jane, Otieno" in preview.text
    assert mary.chat.reply_keyboard is None
    mary.press(preview, "Post it")

    card = await office.said(harambee.group, "Treasurers: Mary")
    assert "Jane" not in card.text
    await office.said(mary.chat, "I have asked Jane, Otieno")
    for_jane = await office.said(jane.chat, "Mary asks you to look after")
    for_otieno = await office.said(otieno.chat, "Mary anakuomba usimamie")
    assert await states(harambee) == {
        "Mary": TreasurerState.ACCEPTED,
        "Jane": TreasurerState.NAMED,
        "Otieno": TreasurerState.NAMED,
    }
    drive = await harambee.drive
    assert not await office.core.drives.treasury.is_treasurer(drive.id, jane.id)

    office.clock.advance(1)
    jane.press(for_jane, "I will")
    await office.said(mary.chat, "Jane has accepted")
    otieno.press(for_otieno, "Hapana")
    await office.said(mary.chat, "Otieno will not look after")
    await harambee.look(10)
    await harambee.api.wait_for(lambda: "Treasurers: Mary, Jane" in card.text)
    assert await states(harambee) == {
        "Mary": TreasurerState.ACCEPTED,
        "Jane": TreasurerState.ACCEPTED,
        "Otieno": TreasurerState.LEFT,
    }
    again = otieno.press(for_otieno, "Nakubali")
    assert await office.answered(again)
    assert (await states(harambee))["Otieno"] is TreasurerState.LEFT


async def test_names_can_be_written_and_who_is_unknown_is_said(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary = harambee.office, harambee.mary
    ali = api.person(3001, "Ali", username="ali_k", started=True)
    ali.start()
    await office.said(ali.chat, "Hello Ali")
    await to_the_treasurers(harambee)

    mary.say("@ali_k @nobody_here")
    await office.said(mary.chat, "nobody_here yet. Press Choose people")
    mary.say("@ali_k")
    preview = await office.said(mary.chat, "once they accept: Ali")
    mary.press(preview, "Back")
    asked = await office.said(mary.chat, "Who else", after=preview)
    mary.press(asked, "Only me")
    preview = await office.said(mary.chat, "Shall I post it?", after=asked)

    assert "👥 Mary" in preview.text
    assert "Ali" not in preview.text


async def test_who_never_wrote_to_us_is_asked_when_they_open_the_link(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary = harambee.office, harambee.mary
    ali = api.person(3001, "Ali")
    asked = await to_the_treasurers(harambee)
    mary.press(asked, "Choose people")
    await office.said(mary.chat, "choose up to 2 people")
    mary.choose("👥 Choose people", ali)
    preview = await office.said(mary.chat, "Shall I post it?")
    mary.press(preview, "Post it")
    posted = await office.said(mary.chat, "when they open this link")
    await office.handled()
    drive = await harambee.drive
    assert f"?start=t_{drive.code}" in posted.text

    ali.start(f"t_{drive.code}")
    question = await office.said(ali.chat, "You were asked to look after")
    ali.press(question, "I will")

    await office.said(ali.chat, f"You look after {TITLE} now")
    assert (await states(harambee))["Ali"] is TreasurerState.ACCEPTED


async def test_the_step_goes_on_after_a_restart(api: BotApi, kept: Store, clock: TestClock) -> None:
    office = Office(api, kept, clock)
    harambee = Harambee(office, api)
    mary = harambee.mary
    async with office.open():
        asked = await to_the_treasurers(harambee)
        mary.press(asked, "Choose people")
        await office.said(mary.chat, "choose up to 2 people")
        await office.handled()
    async with office.open():
        mary.choose("👥 Choose people", office.jane)
        preview = await office.said(mary.chat, "once they accept: Jane")
        await office.handled()
    async with office.open():
        mary.press(preview, "Post it")
        await office.said(harambee.group, "Treasurers: Mary")
        await office.handled()

    assert (await states(harambee))["Jane"] is TreasurerState.NAMED
    await asyncio.gather(*office.tasks)


async def to_the_preview(harambee: Harambee, last_day: str) -> Message:
    """All is answered, and nothing posted; Mary alone looks after it."""
    office, mary = harambee.office, harambee.mary
    mary.start()
    await office.said(mary.chat, "Hello Mary")
    mary.say("/newdrive@lipa_demo_bot", chat=harambee.group)
    await office.said(mary.chat, "What is it for?")
    mary.say(TITLE)
    mary.press(await office.said(mary.chat, "How much is needed?"), "Skip")
    await office.said(mary.chat, "Which is the last day?")
    mary.say(last_day)
    return await on_to_the_preview(harambee)


async def on_to_the_preview(harambee: Harambee, after: Message | None = None) -> Message:
    office, mary = harambee.office, harambee.mary
    mary.press(await office.said(mary.chat, "What may everybody", after=after), "Names only")
    mary.press(await office.said(mary.chat, "What sort of drive", after=after), "Harambee")
    asked = await office.said(mary.chat, "Who else looks after", after=after)
    mary.press(asked, "Only me")
    return await office.said(mary.chat, "Shall I post it?", after=after)


async def test_a_last_day_that_is_over_when_it_is_posted_is_asked_again(
    harambee: Harambee,
) -> None:
    office, mary, clock = harambee.office, harambee.mary, harambee.office.clock
    now = clock.now().astimezone(EAT)
    clock.advance((now.replace(hour=23, minute=50) - now).total_seconds())
    preview = await to_the_preview(harambee, f"{now:%d/%m}")
    clock.advance(15 * 60)

    told = await office.answered(mary.press(preview, "Post it"))
    assert "is over by now" in told
    await office.said(mary.chat, "Which is the last day?", after=preview)
    assert await office.core.drives.in_chat(harambee.group.id) == []
    mary.say(f"{now + timedelta(days=1):%d/%m}")
    mary.press(await on_to_the_preview(harambee, preview), "Post it")

    await office.said(harambee.group, "Treasurers: Mary")
    drive = await harambee.drive
    assert drive.closes_at is not None
    assert drive.closes_at > clock.now()


async def test_what_was_opened_before_a_crash_is_posted_though_its_last_day_is_over(
    harambee: Harambee,
) -> None:
    office, mary, clock = harambee.office, harambee.mary, harambee.office.clock
    now = clock.now().astimezone(EAT)
    clock.advance((now.replace(hour=23, minute=50) - now).total_seconds())
    preview = await to_the_preview(harambee, f"{now:%d/%m}")
    draft = await office.core.people.draft(chat_id=mary.chat.id, person_id=mary.id)
    assert draft is not None
    plan = Plan.unpacked(draft.data)
    new = NewDrive(
        title=plan.title,
        closes_at=plan.until,
        chat_id=plan.chat_id,
        thread_id=plan.thread_id,
        language=plan.language,
        opened_by=mary.id,
        opener_name="Mary",
        open_key=plan.key,
    )
    opened = await office.core.drives.open(new, Closing())
    clock.advance(15 * 60)

    told = await office.answered(mary.press(preview, "Post it"))

    assert "is over by now" not in told
    assert await office.core.people.draft(chat_id=mary.chat.id, person_id=mary.id) is None
    async with office.store.read() as tx:
        assert await tx.drives.of_chat(harambee.group.id) == [opened]


async def test_a_group_that_moves_while_its_drive_is_described_gets_it(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    preview = await to_the_preview(harambee, "none")
    moved = office.api.upgrade(harambee.group, -1005001)
    await office.handled()

    mary.press(preview, "Post it")

    await office.said(moved, "Treasurers: Mary")
    [drive] = await office.core.drives.in_chat(harambee.group.id)
    assert drive.chat_id == moved.id


async def test_a_gift_that_waits_finds_the_drives_of_a_group_that_moved(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.opened()
    harambee.mary.say("/newdrive@lipa_demo_bot 9000 Borehole", chat=harambee.group)
    await office.said(harambee.group, "Borehole")
    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)
    await office.handled()
    office.api.upgrade(harambee.group, -1005001)
    await office.handled()

    jane.start("give")

    asked = await office.said(jane.chat, "Which")
    assert asked.labels[:2] == ["Borehole", TITLE]
