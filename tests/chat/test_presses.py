"""Presses: by whom, where, how often and how late, through the whole chat side."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select

from bot.chat.books import BooksAct
from bot.chat.drive_routes import DRIVE_BUTTONS
from bot.chat.keyboards import Action
from bot.chat.person import LANGUAGE_BUTTONS
from bot.chat.review import Act
from bot.chat.routes import (
    BUTTON_RULES,
    DEED_BUTTONS,
    PAYMENT_BUTTONS,
    PERSON_BUTTONS,
    REVIEW_BUTTONS,
)
from bot.playground.botapi import BotApi
from bot.playground.chats import Chat, Message
from bot.playground.people import Person
from bot.playground.world import Press
from storage import schema
from storage.engine import Store
from tests.chat.test_conversation import Office
from tests.stores import TestClock

OLD = "This button is old. /status shows how your payments stand."
STALE = "That button had waited too long"


@pytest.fixture
def group(office: Office, api: BotApi) -> Chat:
    return api.group(-5001, "Harambee", [office.jane, office.otieno])


async def not_paid(office: Office, chat: Chat | None = None) -> Message:
    """Jane's payment that she cancelled on the phone: its message offers to try again."""
    words = "/pay 50 0712345678" if chat is None else "/pay@lipa_demo_bot 50 0712345678"
    status = await office.pay(office.jane, words, chat)
    await office.result(1032)
    await office.said(chat or office.jane.chat, "Not paid" if chat is None else "Not completed")
    return status


def press_data(person: Person, message: Message, data: str) -> Press:
    """What a client can send that keeps to no rules: any data, under any message."""
    press = Press(f"made-up-{data}", person, message, data, at_s=person.world.clock())
    person.world.presses[press.id] = press
    person.press_again(press)
    return press


def data_of(message: Message, label: str) -> str:
    return message.button(label).value


async def button_rows(office: Office) -> int:
    async with office.store.read() as tx:
        query = select(func.count()).select_from(schema.buttons)
        found: int = (await tx.buttons._connection.execute(query)).scalar_one()
        return found


async def put_off(office: Office) -> bool:
    """Whether a message waits to be sent once more."""
    async with office.store.read() as tx:
        query = select(schema.notices.c.id).where(schema.notices.c.why.is_not(None))
        return (await tx.notices._connection.execute(query)).first() is not None


def test_every_button_has_its_rule() -> None:
    assert set(PAYMENT_BUTTONS) == {action.value for action in Action}
    assert {"share", "forget", "my-data", "delete-me", *LANGUAGE_BUTTONS} <= set(PERSON_BUTTONS)
    assert set(REVIEW_BUTTONS) == {act.value for act in Act}
    about = {*PAYMENT_BUTTONS, *REVIEW_BUTTONS, *PERSON_BUTTONS}
    of_others = {*DRIVE_BUTTONS, *DEED_BUTTONS, *(act.value for act in BooksAct)}
    assert not about & of_others
    assert set(BUTTON_RULES) == about | of_others
    once = {name for name, rule in BUTTON_RULES.items() if rule.once}
    assert once == {"again", "unseen", "inv-excess"}


@pytest.mark.parametrize(
    "data",
    [f"again:{'0' * 31}1:{'0' * 16}", "A" * 24, "again", "x" * 64],
    ids=["as it once was", "guessed", "a word", "long"],
)
async def test_what_we_never_showed_does_nothing(office: Office, data: str) -> None:
    status = await not_paid(office)

    press = press_data(office.jane, status, data)

    assert await office.answered(press) == OLD
    assert len(office.daraja.pushes) == 1


async def test_others_in_the_group_press_in_vain_and_are_told_in_their_language(
    office: Office, group: Chat
) -> None:
    status = await not_paid(office, group)

    theirs = office.otieno.press(status, "Try again")

    assert await office.answered(theirs) == "Ni Jane tu anayeweza kubonyeza hii."
    assert len(office.daraja.pushes) == 1
    assert await office.answered(office.jane.press(status, "Try again")) == (
        "Sending a new prompt to 0712***678."
    )


