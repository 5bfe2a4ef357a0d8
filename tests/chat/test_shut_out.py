"""Who shuts us out, and lets us in again, misses no word about money."""

from __future__ import annotations

from bot.playground.botapi import BotApi
from bot.playground.chats import Chat
from tests.chat.test_conversation import Office

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
