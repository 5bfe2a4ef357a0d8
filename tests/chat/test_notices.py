"""Notices: told once and in order, edited when they can be, and never given up without reason."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from telegram.ext import ExtBot

from bot.chat.notices import Notifier
from bot.core.post import LEASE, Post
from bot.playground.botapi import BotApi
from bot.playground.faults import Fault
from bot.playground.people import Person
from storage.engine import Store
from storage.errors import StoreBusy
from storage.records import (
    Button,
    Closing,
    Document,
    Keyboard,
    NewNotice,
    Notice,
    NoticeKind,
    Reply,
)
from storage.tx import Tx
from tests.stores import TestClock

STATUS_KEY = "status:1"


class Sayings:
    """Makes messages: a SAY from its stored text, a STATUS from what is true now."""

    def __init__(self) -> None:
        self.status = "⏳ Sending…"
        self.broken = False
        self.moot = False

    async def make(self, notice: Notice) -> Reply | None:
        if self.broken:
            raise ZeroDivisionError
        if self.moot:
            return None
        if notice.kind is NoticeKind.SAY:
            return None if notice.reply is None else replace(notice.reply, chat_id=notice.chat_id)
        return Reply(chat_id=notice.chat_id, text=self.status)


class House:
    """A store, an outbox, a stand-in for Telegram, and the one who carries messages between."""

    def __init__(self, api: BotApi, bot: ExtBot[None], store: Store, clock: TestClock) -> None:
        self.api = api
        self.store = store
        self.clock = clock
        self.post = Post(store=store, clock=clock)
        self.sayings = Sayings()
        self.notifier = Notifier(
            bot=bot, post=self.post, clock=clock, make=self.sayings.make, chats_at_once=8
        )

    async def say(self, chat_id: int, *texts: str) -> None:
        await self.owe(*(Reply(chat_id=chat_id, text=text) for text in texts))

    async def owe(self, *replies: Reply) -> None:
        await self.post.say(Closing(replies=replies))
        self.clock.advance(0.001)

    async def status(self, text: str, chat_id: int = 1001) -> None:
        self.sayings.status = text
        notice = NewNotice(key=STATUS_KEY, kind=NoticeKind.STATUS, chat_id=chat_id)

        async def run(tx: Tx) -> None:
            await tx.notices.owe([notice], now=self.clock.now())

        await self.store.write(run)

    def seen(self, chat_id: int) -> list[str]:
        return [message.text for message in self.api.chat(chat_id).messages if message.from_bot]


@pytest.fixture
def house(api: BotApi, bot: ExtBot[None], kept: Store, clock: TestClock) -> House:
    return House(api, bot, kept, clock)


@pytest.fixture
def jane(api: BotApi) -> Person:
    return api.person(1001, "Jane", started=True)


@pytest.fixture
def otieno(api: BotApi) -> Person:
    return api.person(1002, "Otieno", started=True)


async def test_one_chat_reads_everything_in_order(house: House, jane: Person) -> None:
    await house.say(1001, "one", "two")
    await house.say(1001, "three")

    await house.notifier.run_due()

    assert house.seen(1001) == ["one", "two", "three"]
    assert await house.post.owed() == 0


async def test_a_status_is_sent_once_and_then_edited(house: House, jane: Person) -> None:
    await house.status("⏳ Sending…")
    await house.notifier.run_due()
    await house.status("📲 Check your phone")
    await house.notifier.run_due()
    await house.status("📲 Check your phone")
    await house.notifier.run_due()

    assert house.seen(1001) == ["📲 Check your phone"]
    assert jane.chat.last.edits == 1
    assert await house.post.owed() == 0, "a message that is not modified was told"


async def test_a_status_whose_message_was_deleted_is_sent_anew(house: House, jane: Person) -> None:
    await house.status("⏳ Sending…")
    await house.notifier.run_due()
    jane.world.delete(jane.chat.last)
    await house.status("❌ Not paid")

    await house.notifier.run_due()

    assert [m.text for m in jane.messages if m.from_bot and not m.deleted] == ["❌ Not paid"]


async def test_a_429_puts_off_that_chat_alone(
    house: House, api: BotApi, jane: Person, otieno: Person
) -> None:
    api.faults.flood(30, chat_id=1001)
    await house.say(1001, "to Jane")
    await house.say(1002, "to Otieno")

    await house.notifier.run_due()
    meanwhile = house.seen(1001), house.seen(1002)
    house.clock.advance(30)
    await house.notifier.run_due()

    assert meanwhile == ([], ["to Otieno"])
    assert house.seen(1001) == ["to Jane"]


async def test_a_flood_that_lasts_gives_nothing_up(house: House, api: BotApi, jane: Person) -> None:
    api.faults.flood(5, chat_id=1001, times=20)
    await house.say(1001, "to Jane")

    for _ in range(21):
        await house.notifier.run_due()
        house.clock.advance(5)

    assert house.seen(1001) == ["to Jane"]


async def test_an_answer_that_was_lost_may_say_it_twice_and_edits_never_do(
    house: House, api: BotApi, jane: Person
) -> None:
    api.faults.lose_reply(method="sendMessage")
    api.faults.lose_reply(method="editMessageText")
    await house.say(1001, "hello")
    for _ in range(3):
        await house.notifier.run_due()
        house.clock.advance(60)
    await house.status("⏳ Sending…")
    await house.notifier.run_due()
    await house.status("✅ Paid")

    for _ in range(3):
        await house.notifier.run_due()
        house.clock.advance(60)

    assert house.seen(1001) == ["hello", "hello", "✅ Paid"]


async def test_a_telegram_that_is_down_for_long_gives_nothing_up(
    house: House, api: BotApi, jane: Person
) -> None:
    api.faults.server_error(502, times=30)
    await house.say(1001, "hello")

    for _ in range(31):
        await house.notifier.run_due()
        house.clock.advance(60)

    assert house.seen(1001) == ["hello"]


async def test_a_blocked_bot_stops_telling_that_person_only(
    house: House, jane: Person, otieno: Person
) -> None:
    jane.block()
    await house.say(1001, "to Jane")
    await house.say(1001, "and more")
    await house.say(1002, "to Otieno")

    await house.notifier.run_due()

    assert house.seen(1001) == []
    assert house.seen(1002) == ["to Otieno"]
    assert await house.post.owed() == 0


async def test_a_chat_that_is_not_there_is_given_up(house: House) -> None:
    await house.say(424242, "anybody?")

    await house.notifier.run_due()

    assert await house.post.owed() == 0


async def test_a_group_that_became_a_supergroup_is_told_there(
    house: House, api: BotApi, jane: Person
) -> None:
    group = api.group(-5001, "Harambee", [jane])
    await house.status("⏳ Sending…", chat_id=-5001)
    await house.notifier.run_due()
    api.upgrade(group, -1005001)
    await house.say(-5001, "hello")
    await house.status("✅ Paid", chat_id=-5001)

    await house.notifier.run_due()

    assert sorted(house.seen(-1005001)) == ["hello", "✅ Paid"]
    assert await house.post.owed() == 0


async def test_a_closed_topic_falls_back_to_the_general_one(
    house: House, api: BotApi, jane: Person
) -> None:
    api.group(-1007001, "Forum", [jane], forum=True)
    await house.owe(Reply(chat_id=-1007001, text="hello", thread_id=99))

    await house.notifier.run_due()

    assert house.seen(-1007001) == ["hello"]


async def test_a_reply_to_a_deleted_message_is_sent_without_it(house: House, jane: Person) -> None:
    await house.owe(Reply(chat_id=1001, text="hello", reply_to=777))

    await house.notifier.run_due()

    assert house.seen(1001) == ["hello"]


async def test_html_that_telegram_refuses_is_sent_as_plain_text(house: House, jane: Person) -> None:
    await house.say(1001, "<b>Paid &lt;50&gt;</i> today")

    await house.notifier.run_due()

    assert house.seen(1001) == ["Paid <50> today"]


async def test_a_bug_of_ours_is_tried_five_times_and_then_set_aside(
    house: House, jane: Person
) -> None:
    house.sayings.broken = True
    await house.say(1001, "hello")
    tries = 0
    for _ in range(10):
        tries += await house.notifier.run_due()
        house.clock.advance(60)
    house.sayings.broken = False
    await house.say(1001, "and on we go")

    await house.notifier.run_due()

    assert tries == 5
    assert house.seen(1001) == ["and on we go"]


async def test_what_is_about_money_is_tried_again_after_it_was_set_aside(
    house: House, jane: Person
) -> None:
    paid = NewNotice(key="d:1", kind=NoticeKind.NEWS, chat_id=1001, subject="d:1", topic="thanks")
    house.sayings.status = "✅ KES 50"
    house.sayings.broken = True
    await house.store.write(lambda tx: tx.notices.owe([paid], now=house.clock.now()))
    await house.say(1001, "hello")
    tries = 0
    for _ in range(20):
        tries += await house.notifier.run_due()
        house.clock.advance(60)
    assert tries == 10

    house.clock.advance(3600)
    await house.post.try_set_aside()
    await house.post.try_set_aside()
    assert await house.notifier.run_due() == 1, "and the greeting is let go"
    await house.post.try_set_aside()
    assert await house.notifier.run_due() == 0, "not within the hour"

    house.sayings.broken = False
    house.clock.advance(3600)
    await house.post.try_set_aside()
    await house.notifier.run_due()
    assert house.seen(1001) == ["✅ KES 50"]

    house.clock.advance(3600)
    await house.post.try_set_aside()
    assert await house.post.owed() == 0


async def test_what_was_set_aside_is_let_go_after_a_week(house: House, jane: Person) -> None:
    paid = NewNotice(key="d:1", kind=NoticeKind.NEWS, chat_id=1001, subject="d:1", topic="thanks")
    house.sayings.broken = True
    await house.store.write(lambda tx: tx.notices.owe([paid], now=house.clock.now()))
    for _ in range(10):
        await house.notifier.run_due()
        house.clock.advance(60)

    house.clock.advance(8 * 86_400)
    await house.post.try_set_aside()

    assert await house.post.owed() == 0


async def test_what_has_become_moot_is_let_go_at_once_and_is_no_failure(
    house: House, jane: Person, caplog: pytest.LogCaptureFixture
) -> None:
    house.sayings.moot = True
    await house.say(1001, "your reminder")

    tries = await house.notifier.run_due()
    house.sayings.moot = False
    await house.say(1001, "and on we go")
    await house.notifier.run_due()

    assert tries == 1
    assert house.seen(1001) == ["and on we go"]
    assert await house.post.owed() == 0
    assert [line for line in caplog.records if line.levelname in ("WARNING", "ERROR")] == []


async def test_every_kind_of_keyboard_arrives(house: House, jane: Person) -> None:
    rows = ((Button(label="Open", url="https://example.org"), Button(label="Code", copy="X1")),)
    await house.owe(
        Reply(chat_id=1001, text="inline", keyboard=Keyboard(rows=rows)),
        Reply(
            chat_id=1001, text="keys", keyboard=Keyboard(ask_contact="Share", other_keys=("No",))
        ),
    )

    await house.notifier.run_due()

    first = next(message for message in jane.messages if message.text == "inline")
    assert first.labels == ["Open", "Code"]
    assert jane.press(first, "Code").copied == "X1"
    keyboard = jane.chat.reply_keyboard
    assert keyboard is not None
    assert [[button.text for button in row] for row in keyboard.rows] == [["Share"], ["No"]]


async def test_a_hanging_chat_does_not_delay_another(
    house: House, api: BotApi, jane: Person, otieno: Person
) -> None:
    hanging = api.faults.slow(chat_id=1001)
    stop = asyncio.Event()
    await house.say(1001, "to Jane")
    running = asyncio.create_task(house.notifier.run(stop))

    await api.wait_for(lambda: hanging.met == 1)
    await house.say(1002, "to Otieno")
    await api.wait_for(lambda: house.seen(1002) == ["to Otieno"])
    hanging.gate.set()
    await api.wait_for(lambda: house.seen(1001) == ["to Jane"])
    stop.set()
    async with asyncio.timeout(60):
        await running

    assert await house.post.owed() == 0


async def late_word(house: House, api: BotApi, method: str) -> tuple[asyncio.Task[int], Fault]:
    """A status that is on its way for so long that another process tells it meanwhile."""
    fault = api.faults.slow(method=method)
    late = asyncio.create_task(house.notifier.run_due())
    await api.wait_for(lambda: fault.met == 1)
    house.clock.advance(LEASE.total_seconds() + 1)
    house.sayings.status = "✅ Paid"
    await house.notifier.run_due()
    return late, fault


async def test_a_first_word_that_comes_after_anothers_last_is_taken_back(
    house: House, api: BotApi, jane: Person
) -> None:
    await house.status("📲 Check the phone")
    late, fault = await late_word(house, api, "sendmessage")
    assert house.seen(1001) == ["✅ Paid"]

    fault.gate.set()
    await late

    assert house.seen(1001) == ["✅ Paid"]
    assert await house.post.owed() == 0


async def test_one_that_cannot_be_taken_back_ends_nothing(
    house: House, api: BotApi, jane: Person
) -> None:
    await house.status("📲 Check the phone")
    late, fault = await late_word(house, api, "sendmessage")
    api.faults.server_error(method="deletemessage")

    fault.gate.set()
    await late
    await house.say(1001, "and on it goes")
    await house.notifier.run_due()

    assert house.seen(1001) == ["✅ Paid", "📲 Check the phone", "and on it goes"]
    assert await house.post.owed() == 0


async def test_a_word_that_is_written_over_anothers_last_is_mended(
    house: House, api: BotApi, jane: Person
) -> None:
    await house.status("⏳ Sending")
    await house.notifier.run_due()
    await house.status("📲 Check the phone")
    late, fault = await late_word(house, api, "editmessagetext")
    assert house.seen(1001) == ["✅ Paid"]

    fault.gate.set()
    await late
    await house.notifier.run_due()

    assert house.seen(1001) == ["✅ Paid"]
    assert await house.post.owed() == 0


async def test_what_was_being_sent_when_we_stopped_is_sent_by_the_next(
    house: House, jane: Person
) -> None:
    await house.say(1001, "hello")
    await house.post.due()

    await house.post.start()
    await house.notifier.run_due()

    assert house.seen(1001) == ["hello"]


class NotNow(Sayings):
    """Makes nothing as long as the store takes nothing."""

    failures = 10

    async def make(self, notice: Notice) -> Reply | None:
        if self.failures:
            self.failures -= 1
            raise StoreBusy("too much is waiting")
        return await super().make(notice)


async def test_a_message_is_not_given_up_because_the_store_is_busy(
    bot: ExtBot[None], house: House, jane: Person
) -> None:
    patient = Notifier(bot=bot, post=house.post, clock=house.clock, make=NotNow().make)
    await house.say(1001, "one")

    for _ in range(11):
        await patient.run_due()
        house.clock.advance(1)

    assert house.seen(1001) == ["one"]
    assert await house.post.owed() == 0


CSV = Document(filename="my-data.csv", content=b"day,KES\r\n2026-11-23,50\r\n")


async def test_a_document_arrives_whole_with_its_caption_and_its_buttons(
    house: House, jane: Person
) -> None:
    rows = ((Button(label="Open", url="https://example.org"),),)
    await house.owe(
        Reply(chat_id=1001, text="<b>Yours</b>", keyboard=Keyboard(rows=rows), document=CSV)
    )

    await house.notifier.run_due()

    [message] = jane.messages[-1:]
    assert message.text == "Yours"
    assert message.labels == ["Open"]
    assert message.file is not None
    assert (message.file.name, message.file.content) == (CSV.filename, CSV.content)
    assert await house.post.owed() == 0


async def test_a_document_whose_answer_was_lost_is_sent_again(
    house: House, api: BotApi, jane: Person
) -> None:
    api.faults.drop(method="sendDocument")
    api.faults.lose_reply(method="sendDocument")
    await house.owe(Reply(chat_id=1001, text="Yours", document=CSV))

    for _ in range(4):
        await house.notifier.run_due()
        house.clock.advance(60)

    files = [message.file for message in jane.messages if message.file is not None]
    assert [file.content for file in files] == [CSV.content] * 2, "at least once, never less"
    assert await house.post.owed() == 0


async def test_a_document_that_a_stopped_process_had_in_hand_is_sent_by_the_next(
    house: House, jane: Person
) -> None:
    await house.owe(Reply(chat_id=1001, text="Yours", document=CSV))
    await house.post.due()

    await house.post.start()
    await house.notifier.run_due()

    assert [m.file.content for m in jane.messages if m.file is not None] == [CSV.content]


async def test_a_caption_that_is_too_long_is_cut_and_the_document_arrives(
    house: House, jane: Person
) -> None:
    await house.owe(Reply(chat_id=1001, text="<b>🙏</b> " * 600, document=CSV))

    await house.notifier.run_due()

    [message] = jane.messages[-1:]
    assert message.file is not None
    assert message.text.startswith("🙏 🙏")
    assert len(message.text) > 600


async def test_a_closed_topic_takes_no_document_but_its_group_does(
    house: House, api: BotApi, jane: Person
) -> None:
    api.group(-1007001, "Forum", [jane], forum=True)
    await house.owe(Reply(chat_id=-1007001, text="hello", thread_id=99, document=CSV))

    await house.notifier.run_due()

    assert house.seen(-1007001) == ["hello"]
