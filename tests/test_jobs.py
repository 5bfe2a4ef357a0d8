"""The timetable: jobs come again, one at a time, survive their own failures, and finish."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

import pytest

from bot.clock import SystemClock
from bot.jobs import Job, Timetable

SOON_S = 0.01
the_time = SystemClock().now
WITHIN_S = 60


async def test_a_job_comes_again() -> None:
    third = asyncio.Event()
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            third.set()

    timetable = Timetable([Job(name="again", every_s=SOON_S, run=run)], now=the_time)
    timetable.start()
    async with asyncio.timeout(WITHIN_S):
        await third.wait()
    await timetable.stop()


async def test_a_job_that_fails_is_told_once_and_comes_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recovered = asyncio.Event()
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise RuntimeError("no luck")
        if runs == 5:
            recovered.set()

    timetable = Timetable([Job(name="unlucky", every_s=SOON_S, run=run)], now=the_time)
    with caplog.at_level(logging.WARNING):
        timetable.start()
        async with asyncio.timeout(WITHIN_S):
            await recovered.wait()
        await timetable.stop()

    told = [record.getMessage() for record in caplog.records if record.name == "bot.jobs"]
    assert told == ["job.failed name=unlucky", "job.recovered name=unlucky"]


async def test_a_slow_job_is_never_at_work_twice_and_keeps_no_other_waiting() -> None:
    release = asyncio.Event()
    others = asyncio.Event()
    at_work = most = ticks = 0

    async def slow() -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await release.wait()
        at_work -= 1

    async def quick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 5:
            others.set()

    timetable = Timetable(
        [Job(name="slow", every_s=SOON_S, run=slow), Job(name="quick", every_s=SOON_S, run=quick)],
        now=the_time,
    )
    timetable.start()
    async with asyncio.timeout(WITHIN_S):
        await others.wait()
    release.set()
    await timetable.stop()

    assert most == 1


async def test_stopping_waits_for_what_runs_and_starts_nothing_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    started = asyncio.Event()
    release = asyncio.Event()
    finished: list[str] = []

    async def run() -> None:
        started.set()
        await release.wait()
        finished.append("whole")

    timetable = Timetable([Job(name="long", every_s=SOON_S, run=run)], now=the_time)
    timetable.start()
    async with asyncio.timeout(WITHIN_S):
        await started.wait()
    with caplog.at_level(logging.ERROR):
        stopping = asyncio.ensure_future(timetable.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        release.set()
        async with asyncio.timeout(WITHIN_S):
            await stopping

    assert finished == ["whole"]
    assert caplog.records == []


@pytest.mark.parametrize(("set_back_s", "runs_at_once"), [(0, 0), (1, 0), (60, 1)])
async def test_no_job_is_further_off_than_its_interval_when_the_clock_is_set_back(
    set_back_s: float, runs_at_once: int
) -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1

    def now() -> datetime:
        return the_time() - timedelta(seconds=set_back_s)

    timetable = Timetable([Job(name="rare", every_s=1800, run=run)], now=now)
    timetable.start()
    for _ in range(20):
        await asyncio.sleep(0)
    await timetable.stop()

    assert runs == runs_at_once


@pytest.mark.parametrize("every_s", [7, 1800])
async def test_after_an_hour_of_sleep_what_is_due_comes_once_and_at_the_next_tick(
    every_s: float,
) -> None:
    """However often it was due meanwhile, and however long ago it was so last."""
    woken = Woken(slept_s=3720, every_s=every_s)  # 3 s and 120 s after it was due last

    await woken.next_tick()

    assert woken.runs == 1
    assert woken.next_in_s() <= every_s
    await woken.timetable.stop()


async def test_one_that_slept_in_the_middle_of_its_work_is_not_begun_a_second_time() -> None:
    woken = Woken(slept_s=3720, every_s=1800)
    woken.release.clear()
    await woken.next_tick()
    woken.sleep()

    await woken.next_tick()

    assert (woken.runs, woken.at_work) == (1, 1)
    woken.release.set()
    await woken.timetable.stop()
    assert woken.at_work == 0


class Woken:
    """A timetable whose machine slept: its job is due since then, as APScheduler has it."""

    def __init__(self, *, slept_s: float, every_s: float) -> None:
        self.runs = self.at_work = 0
        self.release = asyncio.Event()
        self.release.set()
        self._slept = timedelta(seconds=slept_s)
        self.timetable = Timetable([Job(name="due", every_s=every_s, run=self._run)], now=the_time)
        self.timetable.start()
        self.sleep()

    def sleep(self) -> None:
        # APScheduler reads the machine's clock by itself: what can be moved is what it compares.
        self.timetable._scheduler.modify_job("due", next_run_time=the_time() - self._slept)

    async def next_tick(self) -> None:
        """The scheduler looks, and what it starts runs as far as it goes."""
        for _ in range(20):
            await asyncio.sleep(0)

    def next_in_s(self) -> float:
        next_run: datetime = self.timetable._scheduler.get_job("due").next_run_time
        return (next_run - the_time()).total_seconds()

    async def _run(self) -> None:
        self.runs += 1
        self.at_work += 1
        await self.release.wait()
        self.at_work -= 1


async def test_a_timetable_that_never_started_can_be_stopped() -> None:
    await Timetable([], now=the_time).stop()
