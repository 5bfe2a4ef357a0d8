"""Titles, treasurers and customers are called what people like: no drive or invoice is bent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from bot.chat.drive_cards import card, closed_text, list_text, sheet, thanks_text
from bot.chat.drive_words import TITLE_CHARS_MAX, title
from bot.chat.invoice_cards import Quill, customer_card, merchant_card
from bot.chat.keyboards import Stationery
from bot.core.drive_views import CardView, ShownGift
from bot.core.invoices import InvoiceView
from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.texts import VALUE_CHARS_MAX, WORD_JOINER, Texts
from storage.records import (
    Bill,
    BillItem,
    Closing,
    Decided,
    DriveEdit,
    Etims,
    Invoice,
    InvoiceSums,
    Merchant,
    Totals,
    Treasurer,
    TreasurerState,
)
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import MAMA_NJERI, OPERATOR, Office
from tests.chat.test_drive_list_more import DRIVE
from tests.chat.test_drive_wizard import to_the_treasurers
from tests.chat.test_names import HOSTILE, LINKS, as_telegram_shows
from tests.chat.test_treasury import panel
from tests.stores import NOON

PAPER = Stationery(texts=Texts.load(), collector=MAMA_NJERI, username="lipa_demo_bot")
OTHERS = HOSTILE | {
    "a domain": "evil.example",
    "a plain address": "http://evil.example",
    "a bot": "@evilbot",
    "a bot behind marks": "@@evilbot /@evilbot (@evilbot)",
    "an anchor": '<a href="http://e.example">x</a>',
    "a command": "/pay@bot",
}
A_LINK = re.compile(r"[^\W_]\.[^\W\d_]|\w://|(?<!\w)@\w")
"""What TDLib begins an address or a call with; our stand-in of Telegram knows whole ones only."""

Write = Callable[[str], str]


def a_gift(name: str) -> ShownGift:
    return ShownGift(at=NOON, name=name, through=name, cents=50_000, cash=True, by_name=name)


def a_correction(name: str) -> ShownGift:
    return replace(a_gift(name), correction=True, reason=name)


def a_drive(name: str) -> CardView:
    """A drive in which everything that somebody chose is *name*."""
    treasurers = [
        Treasurer(
            drive_id=DRIVE.id,
            person_id=number,
            name=name,
            state=TreasurerState.ACCEPTED,
            by=number,
            at=NOON,
        )
        for number in range(3)
    ]
    return CardView(
        drive=replace(DRIVE, title=name, target_kes=50_000),
        totals=Totals(mpesa_cents=0, mpesa_gifts=0, cash_cents=50_000, cash_gifts=1),
        givers=1,
        newest=(a_gift(name), a_correction(name)),
        more=0,
        treasurers=tuple(treasurers),
        promised=(0, 0),
    )


def drive_card(name: str) -> str:
    return card(a_drive(name), PAPER).text


def drive_sheet(name: str) -> str:
    return sheet(a_drive(name), PAPER, language="sw", amount_kes=500).text


def drive_list(name: str) -> str:
    view = a_drive(name)
    edit = DriveEdit(
        drive_id=DRIVE.id, by=1, by_name=name, at=NOON, what="title", before=name, after=name
    )
    return list_text(view.drive, view.newest, [edit], view.totals, PAPER, language="en")


def drive_thanks(name: str) -> str:
    return thanks_text(a_drive(name).drive, [a_gift(name)], 1, PAPER)


def drive_closed(name: str) -> str:
    return closed_text(a_drive(name), PAPER)


def a_quill(name: str, *, owner: int) -> Quill:
    """An invoice in which everything that somebody chose is *name*."""
    items = (
        BillItem(what=name, price_cents=50_000),
        BillItem(what=name, quantity_milli=2500, price_cents=50_000),
    )
    due = date(2026, 11, 27)
    invoice = Invoice(
        id=f"{1:032x}",
        merchant_id=1001,
        number=1,
        code="code",
        by_hand_ref="INV-7K2M4",
        decided=Decided.ISSUED,
        revision=1,
        bill=Bill(customer=name, items=items, due_on=due, note=name),
        total_cents=175_000,
        due_on=due,
        language="en",
        account="",
        etims=Etims(number=name),
        issue_key="m:1",
        created_at=NOON,
        issued_at=NOON,
    )
    merchant = Merchant(id=1001, name=name, appointed_by=OPERATOR, appointed_at=NOON)
    sums = InvoiceSums(mpesa_cents=0, entries_cents=0, waiting_cents=0)
    view = InvoiceView(invoice=invoice, merchant=merchant, sums=sums)
    return Quill(view=view, paper=PAPER, language="en", today=due, owner=owner)


def merchants_card(name: str) -> str:
    return merchant_card(a_quill(name, owner=1001)).text


def customers_card(name: str) -> str:
    return customer_card(a_quill(name, owner=1002)).text


CARDS: tuple[Write, ...] = (
    *(drive_card, drive_sheet, drive_list, drive_thanks, drive_closed),
    *(merchants_card, customers_card),
)


@pytest.mark.parametrize("name", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("write", CARDS)
def test_a_card_has_the_same_marks_whatever_people_are_called(write: Write, name: str) -> None:
    plain_one, shown = as_telegram_shows(write("Jane")), as_telegram_shows(write(name))

    # A command may be pressed; it does what whoever presses it may do, and no more.
    marks = [each.type for each in shown.entities if each.type != "bot_command"]
    assert not LINKS & set(marks)
    assert A_LINK.findall(shown.text) == A_LINK.findall(plain_one.text)
    assert marks == [each.type for each in plain_one.entities]
    unseen = {char for char in shown.text if unicodedata.category(char) in {"Cf", "Cc", "Cs"}}
    assert unseen <= {WORD_JOINER, "\n"}
    assert shown.text.count("\n") <= plain_one.text.count("\n")
    assert len(shown.text) <= len(plain_one.text) + 8 * 2 * VALUE_CHARS_MAX


def no_link_of_a_stranger(message: Message) -> bool:
    marks = {each.type for each in message.body.entities}
    return not LINKS & marks and A_LINK.search(message.text) is None


SENT = {label: name for label, name in OTHERS.items() if label != "a half"}
"""What Telegram's clients let somebody write."""


