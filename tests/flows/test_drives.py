"""A whole drive: ten members, failures, doubles, a kill -9, a migration, a topic, and the end."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from bot.playground.chats import Chat, Message
from bot.playground.people import Person
from mpesa.simulator import Behaviour, CallbackFault, Fault, ReplyFault
from tests.flows.world import World, open_world

GROUP, SUPERGROUP = -7001, -1007001
WAIT_S = 90.0
FAULTS = {
    3: Fault(callback=CallbackFault.TWICE),
    4: Fault(callback=CallbackFault.NEVER),
    5: Fault(reply=ReplyFault.LOST),
}


class Village:
    """The group, its treasurer and its ten members, and what they do."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mary = world.api.person(2001, "Mary", started=True)
        self.members = [world.person(number, name=f"Member{number}") for number in range(1, 11)]
        self.group: Chat = world.api.group(GROUP, "Wazazi", [self.mary, *self.members])
        for number, fault in FAULTS.items():
            world.simulator.faults.for_phone(world.phone(number), fault)
        world.simulator.phone(world.phone(6)).behave(Behaviour.CANCEL)

    def member(self, number: int) -> Person:
        return self.members[number - 1]

    async def said(self, chat: Chat, words: str) -> Message:
        """The newest message of the bot that holds these words, once there is one."""

        def found() -> list[Message]:
            return [m for m in chat.from_bot if words in m.text]

        await self.world.api.wait_for(lambda: bool(found()), WAIT_S)
        return found()[-1]

    async def all_known(self) -> None:
        """Everybody opens the private chat, and gives their number there."""
        for member in self.members:
            member.start()
            member.share_contact()
        for member in self.members:
            await self.said(member.chat, "I will remember")

    async def last_word(self, number: int) -> Message:
        """What the giver was told in the end."""
        chat = self.member(number).chat
        await self.world.api.wait_for(
            lambda: any("✅" in m.text or "Not paid" in m.text for m in chat.from_bot), WAIT_S
        )
        return chat.from_bot[-1]

    async def card_says(self, chat: Chat, words: str) -> Message:
        """The newest card, once it says so."""

        def cards() -> list[Message]:
            return [m for m in chat.from_bot if "Treasurers: Mary" in m.text]

        await self.world.api.wait_for(lambda: bool(cards()) and words in cards()[-1].text, WAIT_S)
        return cards()[-1]


async def test_a_whole_drive_ends_with_card_statement_and_books_in_agreement(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        village = Village(world)
        await open_and_give(village)
        moved = await move_and_give_in_a_topic(village)
        exported = await write_down_and_close(village, moved)
        print(transcript(village, moved))  # with `pytest -s`: read it aloud
        assert await world.bot.stop() == 0
        await agree(village, moved, exported)


async def open_and_give(village: Village) -> None:
    """Half of them give; the process is killed in the middle; others write while it is dead."""
    world, mary = village.world, village.mary
    await village.all_known()
    mary.start()
    await village.said(mary.chat, "Hello Mary")
    mary.say("/newdrive@lipa_demo_bot 50000 Mama Akinyi hospital bill", chat=village.group)
    card = await village.said(village.group, "Treasurers: Mary")
    for number in range(1, 7):
        village.member(number).press(card, "KES 500")
    await world.api.wait_for(lambda: len(world.simulator.pushes) >= 3, WAIT_S)
    await world.bot.kill()
    village.member(7).say("/give@lipa_demo_bot 700", chat=village.group)
    village.member(8).say("/give@lipa_demo_bot 800 from grandma", chat=village.group)
    world.api.updates.deliver_twice()
    village.member(9).say("/give@lipa_demo_bot 900", chat=village.group)
    await world.bot.start()
    for number in range(1, 10):
        await village.last_word(number)


async def move_and_give_in_a_topic(village: Village) -> Chat:
    """The group becomes a supergroup with topics, and the drive goes along."""
    world = village.world
    moved = world.api.upgrade(village.group, SUPERGROUP)
    moved.forum = True
    card = await village.card_says(moved, "KES 4,900 of KES 50,000 · 8 people")
    topic = village.mary.open_topic(moved, "Hospital")
    village.member(10).say("/give@lipa_demo_bot 300", chat=moved, thread_id=topic)
    await village.last_word(10)
    village.member(1).press(card, "KES 1,000")
    await village.card_says(moved, "KES 6,200 of KES 50,000 · 9 people")
    return moved


async def write_down_and_close(village: Village, moved: Chat) -> str:
    """Cash, a correction, the end; the books as CSV."""
    mary = village.mary
    welcome = await village.said(mary.chat, "you are its treasurer")
    mary.press(welcome, "Manage")
    panel = await village.said(mary.chat, "Only treasurers can press")
    mary.press(panel, "Record cash")
    await village.said(mary.chat, "Who gave how much in cash")
    mary.say("3000 Mzee Kamau")
    await village.said(mary.chat, "Written down: KES 3,000")
    mary.press(panel, "Correct")
    await village.said(mary.chat, "What must be added")
    mary.say("-200 taken back")
    await village.said(mary.chat, "Corrected by −KES 200")
    mary.press(panel, "Close")
    sure = await village.said(mary.chat, "Close Mama Akinyi hospital bill?")
    mary.press(sure, "Yes, close it")
    await village.said(moved, "is closed. KES 9,000 from 10 people")
    await village.card_says(moved, "🏁 Closed")
    mary.say("/export")
    formats = await village.said(mary.chat, "How would you like it")
    mary.press(formats, "CSV")
    await village.world.api.wait_for(
        lambda: any(m.file is not None for m in mary.chat.messages), WAIT_S
    )
    [table] = [m.file for m in mary.chat.messages if m.file is not None]
    return table.content.decode("utf-8-sig")


async def agree(village: Village, moved: Chat, exported: str) -> None:
    """Card, exported books and Safaricom's statement add up to the same."""
    world = village.world
    await world.simulator.settled()
    rows = world.simulator.books.statement(exclude_overnight_reversals=True)
    theirs = {row.account_reference: row.amount_cents for row in rows}
    assert len(theirs) == len(rows), "one reference, one payment"
    assert all(reference.startswith("AKINYI-") for reference in theirs)
    mpesa_kes = sum(theirs.values()) // 100
    assert mpesa_kes == 6_200

    card = await village.card_says(moved, "Closed")
    assert f"KES {mpesa_kes + 2_800:,} of KES 50,000" in card.text
    assert "of KES 50,000" in card.text
    listed = list(csv.reader(io.StringIO(exported)))
    receipts = {cell for row in listed for cell in row if re.fullmatch(r"[A-Z0-9]{10}", cell)}
    assert receipts == {row.receipt for row in rows}

    told = [message.text for chat in (village.group, moved) for message in chat.from_bot]
    assert not any("Not paid" in text or "Not completed" in text for text in told)
    assert not any("0712" in text for text in told)
    assert len([p for p in world.simulator.pushes if p.accepted]) == 11
    await world.judge()


def transcript(village: Village, moved: Chat) -> str:
    """What was said, to be read aloud."""
    chats = (village.group, moved, village.mary.chat, village.member(8).chat)
    lines: list[str] = []
    for chat in chats:
        lines.append(f"=== {chat.title or chat.id} ===")
        lines += [f"{m.sender.first_name}: {m.text} {m.labels or ''}" for m in chat.messages]
    return "\n".join(lines)
