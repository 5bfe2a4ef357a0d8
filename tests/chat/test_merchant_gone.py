"""A merchant who was forgotten: what operators, and their customers, read and press then."""

from __future__ import annotations

import pytest

from bot.playground.chats import Message
from bot.playground.people import Person
from storage.records import Closing
from tests.chat.test_conversation import Office
from tests.chat.test_given_back import only_invoice
from tests.chat.test_invoice_chat import issued, njeri, opened, peter, prompted

__all__ = ["njeri", "peter"]


@pytest.fixture
async def bill(office: Office, njeri: Person, peter: Person) -> Message:
    """Of a void invoice, whose prompt failed before; its merchant is gone."""
    bill = await opened(office, peter, await issued(office, njeri))
    await prompted(office, peter, bill, "💸 Pay KES 1,500")
    await office.result(1037)
    await office.core.touched.run_due()
    invoice_id = await only_invoice(office, njeri)
    await office.core.billing.void(invoice_id, by=njeri.id, why="", closing=Closing())
    await is_forgotten(office, njeri)
    return bill


async def is_forgotten(office: Office, person: Person) -> None:
    person.say("/privacy")
    card = await office.said(person.chat, "What I keep, and why")
    person.press(card, "Delete me")
    person.press(await office.said(person.chat, "Shall I forget you?"), "Yes, forget me")
    await office.said(person.chat, "The payments stay in the books")


async def test_an_operator_reads_what_came_and_says_what_became_of_it(
    office: Office, njeri: Person, peter: Person, bill: Message
) -> None:
    await office.result(0, receipt="UKN4ABCDE7")
    await office.core.touched.run_due()

    paid = await office.said(office.boss.chat, "paid by Peter")
    asked = await office.said(office.boss.chat, "is void, and KES 1,500 came for it")
    for each in (paid, asked):
        assert "Njeri, who issued it, asked to be forgotten" in each.text
    assert "open it again" not in asked.text
    assert await office.answered(office.boss.press(asked, "↩️ I gave it back")) == "👌 Noted"
    await office.said(peter.chat, "was given back")
    assert not [each for each in njeri.chat.from_bot if "1,500 came for it" in each.text]


async def test_a_question_to_nobody_is_not_said_to_be_passed_on(
    office: Office, peter: Person, bill: Message
) -> None:
    pressed = len(peter.chat.from_bot)
    await office.answered(peter.press(bill, "❓ Question"))
    told = await office.said(peter.chat, "does not use this service any more")

    assert "Please ask Mama Njeri" in told.text
    assert not [each for each in peter.chat.from_bot[pressed:] if "What shall I ask" in each.text]


async def test_nor_is_one_that_was_begun_before(
    office: Office, njeri: Person, peter: Person
) -> None:
    bill = await opened(office, peter, await issued(office, njeri))
    await office.answered(peter.press(bill, "❓ Question"))
    await office.said(peter.chat, "What shall I ask")
    invoice_id = await only_invoice(office, njeri)
    await office.core.billing.void(invoice_id, by=njeri.id, why="", closing=Closing())
    await is_forgotten(office, njeri)

    peter.say("Was that two bags?")

    await office.said(peter.chat, "does not use this service any more")
    assert not [each for each in peter.chat.from_bot if "passed it on" in each.text]


async def test_a_merchant_is_told_that_whoever_asked_is_gone(
    office: Office, njeri: Person, peter: Person
) -> None:
    bill = await opened(office, peter, await issued(office, njeri))
    peter.press(bill, "❓ Question")
    await office.said(peter.chat, "What shall I ask")
    peter.say("Was that two bags?")
    asked = await office.said(njeri.chat, "Was that two bags?")
    peter.press(bill, "🚫 Not mine")
    disowned = await office.said(njeri.chat, "is not theirs")
    await is_forgotten(office, peter)

    njeri.press(asked, "✍️ Answer")
    await office.said(njeri.chat, "What shall I answer")
    njeri.say("Yes, two")

    await office.said(njeri.chat, "asked to be forgotten, so I have not sent your answer")
    assert not [each for each in njeri.chat.from_bot if "on its way" in each.text]
    toast = await office.answered(njeri.press(disowned, "🙋 It is theirs"))
    assert "can be reminded" not in toast
    assert "send the link" in toast
