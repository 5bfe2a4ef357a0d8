"""Owns the proof that ephemeral messages are one member's alone, and as strict as Telegram's."""

from __future__ import annotations

from typing import Any

from bot.playground.botapi import BotApi
from bot.playground.chats import Chat
from bot.playground.people import Person
from tests.playground.rawclient import HandClock, RawBot


def whisper(chat: Chat, person: Person, **more: Any) -> dict[str, Any]:
    """The parameters of an ephemeral message."""
    parameters: dict[str, Any] = {"receiver_user_id": person.id, **more}
    return {"chat_id": chat.id, "text": "psst", "ephemeral_message_parameters": parameters}


def card(chat: Chat) -> dict[str, Any]:
    keys = [[{"text": "go", "callback_data": "go"}]]
    return {"chat_id": chat.id, "text": "?", "reply_markup": {"inline_keyboard": keys}}


async def test_only_its_receiver_sees_it_and_it_is_no_message_of_the_chat(
    raw: RawBot, jane: Person, otieno: Person, group: Chat
) -> None:
    jane.promote_bot(group)
    before = len(group.messages)

    sent = await raw.ok("sendMessage", **whisper(group, otieno))

    assert (sent["message_id"], sent["ephemeral_message_id"]) == (0, 1)
    assert len(group.messages) == before
    assert [m.text for m in group.whispered_to(otieno.id)] == ["psst"]
    assert group.whispered_to(jane.id) == []
    assert [m.anchor for m in group.seen_by(otieno.id)][-1] == "w1"
    assert "w1" not in [m.anchor for m in group.seen_by(jane.id)]


async def test_no_admin_needs_a_press_of_that_member_and_a_fresh_one(
    raw: RawBot, jane: Person, otieno: Person, group: Chat, hand_clock: HandClock
) -> None:
    await raw.ok("sendMessage", **card(group))
    press = jane.press(group.last, "go")

    plain = await raw.refused("sendMessage", **whisper(group, jane))
    others = await raw.refused("sendMessage", **whisper(group, otieno, callback_query_id=press.id))
    made_up = await raw.refused("sendMessage", **whisper(group, jane, callback_query_id="1"))
    await raw.ok("sendMessage", **whisper(group, jane, callback_query_id=press.id))
    hand_clock.advance(16)
    late = await raw.refused("sendMessage", **whisper(group, jane, callback_query_id=press.id))

    assert plain == "Bad Request: BOT_NOT_ADMIN"
    assert {others, made_up, late} == {"Bad Request: QUERY_ID_INVALID"}
    assert len(group.whispers) == 1


async def test_it_is_for_members_of_groups(
    raw: RawBot, api: BotApi, jane: Person, group: Chat
) -> None:
    jane.promote_bot(group)
    stranger = api.person(4004, "Stranger", started=True)

    assert "USER_NOT_PARTICIPANT" in await raw.refused("sendMessage", **whisper(group, stranger))
    assert "BOT_NOT_ADMIN" in await raw.refused("sendMessage", **whisper(jane.chat, jane))
    odd = {**whisper(group, jane), "ephemeral_message_parameters": {"receiver_user_id": "x"}}
    assert "EphemeralMessageParameters" in await raw.refused("sendMessage", **odd)
    assert group.whispers == []


async def test_it_is_edited_and_deleted_by_its_own_name(
    raw: RawBot, jane: Person, otieno: Person, group: Chat
) -> None:
    jane.promote_bot(group)
    sent = await raw.ok("sendMessage", **whisper(group, jane))
    name = {"chat_id": group.id, "receiver_user_id": jane.id}
    its = {**name, "ephemeral_message_id": sent["ephemeral_message_id"]}
    theirs = {**its, "receiver_user_id": otieno.id}

    assert "not specified" in await raw.refused("deleteEphemeralMessage", **name)
    assert "not found" in await raw.refused("editEphemeralMessageText", text="no", **theirs)
    assert await raw.ok("editEphemeralMessageText", text="new", **its)
    assert "not modified" in await raw.refused("editEphemeralMessageText", text="new", **its)
    assert group.whispers[0].text == "new"
    assert await raw.ok("deleteEphemeralMessage", **its)
    assert "not found" in await raw.refused("deleteEphemeralMessage", **its)
    assert group.whispers == []


async def test_a_press_below_it_names_it(raw: RawBot, jane: Person, group: Chat) -> None:
    jane.promote_bot(group)
    markup = {"inline_keyboard": [[{"text": "go", "callback_data": "go"}]]}
    await raw.ok("sendMessage", **whisper(group, jane), reply_markup=markup)

    jane.press(group.whispered_to(jane.id)[0], "go")

    updates = await raw.ok("getUpdates", timeout=0)
    [query] = [each["callback_query"] for each in updates if "callback_query" in each]
    assert query["message"]["ephemeral_message_id"] == 1
    assert query["message"]["chat"]["id"] == group.id


async def test_who_is_offline_never_gets_it_and_the_bot_is_not_told(
    raw: RawBot, jane: Person, group: Chat
) -> None:
    jane.promote_bot(group)
    jane.offline = True

    sent = await raw.ok("sendMessage", **whisper(group, jane))
    name = {"chat_id": group.id, "receiver_user_id": jane.id}
    its = {**name, "ephemeral_message_id": sent["ephemeral_message_id"]}
    assert await raw.ok("editEphemeralMessageText", text="new", **its)
    jane.offline = False

    assert group.whispered_to(jane.id) == []


async def test_an_older_server_reads_past_what_it_does_not_know(
    raw: RawBot, api: BotApi, jane: Person, group: Chat
) -> None:
    api.world.whispers = False

    assert (await raw("deleteEphemeralMessage"))[0] == 404
    sent = await raw.ok("sendMessage", **whisper(group, jane))

    assert "ephemeral_message_id" not in sent
    assert group.last.text == "psst"
