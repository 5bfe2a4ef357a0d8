"""Invoices in the chat: what merchants and customers write and press, through a real core."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from bot.chat.invoice_papers import about_payment
from bot.chat.keyboards import Stationery
from bot.documents.qr import qr_png
from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.playground.people import Person
from bot.texts import Texts
from storage.records import Kind, Notice, NoticeKind
from tests.chat.test_conversation import MAMA_NJERI, Office
from tests.documents.papers import text_of
from tests.fakes import fact, unit_of

WORDS = "/invoice 1500 Peter 2 bags charcoal, due Friday"


@pytest.fixture
async def njeri(office: Office, api: BotApi) -> Person:
    """A merchant whom the operator has appointed."""
    person = api.person(2001, "Njeri", username="njeri", started=True)
    person.say("hello")
    await office.handled()
    office.boss.say("/appoint @njeri")
    await office.said(office.boss.chat, "may issue invoices now")
    await office.said(person.chat, "You may now issue invoices")
    return person


@pytest.fixture
def peter(api: BotApi) -> Person:
    return api.person(3001, "Peter", phone="254722000001")


async def issued(office: Office, merchant: Person, words: str = WORDS) -> Message:
    """The card of a fresh invoice."""
    said = merchant.say(words)
    return await office.said(merchant.chat, "INV-", after=said)


async def made(office: Office, who: Person, words: str) -> Message:
    """A paper that takes a library that is not loaded yet, on a machine that has other work."""

    def found() -> list[Message]:
        return [each for each in who.chat.from_bot if words in each.text]

    await office.api.wait_for(lambda: bool(found()), timeout_s=60)
    return found()[-1]


def shows(message: Message, words: str) -> bool:
    return words in message.text


def payload(card: Message) -> str:
    """What stands after ?start= in the link that the merchant sends."""
    link = card.button("📤 Send to customer").value
    return link.partition("start%3D")[2].partition("&")[0]


async def opened(office: Office, customer: Person, card: Message) -> Message:
    """The bill as the customer has it, after opening the link."""
    said = customer.start(payload(card))
    return await office.said(customer.chat, "INV-", after=said)


async def test_a_day_is_counted_from_when_it_was_written(office: Office, njeri: Person) -> None:
    """Written on Monday at 22:00, read on Tuesday at 07:00: the bot was down for the night."""
    written_at = office.clock.now() + timedelta(hours=7)
    office.clock.advance(16 * 3600)
    office.api.world.clock = written_at.timestamp
    card = await issued(office, njeri, "/invoice 1500 Peter tiles, due tomorrow")
    assert "due Tue 24 Nov" in card.text

    njeri.press(card, "✏️ Edit")
    njeri.press(await office.said(njeri.chat, "What shall change"), "📅 Due day")
    await office.said(njeri.chat, "By when for")
    njeri.say("in 2 days")
    await office.api.wait_for(lambda: shows(card, "due Wed 25 Nov"))


async def test_an_invoice_is_one_line_and_its_card(office: Office, njeri: Person) -> None:
    card = await issued(office, njeri)

    assert card.text.splitlines() == [
        "🧾 INV-0001 · Peter · KES 1,500",
        "• 2 bags charcoal: KES 1,500",
        "due Fri 27 Nov · not an eTIMS tax invoice",
        "⏳ Not paid yet.",
    ]


async def test_a_customer_opens_pays_and_both_sides_are_told(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri)
    bill = await opened(office, peter, card)
    assert "Njeri asks for KES 1,500 (INV-0001, due Fri 27 Nov)." in bill.text

    await paid_by_phone(office, peter, bill, "💸 Pay KES 1,500")

    await office.said(peter.chat, "✅")
    news = await office.said(njeri.chat, "paid by Peter 0722***001")
    assert "UKN4ABCDE7" in news.text
    await office.api.wait_for(lambda: "Paid." in card.text and "Paid." in bill.text)
    with pytest.raises(LookupError):
        peter.press(bill, "💸 Pay KES 1,500")


async def test_an_item_is_asked_about_and_the_answer_names_what_was_understood(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri)
    bill = await opened(office, peter, card)
    njeri.press(card, "➕ Item")
    await office.said(njeri.chat, "What, and for how much")
    njeri.say("2 bags beans 3500")
    asked = await office.said(njeri.chat, "which is the price")
    assert "“2”" in asked.text
    assert "“3500”" in asked.text
    njeri.say("2 x 1750 beans")

    noted = await office.said(njeri.chat, "Done: 2 × beans at KES 1,750, so KES 3,500")

    assert "shows the new total" in noted.text
    await office.api.wait_for(lambda: "asks for KES 5,000" in bill.text)


async def test_a_phone_number_is_no_customer(office: Office, njeri: Person) -> None:
    card = await issued(office, njeri)
    njeri.press(card, "✏️ Edit")
    njeri.press(await office.said(njeri.chat, "What shall change"), "👤 Customer")
    await office.said(njeri.chat, "Whose is INV-0001")
    njeri.say("0712345678")
    await office.said(njeri.chat, "A phone number is no name")
    njeri.say("/invoice 1500 0712345678 charcoal")
    await office.handled()

    [first] = await office.core.ledgers.search(2001, "INV-")
    assert first.invoice.bill.customer == "Peter"


async def test_an_old_pay_button_pays_nothing(office: Office, njeri: Person, peter: Person) -> None:
    card = await issued(office, njeri)
    first = await opened(office, peter, card)
    second = await opened(office, peter, card)
    await paid_by_phone(office, peter, second, "💸 Pay KES 1,500")
    await office.said(njeri.chat, "paid by Peter")

    press = peter.press(first, "💸 Pay KES 1,500")

    assert "paid already" in await office.answered(press)
    assert len(office.daraja.pushes) == 1


async def prompted(office: Office, who: Person, bill: Message, label: str) -> None:
    """Whoever pressed has a prompt on the phone, and their number is known from now on."""
    who.press(bill, label)
    await office.said(who.chat, "Which M-Pesa number")
    who.share_contact()
    await office.said(who.chat, "Check the phone 0722***001")


async def paid_by_phone(office: Office, who: Person, bill: Message, label: str) -> None:
    await prompted(office, who, bill, label)
    await office.result(0, receipt="UKN4ABCDE7")
    await office.core.touched.run_due()


async def test_a_part_is_paid_and_what_is_left_is_said(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri)
    bill = await opened(office, peter, card)
    peter.press(bill, "Pay part")
    await office.said(peter.chat, "How much of INV-0001")
    peter.say("500")
    await office.said(peter.chat, "Which M-Pesa number")
    peter.share_contact()
    await office.said(peter.chat, "Check the phone")
    await office.result(0, receipt="UKN4ABCDE7")
    await office.core.touched.run_due()

    news = await office.said(njeri.chat, "KES 500 paid by Peter")
    assert "KES 500 of KES 1,500 paid; KES 1,000 left." in news.text
    await office.api.wait_for(lambda: "Njeri asks for KES 1,000" in bill.text)


async def test_a_question_and_not_mine_reach_the_merchant(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri)
    bill = await opened(office, peter, card)
    peter.press(bill, "❓ Question")
    await office.said(peter.chat, "What shall I ask Njeri")
    peter.say("Are they <big> bags?")
    await office.said(peter.chat, "I passed it on")
    question = await office.said(njeri.chat, "Peter asks about INV-0001")
    assert "Are they <big> bags?" in question.text

    peter.press(bill, "🚫 Not mine")
    await office.said(peter.chat, "no more of this one")
    await office.said(njeri.chat, "not theirs")


@pytest.mark.parametrize("by_reply", [True, False])
async def test_a_question_is_answered_and_the_answer_reaches_the_customer(
    office: Office, njeri: Person, peter: Person, *, by_reply: bool
) -> None:
    bill = await opened(office, peter, await issued(office, njeri))
    peter.press(bill, "❓ Question")
    await office.said(peter.chat, "What shall I ask Njeri")
    long = "Are they the large bags of 90 kg that you had last month, or the smaller ones? " * 2
    peter.say(long)
    question = await office.said(njeri.chat, "Peter asks about INV-0001")
    assert long.strip() in question.text

    if by_reply:
        njeri.say("The large ones, see www.example.org", reply_to=question)
    else:
        njeri.press(question, "✍️ Answer")
        await office.said(njeri.chat, "What shall I answer")
        njeri.say("The large ones, see www.example.org")
    await office.said(njeri.chat, "Your answer is on its way")
    answer = await office.said(peter.chat, "Njeri answers about INV-0001")
    assert "The large ones" in answer.text
    assert long.strip() in answer.text
    assert "www.example.org" not in answer.text  # a joiner keeps it from being a link

    again = peter.say("And the price of five?", reply_to=answer)
    await office.said(peter.chat, "I passed it on", after=again)
    await office.said(njeri.chat, "And the price of five?")


async def test_an_answer_is_read_in_swahili(office: Office, njeri: Person) -> None:
    bill = await opened(office, office.otieno, await issued(office, njeri))
    office.otieno.press(bill, "❓ Swali")
    await office.said(office.otieno.chat, "Nimuulize nini Njeri")
    office.otieno.say("Ni magunia makubwa?")
    question = await office.said(njeri.chat, "Otieno asks about INV-0001")
    njeri.say("Ndiyo", reply_to=question)

    await office.said(office.otieno.chat, "Njeri anajibu kuhusu INV-0001")


async def test_words_that_answer_what_we_asked_are_no_question(
    office: Office, njeri: Person, peter: Person
) -> None:
    bill = await opened(office, peter, await issued(office, njeri))
    peter.press(bill, "Pay part")
    await office.said(peter.chat, "How much of INV-0001")
    peter.say("500", reply_to=bill)

    await office.said(peter.chat, "Which M-Pesa number")
    assert not [each for each in njeri.chat.from_bot if "asks about" in each.text]


async def test_not_mine_waits_for_the_merchant_to_decide(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri)
    bill = await opened(office, peter, card)
    peter.press(bill, "🚫 Not mine")
    told = await office.said(njeri.chat, "Peter says that INV-0001 is not theirs")
    await office.api.wait_for(lambda: "no reminders until you decide" in card.text)
    await office.core.reminders.run_due()

    decided = njeri.press(told, "🙋 It is theirs")
    assert "they have it again" in await office.answered(decided)
    await office.said(peter.chat, "is yours after all")
    await office.api.wait_for(lambda: "no reminders" not in card.text)
    assert "used already" in await office.answered(njeri.press(told, "👤 It is someone else’s"))


async def test_cash_is_written_down_and_can_be_taken_back(office: Office, njeri: Person) -> None:
    card = await issued(office, njeri)
    njeri.press(card, "💵 Paid in cash")
    asked = await office.said(njeri.chat, "How much cash came")
    njeri.press(asked, "💵 All: KES 1,500")
    await office.api.wait_for(lambda: "Paid." in card.text)

    njeri.press(card, "✏️ Edit")
    menu = await office.said(njeri.chat, "What shall change")
    njeri.press(menu, "✖ KES 1,500 is wrong")
    await office.api.wait_for(lambda: "Not paid yet" in card.text)
    again = njeri.press(asked, "💵 All: KES 1,500")

    await office.said(njeri.chat, "written down and taken back again")
    await office.answered(again)
    assert "Not paid yet" in card.text


async def test_a_customer_reads_that_cash_was_taken_back_and_can_say_no(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri)
    await opened(office, peter, card)
    njeri.press(card, "💵 Paid in cash")
    njeri.press(await office.said(njeri.chat, "How much cash came"), "💵 All: KES 1,500")
    await office.api.wait_for(lambda: "Paid." in card.text)
    await office.core.touched.run_due()
    await office.said(peter.chat, "Njeri wrote down KES 1,500 in cash for INV-0001")
    njeri.press(card, "✏️ Edit")
    njeri.press(await office.said(njeri.chat, "What shall change"), "✖ KES 1,500 is wrong")

    told = await office.said(peter.chat, "Njeri took the KES 1,500 in cash for INV-0001 back")

    peter.press(told, "❓ Question")
    await office.said(peter.chat, "What shall I ask Njeri about INV-0001?")


async def test_money_for_a_void_invoice_is_not_called_two_payments(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri)
    bill = await opened(office, peter, card)
    await prompted(office, peter, bill, "💸 Pay KES 1,500")
    njeri.press(card, "🗑 Take back")
    njeri.press(await office.said(njeri.chat, "Take INV-0001 back?"), "🚫 Void")
    await office.api.wait_for(lambda: "Void:" in card.text)
    await office.result(0, receipt="UKN4ABCDE7")
    await office.core.touched.run_due()

    told = await office.said(njeri.chat, "INV-0001 is void, and KES 1,500 came for it")

    assert "too much" not in told.text
    assert told.labels == ["↩️ I gave it back", "🤝 It stays, as agreed"]


async def test_all_in_cash_that_is_pressed_twice_is_written_down_once(
    office: Office, njeri: Person
) -> None:
    card = await issued(office, njeri)
    njeri.press(card, "💵 Paid in cash")
    asked = await office.said(njeri.chat, "How much cash came")
    njeri.press(asked, "💵 All: KES 1,500")
    await office.api.wait_for(lambda: "Paid." in card.text)

    assert "already" in await office.answered(njeri.press(asked, "💵 All: KES 1,500"))
    await office.handled()


@pytest.mark.parametrize(
    ("button", "answer", "shown"),
    [
        ("📅 Due day", "30 Nov", "due Mon 30 Nov"),
        ("📅 Due day", "kesho", "due Tue 24 Nov"),
        ("👤 Customer", "Mary W.", "Mary W. · KES 1,500"),
        ("🗒 Note", "Thank you", "📝 Thank you"),
        ("🧮 VAT", "16 on top", "plus VAT 16 %: KES 240"),
        ("🏷 eTIMS number", "KRA-001/77", "eTIMS invoice KRA-001/77"),
    ],
)
async def test_what_was_issued_is_changed_by_a_revision(
    office: Office, njeri: Person, button: str, answer: str, shown: str
) -> None:
    card = await issued(office, njeri)
    njeri.press(card, "✏️ Edit")
    menu = await office.said(njeri.chat, "What shall change")
    press = njeri.press(menu, button)
    await office.answered(press)
    await office.handled()
    njeri.say(answer)
    await office.api.wait_for(lambda: shown in card.text)

    assert ("Revision 2" in card.text) is (button != "🏷 eTIMS number")


async def test_items_are_added_changed_and_taken_out(office: Office, njeri: Person) -> None:
    card = await issued(office, njeri)
    press = njeri.press(card, "➕ Item")
    await office.answered(press)
    await office.handled()
    njeri.say("2 x 75.50 sacks")
    await office.api.wait_for(lambda: "2 × sacks @ KES 75.50: KES 151" in card.text)
    assert "KES 1,651" in card.text

    changes = ((2, "3 x 75.50 sacks", "KES 1,726.50"), (3, "-", "Peter · KES 1,500\n"))
    lines: Message | None = None
    for count, answer, shown in changes:
        njeri.press(card, "✏️ Edit")
        menu = await office.said(njeri.chat, "What shall change", after=lines)
        njeri.press(menu, "🛒 Items")
        lines = await office.said(njeri.chat, "Which line of", after=lines)
        await office.answered(njeri.press(lines, f"2. {count} × sacks"))
        await office.handled()
        njeri.say(answer)
        await office.api.wait_for(partial(shows, card, shown))


async def test_a_draft_is_filled_and_issued(office: Office, njeri: Person) -> None:
    said = njeri.say("/invoice Peter, due Friday")
    card = await office.said(njeri.chat, "Draft for Peter", after=said)
    await office.answered(njeri.press(card, "➕ Item"))
    await office.handled()
    njeri.say("charcoal 750")
    await office.api.wait_for(lambda: "KES 750" in card.text)
    njeri.press(card, "🧾 Issue it")
    await office.api.wait_for(lambda: "INV-0001" in card.text)


async def test_lists_are_turned_and_searched(office: Office, njeri: Person) -> None:
    for number in range(8):
        await issued(office, njeri, f"/invoice {number + 100} Customer{number} tiles")
    njeri.say("/invoices")
    first = await office.said(njeri.chat, "Open invoices: 8")
    assert [line[:8] for line in first.text.splitlines()[1:]] == [
        f"INV-000{number}" for number in range(8, 2, -1)
    ]
    njeri.press(first, "▶ Older")
    second = await office.said(njeri.chat, "INV-0001", after=first)
    assert "INV-0002" in second.text
    njeri.press(second, "◀ Newer")
    await office.said(njeri.chat, "INV-0008", after=second)
    njeri.say("/invoices customer3")
    found = await office.said(njeri.chat, "🔎")
    assert "INV-0004" in found.text
    shown = njeri.press(found, "INV-0004")
    await office.answered(shown)
    await office.said(njeri.chat, "Customer3 · KES 103", after=found)


async def test_drafts_are_turned_too(office: Office, njeri: Person) -> None:
    for number in range(7):
        said = njeri.say(f"/invoice Customer{number}, due Friday")
        await office.said(njeri.chat, f"Draft for Customer{number}", after=said)
        office.clock.advance(1)
    njeri.say("/invoices")
    none = await office.said(njeri.chat, "No invoice is open")
    njeri.press(none, "📝 Drafts")
    first = await office.said(njeri.chat, "📝 Drafts")
    assert "Customer0" not in first.text
    njeri.press(first, "▶ Older")
    last = await office.said(njeri.chat, "Customer0", after=first)
    njeri.press(last, "◀ Newer")
    await office.said(njeri.chat, "Customer6", after=last)


async def test_today_says_what_came_and_what_is_owed(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri)
    await issued(office, njeri, "/invoice 700 Mary tiles")
    bill = await opened(office, peter, card)
    await paid_by_phone(office, peter, bill, "💸 Pay KES 1,500")

    njeri.say("/today")

    day = await office.said(njeri.chat, "📈")
    assert "KES 1,500" in day.text
    assert "Paid: 1 · not paid: 0" in day.text
    assert "Open invoices: 1, KES 700" in day.text


async def test_nobody_else_issues_or_appoints(office: Office) -> None:
    office.jane.say(WORDS)
    await office.said(office.jane.chat, "Only merchants of Mama Njeri")
    office.jane.say("/appoint @jane")
    await office.said(office.jane.chat, "I do not know that command")
    assert await office.core.merchants.get(office.jane.id) is None


async def test_the_operator_revokes_and_what_was_issued_stays_payable(
    office: Office, njeri: Person, peter: Person
) -> None:
    card = await issued(office, njeri)
    appointed = await office.said(office.boss.chat, "may issue invoices now")
    office.boss.press(appointed, "✖ Revoke")
    await office.said(office.boss.chat, "Revoked")
    njeri.say(WORDS)
    await office.said(njeri.chat, "Only merchants of")

    bill = await opened(office, peter, card)
    assert "KES 1,500" in bill.text


async def test_papers_come_as_files(office: Office, njeri: Person, peter: Person) -> None:
    card = await issued(office, njeri)
    njeri.press(card, "📄 PDF + QR")
    paper = await made(office, njeri, "INV-0001 of Njeri")
    assert paper.file is not None
    assert paper.file.content.startswith(b"%PDF")

    bill = await opened(office, peter, card)
    await paid_by_phone(office, peter, bill, "💸 Pay KES 1,500")
    receipt = await made(office, peter, "Your receipt")
    assert receipt.file is not None
    assert "KES 1,500" in text_of(receipt.file.content)
    status = await office.said(peter.chat, "✅")
    assert status.id < receipt.id
    peter.press(status, "🧾 PDF receipt")
    await office.api.wait_for(lambda: len(receipts(peter)) == 2)


def receipts(person: Person) -> list[Message]:
    return [each for each in person.chat.from_bot if "Your receipt" in each.text]


@pytest.mark.parametrize(
    ("back_cents", "back", "left"),
    [(None, "{} went back", "KES 0"), (40_000, "KES 400 of {} has gone back so far", "KES 1,100")],
    ids=["all of it", "a part"],
)
async def test_a_receipt_of_what_went_back_says_what_it_was(
    office: Office, njeri: Person, peter: Person, back_cents: int | None, back: str, left: str
) -> None:
    bill = await opened(office, peter, await issued(office, njeri))
    await paid_by_phone(office, peter, bill, "💸 Pay KES 1,500")
    await made(office, peter, "Your receipt")
    [view] = await office.core.books.latest(person_id=peter.id)
    gone = fact(
        Kind.REVERSED,
        payment_id=view.payment.id,
        at=office.clock.now(),
        amount_cents=back_cents,
    )
    await office.store.submit(unit_of(gone, claims=False), office.core.hear._settle)
    await office.core.touched.run_due()

    await office.said(njeri.chat, back.format("KES 1,500 from Peter 0722***001"))
    late = Notice(
        id=1,
        kind=NoticeKind.NEWS,
        chat_id=peter.id,
        payment_id=None,
        alarm=None,
        reply=None,
        message_id=None,
        wanted=1,
        tries=1,
        resent=False,
        subject=f"p:{view.payment.id}",
        topic="receipt",
    )
    paper = Stationery(texts=Texts.load(), collector=MAMA_NJERI, username="njeribot")
    made_anew = await about_payment(office.core, paper, late)
    assert made_anew is not None
    assert made_anew.document is not None
    words = text_of(made_anew.document.content)
    assert "KES 1,500" in words
    assert left in words


async def test_the_link_is_shown_as_a_code_to_be_scanned(office: Office, njeri: Person) -> None:
    card = await issued(office, njeri)
    njeri.press(card, "🔳 QR code")

    code = await made(office, njeri, "scan to pay KES 1,500")
    assert code.file is not None
    assert code.file.size is not None  # shown in the chat, not to be fetched
    assert code.file.content == qr_png(
        f"https://t.me/{office.api.world.bot.username}?start={payload(card)}"
    )
    assert f"https://pay.example.org/i/{payload(card).removeprefix('i_')}" in code.text


async def test_a_profile_is_what_customers_see(
    office: Office, njeri: Person, peter: Person
) -> None:
    njeri.say("/merchant")
    profile = await office.said(njeri.chat, "Customers see you as Njeri")
    for button, answer in (("🏪 Name", "Mama Njeri Charcoal"), ("🏷 KRA PIN", "a123456789b")):
        await office.answered(njeri.press(profile, button))
        await office.handled()
        said = njeri.say(answer)
        await office.said(njeri.chat, "/merchant shows it", after=said)
    njeri.say("/merchant")
    changed = await office.said(njeri.chat, "Mama Njeri Charcoal")
    assert "A123456789B" in changed.text

    bill = await opened(office, peter, await issued(office, njeri))
    assert "Mama Njeri Charcoal asks for" in bill.text


async def test_a_pin_that_is_none_is_asked_for_again(office: Office, njeri: Person) -> None:
    njeri.say("/merchant")
    profile = await office.said(njeri.chat, "Customers see you as")
    await office.answered(njeri.press(profile, "🏷 KRA PIN"))
    await office.handled()
    njeri.say("12345")

    await office.said(njeri.chat, "is no KRA PIN")


@pytest.mark.parametrize(
    ("button", "name", "magic"),
    [("📄 CSV", ".csv", b"\xef\xbb\xbf"), ("📊 Excel", ".xlsx", b"PK"), ("🖨 PDF", ".pdf", b"%PDF")],
)
async def test_a_statement_is_made_beside_the_chat(
    office: Office, njeri: Person, peter: Person, button: str, name: str, magic: bytes
) -> None:
    bill = await opened(office, peter, await issued(office, njeri))
    await paid_by_phone(office, peter, bill, "💸 Pay KES 1,500")

    njeri.say("/statement")
    which = await office.said(njeri.chat, "What came for your invoices")
    njeri.press(which, button)

    paper = await made(office, njeri, "Statement of Njeri")
    assert paper.file is not None
    assert paper.file.name.endswith(name)
    assert paper.file.content.startswith(magic)
    if name == ".csv":
        assert "UKN4ABCDE7" in paper.file.content.decode()
        assert "INV-0001" in paper.file.content.decode()
    await made(office, njeri, "Here it is")


async def test_a_statement_is_sent_as_soon_as_a_flooded_chat_takes_it(
    office: Office, njeri: Person
) -> None:
    await issued(office, njeri)
    njeri.say("/statement")
    which = await office.said(njeri.chat, "What came for your invoices")

    office.api.faults.flood(2, chat_id=njeri.id, times=3)
    njeri.press(which, "📄 CSV")

    paper = await made(office, njeri, "Statement of Njeri")
    assert paper.file is not None
    await made(office, njeri, "Here it is")


async def test_a_person_gets_their_own_payments_and_nobody_elses(
    office: Office, njeri: Person, peter: Person
) -> None:
    bill = await opened(office, peter, await issued(office, njeri))
    await paid_by_phone(office, peter, bill, "💸 Pay KES 1,500")
    for person, count in ((peter, 1), (office.jane, 0)):
        person.say("/statement today")
        which = await office.said(person.chat, "What you have paid")
        person.press(which, "📄 CSV")
        paper = await made(office, person, "Statement of")
        assert paper.file is not None
        assert paper.file.content.decode().count("UKN4ABCDE7") == count


async def test_a_report_is_a_picture(office: Office, njeri: Person, peter: Person) -> None:
    njeri.say("/report")
    await office.said(njeri.chat, "Nothing came in these days")
    bill = await opened(office, peter, await issued(office, njeri))
    await paid_by_phone(office, peter, bill, "💸 Pay KES 1,500")

    njeri.say("/report")

    picture = await made(office, njeri, "Njeri: KES 1,500 in 30 days")
    assert picture.file is not None
    assert picture.file.content.startswith(b"\x89PNG")


async def test_a_period_that_cannot_be_read_is_asked_about(office: Office) -> None:
    office.jane.say("/statement someday")

    await office.said(office.jane.chat, "as a period")


async def test_an_invoice_is_put_into_any_chat_by_name(
    office: Office, njeri: Person, peter: Person, api: BotApi
) -> None:
    await issued(office, njeri)
    await issued(office, njeri, "/invoice 700 Mary tiles")
    elsewhere = api.group(-7001, "Chama", [njeri, peter])

    every = njeri.ask_inline()
    await api.wait_for(lambda: every.answered)
    assert [each.title for each in every.cards] == ["INV-0002 · KES 700", "INV-0001 · KES 1,500"]
    some = njeri.ask_inline("peter")
    await api.wait_for(lambda: some.answered)
    card = some.put("INV-0001 · KES 1,500", elsewhere)

    assert "Njeri asks for KES 1,500" in card.text
    link = peter.press(card, "💸 Open and pay").opened
    said = peter.start(link.partition("start=")[2])
    await office.said(peter.chat, "Njeri asks for KES 1,500", after=said)


async def test_inline_mode_shows_nobody_anothers_invoices(
    office: Office, njeri: Person, api: BotApi
) -> None:
    await issued(office, njeri)

    asked = office.jane.ask_inline("peter")
    await api.wait_for(lambda: asked.answered)

    assert asked.cards == ()
    assert asked.button is not None


def everything_in(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir())


async def asked_for_a_logo(office: Office, merchant: Person) -> None:
    merchant.say("/merchant")
    profile = await office.said(merchant.chat, "Customers see you as")
    await office.answered(merchant.press(profile, "🖼 Logo"))
    await office.handled()


async def test_a_logo_is_kept_sealed_and_printed(
    office: Office, njeri: Person, tmp_path: Path
) -> None:
    await asked_for_a_logo(office, njeri)
    logo = qr_png("https://pay.example.org")
    njeri.send_file("logo.png", logo, content_type="image/png")
    await office.said(njeri.chat, "/merchant shows it")

    assert await office.core.merchants.logo(njeri.id) == logo
    assert logo not in everything_in(tmp_path)
    njeri.press(await issued(office, njeri), "📄 PDF + QR")
    paper = await made(office, njeri, "INV-0001 of Njeri")
    assert paper.file is not None
    assert b"/Image" in paper.file.content


@pytest.mark.parametrize("content", [b"MZ is no picture", b"\x89PNG" + bytes(600 * 1024)])
async def test_a_logo_that_is_none_or_too_large_is_refused(
    office: Office, njeri: Person, content: bytes
) -> None:
    await asked_for_a_logo(office, njeri)
    njeri.send_file("logo.png", content, content_type="image/png")

    await office.said(njeri.chat, "at most 512 kB")
    assert await office.core.merchants.logo(njeri.id) is None


async def test_who_has_no_telegram_gets_the_address_of_the_page(
    office: Office, njeri: Person
) -> None:
    card = await issued(office, njeri)

    copied = njeri.press(card, "🔗 Copy web link").copied

    assert copied == f"https://pay.example.org/i/{payload(card).removeprefix('i_')}"
