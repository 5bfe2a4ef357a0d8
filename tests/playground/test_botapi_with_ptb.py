"""Owns the proof that python-telegram-bot, unchanged, works against the stand-in and its faults."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeChat,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    Update,
)
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TimedOut,
)
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, ContextTypes
from telegram.request import HTTPXRequest

from bot.playground.botapi import BotApi
from bot.playground.chats import Chat
from bot.playground.people import Person


@pytest.fixture(autouse=True)
def _seconds_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without it RetryAfter warns, and warnings are errors here.
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def ptb(api: BotApi) -> AsyncIterator[Bot]:
    quick = HTTPXRequest(read_timeout=1)
    made = Bot(api.token, base_url=api.base_url, base_file_url=api.base_file_url, request=quick)
    async with made:
        yield made


def keyboard(*buttons: InlineKeyboardButton) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([buttons])


async def test_a_message_arrives_as_the_person_sees_it(ptb: Bot, jane: Person) -> None:
    said = jane.say("/pay 50 0712345678")

    sent = await ptb.send_message(
        1001,
        "✅ <b>Paid KES 50</b> · <code>UKN4ABCDE7</code>",
        parse_mode=ParseMode.HTML,
        reply_markup=keyboard(
            InlineKeyboardButton("Again", callback_data="p:1"),
            InlineKeyboardButton("Copy", copy_text=CopyTextButton("UKN4ABCDE7")),
        ),
        reply_to_message_id=said.id,
    )

    seen = jane.chat.last
    assert seen.text == "✅ Paid KES 50 · UKN4ABCDE7"
    assert seen.html == "✅ <b>Paid KES 50</b> · <code>UKN4ABCDE7</code>"
    assert seen.labels == ["Again", "Copy"]
    assert seen.reply_to is said
    assert sent.text_html == str(seen.html)
    assert jane.press(seen, "Copy").copied == "UKN4ABCDE7"


async def test_the_contact_button_shares_the_own_number(
    api: BotApi, ptb: Bot, jane: Person
) -> None:
    share = KeyboardButton("📱 Share my number", request_contact=True)
    await ptb.send_message(1001, "?", reply_markup=ReplyKeyboardMarkup([[share]]))

    jane.tap("📱 Share my number")
    jane.share_contact("0722000111", user_id=None, first_name="Otieno")
    updates = await ptb.get_updates()
    await ptb.send_message(1001, "Thanks", reply_markup=ReplyKeyboardRemove())

    own, other = (update.effective_message for update in updates)
    assert own is not None
    assert own.contact is not None
    assert (own.contact.phone_number, own.contact.user_id) == ("254712345678", 1001)
    assert other is not None
    assert other.contact is not None
    assert other.contact.user_id is None
    assert jane.chat.reply_keyboard is None


async def test_documents_go_both_ways(ptb: Bot, jane: Person) -> None:
    sent = await ptb.send_document(1001, b"a,b\n1,2\n", filename="report.csv", caption="Yours")
    jane.send_file("statement.csv", b"x,y\n")
    (update,) = await ptb.get_updates()

    assert sent.document is not None
    back = await (await sent.document.get_file()).download_as_bytearray()
    incoming = update.effective_message
    assert incoming is not None
    assert incoming.document is not None
    theirs = await (await incoming.document.get_file()).download_as_bytearray()
    assert (bytes(back), bytes(theirs)) == (b"a,b\n1,2\n", b"x,y\n")
    assert jane.chat.last.text == "Yours"


async def test_chats_members_and_profile_are_read_without_complaint(
    ptb: Bot, jane: Person, group: Chat
) -> None:
    jane.promote_bot(group)

    me = await ptb.get_me()
    full = await ptb.get_chat(group.id)
    owner = await ptb.get_chat_member(group.id, jane.id)
    admins = await ptb.get_chat_administrators(group.id)
    await ptb.set_my_commands([BotCommand("pay", "Pay")], scope=BotCommandScopeChat(1001))
    await ptb.set_my_short_description("Pays", language_code="sw")
    (update,) = await ptb.get_updates()

    assert me.can_read_all_group_messages is False
    assert full.title == "Harambee group"
    assert owner.status == "creator"
    assert [admin.user.id for admin in admins] == [1001, me.id]
    assert (await ptb.get_my_commands(scope=BotCommandScopeChat(1001)))[0].command == "pay"
    assert (await ptb.get_my_short_description("sw")).short_description == "Pays"
    assert update.my_chat_member is not None
    assert update.my_chat_member.new_chat_member.status == "administrator"


async def test_refusals_reach_ptb_as_its_own_exceptions(
    api: BotApi, ptb: Bot, jane: Person, otieno: Person, group: Chat
) -> None:
    api.upgrade(group, -1005001)

    with pytest.raises(ChatMigrated) as moved:
        await ptb.send_message(group.id, "hi")
    with pytest.raises(Forbidden, match="can't initiate conversation"):
        await ptb.send_message(otieno.id, "hi")
    with pytest.raises(BadRequest, match="Message to edit not found"):
        await ptb.edit_message_text("hi", jane.id, 99)
    with pytest.raises(InvalidToken):
        async with Bot("1:wrong", base_url=api.base_url):
            pass

    assert moved.value.new_chat_id == -1005001


async def test_a_flood_hits_only_the_named_chat_and_only_so_often(
    api: BotApi, ptb: Bot, jane: Person, otieno: Person
) -> None:
    otieno.start()
    api.faults.flood(7, chat_id=jane.id, times=2)

    for _ in range(2):
        with pytest.raises(RetryAfter, match="7"):
            await ptb.send_message(jane.id, "hi")
    await ptb.send_message(otieno.id, "hi")
    await ptb.send_message(jane.id, "hi")

    assert jane.chat.texts == ["hi"]


async def test_server_errors_and_cut_lines_do_nothing(api: BotApi, ptb: Bot, jane: Person) -> None:
    api.faults.server_error(500, method="sendMessage")
    api.faults.server_error(502, method="sendMessage")
    api.faults.drop(method="sendMessage")
    api.faults.forbidden(method="sendMessage")

    for expected in (NetworkError, NetworkError, NetworkError, Forbidden):
        with pytest.raises(expected):
            await ptb.send_message(jane.id, "hi")

    assert jane.messages == []
    await ptb.send_message(jane.id, "hi")


async def test_a_lost_reply_and_a_silent_server_have_done_it_all_the_same(
    api: BotApi, ptb: Bot, jane: Person
) -> None:
    api.faults.lose_reply(method="sendMessage")
    api.faults.silent(method="sendMessage")

    with pytest.raises(NetworkError):
        await ptb.send_message(jane.id, "one")
    with pytest.raises(TimedOut):
        await ptb.send_message(jane.id, "two")

    assert jane.chat.texts == ["one", "two"]


async def test_a_slow_call_is_done_when_its_gate_opens(api: BotApi, jane: Person) -> None:
    fault = api.faults.slow(method="sendMessage")
    async with Bot(api.token, base_url=api.base_url) as ptb:
        sending = asyncio.create_task(ptb.send_message(jane.id, "late"))
        await api.wait_for(lambda: len(api.calls_of("sendMessage")) == 1)
        before = list(jane.messages)

        fault.gate.set()
        await sending

    assert before == []
    assert jane.chat.texts == ["late"]


async def offer(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
    assert update.effective_message is not None
    await update.effective_message.reply_text(
        "Pay?", reply_markup=keyboard(InlineKeyboardButton("Pay KES 50", callback_data="go"))
    )


async def take(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
    assert update.callback_query is not None
    await update.callback_query.answer("Check your phone")
    await update.callback_query.edit_message_text("Paid")


async def test_a_whole_application_polls_answers_presses_and_stops(
    api: BotApi, jane: Person
) -> None:
    built = Application.builder().token(api.token).base_url(api.base_url).job_queue(None)
    application = built.build()
    application.add_handler(CommandHandler("pay", offer))
    application.add_handler(CallbackQueryHandler(take))
    assert application.updater is not None

    async with application:
        await application.start()
        await application.updater.start_polling(poll_interval=0)
        jane.say("/pay 50")
        await api.wait_for(lambda: len(jane.chat.from_bot) == 1)
        press = jane.press(jane.chat.last, "Pay KES 50")
        await api.wait_for(lambda: press.answered and jane.chat.last.text == "Paid")
        await application.updater.stop()
        await application.stop()

    assert press.toast == "Check your phone"
    assert jane.chat.last.labels == []


async def test_a_condition_that_never_holds_tells_what_was_said(api: BotApi, jane: Person) -> None:
    jane.say("is anybody there?")

    with pytest.raises(TimeoutError, match="is anybody there"):
        await api.wait_for(lambda: False, timeout_s=0.01)
