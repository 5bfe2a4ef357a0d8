"""The timetable: which coroutine runs how often. It decides nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

__all__ = ["Job", "Timetable"]

log = logging.getLogger(__name__)

FINISH_WITHIN_S = 1.0
LOOK_AT_CLOCK_EVERY_S = 1.0
SET_BACK = timedelta(seconds=1)
"""By more than this is worth a word; less is how a clock is kept right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One line of the timetable."""

    name: str
    every_s: float
    run: Callable[[], Awaitable[None]]


class Timetable:
    """
    Runs jobs at their intervals, each at most once at a time.

    Only a tick: what is due stands in the database, so a job that comes late, after a suspended
    machine say, catches up by coming once (`coalesce`, no grace limit).

    APScheduler goes by the machine's clock. Where that is set back, no job waits the difference
    out: none is ever further off than its interval. *now* is that clock.
    """

    def __init__(self, jobs: Sequence[Job], *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._watching: asyncio.Task[None] | None = None
        self._scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._running: set[asyncio.Task[None]] = set()
        self._failing: set[str] = set()
        for job in jobs:
            self._scheduler.add_job(
                self._run, "interval", seconds=job.every_s, args=[job], id=job.name, name=job.name
            )

    def start(self) -> None:
        self._scheduler.start()
        self._watching = asyncio.create_task(self._watch_clock(), name="timetable")

    async def stop(self) -> None:
        """Start nothing more; let what runs finish, or cut it: every job can be cut anywhere."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
            # It only takes effect on the loop's next turn, and could start a job before that.
            await asyncio.sleep(0)
        if self._running:
            _, late = await asyncio.wait(set(self._running), timeout=FINISH_WITHIN_S)
            for task in late:
                task.cancel()
            # One cut off in the middle of a look gives its connection back before that closes.
            await asyncio.gather(*late, return_exceptions=True)

    async def _watch_clock(self) -> None:
        while True:
            self._catch_up(self._now())
            await asyncio.sleep(LOOK_AT_CLOCK_EVERY_S)

    def _catch_up(self, now: datetime) -> None:
        """What is further off than its interval was put there by a clock since set back."""
        far = [
            each
            for each in self._scheduler.get_jobs()
            if each.next_run_time - now > each.trigger.interval + SET_BACK
        ]
        for each in far:
            each.modify(next_run_time=now)
        if far:
            log.warning("jobs.clock_set_back jobs=%d", len(far))

    async def _run(self, job: Job) -> None:
        task = asyncio.ensure_future(self._guarded(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        # Shutting the scheduler down cancels this wait, not the job half-way through its work;
        # the scheduler would report its own cancelling as a failed job.
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)

    async def _guarded(self, job: Job) -> None:
        """One failure is told once, and once more when it is over."""
        try:
            await job.run()
        except Exception:
            if job.name not in self._failing:
                self._failing.add(job.name)
                log.exception("job.failed name=%s", job.name)
        else:
            if job.name in self._failing:
                self._failing.discard(job.name)
                log.warning("job.recovered name=%s", job.name)
