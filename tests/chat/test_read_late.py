"""An answer that we read long after it was written sends no prompt: nobody expects one by then."""

from __future__ import annotations

import pytest

from bot.playground.people import Person
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import Office
from tests.chat.test_invoice_chat import issued, njeri, opened, peter

__all__ = ["njeri", "peter"]

READ_AFTER = pytest.mark.parametrize("minutes", [1, 29])
AWAY, NOT_NOW = 15, "no prompt"


async def read_after(office: Office, minutes: int) -> None:
    """From now on we read what is written so many minutes later."""
    await office.handled()
    written_at = int(office.clock.now().timestamp())
    office.api.world.clock = lambda: written_at
    office.clock.advance(minutes * 60)


async def prompted(office: Office, minutes: int) -> bool:
    """Whether a prompt has left, which is so for what was read in time."""
    await office.handled()
    sent = len(office.daraja.pushes)
    assert sent == (minutes < AWAY)
    return bool(sent)


@READ_AFTER
@pytest.mark.parametrize("how", ["typed", "shared"])
async def test_the_number_that_pays(office: Office, minutes: int, how: str) -> None:
    jane = office.jane
    jane.say("/pay 50")
    await read_after(office, minutes)

    if how == "typed":
        jane.say("0712345678")
    else:
        jane.share_contact()

    if not await prompted(office, minutes):
        said = await office.said(jane.chat, "I was away when you wrote this")
        assert "23 Nov 2026 12:00" in said.text
        office.api.world.clock = office.clock.now().timestamp
        jane.say("0712345678")
        await office.handled()
        assert office.daraja.pushes == [], "that question is answered"


@READ_AFTER
@pytest.mark.parametrize("how", ["typed", "shared"])
async def test_the_number_that_gives(harambee: Harambee, minutes: int, how: str) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.opened()
    jane.start()
    await office.said(jane.chat, "Hello Jane")
    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)
    await office.said(jane.chat, "Which M-Pesa number gives KES 500")
    await read_after(office, minutes)

    if how == "typed":
        jane.say("0712345678")
    else:
        jane.share_contact()

    if not await prompted(office, minutes):
        await office.said(jane.chat, "while I was away, so I sent nothing")


@READ_AFTER
async def test_how_much_is_given(harambee: Harambee, minutes: int) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.say("/give@lipa_demo_bot", chat=harambee.group)
    await office.handled()
    jane.start(f"d_{(await harambee.drive).code}")
    sheet = await office.said(jane.chat, "Mama Akinyi hospital bill", after=None)
    assert card is not sheet
    jane.press(sheet, "Other")
    await office.said(jane.chat, "How much")
    await read_after(office, minutes)

    jane.say("500")

    if not await prompted(office, minutes):
        await office.said(jane.chat, "while I was away, so I sent nothing")


@READ_AFTER
async def test_a_gift_that_is_gone_on_with_in_private(harambee: Harambee, minutes: int) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.opened()
    await harambee.jane_gave_her_number()
    jane.block()
    await office.handled()
    async with office.store.read() as tx:
        person = await tx.people.get(jane.id)
    assert person is not None
    await office.store.write(lambda tx: tx.people.set_line(jane.id, None))
    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)
    await office.said(harambee.group, "open me once in private")
    await office.store.write(lambda tx: tx.people.set_line(jane.id, person.line_id))
    jane.unblock()
    await read_after(office, minutes)

    jane.start("give")

    if not await prompted(office, minutes):
        await office.said(jane.chat, "while I was away, so I sent nothing")


@READ_AFTER
@pytest.mark.parametrize("how", ["typed", "shared"])
async def test_the_number_that_pays_an_invoice(
    office: Office, njeri: Person, peter: Person, minutes: int, how: str
) -> None:
    bill = await opened(office, peter, await issued(office, njeri))
    peter.press(bill, "💸 Pay KES 1,500")
    await office.said(peter.chat, "Which M-Pesa number")
    await read_after(office, minutes)

    if how == "typed":
        peter.say("0722000001")
    else:
        peter.share_contact()

    if not await prompted(office, minutes):
        said = await office.said(peter.chat, "I could not read it before now")
        again = await office.said(peter.chat, "INV-0001", after=said)
        assert any("Pay KES 1,500" in label for label in again.labels)


@READ_AFTER
async def test_a_part_of_an_invoice(
    office: Office, njeri: Person, peter: Person, minutes: int
) -> None:
    peter.start()
    peter.share_contact()
    await office.said(peter.chat, "I will remember")
    bill = await opened(office, peter, await issued(office, njeri))
    peter.press(bill, "Pay part")
    await office.said(peter.chat, "How much of INV-0001")
    await read_after(office, minutes)

    peter.say("500")

    if not await prompted(office, minutes):
        await office.said(peter.chat, "I could not read it before now")