async def test_every_title_and_treasurer_gets_through_telegrams_own_reading(
    harambee: Harambee, api: BotApi
) -> None:
    office, group = harambee.office, harambee.group
    titles = [name for name in SENT.values() if title(" ".join(name.split())[:300])]
    assert len(titles) > len(SENT) / 2
    for number, name in enumerate(titles):
        person = harambee.started(4000 + number, name)
        group.standing[person.id] = "administrator"
        one_line = " ".join(name.split())[:TITLE_CHARS_MAX]
        person.say(f"/newdrive@lipa_demo_bot 500 {one_line}", chat=group)
        await office.handled()

    cards = [message for message in group.from_bot if "Treasurers: " in message.text]
    assert len(cards) == len(titles)
    assert [each.text for each in cards if not no_link_of_a_stranger(each)] == []
    for call in [*api.calls_of("sendMessage"), *api.calls_of("editMessageText")]:
        assert call.params.get("parse_mode") == "HTML", "it fell back to plain text"


async def test_every_customer_and_merchant_gets_through_telegrams_own_reading(
    office: Office, api: BotApi
) -> None:
    customer = api.person(5999, "Peter", started=True)
    shown = []
    for number, name in enumerate(SENT.values()):
        merchant = api.person(5000 + number, name, started=True)
        await office.core.merchants.appoint(
            merchant.id, name=name, language="en", by=OPERATOR, say=lambda _: Closing()
        )
        one_line = " ".join(name.replace('"', "").split())[:60]
        said = merchant.say(f'/invoice 1500 "{one_line}" {one_line}')
        await office.handled()
        cards = [each for each in merchant.chat.from_bot if each.id > said.id]
        shown += cards
        if "INV-" in cards[-1].text:
            link = cards[-1].button("📤 Send to customer").value
            opened = customer.start(link.partition("start%3D")[2].partition("&")[0])
            shown.append(await office.said(customer.chat, "INV-", after=opened))

    bills = [each for each in shown if each.chat is customer.chat]
    assert len(bills) > len(SENT) / 2
    assert [each.text for each in shown if not no_link_of_a_stranger(each)] == []
    for call in [*api.calls_of("sendMessage"), *api.calls_of("editMessageText")]:
        assert call.params.get("parse_mode") == "HTML", "it fell back to plain text"


EVIL = "Win evil.example @evilbot"


def is_only_link(text: str, payload: str) -> bool:
    """Ours, whole and to be pressed, and none beside it."""
    link = f"https://t.me/lipa_demo_bot?start={payload}"
    return link in text and A_LINK.search(text.replace(link, "")) is None


async def test_beside_our_own_link_a_title_is_none(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    whole = await harambee.opened(f"/newdrive@lipa_demo_bot 500 {EVIL}")
    drive = await harambee.drive

    jane.press(whole, "Share")
    shared = await office.said(jane.chat, "For WhatsApp")
    keys = await panel(harambee)
    harambee.mary.press(keys, "Treasurers")
    people = await office.said(harambee.mary.chat, "send them this link")

    # What is to be copied stands in <pre>, where Telegram looks for nothing.
    head, _, _ = shared.text.partition("For WhatsApp")
    assert is_only_link(head, f"d_{drive.code}")
    assert is_only_link(people.text, f"t_{drive.code}")


async def test_beside_our_own_link_the_name_of_a_treasurer_is_none(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary = harambee.office, harambee.mary
    asked = await to_the_treasurers(harambee)
    mary.press(asked, "Choose people")
    await office.said(mary.chat, "choose up to 2 people")
    mary.choose("👥 Choose people", api.person(3001, EVIL))
    mary.press(await office.said(mary.chat, "Shall I post it?"), "Post it")

    posted = await office.said(mary.chat, "when they open this link")

    assert is_only_link(posted.text, f"t_{(await harambee.drive).code}")
