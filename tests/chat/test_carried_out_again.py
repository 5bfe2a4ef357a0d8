"""What was cut off after its prompt had left is carried out again, and denies it to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from bot.core.ask import Asked, Refusal
from bot.core.invoices import Invoices, PayInvoice
from bot.core.people import People
from bot.core.post import Post
from bot.core.settle import Settle
from bot.playground.botapi import BotApi
from bot.playground.people import Person
from storage.engine import Store
from storage.errors import StoreFailed
from storage.records import Closing
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import MAMA_NJERI, OPERATOR, Office
from tests.chat.test_invoice_chat import issued, njeri, opened, peter
from tests.stores import TestClock

__all__ = ["njeri", "peter"]  # fixtures

LONG_S = 20 * 60
NOTHING_SENT = ("I sent nothing", "sikutuma", "Give it now", "sent no prompt")

Meanwhile = Callable[[], Awaitable[None]]


class Cut:
    """A store that fails at the end of an update whose prompt has left, while told so."""

    def __init__(self) -> None:
        self.meanwhile: Meanwhile | None = None
        self.cuts = 0

    async def off(self) -> None:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
            self.cuts += 1
            raise StoreFailed("the disk")


class CutPost(Post):
    """An outbox that cannot be written to once."""

    def __init__(self, *, store: Store, clock: TestClock, cut: Cut) -> None:
        super().__init__(store=store, clock=clock)
        self._cut = cut

    async def say(self, closing: Closing) -> None:
        await self._cut.off()
        await super().say(closing)


class CutPeople(People):
    """People whose answered question cannot be dropped once."""

    cut: Cut

    async def drop_draft(self, *, chat_id: int, person_id: int, closing: Closing) -> bool:
        await self.cut.off()
        return await super().drop_draft(chat_id=chat_id, person_id=person_id, closing=closing)


class CutInvoices(Invoices):
    """Invoices whose payment is committed, and whose COMMIT is not known to have happened."""

    cut: Cut

    async def pay(self, request: PayInvoice) -> Asked | Refusal | None:
        answer = await super().pay(request)
        await self.cut.off()
        return answer


class CutOffice(Office):
    """The bot at work on a store that fails when told so."""

    def __init__(self, api: BotApi, store: Store, clock: TestClock) -> None:
        super().__init__(api, store, clock)
        self.cut = Cut()
        post = CutPost(store=store, clock=clock, cut=self.cut)
        post.wake = self.core.post.wake
        people = CutPeople(
            store=store, settle=Settle(operators=[OPERATOR]), clock=clock, wake=post.wake.set
        )
        invoices = CutInvoices(
            store=store,
            clock=clock,
            asking=self.core.asking,
            collectors={"": MAMA_NJERI},
            public_url="https://pay.example.org",
            wake=post.wake.set,
        )
        people.cut = invoices.cut = self.cut
        self.core = replace(self.core, post=post, people=people, invoices=invoices)

    def cut_off_for(self, seconds: float, *, result: int | None = None) -> None:
        """The next end of an update fails once its prompt is out, and so long is nothing read."""

        async def meanwhile() -> None:
            await self.api.wait_for(lambda: bool(self.daraja.pushes))
            if result is not None:
                await self.result(result)
            async with asyncio.timeout(60):
                while await self.core.post.owed():
                    continue
            self.clock.advance(seconds)

        self.cut.meanwhile = meanwhile

    def said_to(self, person: Person) -> str:
        return "\n".join(message.text for message in person.chat.from_bot)


@pytest.fixture
async def office(api: BotApi, kept: Store, clock: TestClock) -> AsyncIterator[CutOffice]:
    made = CutOffice(api, kept, clock)
    async with made.open():
        yield made
    await asyncio.gather(*made.tasks)


def nothing_untrue(text: str) -> bool:
    return not any(words in text for words in NOTHING_SENT)


async def test_a_press_that_is_carried_out_again_offers_no_second_gift(
    office: CutOffice, harambee: Harambee
) -> None:
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    await office.handled()

    office.cut_off_for(0)
    press = office.jane.press(card, "KES 500")
    await office.handled()

    assert (office.cut.cuts, len(office.daraja.pushes)) == (1, 1)
    assert "Check your phone 0712***678" in press.toast
    assert nothing_untrue(office.said_to(office.jane))


@pytest.mark.parametrize("in_private", [True, False])
async def test_give_that_is_carried_out_again_much_later_does_not_deny_its_prompt(
    office: CutOffice, harambee: Harambee, in_private: bool
) -> None:
    mary = harambee.mary
    await harambee.opened()
    mary.share_contact()
    await office.said(mary.chat, "I will remember")
    await office.handled()

    office.api.world.clock = office.clock.now().timestamp
    office.cut_off_for(LONG_S)
    if in_private:
        mary.say("/give 700")
    else:
        mary.say("/give@lipa_demo_bot 700", chat=harambee.group)
    await office.handled()

    assert (office.cut.cuts, len(office.daraja.pushes)) == (1, 1)
    assert nothing_untrue(office.said_to(mary))


@pytest.mark.parametrize(
    ("result", "said"), [(None, "Ombi liko kwenye 0712***031"), (1032, "Nilituma ombi kwenye")]
)
async def test_whoever_cannot_be_told_in_private_is_told_in_the_group_of_the_prompt_that_left(
    office: CutOffice, harambee: Harambee, result: int | None, said: str
) -> None:
    await harambee.opened()

    office.cut_off_for(LONG_S, result=result)
    office.otieno.say("/give@lipa_demo_bot 500 0712000031", chat=harambee.group)
    await office.handled()

    assert (office.cut.cuts, len(office.daraja.pushes)) == (1, 1)
    assert said in harambee.group.last.text


@pytest.mark.parametrize("seconds", [60, LONG_S])
@pytest.mark.parametrize(
    ("result", "said"), [(None, "Asking 0712***031"), (1032, "already asked 0712***031")]
)
async def test_the_number_that_was_asked_for_is_asked_once(
    office: CutOffice, harambee: Harambee, result: int | None, said: str, seconds: float
) -> None:
    jane = office.jane
    await harambee.opened()
    jane.start()
    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)
    await office.said(jane.chat, "Which M-Pesa number gives KES 500")
    await office.handled()

    office.cut_off_for(seconds, result=result)
    jane.say("0712000031")
    await office.handled()

    assert (office.cut.cuts, len(office.daraja.pushes)) == (1, 1)
    assert said in office.said_to(jane)
    assert nothing_untrue(office.said_to(jane))


@pytest.mark.parametrize("bill", [False, True])
async def test_the_number_that_pays_is_not_read_late_once_its_prompt_is_out(
    office: CutOffice, njeri: Person, peter: Person, bill: bool
) -> None:
    peter.start()
    if bill:
        shown = await opened(office, peter, await issued(office, njeri))
        peter.press(shown, "💸 Pay KES 1,500")
    else:
        peter.say("/pay 50")
    await office.said(peter.chat, "Which M-Pesa number")
    await office.handled()

    office.cut_off_for(LONG_S)
    peter.say("0722000001")
    await office.handled()

    assert (office.cut.cuts, len(office.daraja.pushes)) == (1, 1)
    assert nothing_untrue(office.said_to(peter))
    assert "I could not read it before now" not in office.said_to(peter)


@pytest.mark.parametrize("part", [False, True])
async def test_a_bill_whose_press_is_carried_out_again_is_asked_for_once(
    office: CutOffice, njeri: Person, peter: Person, part: bool
) -> None:
    peter.start()
    peter.share_contact()
    bill = await opened(office, peter, await issued(office, njeri))
    label = "💸 Pay KES 1,500"
    if part:
        peter.press(bill, "Pay part")
        bill, label = await office.said(peter.chat, "How much of INV-0001"), "KES 500"
    await office.handled()

    office.cut_off_for(0)
    press = peter.press(bill, label)
    await office.api.wait_for(lambda: bool(office.cut.cuts))
    # Its update is done, and yet it comes again: before whatever is written in its chat now.
    peter.say("/help")
    await office.said(peter.chat, "/pay")
    await office.handled()

    assert (office.cut.cuts, len(office.daraja.pushes)) == (1, 1)
    assert "Check your phone 0722***001" in press.toast
    assert nothing_untrue(office.said_to(peter))


@pytest.mark.parametrize("words", ["/pay 50", "/pay 50 0712345678"])
async def test_words_that_were_mended_while_we_were_away_do_not_deny_their_prompt(
    api: BotApi, kept: Store, clock: TestClock, words: str
) -> None:
    office = Office(api, kept, clock)
    jane = office.jane
    async with office.open():
        jane.start()
        jane.share_contact()
        await office.said(jane.chat, "I will remember")
        written = jane.say(words)
        status = await office.said(jane.chat, "Check the phone")
        await office.handled()
    telegrams_s = api.world.clock() - clock.now().timestamp()
    jane.edit(written, words.replace("50", "70"))
    clock.advance(max(telegrams_s, 0) + LONG_S)

    async with office.open():
        told = await office.said(jane.chat, "", after=status)
        await office.handled()
    await asyncio.gather(*office.tasks)

    assert "That message has already asked for KES 50 from 0712***678" in told.text
    assert len(office.daraja.pushes) == 1
