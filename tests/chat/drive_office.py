"""A group with a drive at work in the chat: what the tests of drives there begin with."""

from __future__ import annotations

from bot.playground.botapi import BotApi
from bot.playground.chats import Chat, Message
from bot.playground.people import Person
from storage.records import Drive
from tests.chat.test_conversation import Office

__all__ = ["GROUP_ID", "Harambee"]

GROUP_ID = -5001
OPEN = "/newdrive@lipa_demo_bot 50000 Mama Akinyi hospital bill"


class Harambee:
    """A group: Mary runs it, Jane and Otieno are in it; Jane has given us her number."""

    def __init__(self, office: Office, api: BotApi, *, title: str = "Wazazi") -> None:
        self.office = office
        self.api = api
        self.mary = api.person(2001, "Mary", phone="254712000021", started=True)
        self.group: Chat = api.group(
            GROUP_ID, title, [self.mary, office.jane, office.otieno], supergroup=True
        )

    async def opened(self, words: str = OPEN) -> Message:
        """The card of a drive that Mary opened."""
        self.mary.start()
        await self.office.said(self.mary.chat, "Hello Mary")
        self.mary.say(words, chat=self.group)
        return await self.office.said(self.group, "Treasurers: Mary")

    async def jane_gave_her_number(self) -> None:
        """So that a press of hers needs no question."""
        self.office.jane.start()
        self.office.jane.share_contact()
        await self.office.said(self.office.jane.chat, "I will remember")

    @property
    async def drive(self) -> Drive:
        return (await self.office.core.drives.in_chat(self.group.id))[0]

    async def look(self, seconds: float = 5) -> None:
        """Time passes, and what has happened is on the card and told."""
        await self.office.core.touched.run_due()
        self.office.clock.advance(seconds)
        self.office.core.post.wake.set()
        await self.office.core.touched.run_due()

    async def paid(self, receipt: str = "UKN4ABCDE7") -> None:
        """The last prompt was paid."""
        await self.office.result(0, receipt=receipt)

    async def pushed(self, number: int) -> None:
        """So many prompts have left."""
        await self.api.wait_for(lambda: len(self.office.daraja.pushes) >= number)

    def started(self, person_id: int, name: str, phone: str = "") -> Person:
        """Somebody else in the group."""
        person = self.api.person(person_id, name, phone=phone, started=True)
        person.join(self.group)
        return person
