"""Operators who could not be reached hear on their return what is still open, and no more."""

from __future__ import annotations

import pytest

from bot.core.restored import lift, mark
from storage.records import Alarm
from tests.chat.test_books import came_in
from tests.chat.test_conversation import OPERATOR, Office
from tests.stores import NOON

HOUR_S = 3600
OPEN, KEYS, PAUSED = "📒", "Another program uses these Daraja keys", "paused after a restore"
RECOVERED = "Recovered"


async def away(office: Office) -> int:
    """The operator has blocked us; how much they have read by then."""
    office.boss.say("/help")
    await office.handled()
    office.boss.block()
    await office.handled()
    return len(office.boss.chat.texts)


async def back(office: Office) -> None:
    """They are here again, and the jobs run for a day."""
    office.boss.unblock()
    office.boss.say("/start")
    await hours(office, 24)


async def hours(office: Office, many: int) -> None:
    for _ in range(many):
        office.clock.advance(HOUR_S)
        await office.core.record.rows.look_again()
        await office.core.health.watch()
        await office.core.post.try_set_aside()
        await office.handled()


async def rung(office: Office, alarm: Alarm, key: str) -> None:
    """An alarm that is about no payment."""
    new = office.core.hear._settle.alarm(alarm, None, key=key)
    await office.store.write(lambda tx: tx.notices.owe(new, now=office.clock.now()))
    office.core.post.wake.set()
    await office.handled()


@pytest.mark.parametrize("left", ["blocked", "never-came"])
async def test_money_of_nobody_is_told_to_who_could_not_be_told_of_it(
    office: Office, left: str
) -> None:
    if left == "blocked":
        before = await away(office)
    else:
        office.boss.blocked, before = True, 0
    await came_in(office, amount_kes=70_000)
    await office.handled()
    await hours(office, 24)
    assert not any(OPEN in text for text in office.boss.chat.texts[before:])

    await back(office)

    [told] = [text for text in office.boss.chat.texts[before:] if OPEN in text]
    assert "2026" not in told, "it is open now"


async def test_of_many_alarms_of_one_sort_the_newest_is_told_and_says_when_it_rang(
    office: Office,
) -> None:
    before = await away(office)
    for number in range(5):
        await rung(office, Alarm.KEYS_SHARED, f"{number}")
        await rung(office, Alarm.UNREAD, f"{number}")
        office.clock.advance(HOUR_S)
    await back(office)
    office.boss.block()
    await office.handled()
    await back(office)

    told = office.boss.chat.texts[before:]
    [keys] = [text for text in told if KEYS in text]
    assert "23 Nov 2026 16:00" in keys
    assert sum("📨" in text for text in told) == 1


async def test_what_rang_just_now_says_no_time(office: Office) -> None:
    await rung(office, Alarm.KEYS_SHARED, "now")

    [told] = [text for text in office.boss.chat.texts if KEYS in text]
    assert "2026" not in told


async def test_what_is_open_no_more_is_not_told_late(office: Office) -> None:
    before = await away(office)
    await came_in(office)
    await office.handled()
    record = office.core.record
    for each in await record.open_differences():
        await record.dismiss(each.id, by=OPERATOR, why="rent of the neighbour")
    assert not await record.open_differences()

    await back(office)

    assert not any(OPEN in text for text in office.boss.chat.texts[before:])


@pytest.mark.parametrize("days", [1, 9])
async def test_what_is_wrong_still_is_told_to_who_comes_back(office: Office, days: int) -> None:
    before = await away(office)
    await mark(office.store, as_of=NOON)
    for _ in range(days):
        await hours(office, 24)
        await office.core.inbox.purge()

    await back(office)
    await office.core.inbox.purge()
    await back(office)

    assert sum(PAUSED in text for text in office.boss.chat.texts[before:]) == 1


@pytest.mark.parametrize("while_away", [True, False])
async def test_what_was_wrong_and_is_over_is_told_to_nobody_who_comes_back(
    office: Office, while_away: bool
) -> None:
    before = await away(office)
    await mark(office.store, as_of=NOON)
    await hours(office, 2)
    await lift(office.store)
    if while_away:
        await hours(office, 2)

    await back(office)

    told = office.boss.chat.texts[before:]
    assert not any(PAUSED in text or RECOVERED in text for text in told)
