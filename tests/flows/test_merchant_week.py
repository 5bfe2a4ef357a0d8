"""A week of a merchant without the operator: parts, cash, too much, late, wrong, and the books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.playground.chats import Message
from bot.playground.people import Person
from mpesa.simulator import Behaviour
from mpesa.simulator.books import RowKind
from storage.records import Status
from tests.documents.papers import text_of
from tests.flows.house import OPERATOR, House, Town, open_town

LOOKS_MAX = 120
HOUR_S = 3600.0


@dataclass
class Week:
    """The town, and the house in which the bot lives that week."""

    town: Town
    house: House
    njeri: Person

    async def said(self, person: Person, words: str, after: Message | None = None) -> Message:
        """The newest message to this person that holds these words; a second passes at a time."""
        floor = 0 if after is None else after.id
        for _ in range(LOOKS_MAX):
            found = [m for m in person.chat.from_bot if words in m.text and m.id > floor]
            if found:
                return found[-1]
            await self.house.tick(1)
        told = "\n".join(f"{m.id} {m.text} {m.labels}" for m in person.chat.from_bot)
        raise AssertionError(f"{person.first_name} was not told {words!r}:\n{told}")

    async def ask(self, words: str, answer: str) -> Message:
        """Njeri writes, and reads the answer."""
        return await self.said(self.njeri, answer, self.njeri.say(words))

    async def shows(self, message: Message, words: str) -> None:
        """A message is edited until it says so."""
        for _ in range(LOOKS_MAX):
            if words in message.text:
                return
            await self.house.tick(1)
        raise AssertionError(message.text)

    async def until(self, day: int, hour: int) -> None:
        """Time passes, an hour at most at a time."""
        then = datetime.fromisoformat(f"2026-11-{day:02d}T{hour:02d}:00:00+03:00")
        while (left := then - self.town.clock.now()) > timedelta():
            await self.house.tick(min(HOUR_S, left.total_seconds()))

    async def opened(self, customer: Person, card: Message) -> Message:
        link = card.button("📤 Send to customer").value
        asked = customer.start(link.partition("start%3D")[2].partition("&")[0])
        return await self.said(customer, "INV-", asked)

    async def pays(self, customer: Person, bill: Message, label: str) -> None:
        """From their own phone, which they share the first time; the last word is awaited."""
        before = len(customer.chat.from_bot)
        customer.press(bill, label)
        for _ in range(LOOKS_MAX):
            await self.house.tick(1)
            if said := customer.chat.from_bot[before:]:
                break
        assert said, f"{customer.first_name} pressed {label!r}, and nothing was said"
        if "Which M-Pesa number" in said[-1].text:
            customer.share_contact()

    async def told(self, words: str) -> Message:
        return await self.said(self.njeri, words)


@pytest.fixture
async def week(tmp_path: Path, store_url: str) -> AsyncIterator[Week]:
    """Monday evening: the operator appoints Njeri, and is not needed again."""
    async with open_town(tmp_path, store_url) as town, town.process() as house:
        njeri = town.api.person(2001, "Njeri", username="njeri", started=True)
        made = Week(town, house, njeri)
        njeri.say("hello")
        await made.said(njeri, "/help")
        boss = town.api.world.accounts[OPERATOR]
        assert isinstance(boss, Person)
        boss.say("/appoint @njeri")
        await made.said(boss, "may issue invoices now")
        before = len(boss.chat.from_bot)
        yield made
        assert len(boss.chat.from_bot) == before, "the operator was needed"


async def test_a_week_needs_no_operator(week: Week) -> None:
    people = [
        week.town.api.person(3000 + n, name, phone=f"254722000{n:03d}", started=True)
        for n, name in enumerate(("Peter", "Mary", "John"), 1)
    ]
    peter, mary, john = people
    charcoal = await week.ask("/invoice 1500 Peter 2 bags charcoal, due Wednesday", "INV-0001")
    roof = await week.ask("/invoice 2000 Mary roof, due 30 Nov", "INV-0002")
    tiles = await week.ask("/invoice 700 Otieno tiles, due Friday", "INV-0003")
    await a_question_and_a_part(week, charcoal, peter)
    await week.until(24, 11)
    await two_pay_at_once(week, roof, mary, john)
    await week.until(25, 16)
    await cash_and_a_mistake(week, tiles)
    await week.until(26, 10)
    await late_reminded_and_paid(week, charcoal, peter)
    await week.until(27, 12)
    await not_theirs(week, john)
    await week.until(28, 21)
    await the_papers_of_the_week(week)
    await the_books_agree(week)


async def a_question_and_a_part(week: Week, charcoal: Message, peter: Person) -> None:
    """Monday: Peter asks, is answered, and pays a part."""
    njeri = week.njeri
    bill = await week.opened(peter, charcoal)
    peter.press(bill, "❓ Question")
    await week.said(peter, "What shall I ask Njeri")
    peter.say("Large bags?")
    question = await week.told("Peter asks about INV-0001")
    njeri.say("Yes, 90 kg", reply_to=question)
    await week.said(peter, "Yes, 90 kg")
    peter.press(bill, "Pay part")
    await week.said(peter, "How much of INV-0001")
    peter.say("500")
    await week.said(peter, "Which M-Pesa number")
    peter.share_contact()
    await week.told("KES 500 paid by Peter")
    receipt = await week.said(peter, "Your receipt")
    assert receipt.file is not None
    assert "KES 500" in text_of(receipt.file.content)


async def two_pay_at_once(week: Week, roof: Message, mary: Person, john: Person) -> None:
    """Tuesday: Mary and John pay her roof at the same moment; Njeri gives one back."""
    njeri = week.njeri
    for payer in (mary, john):
        week.town.simulator.phone(payer.phone).behave(Behaviour.MANUAL)
    bills = [await week.opened(payer, roof) for payer in (mary, john)]
    for payer, each in zip((mary, john), bills, strict=True):
        await week.pays(payer, each, "💸 Pay KES 2,000")
        await week.said(payer, "Check the phone")
    for payer in (mary, john):
        week.town.simulator.phone(payer.phone).enter_pin("1234")
    too_much = await week.told("is paid KES 2,000 too much")
    njeri.press(too_much, "↩️ I gave it back")
    await week.shows(roof, "Paid.")


async def cash_and_a_mistake(week: Week, tiles: Message) -> None:
    """Wednesday: cash for the tiles, and a bill that should never have been."""
    njeri = week.njeri
    njeri.press(tiles, "💵 Paid in cash")
    asked = await week.told("How much cash came")
    njeri.press(asked, "💵 All: KES 700")
    await week.shows(tiles, "Paid.")
    wrong = await week.ask("/invoice 90 Nobody typo", "INV-0004")
    njeri.press(wrong, "🗑 Take back")
    how = await week.told("Take INV-0004 back")
    njeri.press(how, "🚫 Void")
    await week.shows(wrong, "Void: it takes no payment")
    day = await week.ask("/today", "📈")
    assert "KES 700" in day.text


async def late_reminded_and_paid(week: Week, charcoal: Message, peter: Person) -> None:
    """Thursday: the charcoal is late, Njeri is asked, Peter is reminded, and pays the rest."""
    njeri = week.njeri
    late = await week.told("INV-0001 is late")
    njeri.press(late, "🔔 Send polite reminder")
    reminder = await week.said(peter, "Kind reminder: KES 1,000 for INV-0001")
    await week.pays(peter, reminder, "💸 Pay KES 1,000")
    await week.told("KES 1,000 paid by Peter")
    await week.shows(charcoal, "Paid.")


async def not_theirs(week: Week, john: Person) -> None:
    """Friday: a stranger gets the link and says so; it is another customer's."""
    njeri = week.njeri
    cement = await week.ask("/invoice 300 Otieno cement, due Saturday", "INV-0005")
    not_his = await week.opened(john, cement)
    john.press(not_his, "🚫 Not mine")
    disowned = await week.told("John says that INV-0005 is not theirs")
    await week.shows(cement, "no reminders until you decide")
    njeri.press(disowned, "👤 It is someone else’s")
    decided = await week.ask("/invoices", "INV-0005")
    njeri.press(decided, "INV-0005")
    shown = await week.said(njeri, "INV-0005 · Otieno", decided)
    assert "no reminders" not in shown.text


