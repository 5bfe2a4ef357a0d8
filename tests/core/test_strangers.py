"""How many phones of others one person can have prompted in an hour, whichever way they go."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from bot.core.ask import Asked, PageAsk
from bot.core.limits import TREASURER_TIMES, Refusal, RefusalReason
from bot.core.privacy import Forgotten, Privacy, PrivacySettings
from storage.records import NOBODY, Closing, Drive, Reply
from storage.schema import lines, metadata
from tests.core.bodies import failure
from tests.core.conftest import Desk, make_desk
from tests.core.drive_life import OPENER, DriveLife, drives
from tests.core.test_privacy import tell_all
from tests.storage.test_plans import overheard, plan
from tests.stores import OpenStore, TestClock

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
    await tell_all(privacy)
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


# --- A refusal writes nothing ---


async def numbers_kept(desk: Desk) -> int:
    async with desk.store.read() as tx:
        query = select(func.count()).select_from(lines)
        return int((await tx.payments._connection.execute(query)).scalar_one())


async def test_who_is_refused_leaves_no_number_behind(desk: Desk) -> None:
    page = PageAsk(address="192.0.2.1", page="d:1")
    for number in range(40):
        await desk.open(
            asked_by=NOBODY, chat_id=NOBODY, page=page, ask_key=f"p{number}", phone=phone_of(number)
        )
    for number in range(HOURLY + 10):
        await desk.open(ask_key=f"c{number}", phone=phone_of(1000 + number))
    await desk.open(ask_key="amount", amount_kes=0, asked_by=1005, phone=phone_of(2000))
    await desk.finish()

    assert len(desk.daraja.pushes) == 5 + HOURLY
    assert await numbers_kept(desk) == 5 + HOURLY


async def test_a_number_that_was_known_stays_when_its_prompt_is_refused(desk: Desk) -> None:
    await desk.ask()

    refused = await desk.open(ask_key="busy", asked_by=1002)

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.LINE_BUSY
    assert await numbers_kept(desk) == 1


@pytest.mark.both_engines
async def test_one_who_is_refused_takes_no_number_from_another_at_the_same_instant(
    desk: Desk,
) -> None:
    """Both aim at one new phone in one commit, or in two that wait for each other."""
    answers = await asyncio.gather(
        desk.open(ask_key="no", asked_by=1002, amount_kes=0),
        desk.open(ask_key="yes", asked_by=1003),
        desk.open(ask_key="no again", asked_by=1004, amount_kes=0),
    )
    await desk.finish()

    assert [isinstance(each, Asked) for each in answers] == [False, True, False]
    assert len(desk.daraja.pushes) == 1
    assert await numbers_kept(desk) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_nor_from_another_process(
    desk: Desk, clock: TestClock, open_a_store: OpenStore
) -> None:
    async with open_a_store() as store:
        other = make_desk(store, clock, desk.daraja, seed=8)
        for number in range(20):
            phone = phone_of(number)
            answers = await asyncio.gather(
                desk.open(ask_key=f"no:{number}", asked_by=1002, amount_kes=0, phone=phone),
                other.open(ask_key=f"yes:{number}", asked_by=1003, phone=phone),
            )
            assert isinstance(answers[1], Asked)
        await other.finish()
        await other.close()

    assert await numbers_kept(desk) == 20


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


@pytest.mark.both_engines
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