async def test_a_button_works_in_the_chat_that_showed_it_only(office: Office, group: Chat) -> None:
    status = await not_paid(office)
    office.jane.say("/status@lipa_demo_bot", chat=group)
    elsewhere = await office.said(group, "no payment here")

    press = press_data(office.jane, elsewhere, data_of(status, "Try again"))

    assert await office.answered(press) == "This button belongs to another chat. Nothing was done."
    assert len(office.daraja.pushes) == 1


async def test_nobody_behind_a_press_no_effect(office: Office, group: Chat) -> None:
    status = await not_paid(office, group)
    anonymous = office.api.person(1087968824, "Group")
    anonymous.is_bot = True

    press = press_data(anonymous, status, data_of(status, "Try again"))

    assert await office.answered(press) == "Only the person who asked can press this."
    assert len(office.daraja.pushes) == 1


async def test_a_late_press_is_told_in_the_chat_once_and_the_fresh_button_works(
    office: Office,
) -> None:
    status = await not_paid(office)
    office.clock.advance(15 * 60)

    first, second = (office.jane.press(status, "Try again") for _ in range(2))
    for each in (first, second):
        assert (await office.answered(each)).startswith(f"⏰ {STALE}")
    told = await office.said(office.jane.chat, STALE)
    await office.handled()
    before = len(office.daraja.pushes)
    office.jane.press(told, "Try again")
    await office.said(office.jane.chat, "Check the phone", after=told)
    await office.handled()

    assert before == 1
    assert [STALE in each.text for each in office.jane.chat.from_bot].count(True) == 1
    assert len(office.daraja.pushes) == 2


async def test_what_was_pressed_while_we_were_down_is_answered_not_carried_out(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(api, kept, clock)
    async with office.open():
        status = await not_paid(office)
        await office.handled()
    for _ in range(3):
        office.jane.press(status, "Try again")
    clock.advance(3600)

    async with office.open():
        await office.said(office.jane.chat, STALE)
        await office.handled()

    assert len(office.daraja.pushes) == 1
    assert [STALE in each.text for each in office.jane.chat.from_bot].count(True) == 1


async def test_a_press_on_its_way_for_a_moment_is_carried_out(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(api, kept, clock)
    async with office.open():
        status = await not_paid(office)
        await office.handled()
    office.jane.press(status, "Try again")
    clock.advance(60)

    async with office.open():
        await office.said(office.jane.chat, "Check the phone", after=status)
        await office.handled()

    assert len(office.daraja.pushes) == 2


async def test_a_message_that_arrived_twice_tries_again_once(office: Office) -> None:
    def told() -> list[Message]:
        return [each for each in office.jane.chat.from_bot if STALE in each.text]

    status = await not_paid(office)
    await office.handled()
    office.clock.advance(16 * 60)
    office.api.faults.lose_reply(method="sendMessage", times=1)
    office.jane.press(status, "Try again")
    async with asyncio.timeout(60):
        while not await put_off(office):
            continue
    office.clock.advance(2)
    await office.api.wait_for(lambda: len(told()) == 2)

    one, twin = told()
    for each in (one, twin):
        await office.answered(office.jane.press(each, "Try again"))

    assert data_of(one, "Try again") == data_of(twin, "Try again")
    assert len(office.daraja.pushes) == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "That was pressed already, and the new payment is paid."),
        (1032, "That was pressed already. The new one was not paid: see its own message."),
        (None, "That was pressed already: see the newer message."),
    ],
)
async def test_a_second_press_learns_what_became_of_the_first(
    office: Office, code: int | None, said: str
) -> None:
    status = await not_paid(office)
    data = data_of(status, "Try again")
    office.jane.press(status, "Try again")
    await office.said(office.jane.chat, "Check the phone", after=status)
    if code is not None:
        await office.result(code, receipt="UKN4ABCDE7")

    press = press_data(office.jane, status, data)

    assert await office.answered(press) == said
    assert len(office.daraja.pushes) == 2


