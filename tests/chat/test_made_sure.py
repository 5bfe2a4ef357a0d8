"""What customers and merchants read of an invoice while a payment of it is made sure of."""

from __future__ import annotations

import pytest

from bot.chat.invoice_letters import about_invoice
from bot.chat.keyboards import Stationery
from bot.playground.chats import Message
from bot.playground.people import Person
from bot.texts import Texts
from storage.records import Kind, Notice, NoticeKind, Reply
from tests.chat.test_conversation import MAMA_NJERI, Office
from tests.chat.test_invoice_chat import issued, made, njeri, opened, peter, prompted
from tests.documents.papers import text_of
from tests.fakes import fact, unit_of

__all__ = ["njeri", "peter"]

TWO_COWS = "/invoice 40000 Peter two cows, due Friday"
A_COW = "/invoice 20000 Peter a cow, due Friday"
MAYBE = "🔎 A payment of KES 20,000 may have been made: it is being looked for."
DAY_S = 24 * 3600


async def heard(office: Office) -> None:
    """A callback tells of more than it may credit alone."""
    await office.result(0, receipt="UKN4ABCDE7")
    await office.core.touched.run_due()


async def looked_up(office: Office, customer: Person, kind: Kind) -> None:
    """An operator has looked up what the customer paid."""
    [view] = await office.core.books.latest(person_id=customer.id)
    said = fact(kind, payment_id=view.payment.id, at=office.clock.now())
    await office.store.submit(unit_of(said), office.core.hear._settle)
    await office.core.touched.run_due()


def labels(message: Message) -> str:
    return " ".join(message.labels)


async def test_cards_and_papers_ask_for_nothing_that_may_be_paid(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri, A_COW)
    bill = await opened(office, peter, card)
    await prompted(office, peter, bill, "💸 Pay KES 20,000")
    await heard(office)

    await office.api.wait_for(lambda: "Please do not pay it again" in bill.text)
    assert "M-Pesa says that a payment of KES 20,000 was made" in bill.text
    assert "Pay" not in labels(bill)
    await office.api.wait_for(lambda: "It counts as soon as that is known" in card.text)
    peter.press(bill, "📄 PDF + QR")
    paper = await made(office, peter, "INV-0001 of Njeri")
    assert paper.file is not None
    printed = text_of(paper.file.content)
    assert "a payment of KES 20,000 was made; we are making sure" in printed
    assert "Pay KES" not in printed

    await looked_up(office, peter, Kind.OPERATOR_VOID)
    await office.api.wait_for(lambda: "Pay KES 20,000" in labels(bill))
    assert "making sure" not in bill.text
    assert "as soon as that is known" not in card.text


@pytest.mark.parametrize("kind", [None, Kind.OPERATOR_PAID, Kind.OPERATOR_VOID])
async def test_a_reminder_that_is_told_after_the_money_came_is_left_unsaid(
    office: Office, njeri: Person, peter: Person, kind: Kind | None
) -> None:
    bill = await opened(office, peter, await issued(office, njeri, A_COW))
    await prompted(office, peter, bill, "💸 Pay KES 20,000")
    before = await told(office, peter, "remind:1")
    assert before is not None
    assert before.text.startswith("🔔 Kind reminder: KES 20,000 for INV-0001")
    await heard(office)
    if kind is not None:
        await looked_up(office, peter, kind)

    again = await told(office, peter, "remind:1")

    assert (again == before) is (kind is Kind.OPERATOR_VOID)
    assert again in (None, before)


async def test_a_merchant_who_is_asked_about_what_is_late_reads_what_may_have_come(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri, A_COW)
    bill = await opened(office, peter, card)
    await prompted(office, peter, bill, "💸 Pay KES 20,000")
    office.clock.advance(6 * DAY_S)
    assert "making sure" not in str(await told(office, njeri, "late:1"))
    await heard(office)

    question = await told(office, njeri, "late:1")

    assert question is not None
    assert "a payment of KES 20,000 was made; I am making sure" in question.text
    await office.api.wait_for(lambda: "Late" in card.text and "Remind" not in labels(card))


