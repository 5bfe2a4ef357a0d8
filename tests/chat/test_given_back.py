"""What was given back by hand and through M-Pesa too, as merchants and treasurers see it."""

from __future__ import annotations

from dataclasses import replace

from bot.playground.chats import Message
from bot.playground.people import Person
from storage.records import BillItem, Closing, Evidence, Kind, reversal_key
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import Office
from tests.chat.test_invoice_chat import issued, njeri, opened, peter, prompted
from tests.fakes import fact, unit_of

__all__ = ["njeri", "peter"]

BACK = "UKN9BACK01"


async def taken_back(office: Office, payment_id: str) -> None:
    """Safaricom's books say that all of this payment went back."""
    await heard(
        office, fact(Kind.REVERSED, payment_id=payment_id, at=office.clock.now(), receipt=BACK)
    )


async def test_treasurers_read_that_mpesa_took_a_gift_back(harambee: Harambee) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.press(card, "KES 500")
    await harambee.pushed(1)
    await harambee.paid()
    await harambee.look()
    [view] = await office.core.books.latest(person_id=jane.id)

    part = fact(
        Kind.REVERSED,
        payment_id=view.payment.id,
        at=office.clock.now(),
        receipt="UKN9BACK02",
        amount_cents=20_000,
    )
    await heard(office, part)

    told = await office.said(mary.chat, "has taken back KES 200 so far of the KES 500 that Jane")
    assert "the drive stands at KES 300" in told.text
    assert "UKN4ABCDE7" in told.text
    await taken_back(office, view.payment.id)
    told = await office.said(mary.chat, "M-Pesa took back KES 500 that Jane gave")
    assert "the drive stands at KES 0" in told.text
    for receipt in (BACK, "UKN9BACK02"):
        await untold(office, view.payment.id, receipt)
    await office.said(mary.chat, "all of it counts, and the drive stands at KES 500")


async def untold(office: Office, payment_id: str, receipt: str = BACK) -> None:
    """They say that it was another payment."""
    moved = fact(
        Kind.RECEIPT_MOVED,
        payment_id=payment_id,
        at=office.clock.now(),
        receipt=reversal_key(receipt),
    )
    await heard(office, moved)


async def heard(office: Office, evidence: Evidence) -> None:
    await office.store.submit(unit_of(evidence, claims=False), office.core.hear._settle)
    await office.core.touched.run_due()


async def only_invoice(office: Office, njeri: Person) -> str:
    [listed] = await office.core.ledgers.search(njeri.id, "")
    return listed.invoice.id


async def paid_twice(
    office: Office, njeri: Person, peter: Person
) -> tuple[Message, Message, Message]:
    """In cash, and while that was written down by M-Pesa: the cards, and the question about it."""
    card = await issued(office, njeri)
    bill = await opened(office, peter, card)
    await prompted(office, peter, bill, "💸 Pay KES 1,500")
    invoice_id = await only_invoice(office, njeri)
    await office.core.cash_book.cash(
        invoice_id, cents=150_000, by=njeri.id, why="", key="cash", closing=Closing()
    )
    await office.result(0, receipt="UKN4ABCDE7")
    await office.core.touched.run_due()
    return card, bill, await office.said(njeri.chat, "is paid KES 1,500 too much")


async def test_a_merchant_is_told_that_it_counts_once_and_may_say_that_it_does_not(
    office: Office, njeri: Person, peter: Person
) -> None:
    card, _, question = await paid_twice(office, njeri, peter)
    invoice_id = await only_invoice(office, njeri)
    assert await office.answered(njeri.press(question, "↩️ I gave it back")) == "👌 Noted"
    [view] = await office.core.books.latest(person_id=peter.id)

    await taken_back(office, view.payment.id)

    told = await office.said(njeri.chat, "I count that once: KES 1,500 of KES 1,500 is paid")
    await office.api.wait_for(lambda: "Paid." in card.text)
    for _ in range(2):
        assert await office.answered(njeri.press(told, "↩️↩️ Both went back")) == "👌 Noted"
    await office.core.touched.run_due()
    now = await office.core.billing.view(invoice_id, by=njeri.id)
    assert now is not None
    assert (now.sums.paid_cents, now.left_cents) == (0, 150_000)
    await office.api.wait_for(lambda: "Paid." not in card.text)


async def test_a_merchant_is_told_that_mpesa_took_nothing_back_after_all(
    office: Office, njeri: Person, peter: Person
) -> None:
    _, _, question = await paid_twice(office, njeri, peter)
    await office.answered(njeri.press(question, "↩️ I gave it back"))
    [view] = await office.core.books.latest(person_id=peter.id)
    await taken_back(office, view.payment.id)
    once = await office.said(njeri.chat, "I count that once")

    await untold(office, view.payment.id)

    told = await office.said(njeri.chat, "It went back once, by your hand: KES 1,500 of KES 1,500")
    assert "does not show KES 1,500 of what you gave back" in told.text
    assert not told.buttons
    assert "too old" in await office.answered(njeri.press(once, "↩️↩️ Both went back"))


