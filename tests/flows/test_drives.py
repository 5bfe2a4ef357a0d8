"""A whole drive: ten members, failures, doubles, a kill -9, a migration, a topic, and the end."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import aiohttp

from bot.playground.chats import Chat, Message
from bot.playground.people import Person
from mpesa.simulator import Behaviour, CallbackFault, Fault, ReplyFault
from storage.records import Status
from tests.flows.strangers import rows
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

    async def last_word(self, number: int) -> None:
        """
        Wait until the giver was told how it ended.

        Whose press waited while nobody was there is asked again. Where the process died under
        a push nothing may name it any more: "I don't know" is the truth then.
        """
        member = self.member(number)
        told = ("✅", "Not paid", "I don't know yet", "while I was away")

        def last() -> str:
            texts = [m.text for m in member.chat.from_bot]
            return next((word for text in texts[::-1] for word in told if word in text), "")

        await self.world.api.wait_for(lambda: bool(last()), WAIT_S)
        if last() == "while I was away":
            offer = await self.said(member.chat, "while I was away")
            member.press(offer, "Give KES 500")
            await self.world.api.wait_for(lambda: last() in told[:3], WAIT_S)

    async def kept_kes(self) -> int:
        """What stands as credited in the bot's own books, in whole shillings."""
        query = "SELECT credited_cents AS cents FROM payments WHERE status = 'paid'"
        kept = await rows(self.world.database, query)
        return sum(int(row["cents"] or 0) for row in kept) // 100

    async def card_says(self, chat: Chat, words: str) -> Message:
        """The newest card, once it says so."""

        def cards() -> list[Message]:
            return [m for m in chat.from_bot if "Treasurers: Mary" in m.text]

        await self.world.api.wait_for(lambda: bool(cards()) and words in cards()[-1].text, WAIT_S)
        return cards()[-1]


async def test_a_whole_drive_ends_with_card_statement_and_books_in_agreement(
    tmp_path: Path,
    store_url: str,
) -> None:
    async with open_world(tmp_path, database=store_url) as world:
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
    card = await village.card_says(moved, "• grandma (through Member8) – KES 800")
    topic = village.mary.open_topic(moved, "Hospital")
    village.member(10).say("/give@lipa_demo_bot 300", chat=moved, thread_id=topic)
    await village.last_word(10)
    village.member(2).press(card, "KES 1,000")
    await village.card_says(moved, "– KES 1,000")
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
    await village.said(moved, "cash KES 2,800). Thank you!")
    await village.world.simulator.settled()
    await village.card_says(moved, "🏁 Closed")
    await village.card_says(moved, f"KES {await village.kept_kes() + 2_800:,} of")
    await the_page_agrees(village)
    mary.say("/export")
    formats = await village.said(mary.chat, "How would you like it")
    mary.press(formats, "CSV")
    await village.world.api.wait_for(
        lambda: any(m.file is not None for m in mary.chat.messages), WAIT_S
    )
    [table] = [m.file for m in mary.chat.messages if m.file is not None]
    return table.content.decode("utf-8-sig")


async def the_page_agrees(village: Village) -> None:
    """Whoever opens the link without Telegram reads the same total, and no phone."""
    [drive] = await rows(village.world.database, "SELECT code FROM drives")
    address = f"http://127.0.0.1:{village.world.bot.port}/d/{drive['code']}"
    async with aiohttp.ClientSession() as client, client.get(address) as answer:
        page = (await answer.text()).replace("\u00a0", " ")
    assert answer.status == 200
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert f"KES {await village.kept_kes() + 2_800:,} of KES 50,000" in words
    assert "grandma" in words
    assert "0712***" not in words


async def agree(village: Village, moved: Chat, exported: str) -> None:
    """Card, exported books and Safaricom's statement add up to the same."""
    world = village.world
    await world.simulator.settled()
    statement = world.simulator.books.statement(exclude_overnight_reversals=True)
    theirs = {row.account_reference: row.amount_cents for row in statement}
    assert len(theirs) == len(statement), "one reference, one payment"
    assert all(reference.startswith("AKINYI-") for reference in theirs)
    ours = {each.push_ref: each for each in await world.payments() if each.status is Status.PAID}
    paid_kes = sum(each.credited_cents or 0 for each in ours.values()) // 100
    assert paid_kes >= 3_000
    card = await village.card_says(moved, "Closed")
    assert f"KES {paid_kes + 2_800:,} of KES 50,000" in card.text
    listed = list(csv.reader(io.StringIO(exported)))
    receipts = {cell for row in listed for cell in row if re.fullmatch(r"[A-Z0-9]{10}", cell)}
    assert receipts == {each.receipt for each in ours.values() if each.receipt}

    told = [message.text for chat in (village.group, moved) for message in chat.from_bot]
    assert not any("Not paid" in text or "Not completed" in text for text in told)
    assert not any("0712" in text for text in told)
    await world.judge(unfound_may_wait=True)


def transcript(village: Village, moved: Chat) -> str:
    """What was said, to be read aloud."""
    chats = (village.group, moved, village.mary.chat, village.member(8).chat)
    lines: list[str] = []
    for chat in chats:
        lines.append(f"=== {chat.title or chat.id} ===")
        lines += [f"{m.sender.first_name}: {m.text} {m.labels or ''}" for m in chat.messages]
    return "\n".join(lines)
