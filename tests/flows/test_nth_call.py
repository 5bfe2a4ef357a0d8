"""
The n-th call fails, for every n: of the disk, of Safaricom, of Telegram; and then it is over.

Here some of the calls fail in some of the stories; `make prove` lets every story meet all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from mpesa.simulator import ReplyFault
from tests.flows.house import House, open_town
from tests.flows.rehearsals import (
    NEVER,
    Strike,
    Tally,
    judge,
    of_disk,
    of_safaricom,
    of_telegram,
    over,
)
from tests.flows.rehearsed import STEP_S, STORIES, SUBJECTS, Story
from tests.flows.troubles import DiskFault, TelegramFault

NAMES = list(STORIES)
WITH_NEW_STATEMENTS = (
    "the phone is shared",
    "the callback is lost",
    "the reply is lost",
    "declined",
)
PRIVATE = [name for name in NAMES if name not in ("in a group", "the phone is shared", *SUBJECTS)]


@pytest.fixture(autouse=True)
def _seconds_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without it RetryAfter warns, and warnings are errors here.
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def house(tmp_path: Path, store_url: str) -> AsyncIterator[House]:
    async with open_town(tmp_path, store_url) as town, town.process() as opened:
        yield opened


async def test_every_seventh_statement_fails_once(house: House) -> None:
    tally, known = Tally(), set[str]()
    for name in WITH_NEW_STATEMENTS:
        await tally.each_statement(house, name, DiskFault.IO_ERROR, known, every=7)

    assert tally.wrong == []
    assert tally.broken >= 10


async def test_the_disk_is_full_from_any_write_on(house: House) -> None:
    tally, known = Tally(), set[str]()
    await tally.each_statement(house, "the phone is shared", DiskFault.FULL, known, every=5)

    assert tally.wrong == []
    assert tally.broken >= 4


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (DiskFault.LOCKED, "paid"),
        (DiskFault.COMMITTED_AND_FAILED, "declined"),
    ],
)
async def test_the_database_is_in_the_way_from_any_transaction_on(
    house: House, fault: DiskFault, name: str
) -> None:
    tally = Tally()
    await tally.each_call(house, name, of_disk(house, fault), fault, every=3)

    assert tally.wrong == []
    assert tally.broken >= 4


@pytest.mark.parametrize("name", SUBJECTS)
async def test_drives_invoices_and_operators_outlive_a_statement_that_fails(
    house: House, name: str
) -> None:
    tally = Tally()
    await tally.each_statement(house, name, DiskFault.IO_ERROR, set(), every=32)
    await tally.each_call(house, name, of_telegram(house, TelegramFault.CUT_AFTER), "cut", every=4)

    assert tally.wrong == []
    assert tally.broken >= 3


async def test_replies_that_are_lost_one_story_after_another_are_no_outage(house: House) -> None:
    tally = Tally()
    unbroken = of_disk(house, DiskFault.IO_ERROR)
    for _ in range(7):
        assert not await tally.play(house, "the reply is lost", unbroken, NEVER, "unbroken")

    assert tally.wrong == []


async def test_safaricom_fails_at_any_request(house: House) -> None:
    tally = Tally()
    for number, fault in enumerate(ReplyFault):
        name = NAMES[number % len(NAMES)]
        await tally.each_call(house, name, of_safaricom(house, fault), fault, every=3)

    assert tally.wrong == []
    assert tally.broken >= len(ReplyFault)


async def test_telegram_fails_at_any_call(house: House) -> None:
    tally = Tally()
    for number, fault in enumerate(TelegramFault):
        names = PRIVATE if fault is TelegramFault.FORBIDDEN else NAMES
        name = names[number % len(names)]
        await tally.each_call(house, name, of_telegram(house, fault), fault, every=3)

    assert tally.wrong == []
    assert tally.broken >= len(TelegramFault)


async def test_a_start_fails_at_any_statement_and_the_next_one_picks_up(
    tmp_path: Path, store_url: str
) -> None:
    async with open_town(tmp_path, store_url) as town:
        for nth in count(1, 6):
            story = Story(town, nth)
            async with town.process() as house:
                story.tell()
                while not town.simulator.pushes_to(story.phone):
                    await house.tick(0.1)
            town.disk.arm(DiskFault.IO_ERROR, nth)
            try:
                async with town.process():
                    fell = town.disk.fell
            except Exception:
                fell = town.disk.fell
                assert fell, "a start without trouble succeeds"
            town.disk.mend()

            async with town.process() as house:
                await house.tick(STEP_S)
                while not await over(story):
                    await house.tick(STEP_S)
                strike = Strike(
                    arm=lambda _nth: None, mend=town.disk.mend, fell=lambda: True, twins=2
                )
                await judge(house, story, strike, [])
            if not fell:
                break

    assert nth > 15
