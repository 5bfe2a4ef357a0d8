"""Owns the proof of delivery: polling offsets, conflicts, webhooks, repeats, privacy mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from bot.playground.botapi import BotApi
from bot.playground.chats import Chat
from bot.playground.people import Person
from bot.playground.webhook import SECRET_HEADER
from tests.playground.rawclient import RawBot


class Hook:
    """A bot's webhook: keeps what came and answers what it was told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str | None, int]] = []
        self.answers: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.got.append((request.headers.get(SECRET_HEADER), body["update_id"]))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    served = Hook()
    app = web.Application()
    app.router.add_post("/hook", served.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield served
    await runner.cleanup()


async def poll(raw: RawBot, offset: int = 0, timeout_s: int = 0) -> list[int]:
    updates = await raw.ok("getUpdates", offset=offset, timeout=timeout_s)
    return [update["update_id"] for update in updates]


async def test_updates_stay_until_a_higher_offset_confirms_them(raw: RawBot, jane: Person) -> None:
    jane.say("one")
    jane.say("two")

    first = await poll(raw)

    assert first[1] == first[0] + 1
    assert await poll(raw) == first
    assert await poll(raw, first[1]) == [first[1]]
    assert await poll(raw, first[1] + 1) == []
    assert await poll(raw) == []


async def test_a_long_poll_returns_as_soon_as_somebody_writes(raw: RawBot, jane: Person) -> None:
    waiting = asyncio.create_task(poll(raw, timeout_s=30))
    await raw.ok("getMe")

    jane.say("hello")

    async with asyncio.timeout(60):
        assert len(await waiting) == 1


async def test_the_older_of_two_polls_ends_with_409(api: BotApi, raw: RawBot, jane: Person) -> None:
    older = asyncio.create_task(raw("getUpdates", timeout=30))
    await api.wait_for(lambda: len(api.calls_of("getUpdates")) == 1)
    newer = asyncio.create_task(raw("getUpdates", timeout=30))

    status, body = await older
    jane.say("hello")

    assert status == 409
    assert body["description"].startswith("Conflict: terminated by other getUpdates request")
    assert len((await newer)[1]["result"]) == 1


async def test_polling_beside_a_webhook_is_a_conflict(raw: RawBot, hook: Hook) -> None:
    await raw.ok("setWebhook", url=hook.url)

    refused = await raw.refused("getUpdates")
    await raw.ok("deleteWebhook")

    assert refused.startswith("Conflict: can't use getUpdates method while webhook is active")
    assert await poll(raw) == []


async def test_setting_a_webhook_ends_the_poll_that_waits(
    api: BotApi, raw: RawBot, hook: Hook
) -> None:
    waiting = asyncio.create_task(raw("getUpdates", timeout=30))
    await api.wait_for(lambda: len(api.calls_of("getUpdates")) == 1)

    await raw.ok("setWebhook", url=hook.url)

    status, body = await waiting
    assert (status, body["description"]) == (409, "Conflict: terminated by setWebhook request")


async def test_a_webhook_is_called_in_order_with_its_secret_until_it_answers_200(
    api: BotApi, raw: RawBot, jane: Person, hook: Hook
) -> None:
    hook.answers = [500, 503]
    await raw.ok("setWebhook", url=hook.url, secret_token="s-3_cret")

    jane.say("one")
    jane.say("two")
    await api.wait_for(lambda: not api.updates.pending)

    first, second = (update.id for update in api.updates.sent)
    assert [update for _, update in hook.got] == [first, first, first, second]
    assert {secret for secret, _ in hook.got} == {"s-3_cret"}
    info = await raw.ok("getWebhookInfo")
    assert info["pending_update_count"] == 0
    assert info["last_error_message"] == "Wrong response from the webhook: 503"


async def test_a_bad_secret_is_refused(raw: RawBot) -> None:
    refused = await raw.refused("setWebhook", url="https://a.example", secret_token="with space")

    assert refused == "Bad Request: secret token contains unallowed characters"


async def test_allowed_updates_leave_the_others_out(api: BotApi, raw: RawBot, jane: Person) -> None:
    await raw.ok("getUpdates", allowed_updates=["callback_query"])

    jane.say("nobody hears this")

    assert api.updates.pending == []


async def test_an_update_can_come_twice_and_out_of_order(
    api: BotApi, raw: RawBot, jane: Person
) -> None:
    api.updates.deliver_twice()
    jane.say("twice")
    (first,) = await poll(raw)
    assert await poll(raw, first + 1) == [first]
    assert await poll(raw, first + 1) == []

    with api.updates.out_of_order():
        jane.say("a")
        jane.say("b")
    assert await poll(raw, first + 1) == [first + 2, first + 1]

    api.updates.redeliver(api.updates.sent[0])
    assert await poll(raw, first + 3) == [first]


GROUP_TALK = [
    ("good morning", False),
    ("/pay 50", True),
    ("/pay@lipa_demo_bot 50", True),
    ("/pay@another_bot 50", False),
    ("see /pay", False),
]


@pytest.mark.parametrize(("text", "heard"), GROUP_TALK)
async def test_privacy_mode_lets_only_commands_through(
    api: BotApi, jane: Person, group: Chat, text: str, heard: bool
) -> None:
    jane.say(text, chat=group)

    assert bool(api.updates.sent) is heard


async def test_privacy_mode_lets_replies_to_the_bot_through(
    api: BotApi, raw: RawBot, jane: Person, group: Chat
) -> None:
    await raw.ok("sendMessage", chat_id=group.id, text="How much?")

    jane.say("500", chat=group, reply_to=group.last)

    assert api.updates.sent[-1].body["message"]["reply_to_message"]["text"] == "How much?"


async def test_a_plain_command_goes_to_the_bot_that_spoke_last(
    api: BotApi, jane: Person, group: Chat
) -> None:
    group.other_bot_spoke_last = True
    jane.say("/give 50", chat=group)
    assert api.updates.sent == []

    jane.promote_bot(group)
    jane.say("/give 50", chat=group)
    assert api.updates.sent[-1].body["message"]["text"] == "/give 50"


async def test_a_bot_that_goes_away_in_the_middle_of_a_call_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with asyncio.timeout(60), BotApi() as served:
        place = urlsplit(served.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(
            f"POST /bot{served.token}/getUpdates HTTP/1.1\r\nHost: {place.netloc}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert b"100 Continue" in await reader.readline()
        writer.transport.abort()

    assert [each.getMessage() for each in caplog.records if each.name == "aiohttp.server"] == []


async def test_people_are_chosen_with_a_key_in_private_and_not_more_than_asked_for(
    raw: RawBot, jane: Person, otieno: Person, group: Chat
) -> None:
    wanted = {"request_id": 7, "user_is_bot": False, "max_quantity": 1}
    markup = {"keyboard": [[{"text": "Who?", "request_users": wanted}]]}
    refused = await raw.refused("sendMessage", chat_id=group.id, text="?", reply_markup=markup)
    await raw.ok("sendMessage", chat_id=jane.id, text="?", reply_markup=markup)

    with pytest.raises(ValueError, match="1 to 1"):
        jane.choose("Who?", otieno, jane)
    with pytest.raises(ValueError, match="choose them"):
        jane.tap("Who?")
    jane.choose("Who?", otieno)

    assert refused == "Bad Request: users can be requested in private chats only"
    updates = await raw.ok("getUpdates", timeout=0)
    [shared] = [u["message"]["users_shared"] for u in updates if "users_shared" in u["message"]]
    assert shared == {"request_id": 7, "users": [{"user_id": 1002, "first_name": "Otieno"}]}
    assert jane.chat.reply_keyboard is None
