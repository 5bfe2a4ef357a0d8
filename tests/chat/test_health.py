"""/health: how the bot is, for those who run it; and a restore that a person ends from the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bot.chat.health import change_text
from bot.core.health import Change, Trouble
from bot.core.restored import lift, mark, restored
from bot.playground.botapi import BotApi
from bot.texts import LANGUAGES, Texts
from storage.engine import Store
from storage.schema import looks
from tests.chat.test_conversation import OPERATOR, Office
from tests.stores import NOON, TestClock


@pytest.fixture
async def office(api: BotApi, kept: Store, clock: TestClock) -> AsyncIterator[Office]:
    made = Office(api, kept, clock)
    async with made.open():
        yield made


async def test_operators_see_how_it_is_and_more_if_they_like(office: Office) -> None:
    office.boss.say("/health")
    short = await office.said(office.boss.chat, "All is well")
    office.boss.press(short, "Details")
    whole = await office.said(office.boss.chat, "Instances 1", after=short)
    office.boss.press(whole, "Look again")
    again = await office.said(office.boss.chat, "All is well", after=whole)

    assert "Callbacks in 10 min: 0 of 0" in short.text
    assert "Instances" not in short.text
    assert "disk free 10,240 MB" in whole.text
    assert again.labels == ["🔎 Details", "🔄 Look again"]


async def test_to_others_it_does_not_exist(office: Office) -> None:
    office.jane.say("/health")
    said = await office.said(office.jane.chat, "/help")

    assert "All is well" not in said.text
    assert not [m for m in office.jane.chat.from_bot if "Database" in m.text]


async def test_what_is_wrong_is_told_by_itself_and_stands_in_health(office: Office) -> None:
    await mark(office.store, as_of=NOON)
    await office.core.health.watch()
    alarm = await office.said(office.boss.chat, "paused after a restore")

    office.boss.say("/health")
    seen = await office.said(office.boss.chat, "To look at: 1", after=alarm)

    assert "23 Nov 2026 12:00" in alarm.text
    assert "paused after a restore" in seen.text
    assert not office.jane.chat.from_bot


async def test_nobody_is_asked_after_a_restore_until_an_operator_says_so_twice(
    office: Office,
) -> None:
    await mark(office.store, as_of=NOON)
    office.jane.say("/pay 50 0712345678")
    refused = await office.said(office.jane.chat, "paused after a restore")
    office.boss.say("/health")
    seen = await office.said(office.boss.chat, "Database")
    office.boss.press(seen, "Gap is reconciled")
    sure = await office.said(office.boss.chat, "Have you compared")
    pushed_before = len(office.daraja.pushes)
    office.boss.press(sure, "Yes, send prompts")
    await office.said(office.boss.chat, "Prompts are sent again")
    late = await office.answered(office.boss.press(sure, "Yes, send prompts"))

    await office.pay(office.jane, "/pay 50 0712345678")

    assert "do not pay again" in refused.text
    assert pushed_before == 0
    assert late
    async with office.store.read() as tx:
        assert await restored(tx) is None
        rows = await tx.payments._connection.execute(select(looks.c.by, looks.c.what))
        assert rows.all() == [(OPERATOR, "lift")]


async def test_an_old_yes_is_about_the_gap_that_it_asked_about(office: Office) -> None:
    await mark(office.store, as_of=NOON)
    office.boss.say("/health")
    seen = await office.said(office.boss.chat, "Database")
    office.boss.press(seen, "Gap is reconciled")
    sure = await office.said(office.boss.chat, "Have you compared")
    await lift(office.store)
    again = NOON - timedelta(days=3)
    await mark(office.store, as_of=again)  # an older copy is put back

    await office.answered(office.boss.press(sure, "Yes, send prompts"))

    async with office.store.read() as tx:
        assert await restored(tx) == again


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("trouble", Trouble)
async def test_every_trouble_has_words_for_its_beginning_and_its_end(
    office: Office, trouble: Trouble, language: str
) -> None:
    snapshot = await office.core.health.look()
    since = datetime(2026, 11, 23, 8, 46, tzinfo=UTC)
    on, over = (
        change_text(
            Texts.load(),
            Change(trouble=trouble, over=ended, since=since, snapshot=snapshot),
            language,
        )
        for ended in (False, True)
    )

    assert "{" not in on + over
    assert "14" in over
