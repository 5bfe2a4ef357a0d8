"""Whose statement: chosen by words and by buttons, and of no more than one's part allows."""

from __future__ import annotations

import pytest

from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.playground.people import Person
from tests.chat.test_conversation import Office
from tests.chat.test_invoice_chat import issued, made, njeri, opened, paid_by_phone, peter

__all__ = ["njeri", "peter"]


@pytest.fixture
async def sold(office: Office, njeri: Person, peter: Person) -> None:
    """Peter has paid Njeri, and Mary owes her."""
    bill = await opened(office, peter, await issued(office, njeri))
    await paid_by_phone(office, peter, bill, "💸 Pay KES 1,500")
    await issued(office, njeri, "/invoice 700 Mary tiles")
    await office.handled()


async def csv_of(office: Office, person: Person, which: Message) -> str:
    """The statement that this message offers."""
    before = len(person.chat.from_bot)
    person.press(which, "📄 CSV")
    await office.api.wait_for(
        lambda: any(each.file is not None for each in person.chat.from_bot[before:])
    )
    paper = await made(office, person, "Statement of")
    assert paper.file is not None
    return paper.file.content.decode()


@pytest.mark.usefixtures("sold")
async def test_an_operator_names_somebody_and_days(office: Office) -> None:
    office.boss.say("/statement Peter november")
    which = await office.said(office.boss.chat, "Peter, Sun 1 Nov – Mon 23 Nov. As what?")
    assert "UKN4ABCDE7" in await csv_of(office, office.boss, which)

    office.boss.say("/statement 0722000001")
    several = await office.said(office.boss.chat, "Who is meant")
    assert several.labels == ["📱 0722***001", "👤 Peter"]
    office.boss.press(several, "📱 0722***001")
    line = await office.said(office.boss.chat, "0722***001, Sun 1 Nov – Mon 23 Nov. As what?")
    assert "UKN4ABCDE7" in await csv_of(office, office.boss, line)


@pytest.mark.usefixtures("sold")
async def test_an_operator_presses_a_merchant_and_other_days(office: Office) -> None:
    office.boss.say("/statement")
    which = await office.said(office.boss.chat, "All payments")
    office.boss.press(which, "🏪 A merchant")
    merchants = await office.said(office.boss.chat, "Which merchant?")
    office.boss.press(merchants, "🏪 Njeri")
    of_njeri = await office.said(office.boss.chat, "Njeri, ")
    assert "UKN4ABCDE7" in await csv_of(office, office.boss, of_njeri)

    office.boss.press(of_njeri, "📅 Last month")
    last = await office.said(office.boss.chat, "Thu 1 Oct – Sat 31 Oct")
    assert "UKN4ABCDE7" not in await csv_of(office, office.boss, last)


@pytest.mark.usefixtures("sold")
async def test_somebody_is_written_and_asked_for_again_until_known(office: Office) -> None:
    office.boss.say("/statement")
    which = await office.said(office.boss.chat, "All payments")
    office.boss.press(which, "👤 Somebody")
    await office.said(office.boss.chat, "Whose statement? Write @name")
    office.boss.say("nobody of that name")
    await office.said(office.boss.chat, "I know nobody and nothing")
    office.boss.say("@njeri")
    both = await office.said(office.boss.chat, "Who is meant")
    assert both.labels == ["🏪 Njeri", "👤 Njeri"]


@pytest.mark.usefixtures("sold")
async def test_a_merchant_presses_or_names_a_customer(office: Office, njeri: Person) -> None:
    njeri.say("/statement")
    which = await office.said(njeri.chat, "What came for your invoices")
    assert "🏪 A merchant" not in which.labels
    njeri.press(which, "👤 One customer")
    customers = await office.said(njeri.chat, "Which customer?")
    assert customers.labels == ["👤 Mary", "👤 Peter"]
    njeri.press(customers, "👤 Mary")
    mary = await office.said(njeri.chat, "Mary, ")
    assert "UKN4ABCDE7" not in await csv_of(office, njeri, mary)

    said = njeri.say("/statement peter this month")
    named = await office.said(njeri.chat, "As what?", after=said)
    assert "UKN4ABCDE7" in await csv_of(office, njeri, named)


@pytest.mark.usefixtures("sold")
async def test_a_customer_chooses_nobody(office: Office, peter: Person) -> None:
    for words in ("@njeri", "Njeri", "0722000001", "Boss november"):
        said = peter.say(f"/statement {words}")
        await office.said(peter.chat, "as a period", after=said)
    said = peter.say("/statement")
    which = await office.said(peter.chat, "What you have paid", after=said)
    assert not [each for each in which.labels if "👤" in each or "🏪" in each]


@pytest.mark.usefixtures("sold")
async def test_a_button_of_a_merchant_who_was_revoked_shows_nothing(
    office: Office, njeri: Person, api: BotApi
) -> None:
    njeri.say("/statement peter")
    which = await office.said(njeri.chat, "Peter, ")
    [appointed] = [e for e in office.boss.chat.from_bot if "may issue invoices now" in e.text]
    office.boss.press(appointed, "✖ Revoke")
    await office.said(office.boss.chat, "Revoked")

    assert "is old" in await office.answered(njeri.press(which, "📄 CSV"))
    assert not [each for each in njeri.chat.from_bot if each.file is not None]


@pytest.mark.usefixtures("sold")
async def test_the_same_in_swahili(office: Office, njeri: Person) -> None:
    njeri.language_code = "sw"
    njeri.say("/statement Peter mwezi huu")
    which = await office.said(njeri.chat, "Kwa muundo gani?")
    assert "📅 Mwezi uliopita" in which.labels
    assert "👤 Mteja mmoja" in which.labels
