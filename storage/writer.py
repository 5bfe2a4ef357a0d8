"""
The one writer: everything that changes the database goes through its queue.

Group commit: what arrived during one commit shares the next one, without a timer, so an idle
store commits at once and a busy one commits as often as the disk can. If a batch fails it is
rolled back and its members are tried one by one, so a poison row fails alone; if only a rival
or a lost connection was in its way, it is tried again whole. Nobody is answered before COMMIT
returned, and a caller who goes away does not take the write along.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.crypt import Crypt
from storage.errors import NotKept, StoreBusy, StoreFailed
from storage.hearing import Decide, Outcome, Unit
from storage.leases import Holder
from storage.rooms import CommitFailed, Room, commit
from storage.tx import Tx
from storage.units import SettleFailed, Settling, Stale

__all__ = ["Writer", "of_a_look"]

log = logging.getLogger(__name__)

BATCH_MAX = 256
QUEUE_MAX = 8192
ALONE_TRIES = 5
LOCKS_PATIENCE_S = 20.0
LOCK_TIMEOUT, STATEMENT_TIMEOUT = "55P03", "57014"


@dataclass(slots=True)
class _Work:
    """One waiting write: a function of the transaction, or a unit to settle."""

    answer: asyncio.Future[Any]
    run: Callable[[Tx], Awaitable[Any]] | None = None
    unit: Unit | None = None
    decide: Decide | None = None


class Writer:
    """Owns the write connection. Started by `open_store`, drained by `close`."""

    def __init__(
        self,
        engine: AsyncEngine,
        room: Room,
        crypt: Crypt,
        holder: Holder,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._room = room
        self._crypt = crypt
        self._holder = holder
        self._now = now
        self._queue: asyncio.Queue[_Work | None] = asyncio.Queue(QUEUE_MAX)
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.healthy = True
        self.commits = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._work_off(), name="storage writer")

    async def close(self) -> None:
        """Take nothing more, finish what waits."""
        self._closing = True
        if self._task is not None:
            await self._queue.put(None)
            await self._task

    async def write(self, run: Callable[[Tx], Awaitable[Any]]) -> Any:
        """
        Run *run* inside a write transaction that others may share; returns after COMMIT.

        *run* must touch nothing but the transaction, for it may be run again.

        Raises:
            NotKept: it did not provably happen.
            Exception: whatever *run* raised; nothing of it was kept.
        """
        return await self._enter(_Work(asyncio.get_running_loop().create_future(), run=run))

    async def submit(self, unit: Unit, decide: Decide) -> Outcome:
        """Admit *unit* and settle its payment, in a commit that others may share."""
        work = _Work(asyncio.get_running_loop().create_future(), unit=unit, decide=decide)
        outcome: Outcome = await self._enter(work)
        return outcome

    async def submit_many(self, units: Sequence[Unit], decide: Decide) -> list[Outcome | NotKept]:
        """
        The same for many, a commit's worth at a time, so that others are not kept waiting.

        Raises:
            Exception: a bug of one unit; of the others nothing is known.
        """
        loop, told = asyncio.get_running_loop(), list[Outcome | NotKept]()
        for start in range(0, len(units), BATCH_MAX):
            works = [
                _Work(loop.create_future(), unit=unit, decide=decide)
                for unit in units[start : start + BATCH_MAX]
            ]
            for work in works:
                try:
                    self._put(work)
                except StoreBusy as busy:  # those before it are in the queue, and are answered
                    work.answer.set_exception(busy)
            answers = await asyncio.gather(*(each.answer for each in works), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException) and not isinstance(answer, NotKept):
                    raise answer
                told.append(answer)
        return told

    async def _enter(self, work: _Work) -> Any:
        self._put(work)
        # Cancelling the wait cancels the answer only: the work stays in the queue.
        return await work.answer

    def _put(self, work: _Work) -> None:
        if self._closing or self._task is None:
            raise StoreBusy("the store is closing")
        try:
            self._queue.put_nowait(work)
        except asyncio.QueueFull:
            raise StoreBusy(f"{QUEUE_MAX} writes are waiting") from None

    async def _work_off(self) -> None:
        while True:
            first = await self._queue.get()
            if first is None:
                return
            batch = [first]
            last = False
            while len(batch) < BATCH_MAX and not self._queue.empty():
                following = self._queue.get_nowait()
                if following is None:
                    last = True
                    break
                batch.append(following)
            # Functions and units take different ways to the database: two commits, not one.
            for each in (
                [work for work in batch if work.unit is None],
                [work for work in batch if work.unit is not None],
            ):
                if each:
                    await self._commit_or_refuse(each)
            if last:
                return

    async def _commit_or_refuse(self, batch: Sequence[_Work]) -> None:
        """A bug of ours may leave nobody waiting, nor end all writing for ever."""
        try:
            await self._commit(batch)
        except Exception as exc:
            self._refuse(batch, StoreFailed(type(exc).__name__))
            with suppress(Exception):
                log.exception("storage.bug writes=%d", len(batch))

    async def _commit(self, batch: Sequence[_Work]) -> None:
        """Commit *batch* together; if that fails, each alone. Answers every member."""
        try:
            try:
                answers = await self._transact(batch)
            except DBAPIError as exc:
                if not _interrupted(exc):
                    raise
                log.warning("storage.again writes=%d why=%s", len(batch), _named(exc))
                answers = await self._transact(batch)
        except Exception as exc:
            if _hopeless(exc):
                self._reject(batch, exc)
            elif len(batch) == 1:
                await self._commit_alone(batch[0], failed=exc)
            else:
                await self._commit_one_by_one(batch, exc)
            return
        self._answer(batch, answers)

    async def _commit_one_by_one(self, batch: Sequence[_Work], failed: Exception) -> None:
        """One row that somebody else keeps locked costs the others nothing but a wait."""
        clock = asyncio.get_running_loop().time
        began_s = clock()
        for place, work in enumerate(batch):
            if _locked_out(failed) and clock() - began_s > LOCKS_PATIENCE_S:
                self._reject(batch[place:], failed)
                return
            await self._commit_alone(work)

    async def _commit_alone(self, work: _Work, *, failed: Exception | None = None) -> None:
        """One write by itself, again where a rival was faster, evidence first if need be."""
        settle = True
        for attempt in range(ALONE_TRIES):
            try:
                if failed is not None and attempt == 0:
                    raise failed
                answers = await self._transact([work], settle=settle)
            except SettleFailed as exc:
                # Evidence is never hostage to settling: keep it, and mark the payment.
                log.exception("payment.needs_settle id=%s", exc.payment_id, exc_info=exc.__cause__)
                settle, failed = False, exc
            except Exception as exc:
                if not _rival(exc) and not _interrupted(exc):
                    self._reject([work], exc)
                    return
                failed = exc
            else:
                self._answer([work], answers)
                return
        assert failed is not None, "five tries, none of which returned"
        self._reject([work], failed)

    async def _transact(self, batch: Sequence[_Work], *, settle: bool = True) -> list[Any]:
        """Commit a batch that is all functions, or all units."""
        if batch[0].unit is None:
            answers = await self._run_functions(batch)
        else:
            answers = await self._settle_units(batch, settle=settle)
        self.commits += 1
        self.healthy = True
        return answers

    async def _run_functions(self, batch: Sequence[_Work]) -> list[Any]:
        answers: list[Any] = []
        async with self._engine.connect() as connection:
            transaction = await connection.begin()
            try:
                tx = Tx(connection, self._crypt, self._holder)
                for work in batch:
                    assert work.run is not None, "units have their own batch"
                    answers.append(await work.run(tx))
            except BaseException:
                await transaction.rollback()
                raise
            await commit(connection)
        return answers

    async def _settle_units(self, batch: Sequence[_Work], *, settle: bool) -> list[Any]:
        units = [
            (work.unit, work.decide if settle else None) for work in batch if work.unit is not None
        ]
        settling = Settling(self._crypt, units)
        await self._room.transact(partial(settling.run, now=self._now()))
        return settling.outcomes()

    def _answer(self, batch: Sequence[_Work], answers: Sequence[Any]) -> None:
        for work, answer in zip(batch, answers, strict=True):
            if not work.answer.done():
                work.answer.set_result(answer)

    def _reject(self, batch: Sequence[_Work], exc: Exception) -> None:
        error = _translated(exc)
        self._refuse(batch, error)
        if isinstance(error, NotKept):
            log.error("storage.not_kept writes=%d why=%s", len(batch), _named(exc))

    def _refuse(self, batch: Sequence[_Work], error: Exception) -> None:
        if isinstance(error, NotKept):
            self.healthy = False
        for work in batch:
            if not work.answer.done():
                work.answer.set_exception(error)
                # Whoever went away does not come back for it; that is not a warning.
                work.answer.exception()


def _rival(exc: Exception) -> bool:
    """Somebody else wrote the same a moment before us."""
    return isinstance(exc, (Stale, IntegrityError))


def _interrupted(exc: Exception) -> bool:
    """
    Nothing of it was kept, and no member is to blame: a deadlock between two processes, or a
    connection that the server closed before COMMIT.
    """
    return isinstance(exc, DBAPIError) and (
        exc.connection_invalidated or _sqlstate(exc).startswith("40")
    )


def _hopeless(exc: Exception) -> bool:
    """Trying one by one cannot help: the database as a whole said no."""
    if isinstance(exc, DBAPIError):
        # 22, 23 and 42 are about the values and the words of one statement; 40 is about a rival.
        of_one = isinstance(exc, (IntegrityError, DataError, ProgrammingError))
        of_one = of_one or _locked_out(exc)
        return not of_one and _sqlstate(exc)[:2] not in {"22", "23", "40", "42"}
    return isinstance(exc, (CommitFailed, OSError))


def _locked_out(exc: Exception) -> bool:
    """We waited for somebody's lock until the server gave up for us."""
    return isinstance(exc, DBAPIError) and _sqlstate(exc) == LOCK_TIMEOUT


