"""Owns the proof that the stand-in refuses what Telegram refuses, over HTTP, in its words."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from bot.playground.botapi import BotApi
from bot.playground.chats import Chat
from bot.playground.limits import FloodLimits
from bot.playground.people import Person
from tests.playground.rawclient import HandClock, RawBot


def inline(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"inline_keyboard": [[button] for button in buttons]}


def data_button(data: str) -> dict[str, Any]:
    return {"text": "Pay", "callback_data": data}


ROW_OF_NINE = {"inline_keyboard": [[data_button("x")] * 9]}
CONTACT = {"keyboard": [[{"text": "Share", "request_contact": True}]]}
TEXT_BUTTON = (
    "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
)

BAD_MESSAGES = [
    ({"text": ""}, "message text is empty"),
    ({"text": " \n "}, "message text is empty"),
    ({"text": "<b> </b>", "parse_mode": "HTML"}, "message text is empty"),
    ({"text": "x" * 4097}, "message is too long"),
    ({"text": "🏟" * 2049}, "message is too long"),
    ({"text": "x", "parse_mode": "BBCode"}, "unsupported parse_mode"),
    (
        {"text": "1 < 2", "parse_mode": "HTML"},
        'can\'t parse entities: Unsupported start tag "" at byte offset 2',
    ),
    ({"reply_markup": inline(data_button("x" * 65))}, "BUTTON_DATA_INVALID"),
    ({"reply_markup": inline(data_button("é" * 33))}, "BUTTON_DATA_INVALID"),
    ({"reply_markup": inline(data_button(""))}, TEXT_BUTTON),
    ({"reply_markup": inline({"text": "Pay"})}, TEXT_BUTTON),
    (
        {"reply_markup": inline({"callback_data": "x"})},
        "can't parse inline keyboard button: Can't find field \"text\"",
    ),
    (
        {"reply_markup": inline(data_button("x") | {"url": "https://a.example"})},
        "can't parse inline keyboard button: Exactly one action must be specified",
    ),
    (
        {"reply_markup": inline({"text": "Copy", "copy_text": {"text": "x" * 257}})},
        "BUTTON_COPY_TEXT_INVALID",
    ),
    (
        {"reply_markup": inline({"text": "Open", "url": "ftp://a.example"})},
        "inline keyboard button URL 'ftp://a.example' is invalid: Unsupported URL protocol",
    ),
    (
        {"reply_markup": inline({"text": "Open", "url": "http://localhost:1/x"})},
        "inline keyboard button URL 'http://localhost:1/x' is invalid: Wrong HTTP URL",
    ),
    ({"reply_markup": inline(*[data_button("x")] * 101)}, "reply markup is too long"),
    ({"reply_markup": ROW_OF_NINE}, "reply markup is too long"),
    ({"reply_markup": "{"}, "can't parse reply keyboard markup JSON object"),
    ({"reply_markup": [1]}, "object expected as reply markup"),
    ({"reply_parameters": {"message_id": 77}}, "message to be replied not found"),
    ({"message_thread_id": 9}, "message thread not found"),
    ({"chat_id": 424242}, "chat not found"),
    ({"chat_id": "@nobody"}, "chat not found"),
    ({"chat_id": ""}, "chat_id is empty"),
    (
        {"chat_id": -5001, "reply_markup": CONTACT},
        "phone number can be requested in private chats only",
    ),
]


@pytest.mark.parametrize(("params", "reason"), BAD_MESSAGES)
async def test_a_bad_message_is_refused(
    raw: RawBot, jane: Person, group: Chat, params: dict[str, Any], reason: str
) -> None:
    described = await raw.refused("sendMessage", **{"chat_id": 1001, "text": "hi", **params})

    assert described == f"Bad Request: {reason}"
    assert jane.messages == []
    assert group.messages == []


async def test_what_lies_exactly_on_a_limit_is_taken(raw: RawBot, jane: Person) -> None:
    rows = [[data_button("x" * 64)] * 8] * 12 + [[data_button("x")] * 4]

    await raw.ok(
        "sendMessage",
        chat_id=1001,
        text=f"<b>{'x' * 4096}</b>",
        parse_mode="HTML",
        reply_markup={"inline_keyboard": rows},
    )

    assert len(jane.messages[0].text) == 4096
    assert len(jane.messages[0].buttons) == 100


async def test_a_reply_to_a_message_that_is_gone_may_be_sent_anyway(
    raw: RawBot, jane: Person
) -> None:
    reply = {"message_id": 77, "allow_sending_without_reply": True}

    sent = await raw.ok("sendMessage", chat_id=1001, text="hi", reply_parameters=reply)

    assert "reply_to_message" not in sent


async def test_an_unknown_method_and_a_wrong_token_are_refused(api: BotApi, raw: RawBot) -> None:
    assert await raw("makeCoffee") == (
        404,
        {"ok": False, "error_code": 404, "description": "Not Found: method not found"},
    )
    async with raw.session.get(f"{api.base_url}1:wrong/getMe") as answer:
        assert answer.status == 401
        assert (await answer.json())["description"] == "Unauthorized"


async def test_an_unchanged_edit_is_refused_and_a_changed_one_counted(
    raw: RawBot, jane: Person
) -> None:
    sent = await raw.ok("sendMessage", chat_id=1001, text="one")
    edit = {"chat_id": 1001, "message_id": sent["message_id"]}

    same = await raw.refused("editMessageText", text=" one ", **edit)
    changed = await raw.ok("editMessageText", text="two", **edit)

    assert same.startswith("Bad Request: message is not modified: specified new message content")
    assert changed["text"] == "two"
    assert jane.messages[0].edits == 1


async def test_an_edit_without_buttons_takes_them_away(raw: RawBot, jane: Person) -> None:
    sent = await raw.ok(
        "sendMessage", chat_id=1001, text="one", reply_markup=inline(data_button("x"))
    )

    await raw.ok("editMessageText", chat_id=1001, message_id=sent["message_id"], text="one")

    assert jane.messages[0].labels == []


async def test_messages_that_are_gone_or_of_others_cannot_be_changed(
    raw: RawBot, jane: Person
) -> None:
    own = jane.say("hello")
    keyed = await raw.ok("sendMessage", chat_id=1001, text="k", reply_markup=CONTACT)

    async def edit(message_id: int) -> str:
        return await raw.refused("editMessageText", chat_id=1001, message_id=message_id, text="new")

    assert await edit(999) == "Bad Request: message to edit not found"
    assert await edit(own.id) == "Bad Request: message can't be edited"
    assert await edit(keyed["message_id"]) == "Bad Request: message can't be edited"
    assert (
        await raw.refused("deleteMessage", chat_id=1001, message_id=999)
        == "Bad Request: message to delete not found"
    )


async def test_a_typed_message_in_a_group_is_deleted_only_by_an_administrator(
    raw: RawBot, jane: Person, group: Chat
) -> None:
    typed = jane.say("/pay 50 0712345678", chat=group)
    delete = {"chat_id": group.id, "message_id": typed.id}

    assert await raw.refused("deleteMessage", **delete) == "Bad Request: message can't be deleted"
    jane.promote_bot(group)
    await raw.ok("deleteMessage", **delete)

    assert group.messages == []


async def test_a_person_who_never_started_or_blocked_the_bot_is_out_of_reach(
    raw: RawBot, otieno: Person
) -> None:
    unknown = await raw("sendMessage", chat_id=1002, text="hi")
    otieno.start()
    otieno.block()
    blocked = await raw("sendMessage", chat_id=1002, text="hi")
    otieno.unblock()

    assert unknown[1]["description"] == "Forbidden: bot can't initiate conversation with a user"
    assert blocked[1]["description"] == "Forbidden: bot was blocked by the user"
    assert (unknown[0], blocked[0]) == (403, 403)
    await raw.ok("sendMessage", chat_id=1002, text="hi")


async def test_a_group_that_put_the_bot_out_answers_403(
    raw: RawBot, jane: Person, group: Chat
) -> None:
    jane.remove_bot(group)

    refused = await raw.refused("sendMessage", chat_id=group.id, text="hi")

    assert refused == "Forbidden: bot was kicked from the group chat"


async def test_an_upgraded_group_names_its_new_id(api: BotApi, raw: RawBot, group: Chat) -> None:
    new = api.upgrade(group, -1005001)

    _, body = await raw("sendMessage", chat_id=group.id, text="hi")

    assert body["description"] == "Bad Request: group chat was upgraded to a supergroup chat"
    assert body["parameters"] == {"migrate_to_chat_id": -1005001}
    kinds = [update.body["message"] for update in api.updates.sent]
    assert kinds[0]["migrate_to_chat_id"] == new.id
    assert kinds[1]["migrate_from_chat_id"] == group.id


async def test_a_topic_is_answered_in_until_it_is_closed(
    api: BotApi, raw: RawBot, jane: Person
) -> None:
    forum = api.group(-1006001, "Forum", [jane], forum=True)
    thread = jane.open_topic(forum, "Payments")

    sent = await raw.ok("sendMessage", chat_id=forum.id, text="hi", message_thread_id=thread)
    forum.topics[thread].closed = True
    closed = await raw.refused("sendMessage", chat_id=forum.id, text="hi", message_thread_id=thread)

    assert sent["message_thread_id"] == thread
    assert closed == "Bad Request: TOPIC_CLOSED"


async def test_a_press_is_answered_once_and_in_time(
    raw: RawBot, jane: Person, hand_clock: HandClock
) -> None:
    await raw.ok("sendMessage", chat_id=1001, text="?", reply_markup=inline(data_button("go")))
    first = jane.press(jane.messages[0], "go")
    second = jane.press(jane.messages[0], "Pay")
    too_old = "Bad Request: query is too old and response timeout expired or query ID is invalid"

    long_toast = await raw.refused(
        "answerCallbackQuery", callback_query_id=first.id, text="x" * 201
    )
    await raw.ok("answerCallbackQuery", callback_query_id=first.id, text="Sent", show_alert=True)
    again = await raw.refused("answerCallbackQuery", callback_query_id=first.id)
    hand_clock.advance(16)
    late = await raw.refused("answerCallbackQuery", callback_query_id=second.id)

    assert long_toast == "Bad Request: MESSAGE_TOO_LONG"
    assert (first.toast, first.alert) == ("Sent", True)
    assert (again, late, second.late) == (too_old, too_old, True)


async def test_reactions_pins_and_actions_follow_telegrams_rules(
    raw: RawBot, jane: Person, group: Chat
) -> None:
    said = jane.say("/give 5", chat=group)
    target = {"chat_id": group.id, "message_id": said.id}

    await raw.ok("setMessageReaction", reaction=[{"type": "emoji", "emoji": "👀"}], **target)
    bad = await raw.refused(
        "setMessageReaction", reaction=[{"type": "emoji", "emoji": "✅"}], **target
    )
    pin = await raw.refused("pinChatMessage", **target)
    action = await raw.refused("sendChatAction", chat_id=group.id, action="dancing")

    assert (said.reaction, bad) == ("👀", "Bad Request: REACTION_INVALID")
    assert pin == "Bad Request: not enough rights to manage pinned messages in the chat"
    assert action == "Bad Request: wrong parameter action in request"


async def test_command_menus_are_kept_by_scope_and_language(
    api: BotApi, raw: RawBot, jane: Person, otieno: Person, group: Chat
) -> None:
    pay = {"command": "pay", "description": "Pay"}
    lipa = {"command": "pay", "description": "Lipa"}
    private = {"type": "all_private_chats"}

    await raw.ok("setMyCommands", commands=[pay], scope=private)
    await raw.ok("setMyCommands", commands=[lipa], scope=private, language_code="sw")

    assert await raw.ok("getMyCommands", scope=private) == [pay]
    assert api.menu(jane.chat, jane) == [pay]
    assert api.menu(otieno.chat, otieno) == [lipa]
    assert api.menu(group, jane) == []
    bad = {"command": "Pay!", "description": "x"}
    assert await raw.refused("setMyCommands", commands=[bad]) == "Bad Request: BOT_COMMAND_INVALID"


async def test_flood_limits_when_they_are_on(hand_clock: HandClock) -> None:
    async with (
        BotApi(clock=hand_clock, limits=FloodLimits()) as api,
        aiohttp.ClientSession() as session,
    ):
        raw = RawBot(api, session)
        person = api.person(1001, started=True)
        group = api.group(-5001, "g", [person])
        for _ in range(5):
            await raw.ok("sendMessage", chat_id=1001, text="hi")
        status, body = await raw("sendMessage", chat_id=1001, text="hi")
        hand_clock.advance(body["parameters"]["retry_after"])
        await raw.ok("sendMessage", chat_id=1001, text="hi")
        for _ in range(20):
            hand_clock.advance(1)
            await raw.ok("sendMessage", chat_id=group.id, text="hi")
        _, minute = await raw("sendMessage", chat_id=group.id, text="hi")

    assert status == 429
    assert body["description"] == "Too Many Requests: retry after 5"
    assert minute["parameters"]["retry_after"] == 41


async def test_form_and_query_parameters_are_read_like_json(
    api: BotApi, raw: RawBot, jane: Person
) -> None:
    url = f"{api.base_url}{api.token}/sendMessage"
    form = {"chat_id": "1001", "text": "form", "reply_markup": '{"inline_keyboard": []}'}

    async with raw.session.post(url, data=form) as answer:
        assert answer.status == 200
    async with raw.session.get(url, params={"chat_id": "1001", "text": "query"}) as answer:
        assert answer.status == 200
    async with raw.session.post(
        url, data="{", headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 400

    assert jane.chat.texts == ["form", "query"]