async def test_a_card_says_what_stays_as_agreed(
    office: Office, njeri: Person, peter: Person
) -> None:
    card, bill, question = await paid_twice(office, njeri, peter)

    await office.answered(njeri.press(question, "🤝 It stays, as agreed"))

    said = "Paid. KES 1,500 more came, and stays as agreed."
    await office.api.wait_for(lambda: said in card.text and said in bill.text)


async def test_a_press_on_an_older_message_writes_nothing_down_of_what_is_too_much_now(
    office: Office, njeri: Person, peter: Person
) -> None:
    _, _, older = await paid_twice(office, njeri, peter)
    invoice_id = await only_invoice(office, njeri)
    tiles = (BillItem(what="tiles", price_cents=80_000),)
    await office.core.billing.revise(
        invoice_id, lambda bill: replace(bill, items=tiles), by=njeri.id, closing=Closing()
    )

    for label in ("↩️ I gave it back", "🤝 It stays, as agreed"):
        assert await office.answered(njeri.press(older, label)) == ""

    asked = await office.said(njeri.chat, "INV-0001 has changed: it is KES 2,200 now")
    now = await office.core.billing.view(invoice_id, by=njeri.id)
    assert now is not None
    assert (now.sums.paid_cents, now.excess_cents) == (300_000, 220_000)
    assert await office.answered(njeri.press(asked, "↩️ I gave it back")) == "👌 Noted"
    after = await office.core.billing.view(invoice_id, by=njeri.id)
    assert after is not None
    assert (after.sums.paid_cents, after.excess_cents) == (80_000, 0)


async def test_a_giver_reads_that_treasurers_decide_about_what_was_awaited_at_closing(
    harambee: Harambee,
) -> None:
    """A query called it paid before closing; that counted only once the callback was there."""
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await harambee.jane_gave_her_number()
    await harambee.opened()
    jane.say("/give@lipa_demo_bot 6000", chat=harambee.group)
    await harambee.pushed(1)
    await office.handled()
    [view] = await office.core.books.latest(person_id=jane.id)
    office.clock.advance(60)
    said = fact(Kind.QUERY_PAID, payment_id=view.payment.id, at=office.clock.now())
    await office.store.submit(unit_of(said), office.core.hear._settle)
    office.clock.advance(10)
    mary.say("/closedrive@lipa_demo_bot", chat=harambee.group)
    mary.press(await office.said(mary.chat, "Close Mama Akinyi"), "Yes, close it")
    await office.said(harambee.group, "is closed")
    office.clock.advance(60)

    await harambee.paid()

    await office.said(jane.chat, "its treasurers decide what becomes of it")
    await harambee.look()
    await office.said(mary.chat, "after it was closed")


async def test_treasurers_are_told_that_a_late_gift_counts_once(harambee: Harambee) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.press(card, "KES 500")
    await harambee.pushed(1)
    mary.say("/closedrive@lipa_demo_bot", chat=harambee.group)
    mary.press(await office.said(mary.chat, "Close Mama Akinyi"), "Yes, close it")
    await office.said(harambee.group, "is closed")
    office.clock.advance(60)
    await harambee.paid()
    await harambee.look()
    question = await office.said(mary.chat, "after it was closed")

    status = await office.said(jane.chat, "its treasurers decide what becomes of it")

    await office.answered(mary.press(question, "↩️ Handed back"))
    await office.said(mary.chat, "Written down as handed back")
    told = await office.said(jane.chat, "handed your KES 500 back to you")
    assert "ask Mary" in told.text
    await harambee.look()
    await office.api.wait_for(lambda: "it was handed back to you" in status.text)
    other = await office.answered(mary.press(question, "🤝 Keep it"))
    assert other.startswith("Mary has decided before: it was handed back")
    assert "so already" in await office.answered(mary.press(question, "↩️ Handed back"))

    [view] = await office.core.books.latest(person_id=jane.id)
    await taken_back(office, view.payment.id)

    told = await office.said(mary.chat, "I count that once: the drive stands at KES 0")
    assert "the gift from Jane" in told.text
    await harambee.look(10)
    await harambee.api.wait_for(lambda: "counted once: Jane KES 500" in card.text)
    assert "Given back: Jane -KES 500" in card.text

    await untold(office, view.payment.id)

    told = await office.said(
        mary.chat, "it went back once, by your hand. The drive stands at KES 0"
    )
    assert "does not show KES 500 of the gift from Jane" in told.text
    await harambee.look(10)
    await harambee.api.wait_for(
        lambda: "Not given back through M-Pesa after all: Jane -KES 500" in card.text
    )
