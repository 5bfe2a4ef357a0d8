"""Throttled: a push that Safaricom turns away for its timing alone waits a little, and goes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from bot.core.ask import Asked
from bot.core.leaving import THROTTLED_WAITS_S
from mpesa.errors import OutcomeUnknown, Refused, Throttled, Unreachable
from mpesa.results import Meaning
from storage.engine import Store
from storage.records import Kind, Status
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.stores import NOON, TestClock

SPIKE = Throttled("spike arrest")


@pytest.mark.both_engines
@pytest.mark.parametrize("times", [1, 2])
async def test_a_throttled_push_waits_and_goes(desk: Desk, times: int) -> None:
    desk.daraja.replies = [SPIKE] * times

    payment = await desk.ask()

    assert payment.status is Status.PROMPTED
    assert len(desk.daraja.pushes) == times + 1
    assert len({push.reference for push in desk.daraja.pushes}) == 1
    async with desk.store.read() as tx:
        told = (await tx.evidence.of([payment.id]))[payment.id]
    assert {each.kind for each in told} == {Kind.BEGUN, Kind.ACCEPTED}


async def test_after_two_waits_people_are_told_that_it_is_busy(desk: Desk) -> None:
    desk.daraja.replies = [SPIKE] * 9

    payment = await desk.ask()

    assert payment.status is Status.REFUSED
    assert payment.reason == Meaning.BUSY
    assert len(desk.daraja.pushes) == 1 + len(THROTTLED_WAITS_S)
    assert desk.clock.now() - NOON <= timedelta(seconds=20)


@pytest.mark.parametrize(("wish_s", "pushes"), [(5.0, 2), (19.0, 2), (20.0, 1), (3600.0, 1)])
async def test_safaricoms_own_wish_is_kept_while_it_may_still_leave(
    desk: Desk, wish_s: float, pushes: int
) -> None:
    desk.daraja.replies = [Throttled("spike arrest", retry_after_s=wish_s)]

    payment = await desk.ask()

    assert len(desk.daraja.pushes) == pushes
    assert payment.status is (Status.PROMPTED if pushes == 2 else Status.REFUSED)
    assert desk.clock.now() - NOON == timedelta(seconds=wish_s if pushes == 2 else 0)


async def test_any_other_no_is_taken_at_its_word(desk: Desk) -> None:
    desk.daraja.replies = [Refused("no", meaning=Meaning.BUSY)]

    assert (await desk.ask()).status is Status.REFUSED
    assert len(desk.daraja.pushes) == 1


async def test_a_reply_that_is_lost_after_a_wait_is_unsure_and_never_sent_again(
    desk: Desk,
) -> None:
    desk.daraja.replies = [SPIKE, OutcomeUnknown("timeout")]

    payment = await desk.ask()

    assert payment.status is Status.UNSURE
    assert len(desk.daraja.pushes) == 2


async def test_the_two_reasons_to_try_again_do_not_add_up_for_ever(desk: Desk) -> None:
    desk.daraja.replies = [Unreachable("x"), SPIKE, Unreachable("x"), SPIKE]

    payment = await desk.ask()

    assert payment.status is Status.VOID
    assert len(desk.daraja.pushes) == 3


async def test_a_burst_does_not_come_back_as_a_burst(desk: Desk) -> None:
    came_at = []

    def turned_away() -> None:
        came_at.append(desk.clock.now())
        raise SPIKE

    for number in range(20):
        desk.daraja.replies = [turned_away]
        await desk.ask(ask_key=f"m:1001:{number}", phone=f"254733{number:06d}")

    waits_s = sorted(
        (after - before).total_seconds() for before, after in pairwise([*came_at, desk.clock.now()])
    )
    assert waits_s[0] >= THROTTLED_WAITS_S[0]
    assert waits_s[-1] <= 2 * THROTTLED_WAITS_S[0]
    assert waits_s[-1] - waits_s[0] > 1


class Stopped(TestClock):
    """A clock on which whoever sleeps is stopped before time goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await asyncio.Event().wait()


async def test_who_is_stopped_while_waiting_leaves_it_unsure(store: Store) -> None:
    clock, daraja = Stopped(), ScriptedDaraja()
    daraja.replies = [SPIKE]
    desk = make_desk(store, clock, daraja)
    opened = await desk.open()
    assert isinstance(opened, Asked)
    await clock.asleep.wait()

    await desk.close()

    assert (await desk.get(opened.payment.id)).status is Status.UNSURE
    assert len(daraja.pushes) == 1