@pytest.mark.parametrize("kind", [Kind.LAPSED, Kind.CLAIM])
async def test_a_merchant_reads_of_an_attempt_that_nobody_knows_about(
    office: Office, njeri: Person, peter: Person, kind: Kind
) -> None:
    """When it is late, and when they have the customer reminded; nobody else reads it."""
    card = await issued(office, njeri, A_COW)
    bill = await opened(office, peter, card)
    await prompted(office, peter, bill, "💸 Pay KES 20,000")
    office.clock.advance(6 * DAY_S)
    assert MAYBE not in str(await told(office, njeri, "late:1"))
    await looked_up(office, peter, kind)

    question = await told(office, njeri, "late:1")
    assert question is not None
    assert MAYBE in question.text
    assert "Send polite reminder" in str(question.keyboard)
    njeri.say("/invoices")
    listed = await office.said(njeri.chat, "Open invoices: 1")
    njeri.press(listed, "INV-0001")
    shown = await office.said(njeri.chat, MAYBE)
    answer = str(await office.answered(njeri.press(shown, "🔔 Send polite reminder")))
    assert answer.startswith("🔔 The reminder goes out now")
    assert answer.endswith(MAYBE)
    reminder = await office.said(peter.chat, "Kind reminder: KES 20,000 for INV-0001")
    assert "may have been" not in reminder.text

    await looked_up(office, peter, Kind.OPERATOR_VOID)
    assert MAYBE not in str(await told(office, njeri, "late:1"))


async def test_beside_a_part_that_may_be_there_only_the_rest_is_asked_for(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri, TWO_COWS)
    bill = await opened(office, peter, card)
    peter.press(bill, "Pay part")
    await office.said(peter.chat, "How much of INV-0001")
    peter.say("30000")
    await office.said(peter.chat, "Which M-Pesa number")
    peter.share_contact()
    await office.said(peter.chat, "Check the phone")
    await heard(office)

    await office.api.wait_for(lambda: "Please do not pay it again" in bill.text)
    assert "Beside that, KES 10,000 is left" in bill.text
    assert "asks for KES 10,000" in bill.text
    assert "Pay KES 10,000" in labels(bill)
    reminder = await told(office, peter, "remind:1")
    assert reminder is not None
    assert reminder.text.startswith("🔔 Kind reminder: KES 10,000 for INV-0001")
    njeri.press(card, "💵 Paid in cash")
    asked = await office.said(njeri.chat, "How much cash came")
    assert "Up to KES 40,000" in asked.text
    assert labels(asked) == "💵 All: KES 10,000"
    office.clock.advance(200)
    peter.press(bill, "💸 Pay KES 10,000")
    await office.handled()
    assert [push.amount_kes for push in office.daraja.pushes] == [30_000, 10_000]


async def test_an_old_button_for_all_of_it_asks_for_nothing_that_may_be_there(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri, A_COW)
    old = await opened(office, peter, card)
    bill = await opened(office, peter, card)
    await prompted(office, peter, bill, "💸 Pay KES 20,000")
    await heard(office)

    for label in ("💸 Pay KES 20,000", "Pay part"):
        press = peter.press(old, label)
        assert "I am making sure" in str(await office.answered(press))
    assert len(office.daraja.pushes) == 1


async def told(office: Office, reader: Person, topic: str) -> Reply | None:
    """What a piece of news says when its turn comes."""
    [view] = await office.core.ledgers.search(2001, "INV-0001")
    notice = Notice(
        id=1,
        kind=NoticeKind.NEWS,
        chat_id=reader.id,
        payment_id=None,
        alarm=None,
        reply=None,
        message_id=None,
        wanted=1,
        tries=1,
        resent=False,
        subject=view.invoice.subject,
        topic=topic,
    )
    paper = Stationery(texts=Texts.load(), collector=MAMA_NJERI, username="njeribot")
    return await about_invoice(office.core, paper, notice)
