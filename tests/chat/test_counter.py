"""/verify for merchants: what they read of a customer's code, and what they can take for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest

from bot.core.billing import NewInvoice
from bot.core.invoice_acts import Done
from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from storage.engine import Store
from storage.records import Bill, BillItem, Closing, Invoice
from tests.chat.test_books import CODE, came_in, reversal_came
from tests.chat.test_conversation import Office
from tests.stores import TestClock

JANE, OTIENO, OPERATOR = 1001, 1002, 900


@pytest.fixture
async def office(api: BotApi, kept: Store, clock: TestClock) -> AsyncIterator[Office]:
    """Jane and Otieno are merchants."""
    made = Office(api, kept, clock)
    async with made.open():
        for person_id in (JANE, OTIENO):
            await made.core.merchants.appoint(
                person_id,
                name=f"Shop {person_id}",
                language="en",
                by=OPERATOR,
                say=lambda _: Closing(),
            )
        yield made
    await asyncio.gather(*made.tasks)


async def issued(office: Office, *, by: int = JANE, cents: int = 50_00) -> Invoice:
    bill = Bill(
        customer="Peter <b>",
        items=(BillItem(what="charcoal", price_cents=cents),),
        due_on=date(2027, 1, 1),
    )
    new = NewInvoice(merchant_id=by, bill=bill, issue_key=f"m:{by}:{cents}")
    done = await office.core.billing.make(new, Closing())
    assert isinstance(done, Done), done
    return done.view.invoice


async def about_to_take(office: Office) -> tuple[Invoice, Message]:
    """Money that is nobody's, and the question whether it is for that invoice."""
    invoice = await issued(office)
    await came_in(office)
    office.jane.say(f"/verify {CODE}")
    free = await office.said(office.jane.chat, "has arrived")
    office.jane.press(free, invoice.label)
    sure = await office.said(office.jane.chat, "written down with your name", after=free)
    return invoice, sure


async def test_what_went_back_is_not_said_to_have_arrived(office: Office) -> None:
    await issued(office)
    await came_in(office)
    await reversal_came(office)

    office.jane.say(f"/verify {CODE}")

    shown = await office.said(office.jane.chat, "went back to the payer")
    assert "Hand nothing over for it" in shown.text
    assert "KES 50 of it went back" in shown.text
    assert "has arrived" not in shown.text
    assert not shown.buttons


async def test_money_of_nobody_is_taken_for_an_invoice_and_operators_are_told(
    office: Office,
) -> None:
    invoice = await issued(office)
    await came_in(office, reference="0722 Wanjiku")
    office.jane.say(f"/verify {CODE.lower()}")

    free = await office.said(office.jane.chat, "has arrived")
    assert "KES 50" in free.text
    assert "0712***678" not in free.text
    assert "Wanjiku" not in free.text

    office.jane.press(free, f"{invoice.label} · Peter <b> · KES 50 left")
    sure = await office.said(office.jane.chat, "written down with your name", after=free)
    office.jane.press(sure, "Yes, that is so")
    await office.said(office.jane.chat, "it counts for that invoice", after=sure)
    await office.said(office.boss.chat, "A merchant took money")
    office.jane.press(sure, "Yes, that is so")
    await office.said(office.jane.chat, "It counts for that invoice already", after=sure)

    office.jane.say(f"/verify {CODE}")
    known = await office.said(office.jane.chat, "is for your invoice INV-0001", after=sure)
    assert "KES 50" in known.text


async def test_of_somebody_elses_payment_a_merchant_learns_nothing_but_that(
    office: Office,
) -> None:
    await office.pay(office.jane, "/pay 70 0712345678")
    await office.result(0, receipt=CODE)
    await office.said(office.jane.chat, "✅")

    office.otieno.say(f"/verify {CODE}")
    told = await office.said(office.otieno.chat, "sehemu nyingine ya biashara hii")
    assert told.labels == []
    for word in ("70", "0712", "PAY-", "Jane"):
        assert word not in told.text.replace(CODE, "")

    office.jane.say(f"/verify {CODE}")
    own = await office.said(office.jane.chat, "is the payment that you asked for")
    assert "KES 70" in own.text


async def test_money_that_a_prompt_may_have_brought_is_for_operators(office: Office) -> None:
    _, sure = await about_to_take(office)
    await office.pay(office.jane, "/pay 50 0712345678")

    office.jane.press(sure, "Yes, that is so")
    await office.said(
        office.jane.chat, "Nothing was changed: that money may be counted", after=sure
    )
    office.otieno.say(f"/verify {CODE}")
    told = await office.said(office.otieno.chat, "huenda imeshahesabiwa")
    assert told.labels == []
    assert "KES" not in told.text


async def test_an_unknown_code_is_asked_about_and_looked_at_again(office: Office) -> None:
    office.jane.say(f"/verify {CODE}")
    unknown = await office.said(office.jane.chat, "Hand nothing over for it yet")
    assert "I have asked Safaricom" in unknown.text

    office.clock.advance(60)
    await came_in(office)
    office.jane.press(unknown, "Look again")
    free = await office.said(office.jane.chat, "has arrived", after=unknown)
    assert "You have no open invoice" in free.text


async def test_who_is_a_merchant_no_more_takes_nothing(office: Office) -> None:
    invoice, sure = await about_to_take(office)
    await office.core.merchants.revoke(JANE, by=OPERATOR, say=lambda _: Closing())

    office.jane.press(sure, "Yes, that is so")
    await office.said(office.jane.chat, "Only merchants of", after=sure)

    view = await office.core.invoices.by_code(invoice.code)
    assert view is not None
    assert view.sums.paid_cents == 0
