"""What is rehearsed: short stories of people who want something paid, and what comes of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.playground.chats import Chat, Message
from bot.playground.people import Person
from mpesa.simulator import Behaviour, CallbackFault, Fault, ReplyFault
from tests.flows.house import OPERATOR, House, Town

__all__ = ["STEPS_MAX", "STEP_S", "STORIES", "SUBJECTS", "Declined", "ReplyLost", "Story"]

STEP_S = 2.0
STEPS_MAX = 400
PATIENCE_STEPS = 20
"""After so many steps without an answer somebody begins again."""


@dataclass
class Story:
    """Somebody wants something paid, and says so in a chat."""

    words_max = 1  # messages in the chat that say that one payment came
    pays = True

    town: Town
    number: int
    person: Person = field(init=False)
    chat: Chat = field(init=False)

    def __post_init__(self) -> None:
        self.person = self.town.api.person(
            1000 + self.number, "Jane", phone=self.phone, started=True
        )
        self.chat = self.person.chat
        self.town.simulator.phone(self.phone).behave(Behaviour.PAY)

    @property
    def phone(self) -> str:
        return f"2547120{self.number:05d}"

    @property
    def typed(self) -> str:
        return f"07120{self.number:05d}"

    def tell(self) -> None:
        self.person.say(f"/pay 50 {self.typed}", chat=self.chat)

    async def begin(self, house: House) -> None:
        """What has happened before any call fails."""

    async def make_known(self, house: House) -> None:
        """The person opens the private chat, and gives their number there."""
        self.person.start()
        self.person.share_contact()
        await _until(house, lambda: _says(self.chat, "I will remember"))

    def go_on(self) -> None:
        """What the person does when asked; called between steps."""

    async def finished(self) -> bool:
        """Whether the person is done."""
        return True

    async def check(self, twins: int) -> None:
        """What must have come of it besides the payment; so many messages may stand twice."""

    async def payments(self) -> list[dict[str, Any]]:
        return await self.town.rows(
            "SELECT payments.* FROM payments JOIN intents ON intents.id = payments.intent_id"
            " WHERE intents.asked_by = ?",
            self.person.id,
        )

    async def paid_kes(self) -> int:
        rows = [row for row in await self.payments() if row["status"] == "paid"]
        return int(sum(row["credited_cents"] for row in rows)) // 100


class Declined(Story):
    """The person cancels."""

    pays = False

    def tell(self) -> None:
        self.town.simulator.phone(self.phone).behave(Behaviour.CANCEL)
        super().tell()


class ReplyLost(Story):
    """Safaricom takes the push, and nobody hears of it but by the callback."""

    def tell(self) -> None:
        self.town.simulator.faults.for_phone(self.phone, Fault(reply=ReplyFault.LOST))
        super().tell()


class Silent(Story):
    """Paid, and no callback: only asking helps."""

    def tell(self) -> None:
        self.town.simulator.faults.for_phone(self.phone, Fault(callback=CallbackFault.NEVER))
        super().tell()


class InGroup(Story):
    """In a group."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.chat = self.town.api.group(-5000 - self.number, "Chama", [self.person])

    def tell(self) -> None:
        self.person.say(f"/pay@lipa_demo_bot 50 {self.typed}", chat=self.chat)


class TwoOnOneLine(Story):
    """Two payments asked of one line at once: one prompt."""

    def tell(self) -> None:
        super().tell()
        self.person.say(f"/pay 60 {self.typed}")


class PhoneShared(Story):
    """The number is asked for, and shared by the key that Telegram shows."""

    def tell(self) -> None:
        self.shared = False
        self.person.say("/pay 50")

    def go_on(self) -> None:
        if not self.shared and self.chat.reply_keyboard is not None:
            self.shared = True
            self.person.share_contact()


class Large(Story):
    """Too much to be believed from a callback alone."""

    def tell(self) -> None:
        self.person.say(f"/pay 9000 {self.typed}")


class Gift(Story):
    """Somebody gives to the drive of a group."""

    async def begin(self, house: House) -> None:
        mary = self.town.api.person(50_000 + self.number, "Mary", started=True)
        members = [mary, self.person]
        self.group = self.town.api.group(-70_000 - self.number, "Wazazi", members)
        mary.start()
        await self.make_known(house)
        mary.say("/newdrive@lipa_demo_bot 5000 Hospital bill", chat=self.group)
        await _until(house, lambda: bool(self.group.from_bot))
        await _until(house, lambda: _says(mary.chat, "you are its treasurer"))

    def tell(self) -> None:
        self.person.say("/give@lipa_demo_bot 50", chat=self.group)

    async def check(self, twins: int) -> None:
        card, *more = self.group.from_bot
        assert f"KES {await self.paid_kes()} of KES 5,000" in card.text, card.text
        # Nothing fails any more when the group is thanked.
        thanks = [message.text for message in more]
        assert len(thanks) == bool(await self.paid_kes()), thanks
        assert all("Jane" in text and "KES 50" in text for text in thanks), thanks


