"""The limits live in the database: no restart, no other process, no crowd changes them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bot.core.ask import Asked
from bot.core.limits import Refusal, RefusalReason
from bot.core.reconcile import CheckNow
from storage.records import Closing
from tests.core.bodies import failure, success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.fakes import PHONE
from tests.stores import OpenStore, TestClock

OTHERS = 254712000000


class Life:
    """One database and one Safaricom; every `process` is a restart."""

    def __init__(self, open_a_store: OpenStore, clock: TestClock) -> None:
        self._open = open_a_store
        self.clock = clock
        self.daraja = ScriptedDaraja()
        self.processes = 0

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Desk]:
        self.processes += 1
        async with self._open() as store:
            desk = make_desk(store, self.clock, self.daraja, seed=self.processes)
            yield desk
            await desk.close()

    async def one_ask(self, **changes: object) -> Asked | Refusal:
        """What a process that starts now answers to one wish."""
        async with self.process() as desk:
            answer = await desk.open(**changes)
            await desk.finish()
            return answer


@pytest.fixture
def life(open_a_store: OpenStore, clock: TestClock) -> Life:
    return Life(open_a_store, clock)


def reason(answer: Asked | Refusal) -> RefusalReason | None:
    return answer.reason if isinstance(answer, Refusal) else None


async def test_a_prompt_that_is_open_is_open_for_the_next_process_too(life: Life) -> None:
    assert isinstance(await life.one_ask(), Asked)
    life.clock.advance(179)
    before = await life.one_ask(ask_key="m:1002:1", asked_by=1002)
    life.clock.advance(1)
    after = await life.one_ask(ask_key="m:1002:2", asked_by=1002)

    assert reason(before) is RefusalReason.LINE_BUSY
    assert isinstance(after, Asked)


async def test_the_pause_of_a_line_outlives_restarts_for_its_whole_day(life: Life) -> None:
    async with life.process() as desk:
        await desk.people.meet(
            user_id=1001, first_name="Jane", telegram_language=None, private=True
        )
        await desk.people.remember_phone(1001, PHONE, Closing())
    for number in range(1, 5):
        async with life.process() as desk:
            payment = await desk.ask(ask_key=f"m:1001:{number}", chat_id=1000 + number)
            await desk.post(payment, failure(1037, number))
    day = timedelta(hours=24).total_seconds()

    asked = []
    for after_s in (0, day - 1, 1):
        life.clock.advance(after_s)
        asked.append(reason(await life.one_ask(ask_key=f"later:{after_s}")))

    assert asked == [RefusalReason.PAUSED, RefusalReason.PAUSED, None]
    assert len(life.daraja.pushes) == 5


async def test_an_hours_worth_of_other_peoples_phones_is_counted_over_restarts(life: Life) -> None:
    for start in range(0, 30, 10):
        async with life.process() as desk:
            for number in range(start, start + 10):
                await desk.ask(ask_key=f"a:{number}", phone=str(OTHERS + number))
    refused = await life.one_ask(ask_key="a:30", phone=str(OTHERS + 30), chat_id=-5)
    operator = await life.one_ask(ask_key="a:31", phone=str(OTHERS + 31), asked_by=900)
    other = await life.one_ask(ask_key="a:32", phone=str(OTHERS + 32), asked_by=1002)
    life.clock.advance(3600)
    later = await life.one_ask(ask_key="a:33", phone=str(OTHERS + 33))

    assert reason(refused) is RefusalReason.STRANGERS_LIMIT
    assert [reason(each) for each in (operator, other, later)] == [None, None, None]


async def test_the_same_amount_a_moment_later_is_explained_by_the_next_process(life: Life) -> None:
    async with life.process() as desk:
        payment = await desk.ask()
        await desk.post(payment, success())
    life.clock.advance(119)

    assert reason(await life.one_ask(ask_key="m:1001:8")) is RefusalReason.SAME_AMOUNT


async def test_checking_now_waits_half_a_minute_whoever_answers(life: Life) -> None:
    answers = []
    async with life.process() as desk:
        payment = await desk.ask()
    for after_s in (0, 29, 1):
        life.clock.advance(after_s)
        async with life.process() as desk:
            answers.append(await desk.reconcile.check_now(payment.id, by=1001, update_id=None))

    assert answers == [CheckNow.ASKED, CheckNow.TOO_SOON, CheckNow.ASKED]


async def test_a_thousand_people_who_aim_at_one_phone_put_three_prompts_on_it(life: Life) -> None:
    refused: Counter[RefusalReason | None] = Counter()
    at_once = 0
    for wave in range(10):
        async with life.process() as desk:
            at_once = 100 if desk.store.exclusive else 20  # two hundred, where it takes longest
            answers = await asyncio.gather(
                *(
                    desk.open(
                        asked_by=person,
                        chat_id=person,
                        ask_key=f"m:{person}:1",
                        amount_kes=10 + person % 7,
                    )
                    for person in range(2000 + wave * at_once, 2000 + (wave + 1) * at_once)
                )
            )
            await desk.finish()
            refused.update(map(reason, answers))
            for answer in answers:
                if isinstance(answer, Asked):
                    await desk.post(answer.payment, failure(1037, len(life.daraja.pushes)))
        life.clock.advance(181)

    assert len(life.daraja.pushes) == 3
    assert {push.phone for push in life.daraja.pushes} == {PHONE}
    assert refused[None] == 3
    assert refused[RefusalReason.LINE_BUSY] == 3 * (at_once - 1)
    assert refused[RefusalReason.STRANGER_PAUSED] == 7 * at_once


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_two_processes_at_once_share_every_limit(life: Life) -> None:
    async with life.process() as one, life.process() as other:
        answers = await asyncio.gather(
            *(
                desk.open(asked_by=person, chat_id=person, ask_key=f"m:{person}:1")
                for person in range(3000, 3040)
                for desk in (one, other)
            )
        )
        await one.finish()
        await other.finish()

    assert len(life.daraja.pushes) == 1
    asked = {each.payment.id for each in answers if isinstance(each, Asked)}
    assert len(asked) == 1