async def the_papers_of_the_week(week: Week) -> None:
    """Saturday: the list, the statement and the picture."""
    njeri = week.njeri
    await week.told("📈")
    listed = await week.ask("/invoices", "Open invoices: 1, KES 300")
    assert "INV-0005" in listed.text
    which = await week.ask("/statement this month", "What came for your invoices")
    njeri.press(which, "📄 CSV")
    statement = await week.told("Statement of Njeri")
    assert statement.file is not None
    rows = statement.file.content.decode().splitlines()
    for number in ("INV-0001", "INV-0002", "INV-0003"):
        assert any(number in row for row in rows)
    njeri.say("/report")
    picture = await week.told("in 30 days")
    assert picture.file is not None
    assert picture.file.content.startswith(b"\x89PNG")


async def the_books_agree(week: Week) -> None:
    """Ours hold what Safaricom's statement says was paid that week, and nothing else."""
    books = week.town.simulator.books.statement(exclude_overnight_reversals=True)
    theirs = {row.receipt: row.amount_cents for row in books if row.kind is RowKind.PAID}
    async with week.house.store.read() as tx:
        ours = {str(each.receipt): each.credited_cents for each in await tx.payments.credited()}
        assert {each.status for each in await tx.payments.credited()} == {Status.PAID}
    assert ours == theirs
    assert sorted(theirs.values()) == [50_000, 100_000, 200_000, 200_000]
