"""Every button that a whole drive ever showed, in the hands of somebody else."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from bot.chat.drive_routes import DRIVE_BUTTONS
from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.playground.people import Person
from storage.records import Deed, DraftKind
from storage.schema import buttons
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import Office
from tests.chat.test_treasury import ANYBODYS, everything, shown

DAY_S = 24 * 3600


@dataclass
class Play:
    """A whole drive, from the wizard to what comes after closing."""

    harambee: Harambee

    async def press(self, person: Person, words: str, label: str) -> None:
        """Press what stands below the newest message with these words."""
        message = await self.said(person, words)
        person.press(message, label)
        await self.harambee.office.handled()

    async def said(self, person: Person, words: str) -> Message:
        return await self.harambee.office.said(person.chat, words)

    async def write(self, person: Person, text: str) -> None:
        person.say(text)
        await self.harambee.office.handled()

    async def wizard(self) -> Message:
        """Mary describes it, and names Otieno; its card."""
        mary, office = self.harambee.mary, self.harambee.office
        mary.say("/newdrive@lipa_demo_bot", chat=self.harambee.group)
        await self.said(mary, "What is it for?")
        await self.write(mary, "Mama Akinyi hospital bill")
        await self.press(mary, "How much is needed?", "Skip")
        await self.press(mary, "Which is the last day?", "Skip")
        await self.press(mary, "What may everybody", "amounts")
        await self.press(mary, "What sort of drive", "Harambee")
        await self.press(mary, "Who else looks after", "Choose people")
        mary.choose("👥 Choose people", office.otieno)
        await self.press(mary, "Shall I post it?", "Post it")
        return await office.said(self.harambee.group, "Treasurers: Mary")

    async def giving(self, card: Message) -> None:
        """Jane gives, hides and shows, pledges, and is reminded."""
        office, jane = self.harambee.office, self.harambee.office.jane
        jane.press(card, "KES 500")
        await self.harambee.pushed(1)
        await self.harambee.paid()
        await self.press(jane, "✅", "Hide my name")
        await self.press(jane, "✅", "Hide the amount")
        await self.press(jane, "✅", "Show the amount")
        await self.harambee.opened("/newdrive@lipa_demo_bot 900 Second")
        jane.say("/give@lipa_demo_bot 300", chat=self.harambee.group)
        await self.press(jane, "Which drive", "Mama Akinyi")
        await self.harambee.pushed(2)
        jane.press(card, "Share")
        await self.said(jane, "For WhatsApp")
        jane.press(card, "Pledge")
        await self.said(jane, "How much do you pledge")
        await self.write(jane, "1000")
        question = await self.said(jane, "by which day?")
        jane.press(question, question.labels[1])
        await self.said(jane, "pledge")
        await office.handled()
        office.clock.advance(4 * DAY_S)
        await office.core.drives.pledging.run_due()
        await self.said(jane, "Your pledge of")

    async def treasury(self) -> None:
        """Mary opens everything that a treasurer can, and closes it while a gift is on its way."""
        office, mary, jane = (self.harambee.office, self.harambee.mary, self.harambee.office.jane)
        await self.press(mary, "I have asked Otieno", "Manage")
        panel = "Only treasurers can press"
        for label in ("Edit", "Treasurers", "Export", "Pause"):
            await self.press(mary, panel, label)
        await self.press(mary, "I have asked Otieno", "Manage")
        await self.press(mary, panel, "Go on")
        await self.press(mary, "I have asked Otieno", "Manage")
        drive = (await office.core.drives.in_chat(self.harambee.group.id))[-1]
        jane.start(f"t_{drive.code}")
        await self.press(jane, "Will you look after", "Yes, I will")
        await self.said(mary, "Jane offers to look after")
        await self.press(mary, panel, "Close")
        await self.press(mary, "Close Mama Akinyi", "Yes, close it")
        office.clock.advance(60)
        await self.harambee.paid("UKN4ABCDE8")
        await self.harambee.look()
        await self.said(mary, "after it was closed")
        await self.press(mary, "I have asked Otieno", "Manage")
        await office.handled()

    async def departures(self) -> None:
        """Otieno, who looks after one drive, leaves the group, and so does Mary, who has two."""
        mary, otieno = self.harambee.mary, self.harambee.office.otieno
        await self.press(otieno, "Mary anakuomba usimamie", "Nakubali")
        await self.said(mary, "Otieno has accepted")
        otieno.leave(self.harambee.group)
        await self.said(mary, "Otieno has left the group")
        mary.leave(self.harambee.group)
        await self.harambee.office.said(self.harambee.group, "no longer in this group")
        await self.harambee.office.handled()

    async def anonymous(self) -> None:
        """Somebody asks for a drive who writes as the group itself."""
        group, office = self.harambee.group, self.harambee.office
        self.harambee.api.updates.add(
            "message",
            {
                "message_id": 990,
                "date": int(office.clock.now().timestamp()),
                "chat": group.json(),
                "from": {"id": 1087968824, "is_bot": True, "first_name": "Group"},
                "sender_chat": {"id": group.id, "type": "supergroup", "title": group.title},
                "text": "/newdrive@lipa_demo_bot 50000 School fees",
            },
        )
        await office.said(group, "I cannot see who you are")
        await office.handled()


async def every_button(office: Office) -> list[Deed]:
    """Each thing that any button about a drive ever did, as the keyboards had it."""
    columns = (buttons.c.action, buttons.c.subject, buttons.c.argument, buttons.c.owner)
    async with office.store.read() as tx:
        rows = (await tx.buttons._connection.execute(select(*columns).distinct())).all()
    return [
        Deed(action=row.action, subject=row.subject, argument=row.argument, owner=row.owner)
        for row in sorted(rows, key=str)
        if row.action in DRIVE_BUTTONS
    ]


async def test_whatever_was_shown_to_one_does_nothing_for_another_but_say_so(
    office: Office, api: BotApi
) -> None:
    harambee = Harambee(office, api)
    play = Play(harambee)
    for person in (harambee.mary, office.otieno):
        person.start()
        await play.said(person, person.first_name)
    await harambee.jane_gave_her_number()
    await play.giving(await play.wizard())
    await play.departures()
    await play.treasury()
    await play.anonymous()
    found = await every_button(office)
    assert {each.action for each in found} == set(DRIVE_BUTTONS)

    stranger = harambee.started(4004, "Stranger")
    stranger.start()
    ground = await play.said(stranger, "Hello Stranger")
    await office.handled()
    before, pushes = await everything(office), len(office.daraja.pushes)
    said = harambee.group.texts
    told = {each.id: len(each.chat.messages) for each in (harambee.mary, office.jane)}
    for deed in found:
        if deed.owner is None and deed.action in ANYBODYS:
            continue
        press = await shown(office, stranger, deed, ground)
        assert await office.answered(press), deed
        await office.handled()
        assert await everything(office) == before, deed

    assert len(office.daraja.pushes) == pushes
    assert harambee.group.texts == said
    assert told == {each.id: len(each.chat.messages) for each in (harambee.mary, office.jane)}
    draft = await office.core.people.draft(chat_id=stranger.id, person_id=stranger.id)
    assert draft is None or draft.kind is DraftKind.GIVE
