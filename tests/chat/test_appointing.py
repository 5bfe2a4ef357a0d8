"""Appointing: by name or by answering a message, with a menu that follows at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.playground.botapi import BotApi
from bot.playground.people import Person
from storage.engine import Store
from storage.records import Closing
from tests.chat.test_conversation import Listed, Office
from tests.stores import TestClock

GROUP = -5001


@pytest.fixture
async def office(api: BotApi, kept: Store, clock: TestClock) -> AsyncIterator[Office]:
    """One in which the menus are looked at."""
    made = Listed(api, kept, clock)
    async with made.open():
        yield made


@pytest.fixture
def njeri(api: BotApi) -> Person:
    return api.person(2001, "Njeri", started=True, language_code="sw")


def offered(office: Office, person: Person) -> dict[str, str]:
    """The commands of their menu, and what each is said to do."""
    return {each["command"]: each["description"] for each in office.api.menu(person.chat, person)}


def has_menu(office: Office, person: Person) -> bool:
    return "invoice" in offered(office, person)


async def test_a_message_is_answered_and_its_writer_is_a_merchant(
    office: Office, njeri: Person, api: BotApi
) -> None:
    group = api.group(GROUP, "Market", [office.boss, njeri])
    written = njeri.say("I sell charcoal", chat=group)
    office.boss.say("/appoint", chat=group, reply_to=written)

    await office.said(group, "Njeri may issue invoices now")
    await office.said(njeri.chat, "Sasa unaweza kutoa ankara")
    assert await office.core.merchants.get(njeri.id) is not None
    njeri.say("/invoice 700 Mary tiles")
    await office.said(njeri.chat, "INV-0001")


async def test_a_command_in_a_topic_appoints_nobody_by_itself(
    office: Office, njeri: Person, api: BotApi
) -> None:
    group = api.group(GROUP, "Market", [office.boss, njeri], forum=True)
    topic = njeri.open_topic(group, "Traders")
    [opening] = [each for each in group.messages if each.id == topic]
    office.boss.say("/appoint", chat=group, thread_id=topic, reply_to=opening)

    await office.said(group, "Nobody is appointed yet")
    assert await office.core.merchants.get(njeri.id) is None


async def test_answering_nobody_or_a_bot_appoints_nobody(office: Office) -> None:
    office.boss.say("/start")
    hello = await office.said(office.boss.chat, "Hello Boss")
    office.boss.say("/appoint", reply_to=hello)

    await office.said(office.boss.chat, "Nobody is appointed yet")
    assert hello.sender is not None
    assert await office.core.merchants.get(hello.sender.id) is None


async def test_the_menu_comes_with_the_appointment_and_goes_with_it(
    office: Office, njeri: Person
) -> None:
    njeri.say("habari")
    await office.handled()
    njeri.username = "njeri"
    njeri.say("habari tena")
    await office.handled()
    assert not has_menu(office, njeri)

    office.boss.say("/appoint @njeri")
    appointed = await office.said(office.boss.chat, "may issue invoices now")
    await office.api.wait_for(lambda: offered(office, njeri).get("invoice") == "Tuma ankara")
    assert not has_menu(office, office.jane)

    office.boss.press(appointed, "✖ Revoke")
    revoked = await office.said(office.boss.chat, "Revoked")
    await office.api.wait_for(lambda: not has_menu(office, njeri))
    assert "pay" in offered(office, njeri)

    office.boss.press(revoked, "↺ Appoint again")
    await office.said(office.boss.chat, "may issue invoices now", after=revoked)
    await office.api.wait_for(lambda: has_menu(office, njeri))


async def test_a_menu_that_outlived_its_merchant_goes_at_the_next_start(
    api: BotApi, kept: Store, clock: TestClock, njeri: Person
) -> None:
    office = Listed(api, kept, clock)
    async with office.open():
        group = api.group(GROUP, "Market", [office.boss, njeri])
        office.boss.say("/appoint", chat=group, reply_to=njeri.say("I sell", chat=group))
        await api.wait_for(lambda: has_menu(office, njeri))

    await office.core.merchants.revoke(njeri.id, by=900, say=lambda _: Closing())
    assert has_menu(office, njeri)
    async with office.open():
        await api.wait_for(lambda: not has_menu(office, njeri))
