"""Five hundred gifts in a minute: Telegram's limits are kept, nothing is lost, nobody waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from telegram.ext import Defaults, ExtBot
from telegram.request import HTTPXRequest

from bot.chat.keyboards import Stationery
from bot.chat.lanes import Lanes
from bot.chat.letters import Letters
from bot.chat.notices import Notifier
from bot.core.drives import NewDrive
from bot.playground.botapi import BotApi
from bot.playground.limits import FloodLimits
from bot.texts import Texts
from storage.engine import Store
from storage.records import NOBODY, Closing, Drive, Gift, Reply, Status
from storage.tx import Tx
from tests.chat.test_conversation import Office
from tests.fakes import a_payment, an_intent
from tests.stores import TestClock

GROUP = -5001
GIFTS, SECONDS = 500, 60
OTHER = 1001


@pytest.fixture
async def strict(clock: TestClock) -> AsyncIterator[BotApi]:
    """Telegram with its real limits, on the test's clock."""
    served = BotApi(limits=FloodLimits(), clock=lambda: clock.now().timestamp())
    async with served:
        yield served


async def a_gift(store: Store, drive: Drive, number: int, clock: TestClock) -> None:
    """One more gift that was paid just now."""
    now = clock.now()

    async def run(tx: Tx) -> None:
        line = await tx.lines.lock("254712000001")
        await tx.payments.add_intent(replace(an_intent(number, at=now), chat_id=NOBODY))
        paid = replace(
            a_payment(number, at=now, line_id=line.id),
            subject=drive.subject,
            status=Status.PAID,
            credited_cents=5000,
            decided_at=now,
        )
        await tx.payments.add(paid)
        await tx.gifts.add(
            Gift(
                intent_id=paid.intent_id,
                drive_id=drive.id,
                giver_id=number,
                who=f"p:{number}",
                name=f"Giver {number}",
                created_at=now,
            )
        )
        await tx.touched.touch(drive.subject)

    await store.write(run)


async def test_five_hundred_gifts_in_a_minute(
    strict: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(strict, kept, clock)
    group = strict.group(GROUP, "Wazazi", [office.jane, office.otieno], supergroup=True)
    core = office.core
    bot: ExtBot[None] = ExtBot(
        strict.token,
        base_url=strict.base_url,
        request=HTTPXRequest(connection_pool_size=8, read_timeout=20),
        defaults=Defaults(parse_mode="HTML"),
        rate_limiter=Lanes(clock=clock, messages_per_second=30, group_messages_per_minute=20),
    )
    async with bot:
        paper = Stationery(texts=Texts.load(), collector=core.collector, username="lipa_demo_bot")
        letters = Letters(core, paper)
        notifier = Notifier(bot=bot, post=core.post, clock=clock, make=letters.make)
        new = NewDrive(
            title="Mama Akinyi hospital bill",
            chat_id=GROUP,
            thread_id=None,
            language="en",
            opened_by=OTHER,
            opener_name="Jane",
            open_key="m:1",
        )
        drive = await core.drives.open(new, Closing())
        given, began = 0, clock.now()
        while given < GIFTS:
            passed = (clock.now() - began).total_seconds()
            while given < min(GIFTS, int(passed * GIFTS / SECONDS) + 1):
                given += 1
                await a_gift(kept, drive, given, clock)
            await core.touched.run_due()
            said = len(office.jane.chat.from_bot)
            await core.post.say(Closing(replies=(Reply(chat_id=OTHER, text=f"{passed}"),)))
            await notifier.run_due()
            assert len(office.jane.chat.from_bot) == said + 1
            clock.advance(1)
        for _ in range(130):
            clock.advance(1)
            await core.touched.run_due()
            await notifier.run_due()

    [card] = [m for m in group.from_bot if "Treasurers: Jane" in m.text]
    assert "KES 25,000" in card.text
    assert "500 people" in card.text
    thanks = [m.text for m in group.from_bot if "gave" in m.text]
    assert thanks == ["🎉 Giver 1, Giver 2 +498 gave KES 25,000. Asanteni!"]
    refused = [c for c in strict.calls if c.answer is not None and not c.answer["ok"]]
    assert [c.method for c in refused if c.method != "pinchatmessage"] == []
    assert 12 <= card.edits <= 20
