"""A treasurer leaves the group: who is told, how often, and what may be decided about it."""

from __future__ import annotations

import pytest

from bot.core.drive_acts import Actor
from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.playground.people import Person
from storage.records import Closing, Deed, DriveStatus
from tests.chat.drive_office import GROUP_ID, Harambee
from tests.chat.test_treasury import everything, shown

GONE = "has left the group"
ALONE = "no longer in this group"


async def with_jane(harambee: Harambee) -> Message:
    """The card of a drive that Mary and Jane look after."""
    office, jane = harambee.office, harambee.office.jane
    card = await harambee.opened()
    await harambee.jane_gave_her_number()
    await let_in(harambee, jane)
    await office.said(harambee.mary.chat, "Jane offers")
    return card


async def let_in(
    harambee: Harambee,
    person: Person,
    after: Message | None = None,
    marys_after: Message | None = None,
) -> None:
    """Somebody offers, and Mary agrees; *after* what stands in their chats already."""
    office, mary = harambee.office, harambee.mary
    person.start(f"t_{(await harambee.drive).code}")
    offer = await office.said(person.chat, "Will you look after", after=after)
    person.press(offer, "Yes, I will")
    asked = await office.said(mary.chat, "offers to look after", after=marys_after)
    mary.press(asked, "Let them in")
    await office.said(person.chat, "You look after", after=after)
    await office.handled()


async def at_work(harambee: Harambee) -> list[str]:
    found = await harambee.office.core.drives.treasurers.of((await harambee.drive).id)
    return sorted(each.name for each in found)


async def trail(harambee: Harambee) -> list[tuple[str, str]]:
    """The trail of treasurers: who, and what became of whom; "away" for who left."""
    edits = await harambee.office.core.drives.treasury.trail((await harambee.drive).id)
    return [(e.by_name, e.after if e.what == "treasurers" else e.what) for e in edits]


def told(person: Person, words: str) -> int:
    return sum(words in text for text in person.chat.texts)


async def settled(harambee: Harambee) -> None:
    """All that was to be said is said."""
    await harambee.office.handled()
    harambee.office.core.post.wake.set()
    await harambee.office.handled()