async def test_checking_may_be_pressed_again_and_again_and_keeps_its_one_record(
    office: Office,
) -> None:
    status = await office.pay(office.jane, "/pay 50 0712345678")
    await office.handled()
    before = await button_rows(office)

    answers = []
    for _ in range(3):
        answers.append(await office.answered(office.jane.press(status, "check now")))
        await office.handled()
        office.clock.advance(31)

    assert all(each.startswith("Asking Safaricom now") for each in answers)
    assert await button_rows(office) == before


async def unseen(office: Office) -> Message:
    """Jane saw no prompt, and asked again: the message of that."""
    first = await office.pay(office.jane, "/pay 50 0712345678")
    await office.said(office.jane.chat, "Check the phone")
    office.clock.advance(181)
    office.jane.press(first, "No prompt came")
    return await office.said(office.jane.chat, "Check the phone", after=first)


async def test_after_two_attempts_the_second_card_knows_of_the_first(office: Office) -> None:
    second = await unseen(office)
    await office.result(1)
    unsure = await office.said(office.jane.chat, "another one for the same may have been paid")
    data = {words: data_of(unsure, words) for words in ("Try again", "Pay by Paybill")}
    await office.result(0, receipt="UKN4ABCDE7", of=1)
    await office.said(office.jane.chat, "✅")
    await office.core.touched.run_due()
    paid = await office.said(office.jane.chat, "another one for the same is paid")

    office.clock.advance(600)
    again = await office.answered(press_data(office.jane, second, data["Try again"]))
    by_hand = await office.answered(press_data(office.jane, second, data["Pay by Paybill"]))

    assert unsure.id == paid.id == second.id
    assert paid.keyboard is None
    assert "please do not pay again" in again
    assert by_hand == again
    assert len(office.daraja.pushes) == 2


async def test_an_open_prompt_is_called_off_once_the_first_is_paid(office: Office) -> None:
    second = await unseen(office)
    button = data_of(second, "No prompt came")

    await office.result(0, receipt="UKN4ABCDE7", of=1)
    await office.said(office.jane.chat, "if that prompt is still on the phone, cancel it")
    await office.core.touched.run_due()
    called_off = await office.said(office.jane.chat, "Another try for the same is paid")
    pressed = await office.answered(press_data(office.jane, second, button))
    await office.result(0, receipt="UKN4ABCDE8", of=2)
    await office.core.touched.run_due()

    both = await office.said(office.jane.chat, "Another try for the same was paid too")
    assert called_off.id == second.id
    assert "✅" in both.text
    assert "please do not pay again" in pressed
    assert len(office.daraja.pushes) == 2


async def unheard_of(office: Office) -> Message:
    """Jane's first prompt, whose reply was lost three minutes ago: nobody knows of it."""
    office.daraja.unheard = True
    office.jane.say("/pay 50 0712345678")
    unsure = await office.said(office.jane.chat, "yet whether the")
    office.daraja.unheard = False
    office.clock.advance(181)
    return unsure


async def test_the_same_asked_for_anew_while_nobody_knows_of_the_first_says_so(
    office: Office,
) -> None:
    await unheard_of(office)
    await office.pay(office.jane, "/pay 50 0712345678")
    await office.said(office.jane.chat, "Check the phone")

    await office.result(1)

    told = await office.said(office.jane.chat, "another one for the same may have been paid")
    assert "No money has left" not in told.text


async def test_what_somebody_else_asked_of_a_phone_is_nobodys_news(office: Office) -> None:
    await unheard_of(office)
    await office.pay(office.boss, "/pay 50 0712345678")

    await office.result(1)

    assert "another" not in (await office.said(office.boss.chat, "Not paid")).text


async def test_what_was_made_up_for_is_no_news_the_next_day(office: Office) -> None:
    unsure = await unheard_of(office)
    office.jane.press(unsure, "No prompt came")
    await office.said(office.jane.chat, "Check the phone", after=unsure)
    await office.result(0, receipt="UKN4ABCDE7")
    paid = await office.said(office.jane.chat, "✅")
    office.clock.advance(24 * 3600)
    await office.pay(office.jane, "/pay 50 0712345678")

    await office.result(1)

    assert "another" not in (await office.said(office.jane.chat, "Not paid", after=paid)).text
