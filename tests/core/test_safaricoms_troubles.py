"""What operators hear of Safaricom's side: pushes without a reply, and clocks that are apart."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.core.skew import Skew
from mpesa.errors import OutcomeUnknown
from mpesa.models import Accepted, Push
from storage.engine import Store
from storage.records import Status
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.core.test_health import health_at, told
from tests.stores import TestClock


async def ask(desk: Desk, *numbers: int) -> list[Status]:
    found = []
    for number in numbers:
        payment = await desk.ask(ask_key=f"m:1001:{number}", phone=f"254733{number:06d}")
        found.append(payment.status)
        desk.clock.advance(1)
    return found


async def test_lost_replies_are_told_from_the_fifth_in_a_row_and_so_is_the_first_answer(
    store: Store, clock: TestClock
) -> None:
    daraja = ScriptedDaraja()
    desk, health = make_desk(store, clock, daraja), health_at(store, clock)
    daraja.replies = [OutcomeUnknown("timeout")] * 5

    await ask(desk, 1, 2, 3, 4)
    await health.watch()
    four = await told(store, clock)
    await ask(desk, 5)
    await health.watch()
    await health.watch()
    five = await told(store, clock)
    clock.advance(20 * 60)  # nobody wants anything meanwhile: that says nothing
    await health.watch()
    quiet = await told(store, clock)
    assert await ask(desk, 6) == [Status.PROMPTED]
    await health.watch()

    assert (four, five, quiet) == ([], ["no-answers on -"], [])
    assert await told(store, clock) == ["no-answers over -"]
    await desk.close()


async def test_five_that_an_answer_stands_between_are_no_outage(
    store: Store, clock: TestClock
) -> None:
    daraja = ScriptedDaraja()
    desk, health = make_desk(store, clock, daraja), health_at(store, clock)
    for first in (10, 20, 30):
        daraja.replies = [OutcomeUnknown("timeout")] * 4
        await ask(desk, *range(first, first + 5))

    await health.watch()

    assert await told(store, clock) == []
    await desk.close()


class SilentToSome(ScriptedDaraja):
    """Answers nobody whose number ends in 5, and only later."""

    def __init__(self) -> None:
        super().__init__()
        self.later = asyncio.Event()

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        if push.phone.endswith("5"):
            await self.later.wait()
            raise OutcomeUnknown("timeout")
        return await super().push(push, leave_within_s=leave_within_s)


async def test_a_few_of_a_burst_that_are_known_last_are_no_outage(
    store: Store, clock: TestClock
) -> None:
    daraja = SilentToSome()
    desk, health = make_desk(store, clock, daraja), health_at(store, clock)
    for number in range(60):
        await desk.open(ask_key=f"m:{number}:1", asked_by=number, phone=f"254733{number:06d}")
    answered = [task for number, task in enumerate(desk.tasks) if number % 10 != 5]
    await asyncio.gather(*answered)

    clock.advance(30)
    daraja.later.set()
    await desk.finish()
    await health.watch()

    assert len(answered) == len(daraja.pushes) == 54
    assert await told(store, clock) == []
    await desk.close()


async def test_who_stood_still_has_heard_nothing_of_safaricom(
    store: Store, clock: TestClock
) -> None:
    daraja = ScriptedDaraja()
    desk, health = make_desk(store, clock, daraja), health_at(store, clock)

    def stood_still() -> None:
        clock.advance(90)
        raise OutcomeUnknown("timeout")

    daraja.replies = [stood_still] * 5
    await ask(desk, 1, 2, 3, 4, 5)
    await health.watch()

    assert "no-answers on -" not in await told(store, clock)
    await desk.close()


async def test_one_account_without_answers_is_told_beside_another_that_has_them(
    store: Store, clock: TestClock
) -> None:
    ill = ScriptedDaraja()
    ill.replies = [OutcomeUnknown("timeout")] * 5
    desk = make_desk(store, clock, ScriptedDaraja(), accounts={"ill": ill})
    health = health_at(store, clock)
    for number in range(5):
        for account in ("ill", ""):
            phone = f"2547{number}{len(account)}000001"
            await desk.ask(ask_key=f"m:1001:{phone}", phone=phone, account=account)

    await health.watch()

    assert await told(store, clock) == ["no-answers on -"]
    await desk.close()


def dated(clock: TestClock, ahead_s: float) -> Skew:
    """A process that has just had a reply from a Safaricom whose clock is so far ahead of it."""
    skew = Skew(clock)
    skew.dated(clock.now() + timedelta(seconds=ahead_s))
    return skew


@pytest.mark.parametrize("ahead_s", [90, -90])
async def test_a_clock_that_is_off_is_told_and_so_is_that_it_is_right_again(
    store: Store, clock: TestClock, ahead_s: float
) -> None:
    await health_at(store, clock, skew=dated(clock, ahead_s)).watch()
    off = await told(store, clock)
    clock.advance(3600)
    quiet, right = Skew(clock), dated(clock, 1)

    await health_at(store, clock, skew=quiet).watch()
    unheard = await told(store, clock)
    await health_at(store, clock, skew=right).watch()

    assert (off, unheard) == (["clock-off on -"], [])
    assert await told(store, clock) == ["clock-off over -"]


@pytest.mark.both_engines
@pytest.mark.parametrize("ahead_s", [3600, -3600])
async def test_a_process_whose_clock_is_right_does_not_call_off_anothers(
    store: Store, clock: TestClock, ahead_s: float
) -> None:
    wrong_clock = TestClock(clock.now() - timedelta(seconds=ahead_s))
    words = []
    for _ in range(20):  # ten minutes, with a reply in every look
        wrong = health_at(store, wrong_clock, skew=dated(wrong_clock, ahead_s))
        right = health_at(store, clock, skew=dated(clock, 0))
        for each in (wrong, right):
            await each.watch()
            words += await told(store, clock)
        clock.advance(30)
        wrong_clock.advance(30)

    clock.advance(601)  # the wrong one was mended, or is gone
    await health_at(store, clock, skew=dated(clock, 0)).watch()

    assert words == ["clock-off on -"]
    assert await told(store, clock) == ["clock-off over -"]


async def test_what_was_heard_before_the_clock_was_set_says_nothing(clock: TestClock) -> None:
    skew = dated(clock, 3600)
    assert skew.seen() == timedelta(hours=1)

    clock.advance(3600)

    assert skew.seen() is None
