"""How many phones of others one person can have prompted in an hour, whichever way they go."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.core.ask import Asked, PageAsk
from bot.core.limits import TREASURER_TIMES, Refusal, RefusalReason
from bot.core.privacy import Forgotten, Privacy, PrivacySettings
from storage.records import NOBODY, Closing, Drive, Reply
from storage.schema import metadata
from tests.core.bodies import failure
from tests.core.conftest import Desk
from tests.core.drive_life import OPENER, DriveLife, drives
from tests.storage.test_plans import overheard, plan
from tests.stores import TestClock

__all__ = ["drives"]

HOURLY = 30
JANE = 1001


@pytest.fixture
def privacy(desk: Desk, clock: TestClock) -> Privacy:
    return Privacy(store=desk.store, clock=clock, settings=PrivacySettings(), wake=lambda: None)


def phone_of(number: int) -> str:
    return f"254733{number:06d}"


async def prompts(life: DriveLife, drive: Drive, giver_id: int, tries: int) -> int:
    """How many phones of others were prompted, of so many tries within a few minutes."""
    for number in range(tries):
        await life.drives.give(
            replace(
                life.gift,
                drive_id=drive.id,
                giver_id=giver_id,
                chat_id=giver_id,
                phone=phone_of(number),
                ask_key=f"s:{number}",
            )
        )
        await life.desk.finish()
        life.desk.clock.advance(1)
    return len(life.desk.daraja.pushes)


async def test_a_drive_in_ones_own_private_chat_gives_no_wider_limit(drives: DriveLife) -> None:
    drive = await drives.open(chat_id=OPENER, opened_by=OPENER)

    assert await prompts(drives, drive, OPENER, HOURLY + 5) == HOURLY


async def test_a_treasurer_of_a_group_has_a_wider_limit_that_ends(drives: DriveLife) -> None:
    drive = await drives.open()

    wider = HOURLY * TREASURER_TIMES
    assert await prompts(drives, drive, OPENER, wider + 3) == wider


async def test_who_gives_in_a_group_has_no_wider_limit(drives: DriveLife) -> None:
    drive = await drives.open()

    assert await prompts(drives, drive, 1005, HOURLY + 3) == HOURLY


# --- Being forgotten ---


async def forget(privacy: Privacy) -> tuple[Forgotten, str | None]:
    told = []

    def recent(over_at: object) -> Closing:
        told.append(str(over_at))
        return Closing(replies=(Reply(chat_id=JANE, text="recent"),))

    nothing = Closing()
    answer = await privacy.forget(
        JANE, done=nothing, waiting=nothing, needed=nothing, owed=nothing, recent=recent
    )
    return answer, told[0] if told else None


async def declined(desk: Desk, number: int) -> Refusal | None:
    """A prompt to somebody's phone who wants none, or why there was none."""
    asked = await desk.open(phone=phone_of(number), ask_key=f"k{number}", asked_by=JANE)
    await desk.finish()
    if isinstance(asked, Refusal):
        return asked
    await desk.post(asked.payment, failure(1032, len(desk.daraja.pushes)))
    return None


async def test_being_forgotten_gives_no_further_prompts(desk: Desk, privacy: Privacy) -> None:
    for number in range(HOURLY):
        assert await declined(desk, number) is None
        desk.clock.advance(1)
        assert (await forget(privacy))[0] is Forgotten.RECENT

    refused = await declined(desk, HOURLY)

    assert refused is not None
    assert refused.reason is RefusalReason.STRANGERS_LIMIT


async def test_who_is_not_forgotten_yet_hears_when_and_then_is(
    desk: Desk, privacy: Privacy
) -> None:
    await declined(desk, 1)
    desk.clock.advance(600)
    last_at = desk.clock.now()
    await declined(desk, 2)
    desk.clock.advance(60)

    over_at = last_at + timedelta(hours=1)
    assert await forget(privacy) == (Forgotten.RECENT, str(over_at))
    desk.clock.advance((over_at - desk.clock.now()).total_seconds())
    assert await forget(privacy) == (Forgotten.DONE, None)


# --- How it is found out ---


async def test_what_is_tried_again_counts_when_it_is_however_old_its_wish(desk: Desk) -> None:
    for number in range(HOURLY):
        await declined(desk, number)
    desk.clock.advance(7200)
    async with desk.store.read() as tx:
        old = [each for each, _ in await tx.payments.of_person(JANE, chat_id=None, limit=99)]
    for payment in old[: HOURLY - 1]:
        again = await desk.asking.again(payment.id, by=JANE, update_id=None, language="en")
        assert isinstance(again, Asked)
        await desk.finish()
    assert await declined(desk, 97) is None

    refused = await declined(desk, 98)

    assert refused is not None
    assert refused.reason is RefusalReason.STRANGERS_LIMIT
    assert refused.until is not None


async def test_where_nobody_is_counted_nothing_is_looked_for(desk: Desk) -> None:
    page = PageAsk(address="192.0.2.1", page="d:1")
    with overheard() as heard:
        await desk.ask(asked_by=NOBODY, chat_id=NOBODY, page=page, ask_key="page")
        await desk.ask(asked_by=900, phone=phone_of(2), ask_key="operator")

    assert not [each for each in heard if "asked_by +" in each[0]]


async def test_a_long_history_is_not_read_for_a_count_of_one_hour(desk: Desk) -> None:
    """Neither all that one person ever asked for, nor all that all ever did."""
    first = await desk.ask()
    await desk.post(first, failure(1032))
    for table in ("intents", "payments"):
        await _multiply(desk, table)
    desk.clock.advance(7 * 86_400)
    with overheard() as heard:
        await desk.ask(ask_key="new", phone=phone_of(1))
    (look,) = [each for each in heard if "asked_by +" in each[0]]

    plans = [await plan(desk.store, look)] if desk.store.exclusive else []
    await desk.store.write(lambda tx: tx.payments._connection.execute(text("ANALYZE")))
    plans.append(await plan(desk.store, look))

    for found in plans:
        for line in found.splitlines():
            assert "Seq Scan on payments" not in line
            assert "Seq Scan on intents" not in line
            if re.match("(SCAN|SEARCH) (payments|intents)", line):
                assert line[line.index("(") :] in WITHIN_THE_HOUR


WITHIN_THE_HOUR = (
    *("(id=?)", "(id>?)", "(intent_id=?)", "(intent_id>?)"),
    "(asked_by=? AND created_at>?)",
)
COPIES = 3000


async def _multiply(desk: Desk, table: str) -> None:
    """Many copies of the only row, so that both tables are long."""
    columns = metadata.tables[table].c
    n = "CAST(n AS VARCHAR)"
    own = {
        "id": f"'0000' || {n}",
        "by_hand_ref": f"'B' || {n}",
        "push_ref": f"'P' || {n}",
        "ask_key": f"'copy:' || {n}",
        "checkout_index": "NULL",
    }
    if table == "payments":
        own["intent_id"] = f"'0000' || {n}"
    names = [column.name for column in columns]
    wanted = ", ".join(own.get(name, f"{table}.{name}") for name in names)
    series = (
        "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series"
        f" WHERE n < {COPIES}) "
    )
    await desk.store.write(
        lambda tx: tx.payments._connection.execute(
            text(
                f"INSERT INTO {table} ({', '.join(names)}) {series}SELECT {wanted}"
                f" FROM {table}, series"
            )
        )
    )
