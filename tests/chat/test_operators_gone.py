"""Every button that an operator was shown, once they are none any more, and in others’ hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from bot.chat.books import BooksAct
from bot.chat.review import Act
from bot.core.restored import mark
from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.playground.people import Person
from storage import schema
from storage.engine import Store
from storage.records import Deed, ShownButton
from tests.chat.test_books import came_in
from tests.chat.test_conversation import OPERATOR, Office
from tests.chat.test_presses import OLD, press_data
from tests.chat.test_review import SECOND_OPERATOR, TwoOperators, propose_to_count, reference_of
from tests.chat.test_treasury import shown
from tests.stores import NOON, TestClock

PAID, TYPED = "UKN2ABCDEF", "UKN3ABCDEF"
NOT_YOURS = "Only the person who asked can press this."
OTHER_CHAT = "This button belongs to another chat. Nothing was done."
HEALTH = {"health", "health-details", "resume", "lift"}
MERCHANTS = {"mer-revoke", "mer-appoint", "mer-account"}
OPERATORS_ONLY = {*(act.value for act in (*Act, *BooksAct)), *HEALTH, *MERCHANTS}


@dataclass
class Baraka:
    """The second operator, and everything that was ever shown to them."""

    office: TwoOperators
    person: Person

    async def said(self, words: str, after: Message | None = None) -> Message:
        return await self.office.said(self.person.chat, words, after=after)

    async def press(self, message: Message, label: str, words: str) -> Message:
        """What comes of it says these words."""
        self.person.press(message, label)
        return await self.said(words, after=message)

    async def sees_payments(self) -> None:
        """One that the other operator proposes to count, and one that was paid."""
        office, jane = self.office, self.office.jane
        await office.pay(jane, "/pay 20000 0712345678")
        office.boss.say(f"/review {reference_of(office)}")
        await propose_to_count(office, await office.said(office.boss.chat, "What was heard"))
        self.person.say(f"/review {reference_of(office)}")
        card = await self.said("proposes to count")
        await self.press(card, "Nothing came", "Write off")
        await self.press(card, "It came", "send the M-Pesa code")
        self.person.say(TYPED)
        await self.said("Count")
        await office.pay(jane, "/pay 50 0712345679")
        await office.result(0, receipt=PAID)
        await office.said(jane.chat, "✅")
        self.person.say(f"/review {PAID}")
        paid = await self.said("What was heard", after=card)
        await self.press(paid, "Give back by M-Pesa", "This moves money")

    async def sees_the_books(self) -> None:
        """Money that nobody knows for whom, and a code that nobody knows."""
        await self.office.pay(self.office.jane, "/pay 70 0712345670")
        await came_in(self.office, amount_kes=70)
        self.person.say("/unmatched")
        open_one = await self.said("came in under")
        await self.press(open_one, "KES 70 · 0712***670", "Give it to this payment?")
        self.person.say("/verify UKN9UNKNOW")
        await self.said("I have asked Safaricom")

    async def sees_merchants(self) -> None:
        office, otieno = self.office, self.office.otieno
        otieno.username = "otieno"
        otieno.say("habari")
        await office.handled()
        self.person.say("/appoint @otieno")
        appointed = await self.said("may issue invoices now")
        revoked = await self.press(appointed, "✖ Revoke", "Revoked")
        await self.press(revoked, "↺ Appoint again", "may issue invoices now")
        # Shown only where there is more than one account.
        await self.show(
            Deed(action="mer-account", subject=f"{otieno.id}", argument=f"{otieno.id}:")
        )

    async def sees_a_restore(self) -> None:
        await mark(self.office.store, as_of=NOON)
        self.person.say("/health")
        seen = await self.said("Database")
        await self.press(seen, "Gap is reconciled", "Have you compared")

    async def show(self, deed: Deed) -> None:
        made = ShownButton(
            data="A" * 24,
            deed=Deed(
                action=deed.action,
                subject=deed.subject,
                argument=deed.argument,
                owner=self.person.id,
            ),
            chat_id=self.person.id,
            once=False,
            expires_at=self.office.clock.now().replace(year=2030),
        )
        await self.office.store.write(lambda tx: tx.buttons.show(1, [made]))

    async def buttons(self) -> list[ShownButton]:
        """Each thing that any button of theirs did, as the keyboards had it."""
        async with self.office.store.read() as tx:
            query = select(schema.buttons.c.data).where(schema.buttons.c.owner == self.person.id)
            names = (await tx.buttons._connection.execute(query)).scalars().all()
            found = [await tx.buttons.get(each) for each in names]
        return [each for each in found if each is not None]

    def is_removed(self) -> None:
        """The bot runs on with a configuration that does not name them."""
        self.office.operators = frozenset({OPERATOR})
        self.office.core = self.office._core(self.office.store)


@pytest.fixture
async def baraka(api: BotApi, kept: Store, clock: TestClock) -> AsyncIterator[Baraka]:
    person = api.person(SECOND_OPERATOR, "Baraka", started=True)
    office = TwoOperators(api, kept, clock)
    yield Baraka(office, person)
    await asyncio.gather(*office.tasks)


async def everything(office: Office) -> dict[str, list[object]]:
    """All that is written down, but for what we were told and said."""
    spoken = {"inbox", "notices", "buttons"}
    found: dict[str, list[object]] = {}
    async with office.store.read() as tx:
        for name, table in schema.metadata.tables.items():
            if name not in spoken:
                rows = await tx.payments._connection.execute(select(table))
                found[name] = sorted(rows.all(), key=repr)
    return found


def said_and_sent(office: Office) -> tuple[object, ...]:
    """What stands in every chat, and how many prompts went out."""
    return [chat.texts for chat in office.api.world.chats.values()], len(office.daraja.pushes)


def refused(action: str) -> str:
    return OLD if action in HEALTH else NOT_YOURS


async def seen_everything(baraka: Baraka) -> None:
    await baraka.sees_payments()
    await baraka.sees_the_books()
    await baraka.sees_merchants()
    await baraka.sees_a_restore()
    await baraka.office.handled()


async def test_whoever_is_an_operator_no_more_presses_in_vain_what_is_still_their_own(
    baraka: Baraka,
) -> None:
    office = baraka.office
    async with office.open():
        await seen_everything(baraka)
    baraka.is_removed()
    async with office.open():
        own = await baraka.buttons()
        assert {each.deed.action for each in own} >= OPERATORS_ONLY
        before, said = await everything(office), said_and_sent(office)
        for each in own:
            if each.deed.action not in OPERATORS_ONLY:
                continue
            press = press_data(baraka.person, baraka.person.chat.last, each.data)

            assert await office.answered(press) == refused(each.deed.action), each.deed
            await office.handled()
            assert await everything(office) == before, each.deed
        assert said_and_sent(office) == said


async def test_who_never_was_an_operator_presses_in_vain_what_was_shown_to_one(
    baraka: Baraka,
) -> None:
    office, jane = baraka.office, baraka.office.jane
    async with office.open():
        await seen_everything(baraka)
        own = [each for each in await baraka.buttons() if each.deed.action in OPERATORS_ONLY]
        before, said = await everything(office), said_and_sent(office)
        for each in own:
            there = press_data(jane, jane.chat.last, each.data)
            here = await shown(office, jane, each.deed, jane.chat.last)

            assert await office.answered(there) == OTHER_CHAT, each.deed
            assert await office.answered(here) == NOT_YOURS, each.deed
            await office.handled()
            assert await everything(office) == before, each.deed
        assert said_and_sent(office) == said


async def test_the_questions_that_stood_open_are_answered_in_vain(baraka: Baraka) -> None:
    office, person = baraka.office, baraka.person
    async with office.open():
        await baraka.sees_payments()
        await baraka.sees_the_books()
        # A person is asked one thing at a time.
        await baraka.press(await baraka.said("came in under"), "None of ours", "Why is it none")
        await office.handled()
    baraka.is_removed()
    async with office.open():
        before = await everything(office)
        person.say("rent of the neighbour")

        assert (await baraka.said("Only the person")).text == NOT_YOURS
        await office.handled()
        assert await everything(office) == before


async def test_a_code_that_is_typed_too_late_makes_no_button(baraka: Baraka) -> None:
    office, person = baraka.office, baraka.person
    async with office.open():
        await baraka.sees_payments()
        card = await baraka.said("proposes to count")
        await baraka.press(card, "It came", "send the M-Pesa code")
        await office.handled()
    baraka.is_removed()
    async with office.open():
        before, last = await everything(office), person.chat.last
        person.say(TYPED)

        await baraka.said("I see no M-Pesa code", after=last)
        await office.handled()
        assert person.chat.last.labels == []
        assert await everything(office) == before
