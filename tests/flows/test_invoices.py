"""A merchant's days over the stand-in Telegram: bill, reach, be paid, and be told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.playground.chats import Message
from bot.playground.people import Person
from mpesa.simulator import Behaviour
from tests.flows.world import OPERATOR, QUICK, World, open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = replace(QUICK, prompt_lifetime_s=30.0)  # two phones show a prompt at the same time
PATIENCE_S = 20.0
PAY = "💸 Pay KES 1,500"


async def heard(world: World, person: Person, words: str, after: Message | None = None) -> Message:
    """The newest message to this person that holds these words, once there is one."""

    def found() -> list[Message]:
        floor = 0 if after is None else after.id
        return [m for m in person.chat.from_bot if words in m.text and m.id > floor]

    await world.api.wait_for(lambda: bool(found()), timeout_s=PATIENCE_S)
    return found()[-1]


async def a_merchant(world: World, number: int, *, language: str = "en") -> Person:
    """Somebody whom the operator has appointed."""
    merchant = world.person(number, name=f"Njeri{number}", language=language)
    hello = merchant.say("hello there")
    await world.api.wait_for(
        lambda: any(m.id > hello.id for m in merchant.chat.from_bot), timeout_s=PATIENCE_S
    )
    boss = world.api.world.accounts[OPERATOR]
    assert isinstance(boss, Person)
    named = merchant.username = f"njeri{number}"
    merchant.say("hello again")
    await world.api.wait_for(lambda: len(merchant.chat.from_bot) > 1, timeout_s=PATIENCE_S)
    asked = boss.say(f"/appoint @{named}")
    await heard(world, boss, f"Njeri{number} may issue invoices", asked)
    return merchant


async def billed(world: World, merchant: Person, words: str) -> Message:
    asked = merchant.say(f"/invoice {words}")
    return await heard(world, merchant, "INV-", asked)


async def opened(world: World, customer: Person, card: Message, send: str) -> Message:
    link = card.button(send).value
    asked = customer.start(link.partition("start%3D")[2].partition("&")[0])
    return await heard(world, customer, "INV-", asked)


async def pays(world: World, customer: Person, bill: Message, label: str = PAY) -> None:
    """Press, share the number, and let the phone do what it does."""
    before = len(world.simulator.pushes_to(customer.phone))
    asked = customer.press(bill, label)
    await heard(world, customer, "M-Pesa number", bill)
    customer.share_contact()
    await world.api.wait_for(
        lambda: len(world.simulator.pushes_to(customer.phone)) > before, timeout_s=PATIENCE_S
    )
    assert asked.answered


async def refused(world: World, person: Person, message: Message, label: str) -> None:
    press = person.press(message, label)
    await world.api.wait_for(lambda: press.answered, timeout_s=PATIENCE_S)
    assert press.toast


async def test_a_bill_is_sent_paid_and_told_to_both(
    world: World, numbers: Callable[[], int]
) -> None:
    njeri = await a_merchant(world, numbers())
    peter = world.person(numbers(), name="Peter")
    card = await billed(world, njeri, "1500 Peter 2 bags charcoal, due tomorrow")
    bill = await opened(world, peter, card, "📤 Send to customer")
    assert f"{njeri.first_name} asks for KES 1,500 (INV-0001" in bill.text

    await pays(world, peter, bill)

    paid = await heard(world, peter, "✅")
    news = await heard(world, njeri, "KES 1,500 paid by Peter")
    receipt = news.text.partition("· ")[2][:10]
    assert receipt in paid.text
    await world.api.wait_for(lambda: "Paid." in card.text and "Paid." in bill.text)
    paper = await heard(world, peter, "Your receipt")
    assert paper.file is not None
    assert paper.id > paid.id


async def test_the_same_in_swahili(world: World, numbers: Callable[[], int]) -> None:
    njeri = await a_merchant(world, numbers(), language="sw")
    peter = world.person(numbers(), name="Petro", language="sw")
    card = await billed(world, njeri, "1500 Petro magunia 2 ya makaa, kufikia kesho")
    assert "si ankara ya kodi ya eTIMS" in card.text
    bill = await opened(world, peter, card, "📤 Mtumie mteja")
    before = len(world.simulator.pushes_to(peter.phone))
    peter.press(bill, "💸 Lipa KES 1,500")
    await heard(world, peter, "M-Pesa", bill)
    peter.share_contact()
    await world.api.wait_for(
        lambda: len(world.simulator.pushes_to(peter.phone)) > before, timeout_s=PATIENCE_S
    )

    await heard(world, peter, "✅")
    await heard(world, njeri, "KES 1,500 imelipwa na Petro")


async def test_two_people_who_pay_at_once_have_both_paid_and_it_is_named(
    world: World, numbers: Callable[[], int]
) -> None:
    njeri = await a_merchant(world, numbers())
    peter = world.person(numbers(), name="Peter")
    mary = world.person(numbers(), name="Mary")
    card = await billed(world, njeri, "1500 Peter 2 bags charcoal")
    for each in (peter, mary):
        world.simulator.phone(each.phone).behave(Behaviour.MANUAL)
    bills = [await opened(world, each, card, "📤 Send to customer") for each in (peter, mary)]
    for each, bill in zip((peter, mary), bills, strict=True):
        await pays(world, each, bill)
    phones = [world.simulator.phone(each.phone) for each in (peter, mary)]
    await world.simulator.changes.until(
        lambda: all(phone.prompt is not None for phone in phones), timeout_s=PATIENCE_S
    )
    assert all(phone.enter_pin("1234") for phone in phones)

    question = await heard(world, njeri, "is paid KES 1,500 too much")
    for each in (peter, mary):
        await heard(world, each, "✅")
    njeri.press(question, "↩️ I gave it back")
    await world.api.wait_for(lambda: "Paid." in card.text, timeout_s=PATIENCE_S)
    again = njeri.press(question, "🤝 It stays, as agreed")
    await world.api.wait_for(lambda: again.answered, timeout_s=PATIENCE_S)
    assert "Nothing is paid too much" in again.toast


async def test_a_stranger_who_presses_anothers_button_changes_nothing(
    world: World, numbers: Callable[[], int]
) -> None:
    njeri = await a_merchant(world, numbers())
    peter = world.person(numbers(), name="Peter")
    thief = world.person(numbers(), name="Thief")
    card = await billed(world, njeri, "1500 Peter 2 bags charcoal")
    bill = await opened(world, peter, card, "📤 Send to customer")
    before = card.text, bill.text

    for message in (card, bill):
        for row in message.json()["reply_markup"]["inline_keyboard"]:
            for button in row:
                if "callback_data" in button:
                    await refused(world, thief, message, button["text"])

    assert (card.text, bill.text) == before
    assert world.simulator.pushes_to(thief.phone) == []


async def test_a_kill_between_the_money_and_the_news_loses_no_news(
    tmp_path: Path, store_url: str
) -> None:
    async with open_world(tmp_path, database=store_url) as world:
        njeri = await a_merchant(world, 1)
        peter = world.person(2, name="Peter")
        card = await billed(world, njeri, "1500 Peter 2 bags charcoal")
        bill = await opened(world, peter, card, "📤 Send to customer")
        world.api.faults.server_error(502, chat_id=njeri.id, times=50)
        await pays(world, peter, bill)
        await heard(world, peter, "✅")
        await world.bot.kill()
        world.api.faults.clear()

        await world.bot.start()
        await heard(world, njeri, "KES 1,500 paid by Peter")

        assert await world.bot.stop() == 0
        await world.judge()
        told = [m for m in njeri.chat.from_bot if "paid by Peter" in m.text]
        assert len(told) == 1
