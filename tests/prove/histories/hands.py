"""Owns what a treasurer, a merchant and customers press and write in a history, besides to pay."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.playground.chats import Chat, Message
from bot.playground.people import Person
from bot.playground.world import Press
from tests.prove.histories.diary import Claimed, HandedBack, Kept
from tests.prove.histories.safaricom import SeededSafaricom
from tests.prove.histories.stories import HOUR_S, IN_CASH, DriveStory, InvoiceStory, Story
from tests.prove.histories.virtual import passes

__all__ = ["CustomerActs", "MerchantActs", "TreasurerActs"]

LATE = re.compile(r"⏰ KES ([\d,]+) from ")
RETURNED, STAYS = "↩️ Handed back", "🤝 Keep it"
EDIT, TAKE_BACK, WRONG_CASH = "✏️ Edit", "🗑 Take back", " is wrong"
GAVE_BACK, AGREED, REOPEN = "↩️ I gave it back", "🤝 It stays, as agreed", "↺ Open it again"
REMIND, ANSWER, QUESTION, CLAIM = "🔔 Send", "✍️ Answer", "❓ Question", "🧾 I have paid"
BY_HAND_AT = re.compile(r"Paybill \d+ · account ([0-9A-Z-]+)")
NOBODYS, ASTRAY = "HARUSI", 0.3
RARELY = ("Delete", "My data", "PDF", "QR", "Export", "Close", "Pause", "Step down")


@dataclass
class TreasurerActs(Story):
    """Beside opening a drive and closing it."""

    drive: DriveStory

    @property
    def mary(self) -> Person:
        return self.drive.mary

    async def correct(self) -> bool:
        """Something was written down twice."""
        async with self.diary.hands(self.mary):
            panel = await self.drive.panel()
            if panel is None:
                return False
            asked = await self.pressed(self.mary, panel, "Correct", "What must be added")
            if asked is None:
                return False
            change = -(11 + len(self.diary.corrected_said))
            self.diary.corrected_said.append(change)
            words = f"{change} written down twice"
            if await self.answered(self.mary, words, f"Corrected by KES −{-change} ") is not None:
                self.diary.corrected_told.append(change)
        return True

    async def mistake_the_question(self) -> bool:
        """Asked two things, she answers the older one, by replying; then she edits old words."""
        async with self.diary.hands(self.mary):
            panel = await self.drive.panel()
            if panel is None:
                return False
            older = await self.pressed(self.mary, panel, "Record cash", "Who gave how much in cash")
            newer = older and await self.pressed(self.mary, panel, "Correct", "What must be added")
            if older is None or newer is None:
                return False
            await passes(self.rng.choice((30, 1500)) * self.rng.random())
            said = self.mary.say("777 Mzee Kamau", reply_to=older)
            await self.until(lambda: self.newest(self.mary.chat, "replied to another", said), 900)
            written = (m for m in self.mary.messages if m.sender is self.mary)
            older = next((m for m in written if m.text[:1].isdigit()), said)
            self.mary.edit(older, "778 Mzee Kamau")
            await passes(60)
            await self.answered(self.mary, "/cancel", "")
        return True

    async def decide_late(self) -> bool:
        """A gift came after closing: it goes back, or stays; then she presses the other one."""
        asked = [m for m in self.mary.chat.messages if LATE.match(m.text) and RETURNED in m.labels]
        if not asked:
            return False
        message = self.rng.choice(asked)
        found = LATE.match(message.text)
        assert found is not None, "it was chosen by that"
        keep = self.rng.random() < 0.3
        first = all(each.question != message.id for each in self.diary.late)
        word = HandedBack(int(found[1].replace(",", "")), keep, message.id)
        async with self.diary.hands(self.mary):
            self.diary.late.append(word)
            says = "It stays in the drive" if keep else "Written down as handed back"
            answer = await self.pressed(self.mary, message, STAYS if keep else RETURNED, says)
            word.told = answer is not None and first
            if self.rng.random() < 0.4:
                await passes(self.rng.uniform(1, HOUR_S))
                self.press(self.mary, message, RETURNED if keep else STAYS)
        return True


@dataclass
class MerchantActs(Story):
    """Beside issuing an invoice."""

    invoice: InvoiceStory

    @property
    def merchant(self) -> Person:
        return self.invoice.merchant

    async def settle_excess(self) -> bool:
        """What was paid too much is given back, or stays; pressed twice, or both."""
        card = self.with_button(self.merchant.chat, GAVE_BACK)
        if card is None:
            return False
        press = self.press(self.merchant, card, GAVE_BACK)
        if press is not None and self.rng.random() < 0.5:
            self.merchant.press_again(press)
        if self.rng.random() < 0.3:
            self.press(self.merchant, card, AGREED)
        return True

    async def take_cash_back(self) -> bool:
        """An entry of cash was wrong."""
        card = self.with_button(self.merchant.chat, EDIT)
        if card is None:
            return False
        async with self.diary.hands(self.merchant):
            choices = await self.pressed(self.merchant, card, EDIT, "What shall change on")
            wrong = [] if choices is None else [x for x in choices.labels if x.endswith(WRONG_CASH)]
            if choices is None or not wrong:
                return False
            label = self.rng.choice(wrong)
            self.diary.bill_cash_wrong.append(int(re.sub(r"\D", "", label)))
            press = self.press(self.merchant, choices, label)
            if press is not None and self.rng.random() < 0.5:
                self.merchant.press_again(press)
        return True

    async def add_cash(self) -> bool:
        """Cash came; the words are edited, which changes nothing."""
        card = self.with_button(self.merchant.chat, IN_CASH)
        if card is None:
            return False
        async with self.diary.hands(self.merchant):
            asked = await self.pressed(self.merchant, card, IN_CASH, "How much cash came")
            if asked is None:
                return False
            amount = 50 + len(self.diary.bill_cash_said)
            self.diary.bill_cash_said.append(amount)
            said = self.merchant.say(f"{amount} from his brother")
            await passes(self.rng.choice((5, 600)) * self.rng.random())
            self.merchant.edit(said, f"{amount + 500} from his brother")
        return True

    async def close(self) -> bool:
        """It is given up, or should never have been; mostly opened again some time later."""
        card = self.with_button(self.merchant.chat, TAKE_BACK)
        if card is None:
            return False
        async with self.diary.hands(self.merchant):
            how = await self.pressed(self.merchant, card, TAKE_BACK, "Both can be undone")
            if how is None:
                return False
            press = self.press(self.merchant, how, self.rng.choice(("🚫 Void", "🗄 Write off")))
            if press is not None and self.rng.random() < 0.3:
                self.merchant.press_again(press)
        await passes(self.rng.uniform(60, 5 * HOUR_S))
        closed = self.with_button(self.merchant.chat, REOPEN)
        if closed is not None and self.rng.random() < 0.7:
            self.press(self.merchant, closed, REOPEN)
        return True

    async def remind(self) -> bool:
        """A polite word, asked for twice."""
        found = (m for m in reversed(self.merchant.chat.messages) if _label(m, REMIND))
        card = next(found, None)
        if card is None:
            return False
        for _ in range(self.rng.randint(1, 2)):
            self.diary.reminded += self.press(self.merchant, card, _label(card, REMIND)) is not None
        return True

    async def talk(self) -> bool:
        """The customer asks something, the merchant answers by reply, and once more much later."""
        customer = self.invoice.customer
        bill = self.with_button(customer.chat, QUESTION)
        if bill is None:
            return False
        if customer.blocked:
            customer.unblock()
        async with self.diary.hands(customer):
            asked = await self.pressed(customer, bill, QUESTION, "What shall I ask")
            if asked is None or customer.blocked:
                return False
            words = f"Is that with delivery, {len(self.diary.asked)}?"
            self.diary.asked[words] = False
            passed_on = await self.answered(customer, words, "I passed it on")
            self.diary.asked[words] = passed_on is not None
        there = await self.until(lambda: self.newest(self.merchant.chat, words), 4 * HOUR_S)
        for _ in range(2 if there is not None else 0):
            assert there is not None, "or there is nothing to answer"
            answer = f"It is, number {len(self.diary.answered)}."
            self.diary.answered.append(answer)
            self.merchant.say(answer, reply_to=there)
            await passes(self.rng.uniform(60, 5 * HOUR_S))
        return True


@dataclass
class CustomerActs(Story):
    """What anybody does with what the bot has sent them."""

    people: Sequence[Person]
    groups: Callable[[], Sequence[Chat]]
    safaricom: SeededSafaricom

    async def claim(self) -> bool:
        """ "I have paid", with the code, with another's, or with one that nobody knows."""
        able = [
            (person, message)
            for person in self.people
            for message in person.chat.messages
            if message.sender is self.telegram.world.bot and CLAIM in message.labels
        ]
        if not able:
            return False
        person, message = self.rng.choice(able)
        if person.blocked:
            person.unblock()
        question = await self.pressed(person, message, CLAIM, "paste the whole")
        if question is None or person.blocked:
            return False
        rows = [each.receipt for each in self.safaricom.books.statement()]
        code = self.rng.choice([*rows[-4:], f"UZZ{len(self.diary.claimed):07d}"])
        claimed = Claimed(person.id, code)
        self.diary.claimed.append(claimed)
        words = f"{code} Confirmed. Ksh50.00 sent to MAMA NJERI SHOP."
        thanked = await self.answered(person, words, "A person will look")
        claimed.answer = None if thanked is None else thanked.id
        return True

    async def by_hand(self) -> bool:
        """Pay past the bot, to the account on a drive's card, or to one that nobody has."""
        texts = [each.text for chat in self.groups() for each in chat.messages]
        accounts = [found[1] for text in texts if (found := BY_HAND_AT.search(text))]
        phones = [each.phone for each in self.safaricom.pushes]
        if not accounts or not phones:
            return False
        account = NOBODYS if self.rng.random() < ASTRAY else self.rng.choice(accounts)
        amount_kes = 20 + len(self.diary.by_hand)
        row = self.safaricom.pay_by_hand(self.rng.choice(phones), amount_kes, account)
        if row is not None:
            self.diary.by_hand[row.receipt] = account
        return row is not None

    async def edit(self) -> bool:
        """Change what was written before, a command for money among it."""
        written = [
            (person, message)
            for person in self.people
            for chat in (person.chat, *self.groups())
            for message in chat.messages[-12:]
            if message.sender is person and message.text and not person.blocked
        ]
        if not written:
            return False
        person, message = self.rng.choice(written)
        person.edit(message, re.sub(r"\d+", "55", message.text, count=1))
        return True

    async def press_again(self) -> bool:
        """An old keyboard, hours later: what was pressed before, or what stands there now."""
        found: list[Kept] = []
        for person in self.people:
            for message in person.chat.messages[-8:]:
                found += [
                    Kept(person, message, button.value)
                    for button in message.buttons
                    if button.action == "callback_data"
                    and not any(word in button.text for word in RARELY)
                ]
        found = self.rng.choice(([*self.diary.pressed], found))
        found = [each for each in found if each.data]
        if not found:
            return False
        kept = self.rng.choice(found)
        await passes(self.rng.choice((60, HOUR_S, 8 * HOUR_S)) * self.rng.random())
        for _ in range(self.rng.randint(1, 2)):
            _press(kept)
        return True


def _press(kept: Kept) -> None:
    """As a client does whose screen still shows that keyboard."""
    person, world = kept.person, kept.person.world
    press = Press(secrets.token_hex(8), person, kept.message, kept.data, world.clock())
    world.presses[press.id] = press
    world.updates.add("callback_query", person._query(press))


def _label(message: Message, begins: str) -> str:
    return next((each for each in message.labels if each.startswith(begins)), "")
