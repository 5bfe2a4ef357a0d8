"""Reach: one failed look is no alarm, two are, told once; and one process looks for all."""

from __future__ import annotations

from datetime import timedelta

from bot.core.health import Trouble, judge
from bot.core.reach import EVERY, Reach, Reached, sight
from storage.engine import Store
from tests.core.test_health import health_at, snapshot, told
from tests.stores import NOON, TestClock


class Street:
    """The way to our address, as the test says."""

    def __init__(self) -> None:
        self.answer = Reached.OURS
        self.looks = 0

    async def look(self) -> Reached:
        self.looks += 1
        return self.answer


async def pass_by(reach: Reach, clock: TestClock, times: int = 1) -> None:
    for _ in range(times):
        clock.advance(EVERY.total_seconds())
        await reach.look()


async def test_one_failure_is_no_alarm_two_are_and_recovery_is_told_once(
    store: Store, clock: TestClock
) -> None:
    street = Street()
    reach = Reach(store=store, clock=clock, probe=street.look)
    health = health_at(store, clock)
    await pass_by(reach, clock)
    street.answer = Reached.BAD_CERTIFICATE
    await pass_by(reach, clock)
    await health.watch()
    assert await told(store, clock) == []

    await pass_by(reach, clock)
    await health.watch()
    assert await told(store, clock) == ["unreachable on -"]
    await pass_by(reach, clock, 3)
    await health.watch()
    assert await told(store, clock) == []
    found = (await health.look()).sight
    assert found is not None
    assert (found.reached, found.failures) == (Reached.BAD_CERTIFICATE, 5)

    street.answer = Reached.OURS
    await pass_by(reach, clock)
    await health.watch()
    await health.watch()
    assert await told(store, clock) == ["unreachable over -"]


async def test_a_restart_forgets_nothing_and_a_look_of_long_ago_says_nothing(
    store: Store, clock: TestClock
) -> None:
    street = Street()
    street.answer = Reached.NOBODY
    await pass_by(Reach(store=store, clock=clock, probe=street.look), clock)
    await pass_by(Reach(store=store, clock=clock, probe=street.look), clock)
    seen = (await health_at(store, clock).look()).sight

    assert seen is not None
    assert judge(Trouble.UNREACHABLE, snapshot(sight=seen, at=clock.now())) is True
    later = clock.now() + timedelta(hours=1)
    assert judge(Trouble.UNREACHABLE, snapshot(sight=seen, at=later)) is None


async def test_of_two_processes_one_looks(store: Store, clock: TestClock) -> None:
    street = Street()
    one = Reach(store=store, clock=clock, probe=street.look)
    other = Reach(store=store, clock=clock, probe=street.look)
    await pass_by(one, clock)
    clock.advance(2)
    await other.look()

    assert street.looks == 1


async def test_two_that_look_at_one_time_are_one_failure(store: Store, clock: TestClock) -> None:
    other = Street()
    other.answer = Reached.NOBODY
    rival = Reach(store=store, clock=clock, probe=other.look)

    async def look_late() -> Reached:
        # While we are under way, another process looks too, and is done first.
        await rival.look()
        return Reached.NOBODY

    await pass_by(Reach(store=store, clock=clock, probe=look_late), clock)

    async with store.read() as tx:
        seen = await sight(tx)
    assert other.looks == 1
    assert seen is not None
    assert seen.failures == 1


async def test_a_clock_that_was_set_back_does_not_end_the_looks(
    store: Store, clock: TestClock
) -> None:
    street = Street()
    reach = Reach(store=store, clock=clock, probe=street.look)
    await pass_by(reach, clock)
    clock.advance(-7200)
    await reach.look()

    assert street.looks == 2


async def test_turned_off_it_ends_what_was_told(store: Store, clock: TestClock) -> None:
    street = Street()
    street.answer = Reached.SOMEBODY_ELSE
    reach = Reach(store=store, clock=clock, probe=street.look)
    await pass_by(reach, clock, 2)
    health = health_at(store, clock)
    await health.watch()

    await reach.forget()
    await reach.forget()
    await health.watch()

    assert await told(store, clock) == ["unreachable on -", "unreachable over -"]
    assert judge(Trouble.UNREACHABLE, snapshot(at=NOON)) is False
