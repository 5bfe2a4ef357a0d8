"""Who shuts us out, and lets us in again, misses no word about money."""

from __future__ import annotations

import pytest

from bot.playground.botapi import BotApi
from bot.playground.chats import Chat
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import Office
from tests.stores import TestClock

GROUP_ID = -5001


async def asked_in(group: Chat, office: Office) -> None:
    """Jane has asked for a payment there; its message says that the phone is to be looked at."""
    office.jane.say("/pay@lipa_demo_bot 50 0712345678", chat=group)
    await office.said(group, "phone")
    await office.handled()


async def test_a_group_that_takes_us_in_again_learns_what_was_paid_meanwhile(
    office: Office, api: BotApi
) -> None:
    mary = api.person(2001, "Mary", started=True)
    group = api.group(GROUP_ID, "Chama", [mary, office.jane])
    await asked_in(group, office)
    mary.remove_bot(group)
    await office.handled()
    await office.result(0, receipt="UKN4ABCDE7")
    await office.handled()
    assert not any("✅" in text for text in group.texts)

    mary.add_bot(group)
    await office.said(group, "✅")


async def test_a_group_that_lets_us_write_again_learns_what_was_paid_meanwhile(
    office: Office, api: BotApi
) -> None:
    mary = api.person(2001, "Mary", started=True)
    group = api.group(GROUP_ID, "Chama", [mary, office.jane])
    await asked_in(group, office)
    api.world.standing_changed(group, mary, "member", "kicked")
    await office.result(0, receipt="UKN4ABCDE7")
    await office.handled()

    api.world.standing_changed(group, mary, "member", "administrator")
    await office.said(group, "✅")


FOR_ALL_CALLS = 1000
CLOSED_WORDS = (
    "not enough rights to send text messages to the chat",
    "CHAT_WRITE_FORBIDDEN",
    "have no rights to send a message",
)


@pytest.mark.parametrize("words", CLOSED_WORDS)
async def test_a_group_that_is_closed_at_night_learns_in_the_morning_what_was_paid(
    office: Office, api: BotApi, clock: TestClock, words: str
) -> None:
    group = api.group(GROUP_ID, "Chama", [office.jane])
    await asked_in(group, office)
    api.faults.refused(words, chat_id=GROUP_ID, times=FOR_ALL_CALLS)
    await office.result(0, receipt="UKN4ABCDE7")
    await office.handled()
    for _ in range(8):
        clock.advance(3600)
        await office.core.post.try_set_aside()
        await office.handled()
    assert not any("✅" in text for text in group.texts)

    api.faults.clear()
    clock.advance(3600)
    await office.core.post.try_set_aside()

    await office.said(group, "✅")


async def test_a_group_that_was_closed_for_long_learns_it_with_the_first_message_it_takes(
    office: Office, api: BotApi, clock: TestClock
) -> None:
    group = api.group(GROUP_ID, "Chama", [office.jane])
    await asked_in(group, office)
    api.faults.refused(chat_id=GROUP_ID, times=FOR_ALL_CALLS)
    await office.result(0, receipt="UKN4ABCDE7")
    await office.handled()
    for _ in range(8 * 4):
        clock.advance(6 * 3600)
        await office.core.post.try_set_aside()
        await office.handled()
    tried = len(api.calls)
    await office.core.post.try_set_aside()
    await office.handled()
    assert len(api.calls) == tried, "after a week it is left alone"

    api.faults.clear()
    office.jane.say("/help@lipa_demo_bot", chat=group)

    await office.said(group, "✅")


async def test_who_has_blocked_us_is_told_in_the_group_where_to_go_on(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.opened()
    jane.start()
    await office.said(jane.chat, "Hello Jane")
    jane.block()
    await office.handled()

    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)

    invited = await office.said(harambee.group, "open me once in private")
    assert invited.labels == ["👉 Open to give privately"]
    jane.unblock()
    await office.handled()
    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)
    await office.said(jane.chat, "Which M-Pesa number gives")


async def test_the_group_knows_of_a_prompt_on_the_phone_of_who_has_blocked_us(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.opened()
    await harambee.jane_gave_her_number()
    jane.block()
    await office.handled()

    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)

    await office.said(harambee.group, "0712***678")
    await office.result(1032)
    await office.handled()
    jane.unblock()
    await office.said(jane.chat, "cancelled")


async def test_a_block_of_which_no_news_came_is_known_from_the_first_refusal(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.opened()
    jane.start()
    await office.said(jane.chat, "Hello Jane")
    jane.blocked = True
    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)
    await office.handled()

    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)

    await office.said(harambee.group, "open me once in private")


async def test_who_writes_again_after_a_block_reads_what_was_paid_meanwhile(
    office: Office,
) -> None:
    jane = office.jane
    await office.pay(jane, "/pay 50 0712345678")
    jane.block()
    await office.handled()
    await office.result(0, receipt="UKN4ABCDE7")
    await office.handled()
    jane.blocked = False  # and the news of that never came

    jane.say("/help")

    await office.said(jane.chat, "✅")


async def test_who_was_forgotten_and_blocks_us_is_not_written_down_again(office: Office) -> None:
    stranger = office.api.person(3001, "Ann", started=True)
    stranger.block()
    await office.handled()
    stranger.unblock()
    await office.handled()

    assert await office.core.people.get(3001) is None