def _sqlstate(exc: DBAPIError) -> str:
    return getattr(exc.orig, "sqlstate", None) or ""


def _translated(exc: Exception) -> Exception:
    """The one seam where the database driver's errors become ours."""
    if isinstance(exc, (Stale, SettleFailed)):
        return StoreBusy(str(exc))
    if isinstance(exc, IntegrityError):
        return exc
    if isinstance(exc, CommitFailed):
        return StoreFailed(f"COMMIT failed: {exc}")
    if isinstance(exc, DBAPIError):
        busy = "locked" in str(exc.orig) or "deadlock" in str(exc.orig)
        busy = busy or _sqlstate(exc) in (LOCK_TIMEOUT, STATEMENT_TIMEOUT)
        return (StoreBusy if busy else StoreFailed)(type(exc.orig).__name__)
    if isinstance(exc, OSError):
        return StoreFailed(type(exc).__name__)
    return exc


def of_a_look(exc: Exception) -> Exception:
    """What reading met: ours if the database as a whole was in the way, else a bug as it is."""
    if isinstance(exc, PoolTimeout):
        return StoreBusy("every reader is busy")
    return _translated(exc) if _hopeless(exc) or _interrupted(exc) else exc


def _named(exc: Exception) -> str:
    """The error by class and SQLSTATE; its text would hold the values that were written."""
    orig = exc.orig if isinstance(exc, DBAPIError) else exc
    state = getattr(orig, "sqlstate", None) or getattr(orig, "sqlite_errorname", None)
    return type(orig).__name__ if state is None else f"{type(orig).__name__} {state}"
