"""
Owns what is wanted in a history besides payments: a drive with its treasurer, an invoice.

People go on as people do: they write or press, wait for what should come, and try again or give
up. What they did, as far as they know, is kept for the judge.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bot.playground.chats import Chat, Message
from bot.playground.people import Person
from bot.playground.world import Press
from tests.prove.histories.diary import Diary, Kept
from tests.prove.histories.telegram import SeededTelegram
from tests.prove.histories.virtual import passes

__all__ = ["HOUR_S", "IN_CASH", "TITLE", "DriveStory", "InvoiceStory", "Story"]

T = TypeVar("T")

HOUR_S = 3600.0
LOOK_S = 40.0
PATIENCE_S = 2700.0  # longer than this a question of ours is no longer open: then it is begun anew
TRIES = 8
TITLE = "Mama Akinyi hospital bill"
BILLED_KES = 1500
PART, PAY, IN_CASH = "Pay part", "💸 Pay", "💵 Paid in cash"
SEND = "📤 Send to customer"
NUMBER_ASKED_S = 300.0
FRIEND_PAYS = 0.4
CLOSES_BESIDE_A_GIFT = 0.5


@dataclass
class Story:
    """Somebody's course of things: what they write and press, and what they wait for."""

    telegram: SeededTelegram
    rng: random.Random
    diary: Diary

    async def until(self, find: Callable[[], T | None], within_s: float = PATIENCE_S) -> T | None:
        """What *find* finds, once it does; None if it does not in time."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + within_s
        while (found := find()) is None and loop.time() < ends_s:
            await passes(LOOK_S)
        return found

    def newest(self, chat: Chat, words: str, after: Message | None = None) -> Message | None:
        """The newest message of the bot that holds these words, and came after another."""
        for message in reversed(chat.messages):
            if after is not None and message.id <= after.id:
                return None
            if message.sender is self.telegram.world.bot and words in message.text:
                return message
        return None

    def with_button(self, chat: Chat, label: str) -> Message | None:
        """The newest message that has this button."""
        found = (m for m in reversed(chat.messages) if m.keyboard and label in m.labels)
        return next(found, None)

    async def pressed(
        self, person: Person, message: Message, label: str, words: str
    ) -> Message | None:
        """Press, and wait for the message that should come of it."""
        last = person.chat.messages[-1]
        if self.press(person, message, label) is None:
            return None
        return await self.until(lambda: self.newest(person.chat, words, last))

    def press(self, person: Person, message: Message, label: str) -> Press | None:
        """Press, and remember where; None if there is no such button any more."""
        try:
            press = person.press(message, label)
        except LookupError:
            return None
        self.diary.pressed.append(Kept(person, message, press.data))
        return press

    async def answered(self, person: Person, text: str, words: str) -> Message | None:
        """Write, and wait for the answer."""
        if person.blocked:
            person.unblock()
        said = person.say(text)
        return await self.until(lambda: self.newest(person.chat, words, said))


@dataclass
class DriveStory(Story):
    """A treasurer opens a drive in a group, writes down cash, and closes it."""

    mary: Person
    group: Callable[[], Chat]
    closes_at_s: float

    async def run(self) -> None:
        await passes(self.rng.uniform(0, HOUR_S))
        if not await self._opened():
            return
        for number in range(self.rng.randint(1, 3)):
            await passes(self.rng.expovariate(1 / (2 * HOUR_S)))
            async with self.diary.hands(self.mary):
                await self._cash(100 + number)
        await passes(self.closes_at_s - asyncio.get_running_loop().time())
        async with self.diary.hands(self.mary):
            await self._closed()

    async def _closed(self) -> None:
        for _ in range(TRIES):
            asked = await self.answered(self.mary, "/closedrive", f"Close {TITLE}?")
            if self.rng.random() < CLOSES_BESIDE_A_GIFT:
                await self.until(self._given, HOUR_S)
            if asked is not None and await self.pressed(self.mary, asked, "Yes, close it", "Done"):
                return

    @property
    def card(self) -> Message | None:
        """The drive as its group sees it."""
        return self.newest(self.group(), "Treasurers: Mary")

    def _given(self) -> Message | None:
        """Somebody who is just now giving."""
        newest, now_s = self.group().messages[-8:], self.telegram.world.now
        given = (m for m in newest if m.text.startswith("/give") and now_s - m.date < LOOK_S)
        return next(given, None)

    async def _opened(self) -> bool:
        await self.answered(self.mary, "/start", "Hello Mary")
        for _ in range(TRIES):
            command = f"/newdrive@{self.telegram.world.bot.username} 50000 {TITLE}"
            self.mary.say(command, chat=self.group())
            if await self.until(lambda: self.card) is not None:
                return True
        return False

    async def panel(self) -> Message | None:
        """What its treasurer can do with the drive."""
        which = await self.answered(self.mary, "/drive", "Which drive?")
        if which is None:
            return None
        return await self.pressed(self.mary, which, TITLE, "Only treasurers can press")

    async def _cash(self, amount_kes: int) -> None:
        """Some cash, once for sure: where no answer came, nobody writes it down again."""
        for _ in range(TRIES):
            panel = await self.panel()
            question = panel and await self.pressed(
                self.mary, panel, "Record cash", "Who gave how much in cash"
            )
            if not question:
                continue
            self.diary.cash_said.append(amount_kes)
            kept = f"Written down: KES {amount_kes}"
            if await self.answered(self.mary, f"{amount_kes} Mzee Kamau", kept) is not None:
                self.diary.cash_told.append(amount_kes)
            return


@dataclass
class InvoiceStory(Story):
    """A merchant bills a customer, who pays in parts; some comes in cash, some from a friend."""

    merchant: Person
    customer: Person
    friend: Person

    async def run(self) -> None:
        await passes(self.rng.uniform(0, 2 * HOUR_S))
        link = await self._billed()
        if link is None or not await self._opened(link, self.customer):
            return
        for part in range(self.rng.randint(2, 4)):
            await passes(self.rng.choice((60, HOUR_S, 4 * HOUR_S)) * self.rng.random())
            if part == 1 and self.rng.random() < 0.7:
                async with self.diary.hands(self.merchant):
                    await self._cash(30 + part)
            if not await self._part(self.rng.choice((100, 300, 700))):
                break
        await passes(HOUR_S)
        payers = [self.customer]
        if self.rng.random() < FRIEND_PAYS and await self._opened(link, self.friend):
            payers.append(self.friend)  # at the same time: neither of them knows of the other
        await asyncio.gather(*(self._pays_the_rest(each) for each in payers))

    def bill(self, person: Person) -> Message | None:
        """The invoice as somebody has it, while something is left to pay."""
        return self.with_button(person.chat, PART)

    async def _billed(self) -> str | None:
        """What the merchant sends on; once all is paid there is nothing to send."""
        for _ in range(TRIES):
            words = f"/invoice {BILLED_KES} Peter 2 bags charcoal, due today"
            if await self.answered(self.merchant, words, "INV-0001") is not None:
                # Where the commit was done and its word lost, that was "issued already".
                card = await self.until(lambda: self.with_button(self.merchant.chat, SEND))
                return None if card is None else card.button(SEND).value
        return None

    async def _opened(self, link: str, person: Person) -> bool:
        payload = link.partition("start%3D")[2].partition("&")[0]
        for _ in range(TRIES):
            person.start(payload)
            if await self.until(lambda: self.bill(person)) is not None:
                return True
        return False

    async def _part(self, amount_kes: int) -> bool:
        """Some of it; False when there is nothing left to pay."""
        bill = self.bill(self.customer)
        if bill is None:
            return False
        if self.customer.blocked:
            self.customer.unblock()
        async with self.diary.hands(self.customer):
            question = await self.pressed(self.customer, bill, PART, "How much of INV-0001")
            if question is None or self.customer.blocked:
                return True
            said = self.customer.say(str(amount_kes))
            await self._asked(self.customer, said)
        return True

    async def _pays_the_rest(self, person: Person) -> None:
        bill = self.bill(person)
        wanted = [] if bill is None else [each for each in bill.labels if each.startswith(PAY)]
        if bill is None or not wanted:
            return
        if person.blocked:
            person.unblock()
        person.press(bill, wanted[0])
        await self._asked(person, person.chat.messages[-1])

    async def _asked(self, person: Person, after: Message) -> None:
        """Share the number, if it is asked for."""
        asked = await self.until(
            lambda: self.newest(person.chat, "Which M-Pesa number", after), NUMBER_ASKED_S
        )
        if asked is not None and not person.blocked:
            person.share_contact()

    async def _cash(self, amount_kes: int) -> None:
        card = self.with_button(self.merchant.chat, IN_CASH)
        if card is None:
            return
        asked = await self.pressed(self.merchant, card, IN_CASH, "How much cash came")
        if asked is not None:
            self.diary.bill_cash_said.append(amount_kes)
            self.merchant.say(f"{amount_kes} from his brother")
