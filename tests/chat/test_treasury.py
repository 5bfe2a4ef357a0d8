"""Treasurers in the chat; and every button of a drive in the hands of somebody else."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.chat.drive_routes import DRIVE_BUTTONS
from bot.playground.chats import Message
from bot.playground.people import Person
from bot.playground.world import Press
from storage.drive_tables import drive_edits, drive_entries, drives, gifts, pledges, treasurers
from storage.records import Deed, DraftKind, DriveStatus, ShownButton
from storage.schema import payments
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import Office
from tests.documents.papers import text_of


async def panel(harambee: Harambee, after: Message | None = None) -> Message:
    """What Mary can do with her drive, as it stands now."""
    welcome = await harambee.office.said(harambee.mary.chat, "you are its treasurer")
    harambee.mary.press(welcome, "Manage")
    return await harambee.office.said(harambee.mary.chat, "Only treasurers can press", after=after)


async def test_cash_and_a_correction_are_in_the_list_with_their_author(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    card = await harambee.opened()
    keys = await panel(harambee)

    mary.press(keys, "Record cash")
    await office.said(mary.chat, "Who gave how much in cash")
    mary.say("Mzee Kamau gave something")
    await office.said(mary.chat, "Please write the amount")
    mary.say("3,000 Mzee Kamau")
    await office.said(mary.chat, "Written down: KES 3,000 in cash from Mzee Kamau")
    mary.press(keys, "Correct")
    await office.said(mary.chat, "What must be added")
    mary.say("-500 he took some back")
    await office.said(mary.chat, "Corrected by −KES 500")
    await harambee.look(10)

    await harambee.api.wait_for(lambda: "KES 2,500 of KES 50,000" in card.text)
    assert "• Mzee Kamau – KES 3,000 (cash, by Mary)" in card.text
    assert "• Correction by Mary: −KES 500 (he took some back)" in card.text


async def test_a_drive_is_paused_goes_on_and_is_closed_with_its_totals(harambee: Harambee) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    keys = await panel(harambee)
    await office.answered(mary.press(keys, "Pause"))
    await office.said(mary.chat, "Done.")
    stopped = jane.press(card, "KES 500")
    assert "paused" in await office.answered(stopped)
    await harambee.look(10)
    await harambee.api.wait_for(lambda: "Paused by a treasurer" in card.text)
    assert card.labels == ["📋 Full list", "↗️ Share"]

    keys = await panel(harambee, after=keys)
    await office.answered(mary.press(keys, "Go on"))
    await harambee.look(10)
    await harambee.api.wait_for(lambda: "KES 500" in card.labels)
    jane.press(card, "KES 500")
    await harambee.pushed(1)
    await harambee.paid()
    jane.say("/pledge@lipa_demo_bot 7654", chat=harambee.group)
    by_when = await office.said(jane.chat, "7,654")
    jane.press(by_when, by_when.labels[0])
    await office.said(jane.chat, "the group sees only the total of all pledges")
    mary.say("/closedrive@lipa_demo_bot", chat=harambee.group)
    sure = await office.said(mary.chat, "Close Mama Akinyi hospital bill?")
    mary.press(sure, "Yes, close it")

    closed = await office.said(harambee.group, "is closed")
    await harambee.api.wait_for(lambda: harambee.group.last.file is not None, 60)
    paper = harambee.group.last.file
    assert paper is not None
    assert "Jane" in text_of(paper.content)
    assert "7,654" not in text_of(paper.content)
    assert closed.text == (
        "🏁 Mama Akinyi hospital bill is closed. KES 500 from 1 person "
        "(M-Pesa KES 500 · cash KES 0). Thank you!"
    )
    await harambee.look(10)
    await harambee.api.wait_for(lambda: "🏁 Closed" in card.text)


async def test_go_on_and_pause_on_an_old_panel_do_not_open_what_was_closed(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    await harambee.opened()
    drive_id = (await harambee.drive).id

    async def status() -> DriveStatus:
        drive = await office.core.drives.get(drive_id)
        assert drive is not None
        return drive.status

    to_pause = await panel(harambee)
    await office.answered(mary.press(to_pause, "Pause"))
    to_go_on = await panel(harambee, after=to_pause)
    mary.say("/closedrive@lipa_demo_bot", chat=harambee.group)
    sure = await office.said(mary.chat, "Close Mama Akinyi hospital bill?")
    await office.answered(mary.press(sure, "Yes, close it"))

    for old, label in ((to_go_on, "Go on"), (to_pause, "Pause")):
        assert "is closed" in await office.answered(mary.press(old, label))
        assert await status() is DriveStatus.CLOSED

    keys = await panel(harambee, after=to_go_on)
    await office.answered(mary.press(keys, "Open again"))
    assert await status() is DriveStatus.OPEN


async def test_title_target_day_and_privacy_can_be_changed_for_all_to_see(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    card = await harambee.opened()
    keys = await panel(harambee)
    mary.press(keys, "Last day")
    await office.said(mary.chat, "Which is the last day")
    mary.say("31/2")
    await office.said(mary.chat, "I cannot read that day")
    mary.say("27/11")
    await office.said(mary.chat, "Changed.")
    mary.press(keys, "Edit")
    edits = await office.said(mary.chat, "What shall be changed")
    mary.press(edits, "Target")
    await office.said(mary.chat, "What is the target")
    mary.say("80,000")
    await harambee.api.wait_for(lambda: sum("Changed." in t for t in mary.chat.texts) == 2)
    await office.answered(mary.press(edits, "Totals only"))
    await harambee.api.wait_for(lambda: sum("Changed." in t for t in mary.chat.texts) == 3)
    await harambee.look(10)

    await harambee.api.wait_for(lambda: "of KES 80,000" in card.text)
    assert "until Fri 27 Nov" in card.text
    mary.press(card, "Full list")
    listed = await office.said(mary.chat, "Changes")
    assert "Mary: last day – → 2026-11-27" in listed.text
    assert "Mary: target 50000 → 80000" in listed.text
    assert "for its treasurers only" in listed.text


async def test_a_second_treasurer_is_let_in_by_the_first(harambee: Harambee) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    keys = await panel(harambee)
    mary.press(keys, "Treasurers")
    link = (await office.said(mary.chat, "send them this link")).text.rpartition("start=")[2]
    jane.start(link)
    offer = await office.said(jane.chat, "Will you look after")
    jane.press(offer, "Yes, I will")
    question = await office.said(mary.chat, "Jane offers to look after")
    await office.answered(mary.press(question, "Let them in"))

    await office.said(jane.chat, "You look after Mama Akinyi hospital bill now")
    await harambee.look(10)
    await harambee.api.wait_for(lambda: "Treasurers: Mary, Jane" in card.text)


async def test_a_pledge_is_made_and_taken_back_in_private(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.press(card, "Pledge")
    await office.said(jane.chat, "How much do you pledge")
    jane.say("1000")
    days = await office.said(jane.chat, "by which day?")
    jane.press(days, "Another day")
    await office.said(jane.chat, "By which day? Write it")
    jane.say("27/11")
    await office.said(jane.chat, "by Fri 27 Nov")
    await harambee.look(10)

    await harambee.api.wait_for(lambda: "Pledged: KES 1,000" in card.text)
    assert "Jane" not in card.text


async def test_the_books_come_to_the_treasurer_alone_in_three_formats(harambee: Harambee) -> None:
    office, mary, jane = harambee.office, harambee.mary, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.press(card, "KES 500")
    await harambee.pushed(1)
    await harambee.paid()
    await office.said(jane.chat, "✅")
    jane.say("/export")
    await office.said(jane.chat, "You look after no drive")

    mary.say("/export@lipa_demo_bot", chat=harambee.group)
    formats = await office.said(mary.chat, "How would you like it")
    for label in ("CSV", "XLSX", "PDF"):
        mary.press(formats, label)
    await harambee.api.wait_for(
        lambda: sum(m.file is not None for m in mary.chat.messages) == 3, 60
    )

    files = [m.file for m in mary.chat.messages if m.file is not None]
    assert [each.name for each in files] == ["AKINYI.csv", "AKINYI.xlsx", "AKINYI.pdf"]
    table = files[0].content.decode("utf-8-sig")
    assert "UKN4ABCDE7" in table
    assert "0712345678" in table.replace(" ", "").replace("+254", "0").replace("254712", "0712")
    assert files[1].content.startswith(b"PK")
    assert files[2].content.startswith(b"%PDF")
    assert [m for m in harambee.group.messages if m.file is not None] == []


async def test_whoever_we_may_not_write_to_is_told_where_to_go_on(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    mary.say("/newdrive@lipa_demo_bot 50000 Mama Akinyi hospital bill", chat=harambee.group)
    await office.said(harambee.group, "Treasurers: Mary")

    for command in ("closedrive", "export"):
        said = mary.say(f"/{command}@lipa_demo_bot", chat=harambee.group)
        await office.said(harambee.group, "To look after a drive, open me once", after=said)
        harambee.office.clock.advance(601)


async def test_the_link_is_also_a_code_to_be_scanned(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.press(card, "Share")
    shared = await office.said(jane.chat, "For WhatsApp")
    jane.press(shared, "QR code")

    code = await office.said(jane.chat, "Scan to give")
    assert code.file is not None
    assert code.file.content.startswith(b"\x89PNG")


async def everything(office: Office) -> list[object]:
    """All that a press about a drive could change."""
    found: list[object] = []
    async with office.store.read() as tx:
        for table in (drives, treasurers, gifts, drive_entries, drive_edits, pledges, payments):
            query = select(table).order_by(table.primary_key.columns[0])
            found += (await tx.drives._connection.execute(query)).all()
    return found


async def shown(office: Office, person: Person, deed: Deed, message: Message) -> Press:
    """A press of a button that stands under *message*, whoever it was made for."""
    data = office.core.buttons._ids.button()
    record = ShownButton(
        data=data,
        deed=deed,
        chat_id=message.chat.id,
        once=False,
        expires_at=office.clock.now().replace(year=2030),
    )
    await office.store.write(lambda tx: tx.buttons.show(1, [record]))
    press = Press(f"made-{data}", person, message, data, at_s=person.world.clock())
    person.world.presses[press.id] = press
    person.press_again(press)
    return press


ANYBODYS = {"d.give", "d.pledge", "d.list", "d.share", "d.qr", "d.offer"}
"""Whoever presses does it for themselves."""
OWNED = {
    *("d.chosen", "p.day", "g.named", "g.unnamed", "g.hide", "g.show", "g.behalf"),
    *("p.tomorrow", "p.stop", "p.withdraw"),
    *("w.skip", "w.back", "w.cancel", "w.set", "w.post"),
}
"""Made for one person: the button itself refuses everybody else."""


@pytest.mark.parametrize("action", sorted(set(DRIVE_BUTTONS) - ANYBODYS))
async def test_a_button_in_the_wrong_hands_does_nothing_but_say_so(
    harambee: Harambee, action: str
) -> None:
    office, mary, otieno = harambee.office, harambee.mary, harambee.office.otieno
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    office.jane.press(card, "KES 500")
    await harambee.pushed(1)
    await harambee.paid()
    await office.said(office.jane.chat, "✅")
    drive = await harambee.drive
    otieno.start()
    await office.said(otieno.chat, "Habari")
    async with office.store.read() as tx:
        [gift] = (await tx.drives._connection.execute(select(gifts.c.intent_id))).scalars()
    subject = gift if action.startswith("g.") else drive.id
    argument = {"d.set": "shows:totals", "p.day": "500:7", "d.agree": "1002", "d.refuse": "1002"}
    argument |= dict.fromkeys(("d.off", "d.stay", "d.take"), str(mary.id))
    deed = Deed(
        action=action,
        subject=subject,
        argument=argument.get(action, "title"),
        owner=mary.id if action in OWNED else None,
    )
    before, pushes = await everything(office), len(office.daraja.pushes)
    said = [message.text for message in harambee.group.messages]

    press = await shown(office, otieno, deed, otieno.chat.last)
    answer = await office.answered(press)
    await office.handled()

    assert answer
    assert await everything(office) == before
    assert len(office.daraja.pushes) == pushes
    assert [message.text for message in harambee.group.messages] == said
    draft = await office.core.people.draft(chat_id=otieno.id, person_id=otieno.id)
    assert draft is None or draft.kind is DraftKind.GIVE
