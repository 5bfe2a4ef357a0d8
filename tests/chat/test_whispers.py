"""Whispers: progress that one member of a group sees there; and what is told where it cannot be."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.chat.whispers import REFUSED_FOR
from bot.playground.backend import Backend
from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.playground.errors import Json
from bot.playground.params import Params
from bot.playground.people import Person
from bot.playground.sending import send_message
from storage.engine import Store
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import Office
from tests.chat.test_presses import put_off
from tests.stores import TestClock

PARAMETERS = "ephemeral_message_parameters"


class ReadsPast(BotApi):
    """A server that knows ephemeral messages, but not the name by which we ask for one."""

    def __init__(self) -> None:
        super().__init__()

        def aloud(backend: Backend, params: Params) -> Json:
            known = {name: each for name, each in params.values.items() if name != PARAMETERS}
            return send_message(backend, Params(known, params.uploads))

        self._methods["sendmessage"] = aloud


async def whispered(harambee: Harambee, person: Person, words: str) -> Message:
    """The whisper to this person that holds these words, once there is one."""

    def found() -> list[Message]:
        return [m for m in harambee.group.whispered_to(person.id) if words in m.text]

    await harambee.api.wait_for(lambda: bool(found()))
    return found()[-1]


def tries(api: BotApi) -> int:
    """How often we have asked to whisper."""
    return sum(PARAMETERS in call.params for call in api.calls_of("sendMessage"))


async def paid_times(api: BotApi, person: Person, count: int) -> None:
    """So many gifts of this person were told as paid, in private."""
    await api.wait_for(lambda: len(in_private(person, "✅")) == count)


async def gave(harambee: Harambee) -> tuple[Message, list[str]]:
    """Jane presses on the card: what is whispered to her, and what the group had read by then."""
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    before = harambee.group.texts
    harambee.office.jane.press(card, "KES 500")
    await harambee.pushed(1)
    return await whispered(harambee, harambee.office.jane, "Check the phone"), before


def in_private(person: Person, words: str) -> list[str]:
    return [m.text for m in person.chat.from_bot if words in m.text]


async def test_progress_is_for_the_giver_alone_and_the_last_word_is_in_private_too(
    harambee: Harambee,
) -> None:
    office, jane, group = harambee.office, harambee.office.jane, harambee.group
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    said = len(group.from_bot)

    jane.press(card, "KES 500")
    await harambee.pushed(1)
    whisper = await whispered(harambee, jane, "Check the phone")
    assert "Mama Akinyi hospital bill · the group sees: Jane, KES 500" in whisper.text
    await office.handled()
    assert in_private(jane, "Check the phone") == []

    await harambee.paid()
    status = await office.said(jane.chat, "✅")
    await harambee.api.wait_for(lambda: "✅" in whisper.text)
    await harambee.look()
    await harambee.api.wait_for(lambda: "• Jane – KES 500" in card.text)
    assert any("Hide my name" in label for label in status.labels)
    assert whisper.labels == []
    assert len(group.from_bot) == said
    assert [each.whispered_to(office.otieno.id) for each in (group, jane.chat)] == [[], []]


async def test_a_failure_is_whispered_and_told_in_private_never_to_the_group(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    whisper, before = await gave(harambee)

    await office.result(1032)

    await office.said(jane.chat, "Not paid")
    await harambee.api.wait_for(lambda: "Not paid" in whisper.text)
    assert harambee.group.texts == before


async def test_that_nobody_knows_yet_is_told_where_it_can_be_read_again(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    office.daraja.unheard = True

    jane.press(card, "KES 500")

    status = await office.said(jane.chat, "I don't know yet")
    assert "KES 500" in status.text
    assert "I don't know yet" not in " ".join(harambee.group.texts)


async def test_who_has_shut_us_out_reads_the_last_word_in_the_group_and_again_on_return(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    whisper, before = await gave(harambee)
    jane.block()

    await harambee.paid()

    await harambee.api.wait_for(lambda: "✅" in whisper.text)
    assert in_private(jane, "✅") == []
    assert harambee.group.texts == before
    jane.start()
    await office.said(jane.chat, "✅")


async def test_who_is_offline_gets_the_last_word_all_the_same(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.offline = True

    jane.press(card, "KES 500")
    await harambee.pushed(1)
    await office.handled()
    await harambee.paid()

    await office.said(jane.chat, "✅")
    assert tries(harambee.api) == 1
    assert harambee.group.whispers == []


async def test_a_lost_answer_doubles_progress_and_never_the_last_word(
    harambee: Harambee,
) -> None:
    office, jane, api = harambee.office, harambee.office.jane, harambee.api
    await harambee.jane_gave_her_number()
    harambee.mary.promote_bot(harambee.group)
    await harambee.opened()
    await office.handled()
    api.faults.lose_reply(method="sendMessage", chat_id=harambee.group.id, times=1)

    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)
    await harambee.pushed(1)
    async with asyncio.timeout(60):
        while not await put_off(office):
            continue
    office.clock.advance(2)
    office.core.post.wake.set()
    await api.wait_for(lambda: len(harambee.group.whispered_to(jane.id)) == 2)
    await harambee.paid()

    await office.said(jane.chat, "✅")
    await office.handled()
    assert len(in_private(jane, "✅")) == 1


async def test_the_last_word_comes_after_a_restart_though_progress_was_whispered(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(api, kept, clock)
    harambee = Harambee(office, api)
    async with office.open():
        await harambee.jane_gave_her_number()
        card = await harambee.opened()
        office.jane.press(card, "KES 500")
        await harambee.pushed(1)
        whisper = await whispered(harambee, office.jane, "Check the phone")
        await office.handled()
    await harambee.paid()

    async with office.open():
        await office.said(office.jane.chat, "✅")
        await api.wait_for(lambda: "✅" in whisper.text)
        await office.handled()

    assert len(in_private(office.jane, "✅")) == 1
    await asyncio.gather(*office.tasks)


async def test_a_late_last_word_is_one_new_message_and_rings_once(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.press(card, "KES 500")
    await harambee.pushed(1)
    await whispered(harambee, jane, "Check the phone")
    await office.handled()
    office.clock.advance(200)

    await harambee.paid()
    await office.said(jane.chat, "✅")
    await office.handled()

    assert len(in_private(jane, "✅")) == 1


async def test_a_command_is_answered_so_where_the_bot_is_an_admin(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    harambee.mary.promote_bot(harambee.group)
    await harambee.opened()
    said = len(harambee.group.from_bot)

    jane.say("/give@lipa_demo_bot 700", chat=harambee.group)
    await harambee.pushed(1)

    await whispered(harambee, jane, "Check the phone")
    await harambee.paid()
    await office.said(jane.chat, "✅")
    assert len(harambee.group.from_bot) == said


async def test_a_refusal_sends_progress_to_private_and_is_remembered(harambee: Harambee) -> None:
    office, jane, api = harambee.office, harambee.office.jane, harambee.api
    await harambee.jane_gave_her_number()
    await harambee.opened()

    for number, after in enumerate((timedelta(), timedelta(minutes=5), REFUSED_FOR), 1):
        office.clock.advance(after.total_seconds())
        jane.say(f"/give@lipa_demo_bot {100 * number}", chat=harambee.group)
        await harambee.pushed(number)
        await office.said(jane.chat, f"KES {100 * number}")
        await harambee.paid(receipt=f"UKN4ABCDE{number}")
        await paid_times(api, jane, number)
        assert tries(api) == (1, 1, 2)[number - 1]

    assert harambee.group.whispers == []


async def test_an_admin_needs_no_press_that_has_grown_old(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    harambee.mary.promote_bot(harambee.group)
    card = await harambee.opened()
    await office.handled()
    held = harambee.api.faults.slow(method="deleteEphemeralMessage")

    press = jane.press(card, "KES 500")
    await harambee.pushed(1)
    await harambee.api.wait_for(lambda: held.met == 1)
    press.at_s -= 60
    held.gate.set()

    await whispered(harambee, jane, "Check the phone")
    assert tries(harambee.api) == 2


async def test_a_server_that_knows_no_whispers_is_never_asked_to_whisper(
    harambee: Harambee,
) -> None:
    """It would read past what it does not know, and tell the whole group."""
    office, jane, api = harambee.office, harambee.office.jane, harambee.api
    api.world.whispers = False
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    said = len(harambee.group.from_bot)

    for number, amount in enumerate(("KES 100", "KES 500"), 1):
        jane.press(card, amount)
        await harambee.pushed(number)
        await office.said(jane.chat, f"{amount} ")
        await harambee.paid(receipt=f"UKN4ABCDE{number}")
        await paid_times(api, jane, number)

    assert tries(api) == 0
    assert len(api.calls_of("deleteEphemeralMessage")) == 1
    assert len(harambee.group.from_bot) == said


async def test_what_was_said_aloud_is_taken_back_at_once_and_not_tried_again(
    kept: Store, clock: TestClock
) -> None:
    async with ReadsPast() as api:
        office = Office(api, kept, clock)
        async with office.open():
            harambee = Harambee(office, api)
            await harambee.jane_gave_her_number()
            card = await harambee.opened()
            before = harambee.group.texts
            for number, amount in enumerate(("KES 100", "KES 500"), 1):
                office.jane.press(card, amount)
                await harambee.pushed(number)
                await office.said(office.jane.chat, f"{amount} ")
                await harambee.paid(receipt=f"UKN4ABCDE{number}")
                await paid_times(api, office.jane, number)
            assert harambee.group.texts == before
            assert tries(api) == 1
        await asyncio.gather(*office.tasks)


async def test_what_is_pressed_below_a_whisper_is_no_matter_of_the_group(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    said = len(harambee.group.from_bot)
    jane.press(card, "KES 500")
    await harambee.pushed(1)
    whisper = await whispered(harambee, jane, "Check the phone")
    await office.handled()

    checked = jane.press(whisper, "check now")
    assert (await office.answered(checked)).startswith("Asking Safaricom now")
    await office.handled()
    unseen = next(label for label in whisper.labels if "check" not in label)
    office.clock.advance(600)
    late = jane.press(whisper, unseen)
    assert await office.answered(late)
    await office.handled()

    assert len(harambee.group.from_bot) == said
    assert jane.chat.from_bot


async def test_a_crowd_leaves_the_group_its_room_and_everybody_is_told(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(api, kept, clock)
    office.group_messages_per_minute = 20
    async with office.open():
        harambee = Harambee(office, api)
        card = await harambee.opened()
        crowd = [
            harambee.started(3000 + number, f"Member{number}", phone=f"2547120001{number:02}")
            for number in range(12)
        ]
        for person in crowd:
            person.start()
            person.share_contact()
        for person in crowd:
            await office.said(person.chat, "I will remember")
        for number, person in enumerate(crowd, 1):
            person.press(card, "KES 500")
            await harambee.pushed(number)

        def told(person: Person) -> bool:
            alone = harambee.group.whispered_to(person.id)
            return any("KES 500" in m.text for m in [*alone, *person.chat.from_bot[2:]])

        await api.wait_for(lambda: all(told(person) for person in crowd))
        assert 1 <= tries(api) <= 6
    await asyncio.gather(*office.tasks)