async def test_the_others_are_asked_and_take_off_who_left_for_all_to_see(
    harambee: Harambee,
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await with_jane(harambee)
    jane.leave(harambee.group)
    asked = await office.said(mary.chat, GONE)
    assert asked.text.startswith("🚪 Jane has left the group of Mama Akinyi hospital bill")
    assert await at_work(harambee) == ["Jane", "Mary"]

    mary.press(asked, "Take them off")

    await office.said(mary.chat, "Jane does not look after")
    await office.said(jane.chat, "have taken you off")
    assert await at_work(harambee) == ["Mary"]
    assert await trail(harambee) == [("Mary", "+ Jane"), ("Jane", "away"), ("Mary", "− Jane")]
    mary.say("/drive@lipa_demo_bot", chat=harambee.group)
    card = await office.said(harambee.group, "Treasurers: Mary")
    mary.press(card, "Full list")
    listed = await office.said(mary.chat, "Changes")
    assert "Jane left the group" in listed.text
    assert told(jane, GONE) == 0
    assert not any(GONE in text or ALONE in text for text in harambee.group.texts)


async def test_who_was_taken_off_may_be_let_in_again_and_an_old_button_is_old(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await with_jane(harambee)
    jane.leave(harambee.group)
    asked = await office.said(mary.chat, GONE)
    mary.press(asked, "Take them off")
    out = await office.said(jane.chat, "have taken you off")
    office.clock.advance(60)
    await let_in(harambee, jane, after=out, marys_after=asked)
    assert await at_work(harambee) == ["Jane", "Mary"]

    answer = await office.answered(mary.press(asked, "Take them off"))

    assert "nothing was changed" in answer.lower()
    assert await at_work(harambee) == ["Jane", "Mary"]


async def test_keep_changes_nothing(harambee: Harambee) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await with_jane(harambee)
    jane.leave(harambee.group)
    asked = await office.said(mary.chat, GONE)
    before = await everything(office)

    mary.press(asked, "Keep")

    await office.said(mary.chat, "Jane goes on looking after")
    assert await everything(office) == before


async def test_who_came_back_is_not_taken_off(harambee: Harambee) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await with_jane(harambee)
    jane.leave(harambee.group)
    asked = await office.said(mary.chat, GONE)
    jane.join(harambee.group)

    answer = await office.answered(mary.press(asked, "Take them off"))

    assert answer == "They are in the group again. Nothing was changed."
    assert await at_work(harambee) == ["Jane", "Mary"]


@pytest.mark.parametrize("put_out", [False, True])
async def test_one_departure_told_in_two_ways_and_twice_is_asked_about_once(
    harambee: Harambee, api: BotApi, *, put_out: bool
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await with_jane(harambee)
    mary.promote_bot(harambee.group)
    api.updates.deliver_twice(2)
    first = len(api.updates.sent)
    if put_out:
        mary.put_out(jane, harambee.group)
    else:
        jane.leave(harambee.group)
    kinds = {kind for each in api.updates.sent[first:] for kind in each.body} - {"update_id"}
    assert kinds == {"message", "chat_member"}
    await office.said(mary.chat, GONE)
    await settled(harambee)
    [message] = [each for each in api.updates.sent[first:] if "message" in each.body]
    api.updates.redeliver(message)
    await settled(harambee)
    # As if both came anew under other numbers, in another second.
    again = {**message.body["message"], "date": message.body["message"]["date"] + 2}
    api.updates.add("message", again)
    await settled(harambee)

    assert told(mary, GONE) == 1
    assert await trail(harambee) == [("Mary", "+ Jane"), ("Jane", "away")]


MAY_NOT = (
    *("can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos"),
    *("can_send_videos", "can_send_video_notes", "can_send_voice_notes", "can_send_polls"),
    *("can_send_other_messages", "can_add_web_page_previews", "can_change_info"),
    *("can_invite_users", "can_pin_messages", "can_manage_topics", "can_edit_tag"),
    "can_react_to_messages",
)


async def test_who_is_restricted_stays_until_they_are_outside(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await with_jane(harambee)

    def standing(*, inside: bool) -> dict[str, object]:
        rights = dict.fromkeys(MAY_NOT, False)
        there = {"status": "restricted", "is_member": inside, "until_date": 0}
        return {"user": jane.json(), **there, **rights}

    def changed(before: dict[str, object], after: dict[str, object]) -> None:
        api.updates.add(
            "chat_member",
            {
                "chat": harambee.group.json(),
                "from": mary.json(),
                "date": int(office.clock.now().timestamp()),
                "old_chat_member": before,
                "new_chat_member": after,
            },
        )

    changed(harambee.group.member_json(jane), standing(inside=True))
    await settled(harambee)
    assert told(mary, GONE) == 0

    changed(standing(inside=True), standing(inside=False))

    await office.said(mary.chat, GONE)


async def test_who_leaves_again_another_day_is_asked_about_again(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await with_jane(harambee)
    left = jane.leave(harambee.group)
    first = await office.said(mary.chat, GONE)
    jane.join(harambee.group)
    jane.leave(harambee.group)
    await settled(harambee)
    assert told(mary, GONE) == 1

    api.updates.add("message", {**left.json(), "date": left.date + 24 * 3600})

    await office.said(mary.chat, GONE, after=first)


async def test_nobody_is_asked_about_others_other_groups_and_closed_drives(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await with_jane(harambee)
    other = api.group(GROUP_ID - 1, "Football", [mary, jane], supergroup=True)
    jane.leave(other)
    office.otieno.leave(harambee.group)
    drive = await harambee.drive
    await settled(harambee)
    assert told(mary, GONE) == 0
    await office.core.drives.treasury.set_status(
        drive.id, Actor(id=mary.id, name="Mary"), DriveStatus.CLOSED, Closing()
    )
    jane.leave(harambee.group)
    await settled(harambee)

    assert told(mary, GONE) == 0
    assert not any(ALONE in text for text in harambee.group.texts)


async def test_nobody_takes_over_while_one_of_two_is_in_the_group_again(
    harambee: Harambee,
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await with_jane(harambee)
    harambee.group.standing[office.otieno.id] = "administrator"
    jane.leave(harambee.group)
    await office.said(mary.chat, GONE)
    mary.leave(harambee.group)
    offer = await office.said(harambee.group, ALONE)
    jane.join(harambee.group)
    await office.answered(office.otieno.press(offer, "Look after it"))
    assert await at_work(harambee) == ["Jane", "Mary"]

    jane.leave(harambee.group)
    await settled(harambee)
    await office.answered(office.otieno.press(offer, "Look after it"))

    assert await at_work(harambee) == ["Jane", "Mary", "Otieno"]


async def test_the_group_of_a_lone_treasurer_is_told_and_an_admin_comes_in(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await harambee.jane_gave_her_number()
    await harambee.opened()
    harambee.group.standing[jane.id] = "administrator"
    api.updates.deliver_twice()
    mary.leave(harambee.group)
    offer = await office.said(harambee.group, ALONE)
    await settled(harambee)
    assert sum(ALONE in text for text in harambee.group.texts) == 1
    assert "Mary" not in offer.text
    refused = await office.answered(office.otieno.press(offer, "Look after it"))
    assert "msimamizi wa kikundi tu" in refused
    assert await at_work(harambee) == ["Mary"]

    answer = await office.answered(jane.press(offer, "Look after it"))

    assert "You look after it now" in answer
    await office.said(mary.chat, "Jane, an admin of the group, looks after")
    asked = await office.said(jane.chat, GONE)
    assert await at_work(harambee) == ["Jane", "Mary"]
    late = await office.answered(jane.press(offer, "Look after it"))
    assert "nothing was changed" in late.lower()
    jane.press(asked, "Take them off")
    await office.said(jane.chat, "Mary does not look after")
    assert await at_work(harambee) == ["Jane"]
    assert await trail(harambee) == [("Mary", "away"), ("Jane", "+ Jane"), ("Jane", "− Mary")]


async def test_the_second_admin_and_the_return_of_the_treasurer_find_nothing_to_take(
    harambee: Harambee,
) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    otieno = office.otieno
    await harambee.jane_gave_her_number()
    await harambee.opened()
    for admin in (jane, otieno):
        harambee.group.standing[admin.id] = "administrator"
    mary.leave(harambee.group)
    offer = await office.said(harambee.group, ALONE)
    mary.join(harambee.group)
    back = await office.answered(jane.press(offer, "Look after it"))
    assert "in the group again" in back
    harambee.group.standing[mary.id] = "left"
    await office.answered(jane.press(offer, "Look after it"))
    second = await office.answered(otieno.press(offer, "Look after it"))

    assert "hakuna kilichobadilika" in second.lower()
    assert await at_work(harambee) == ["Jane", "Mary"]


async def test_an_operator_takes_over_and_the_last_treasurer_is_never_taken_off(
    harambee: Harambee,
) -> None:
    office, mary, boss = harambee.office, harambee.mary, harambee.office.boss
    boss.start()
    await office.said(boss.chat, "Hello Boss")
    boss.join(harambee.group)
    await harambee.opened()
    mary.leave(harambee.group)
    offer = await office.said(harambee.group, ALONE)
    drive = await harambee.drive
    lone = Deed(action="d.off", subject=drive.id, argument=str(mary.id))
    answer = await office.answered(await shown(office, boss, lone, boss.chat.last))
    assert "only treasurer" in answer
    assert await at_work(harambee) == ["Mary"]

    await office.answered(boss.press(offer, "Look after it"))

    assert await at_work(harambee) == ["Boss", "Mary"]
