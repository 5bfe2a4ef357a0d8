"""Updates that come in the wrong order, and again and again: one payment for each command."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from sqlalchemy import ColumnElement, Table, and_, func, or_, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from bot.playground.chats import Message
from bot.playground.people import Person
from mpesa.simulator import Behaviour
from storage.schema import inbox, notices
from tests.flows.words import found, says
from tests.flows.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 60.0
PEOPLE = 6
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


def paid_words(person: Person) -> list[Message]:
    return [message for message in person.chat.from_bot if "✅" in message.text]


async def until_paid(world: World, person: Person, count: int) -> None:
    await world.api.wait_for(lambda: len(paid_words(person)) >= count, timeout_s=PATIENCE_S)


async def declined(world: World, person: Person, number: int) -> Message:
    """A payment that was cancelled on the phone; its message, with the button to try again."""
    world.simulator.phone(world.phone(number)).next_time(Behaviour.CANCEL)
    person.say(f"/pay 50 {world.typed(number)}")
    await world.api.wait_for(lambda: found(person.chat, "declined.cancelled"), timeout_s=PATIENCE_S)
    return person.chat.from_bot[-1]


def can_try_again(message: Message) -> bool:
    return any("🔁" in label for label in message.labels)


def owed_to(person: Person) -> ColumnElement[bool]:
    return and_(notices.c.chat_id == person.id, notices.c.state != "told")


def amounts_asked(world: World, number: int) -> list[int]:
    pushes = world.simulator.pushes_to(world.phone(number))
    return [push.order.amount_kes for push in pushes if push.order is not None]


async def heard_out(world: World, people: Sequence[Person]) -> None:
    """Everything that was delivered is handled: a chat's next command is answered after it."""
    await world.api.wait_for(lambda: not world.api.updates.pending, timeout_s=PATIENCE_S)
    for person in people:
        person.say("/help")
    await world.api.wait_for(
        lambda: all(found(person.chat, "help.privacy") for person in people), timeout_s=PATIENCE_S
    )
    await world.simulator.settled()
    assert await stuck(world) == 0


async def stuck(world: World) -> int:
    """Updates that wait in the inbox, or were set aside."""
    return await count(world, inbox, or_(inbox.c.done_at.is_(None), inbox.c.quarantined))


async def count(world: World, table: Table, rows: ColumnElement[bool]) -> int:
    """How many such rows there are, as a stranger beside the bot reads them."""
    url = make_url(world.database)
    engine = create_async_engine(url.set(drivername=DRIVERS[url.drivername]))
    try:
        async with engine.connect() as connection:
            found = await connection.execute(select(func.count()).select_from(table).where(rows))
            return int(found.scalar_one())
    finally:
        await engine.dispose()


async def test_two_commands_that_change_places_are_two_payments(
    world: World, numbers: Callable[[], int]
) -> None:
    first, second = numbers(), numbers()
    person = world.person(first)
    with world.api.updates.out_of_order():
        person.say(f"/pay 50 {world.typed(first)}")
        person.say(f"/pay 60 {world.typed(second)}")

    await until_paid(world, person, 2)
    await heard_out(world, [person])

    assert (amounts_asked(world, first), amounts_asked(world, second)) == ([50], [60])
    assert len(paid_words(person)) == 2
    assert len(person.chat.from_bot) == 3, "and the help that was asked for"


async def test_an_edit_that_comes_before_its_command_is_one_payment_of_what_is_written_now(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    person = world.person(number)
    with world.api.updates.out_of_order():
        command = person.say(f"/pay 50 {world.typed(number)}")
        person.edit(command, f"/pay 500 {world.typed(number)}")

    await until_paid(world, person, 1)
    await heard_out(world, [person])

    assert amounts_asked(world, number) == [500]
    [paid] = paid_words(person)
    assert "KES 500" in paid.text
    told = [message for message in person.chat.from_bot if says(message, "pay.asked-before")]
    assert len(told) == 1, "the words that came second changed nothing, and are answered"


async def test_a_press_that_overtakes_a_command_is_one_payment_beside_it(
    world: World, numbers: Callable[[], int]
) -> None:
    first, second = numbers(), numbers()
    person = world.person(first)
    failed = await declined(world, person, first)
    with world.api.updates.out_of_order():
        person.say(f"/pay 60 {world.typed(second)}")
        person.press(failed, "🔁")

    await until_paid(world, person, 2)
    await heard_out(world, [person])

    assert (amounts_asked(world, first), amounts_asked(world, second)) == ([50, 50], [60])
    assert len(paid_words(person)) == 2


async def test_a_press_on_a_message_that_we_do_not_know_to_stand_there_yet(
    world: World, numbers: Callable[[], int]
) -> None:
    """Telegram shows it, and its answer to us is still on the way when the person presses."""
    number = numbers()
    handset = world.simulator.phone(world.phone(number))
    handset.next_time(Behaviour.MANUAL)
    person = world.person(number)
    person.say(f"/pay 50 {world.typed(number)}")
    await world.api.wait_for(lambda: found(person.chat, "status.prompted"), timeout_s=PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        while await count(world, notices, owed_to(person)):
            continue
    silence = world.api.faults.silent(method="editMessageText", chat_id=person.id)
    assert handset.cancel(), "it had closed by itself"
    [message] = person.chat.from_bot
    await world.api.wait_for(lambda: can_try_again(message), timeout_s=PATIENCE_S)

    person.press(message, "🔁")
    await world.simulator.changes.until(
        lambda: len(amounts_asked(world, number)) == 2, timeout_s=PATIENCE_S
    )
    silence.gate.set()

    await until_paid(world, person, 1)
    await heard_out(world, [person])
    assert amounts_asked(world, number) == [50, 50]
    assert len(paid_words(person)) == 1


async def test_a_shuffled_crowd_whose_updates_come_three_times_is_served_once(
    world: World, numbers: Callable[[], int]
) -> None:
    chance = random.Random(30)
    own = [(numbers(), numbers(), numbers()) for _ in range(PEOPLE)]
    people = [world.person(each[0]) for each in own]
    failed = [await declined(world, who, each[0]) for who, each in zip(people, own, strict=True)]
    acts: list[Callable[[], object]] = []
    for who, each, message in zip(people, own, failed, strict=True):
        acts.append(partial(who.press, message, "🔁"))
        acts += [
            partial(who.say, f"/pay {amount} {world.typed(number)}")
            for amount, number in zip((60, 70), each[1:], strict=True)
        ]
    chance.shuffle(acts)

    updates = world.api.updates
    before = len(updates.sent)
    with updates.out_of_order():
        for act in acts:
            act()
        twice = [update for update in updates.sent[before:] for _ in range(2)]
        for update in chance.sample(twice, len(twice)):
            updates.redeliver(update)
    for who in people:
        await until_paid(world, who, 3)
    # And once more, long after.
    for update in chance.sample(twice, len(twice)):
        updates.redeliver(update)
    await heard_out(world, people)

    asked = {number: amounts_asked(world, number) for each in own for number in each}
    assert asked == {
        number: amounts
        for each in own
        for number, amounts in zip(each, ([50, 50], [60], [70]), strict=True)
    }
    assert [len(paid_words(who)) for who in people] == [3] * PEOPLE
    assert [len(who.chat.from_bot) for who in people] == [5] * PEOPLE, "one declined, and the help"