class Billed(Story):
    """A customer pays an invoice; the merchant hears of it, and the receipt comes as a PDF."""

    async def begin(self, house: House) -> None:
        await self.make_known(house)
        self.merchant = _the_operator(self.town)
        self.card = await _answered(
            house, self.merchant, "/invoice 50 Jane 2 bags charcoal", "Not paid yet"
        )
        self.label = self.card.text.split()[1]
        link = self.card.button("📤 Send to customer").value
        self.person.start(link.partition("start%3D")[2].partition("&")[0])
        await _until(house, lambda: _says(self.chat, self.label))
        self.bill = self.chat.last

    def tell(self) -> None:
        self.heard = self.chat.last
        self.person.press(self.bill, "💸 Pay KES 50")

    def go_on(self) -> None:
        if self.chat.last is not self.heard and "You pressed a while ago" in self.chat.last.text:
            self.tell()

    async def check(self, twins: int) -> None:
        paid = await self.paid_kes() == 50
        for message in (self.card, self.bill):
            assert ("Paid." in message.text) == paid, message.text
        words = f"{self.label}: KES 50 paid by Jane"
        news = sum(words in message.text for message in self.merchant.chat.from_bot)
        assert paid <= news <= paid + twins, f"the merchant was told {news} times"
        papers = sum(message.file is not None for message in self.chat.from_bot)
        assert paid <= papers <= paid + twins, f"{papers} receipts came"


class Decided(Story):
    """Nothing names a payment any more, and an operator gives its code."""

    words_max = 2  # it comes late: the message is written anew, and another one rings

    async def begin(self, house: House) -> None:
        lost = Fault(reply=ReplyFault.LOST, callback=CallbackFault.NEVER)
        self.town.simulator.faults.for_phone(self.phone, lost)
        self.operator = _the_operator(self.town)
        super().tell()
        # In small steps: who is asked too late is not asked at all.
        pushes_to = self.town.simulator.pushes_to
        await _until(house, lambda: bool(pushes_to(self.phone)), step_s=STEP_S / 20)
        for _ in range(STEPS_MAX):
            await house.tick(10 * STEP_S)
            if any(row["pending_at"] for row in await self.payments()):
                break
        [push] = self.town.simulator.pushes_to(self.phone)
        paid = self.town.simulator.books.row_of_push(push.checkout_request_id or "")
        assert paid is not None, "the prompt was paid, and nobody here knows"
        self.ref, self.code = paid.account_reference, paid.receipt

    def tell(self) -> None:
        self.since = self.operator.say(f"/review {self.ref}")
        self.waited = 0
        self.steps: list[tuple[str, Callable[[Message], object]]] = [
            (f"• account {self.ref}", lambda card: self.operator.press(card, CREDIT)),
            ("send the M-Pesa code", lambda _: self.operator.say(self.code)),
            (f"under {self.code}?", lambda sure: self.operator.press(sure, "Yes, that is so")),
        ]

    def go_on(self) -> None:
        if not self.steps:
            return
        words, act = self.steps[0]
        found = [m for m in self.operator.chat.from_bot if m.id > self.since.id and words in m.text]
        self.waited += 1
        if found:
            self.waited = 0
            del self.steps[0]
            act(found[-1])
        elif self.waited > PATIENCE_STEPS:
            self.tell()

    async def finished(self) -> bool:
        return all(row["status"] == "paid" for row in await self.payments())

    async def check(self, twins: int) -> None:
        [payment] = await self.payments()
        said = await self.town.rows(
            "SELECT receipt FROM evidence WHERE payment_id = ? AND kind = 'operator-paid'",
            payment["id"],
        )
        assert [row["receipt"] for row in said] == [self.code]


CREDIT = "💰 It came: give the code"


def _says(chat: Chat, words: str) -> bool:
    return any(words in message.text for message in chat.from_bot)


async def _until(house: House, looks: Callable[[], bool], *, step_s: float = STEP_S) -> None:
    for _ in range(STEPS_MAX):
        await house.tick(step_s)
        if looks():
            return
    raise AssertionError("what has to come before never came")


async def _answered(house: House, person: Person, said: str, words: str) -> Message:
    """What the bot answers to this, once it says *words*."""
    asked = person.say(said)

    def found() -> list[Message]:
        return [m for m in person.chat.from_bot if m.id > asked.id and words in m.text]

    await _until(house, lambda: bool(found()))
    return found()[-1]


def _the_operator(town: Town) -> Person:
    person = town.api.world.accounts[OPERATOR]
    assert isinstance(person, Person)
    return person


SUBJECTS: dict[str, type[Story]] = {
    "a gift": Gift,
    "an invoice": Billed,
    "an operator decides": Decided,
}
"""What is more than a payment: others hear of it, or decide."""

STORIES: dict[str, type[Story]] = {
    "paid": Story,
    "declined": Declined,
    "the reply is lost": ReplyLost,
    "the callback is lost": Silent,
    "in a group": InGroup,
    "two on one line": TwoOnOneLine,
    "the phone is shared": PhoneShared,
    "a large amount": Large,
    **SUBJECTS,
}
