"""Invoices in the chat when words are mended, buttons are pressed twice, late, or in old lists."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.playground.chats import Message
from bot.playground.people import Person
from storage.engine import Store
from storage.invoice_tables import invoices
from storage.records import BillItem, Closing
from tests.chat.test_conversation import Office
from tests.chat.test_invoice_chat import issued, njeri, opened, peter

__all__ = ["njeri", "peter"]

PAY = "💸 Pay KES 1,500"


@pytest.fixture
async def known(office: Office, peter: Person) -> Person:
    """A customer whose number we know."""
    peter.start()
    await office.said(peter.chat, "Hello Peter")
    peter.say("/phone")
    await office.handled()
    peter.share_contact()
    await office.handled()
    assert await office.phone_of(peter.id) is not None
    return peter


async def answered(office: Office, njeri: Person, peter: Person) -> Message:
    """The answer to a question, as it reached the customer."""
    njeri.say("Yes", reply_to=await asked(office, njeri, peter))
    return await office.said(peter.chat, "Njeri answers about INV-0001")


async def revised(office: Office, merchant: Person, card: Message, words: str) -> None:
    """One more item on the bill."""
    await office.answered(merchant.press(card, "➕ Item"))
    await office.handled()
    merchant.say(words)
    await office.handled()


async def asked(office: Office, njeri: Person, peter: Person) -> Message:
    """A question, as it reached the merchant."""
    bill = await opened(office, peter, await issued(office, njeri))
    peter.press(bill, "❓ Question")
    await office.said(peter.chat, "What shall I ask Njeri")
    peter.say("Are they large?")
    return await office.said(njeri.chat, "Peter asks about INV-0001")


def told(person: Person, words: str) -> list[Message]:
    return [each for each in person.chat.from_bot if words in each.text]


async def test_an_answer_that_is_mended_is_told_anew_and_one_that_is_not_is_done(
    office: Office, njeri: Person, peter: Person
) -> None:
    question = await asked(office, njeri, peter)
    answer = njeri.say("Yes, 50 kg", reply_to=question)
    await office.said(peter.chat, "Yes, 50 kg")

    njeri.edit(answer, "Yes, 50 kg")  # Telegram reports edits that nobody made
    await office.handled()
    once = len(told(peter, "Njeri answers about"))
    njeri.edit(answer, "Yes, 90 kg")
    await office.said(peter.chat, "Yes, 90 kg")

    await office.handled()
    assert once == 1


async def test_a_question_that_is_mended_reaches_the_merchant_as_it_is_now(
    office: Office, njeri: Person, peter: Person
) -> None:
    answer = await answered(office, njeri, peter)
    question = peter.say("And are they wet?", reply_to=answer)
    await office.said(njeri.chat, "And are they wet?")

    peter.edit(question, "And are they dry?")

    await office.said(njeri.chat, "And are they dry?")
    await office.handled()


async def test_all_in_cash_pressed_twice_is_written_down_once_and_done(
    office: Office, njeri: Person
) -> None:
    card = await issued(office, njeri)
    njeri.press(card, "💵 Paid in cash")
    question = await office.said(njeri.chat, "How much cash came")

    press = njeri.press(question, "💵 All: KES 1,500")
    njeri.press_again(press)
    await office.handled()

    await office.api.wait_for(lambda: "Paid." in card.text)
    assert "too much" not in card.text


async def test_a_pay_button_never_asks_for_another_amount_than_it_says(
    office: Office, njeri: Person, known: Person
) -> None:
    answer = await answered(office, njeri, known)
    card = next(each for each in njeri.chat.from_bot if "Peter · KES 1,500" in each.text)
    await revised(office, njeri, card, "sugar 500")
    await office.api.wait_for(lambda: "KES 2,000" in card.text)

    known.press(answer, PAY)
    again = await office.said(known.chat, "This invoice has changed: KES 2,000 is left")
    await office.handled()
    assert office.daraja.pushes == []

    known.press(again, "💸 Pay KES 2,000")
    await office.said(known.chat, "Check the phone 0722***001")
    assert [each.amount_kes for each in office.daraja.pushes] == [2000]


async def test_a_press_that_is_read_late_puts_no_prompt_on_a_phone(
    office: Office, njeri: Person, known: Person
) -> None:
    bill = await opened(office, known, await issued(office, njeri))

    press = known.press(bill, PAY)
    press.at_s -= 3600
    again = await office.said(known.chat, "You pressed a while ago")
    await office.handled()
    assert office.daraja.pushes == []

    known.press(again, PAY)
    await office.said(known.chat, "Check the phone 0722***001")
    assert len(office.daraja.pushes) == 1


async def test_an_old_list_of_items_changes_no_other_line(office: Office, njeri: Person) -> None:
    card = await issued(office, njeri)
    for words in ("rice 200", "oil 300"):
        await revised(office, njeri, card, words)
    njeri.press(card, "✏️ Edit")
    menu = await office.said(njeri.chat, "What shall change")
    njeri.press(menu, "🛒 Items")
    lines = await office.said(njeri.chat, "Which line of")

    charcoal, rice = lines.labels[:2]
    for label in (charcoal, rice):
        await office.answered(njeri.press(lines, label))
        await office.handled()
        njeri.say("-")
        await office.handled()

    assert "charcoal" not in card.text
    assert "rice" in card.text
    assert "oil" in card.text


async def test_a_full_invoice_says_so(office: Office, njeri: Person, kept: Store) -> None:
    card = await issued(office, njeri)
    async with kept.read() as tx:
        invoice_id = (await tx.invoices._connection.execute(select(invoices.c.id))).scalar_one()
    one = BillItem(what="eggs", quantity_milli=1000, price_cents=10_00)
    await office.core.billing.revise(
        invoice_id,
        lambda bill: replace(bill, items=(*bill.items, *[one] * 48)),
        by=njeri.id,
        closing=Closing(),
    )
    await revised(office, njeri, card, "the fiftieth 10")
    assert not told(njeri, "has room for 50 lines")

    await revised(office, njeri, card, "one more 10")

    await office.said(njeri.chat, "An invoice has room for 50 lines")
