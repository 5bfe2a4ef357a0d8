"""How to pay by Paybill is shown for what still takes money, however old the card is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from bot.playground.chats import Message
from bot.playground.people import Person
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import Office
from tests.chat.test_invoice_chat import issued, njeri, opened, peter, prompted
from tests.chat.test_treasury import panel

__all__ = ["njeri", "peter"]  # fixtures

A_COW = "/invoice 20000 Peter a cow, due Friday"
BY_HAND = "Pay by Paybill"
NO_BALANCE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """An invoice whose customer has a payment that failed, and a bill to press anew."""

    office: Office
    njeri: Person
    peter: Person
    card: Message
    bill: Message
    failed: Message


@pytest.fixture
async def shop(office: Office, njeri: Person, peter: Person) -> Shop:
    card = await issued(office, njeri, A_COW)
    bill = await opened(office, peter, card)
    await prompted(office, peter, bill, "💸 Pay KES 20,000")
    await office.result(NO_BALANCE)
    failed = await office.said(peter.chat, "Not paid")
    await office.handled()
    office.clock.advance(300)
    return Shop(office=office, njeri=njeri, peter=peter, card=card, bill=bill, failed=failed)


async def in_cash(shop: Shop) -> None:
    shop.njeri.press(shop.card, "💵 Paid in cash")
    asked = await shop.office.said(shop.njeri.chat, "How much cash came")
    shop.njeri.press(asked, "💵 All: KES 20,000")
    await shop.office.handled()


async def a_part_in_cash(shop: Shop) -> None:
    shop.njeri.press(shop.card, "💵 Paid in cash")
    await shop.office.said(shop.njeri.chat, "How much cash came")
    shop.njeri.say("5000")
    await shop.office.handled()


async def taken_back(shop: Shop) -> None:
    shop.njeri.press(shop.card, "🗑 Take back")
    shop.njeri.press(await shop.office.said(shop.njeri.chat, "Take INV-0001 back?"), "🚫 Void")
    await shop.office.handled()


async def heard_of_another(shop: Shop) -> None:
    """Another press is paid, as M-Pesa says, and that much is looked into first."""
    shop.peter.press(shop.bill, "💸 Pay KES 20,000")
    await shop.office.said(shop.peter.chat, "Check the phone", after=shop.failed)
    await shop.office.result(0, receipt="UKN4ABCDE7")
    await shop.office.handled()


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        (in_cash, "This invoice is paid already"),
        (taken_back, "This invoice was taken back"),
        (heard_of_another, "M-Pesa says that this invoice was just paid"),
        (a_part_in_cash, "KES 20,000 is more than is left to pay"),
    ],
)
async def test_an_old_card_shows_no_paybill_for_an_invoice_that_takes_no_such_payment(
    shop: Shop, meanwhile: Callable[[Shop], Awaitable[None]], said: str
) -> None:
    await meanwhile(shop)

    by_hand, again = await both(shop.office, shop.peter, shop.failed)

    assert said in by_hand
    assert by_hand == again
    assert told_how(shop.peter) == []


@pytest.mark.parametrize(("act", "said"), [("Pause", "paused this drive"), ("Close", "is closed")])
async def test_an_old_card_shows_no_paybill_for_a_drive_that_takes_no_gifts(
    harambee: Harambee, act: str, said: str
) -> None:
    office, jane = harambee.office, harambee.office.jane
    failed = await gift_that_failed(harambee)
    keys = await panel(harambee)
    harambee.mary.press(keys, act)
    if act == "Close":
        sure = await office.said(harambee.mary.chat, "Close Mama Akinyi hospital bill?")
        harambee.mary.press(sure, "Yes, close it")
    await office.handled()

    by_hand, again = await both(office, jane, failed)

    assert said in by_hand
    assert by_hand == again
    assert told_how(jane) == []


async def test_an_invoice_that_is_owed_shows_how_to_pay_by_hand(shop: Shop) -> None:
    shop.peter.press(shop.failed, BY_HAND)
    await shop.office.handled()

    assert ["KES 20,000" in each for each in told_how(shop.peter)] == [True]


async def test_a_drive_that_takes_gifts_shows_how_to_pay_by_hand(harambee: Harambee) -> None:
    failed = await gift_that_failed(harambee)

    harambee.office.jane.press(failed, BY_HAND)
    await harambee.office.handled()

    assert ["KES 500" in each for each in told_how(harambee.office.jane)] == [True]


async def gift_that_failed(harambee: Harambee) -> Message:
    await harambee.jane_gave_her_number()
    before = len(harambee.office.daraja.pushes)
    harambee.office.jane.press(await harambee.opened(), "KES 500")
    await harambee.pushed(before + 1)
    await harambee.office.result(NO_BALANCE)
    failed = await harambee.office.said(harambee.office.jane.chat, "Not paid")
    await harambee.office.handled()
    return failed


async def both(office: Office, who: Person, failed: Message) -> tuple[str, str]:
    """What its buttons to pay by hand and to try again answer."""
    by_hand = await office.answered(who.press(failed, BY_HAND))
    again = await office.answered(who.press(failed, "Try again"))
    await office.handled()
    return by_hand, again


def told_how(who: Person) -> list[str]:
    return [each.text for each in who.chat.from_bot if "by hand" in each.text.splitlines()[0]]
