"""
Owns PostgreSQL in a history: a real server whose answers come in an order that the seed decides.

Two processes of a history share one database and one loop. A statement is carried out while
virtual time stands still, one at a time, so that the server meets them in the same order each
time; before or after it lies a drawn moment in which the other process has its turn. A
statement that waits for somebody's lock is known by `pg_blocking_pids`, and comes back when
the lock does. The server's own timeouts are virtual too, and so is its clock.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from asyncpg import exceptions as refusals
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_only

from tests.prove.histories.disk import Disk, DiskMood
from tests.prove.histories.life import LIFE, Died, Life
from tests.prove.histories.process import Look
from tests.prove.histories.virtual import passes

__all__ = ["CLOCK", "Server", "connect_virtually", "postgres_disk"]

# The schema `proof` comes before PostgreSQL's own, so that its clock is the one that is asked.
CLOCK = """
CREATE SCHEMA proof;
CREATE SEQUENCE proof.clock MINVALUE 0;
CREATE FUNCTION proof.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT timestamptz 'epoch' + last_value * interval '1 microsecond' FROM proof.clock $$;
CREATE FUNCTION proof.statement_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT proof.clock_timestamp() $$;
"""
SEARCH = "proof, pg_catalog, public"
ASKS_THE_TIME = ("_timestamp(", "UPDATE payments")
PATIENCE_S = 0.02  # of ours, before we ask whether a statement waits for a lock
NEVER = "3600000"  # milliseconds: longer than any history takes
BLOCKED = "SELECT cardinality(pg_blocking_pids($1)) > 0"
END = "SELECT pg_terminate_backend($1)"
THERE = "SELECT 1 FROM pg_stat_activity WHERE pid = $1"
CANCEL = "SELECT pg_cancel_backend($1)"
LATENCIES_S = (0.0, 0.0, 0.001, 0.003, 0.008, 0.02, 0.05)


REFUSALS = {
    DiskMood.BUSY: refusals.LockNotAvailableError,
    DiskMood.FULL: refusals.DiskFullError,
    DiskMood.LYING: refusals.ConnectionDoesNotExistError,
}


def postgres_disk(rng: random.Random) -> Disk:
    """The server's disk: a row may be locked, and a COMMIT's answer be lost with its session."""
    return Disk(rng, lambda mood: REFUSALS[mood](str(mood)), locked_by="UPDATE")


@dataclass(eq=False)
class _Waiting:
    """A statement that waits for a lock."""

    pipe: Pipe
    task: asyncio.Task[Any]
    over: asyncio.Future[None]
    too_late: bool = False


@dataclass(eq=False)
class Server:
    """The server under one history. `open` before the first life, `close` after the last."""

    url: str
    rng: random.Random
    disk: Disk
    now_us: Callable[[], int]
    world: Context
    look_query: str
    met: Counter[str] = field(default_factory=Counter)
    pipes: list[Pipe] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inner = asyncio.new_event_loop()
        self._waiting: list[_Waiting] = []
        self._told_us = -1
        self._side: asyncpg.Connection[Any] = self.at_once(asyncpg.connect(self.url, ssl=False))

    def close(self) -> None:
        """Let go of everything; the database may be dropped."""
        for pipe in list(self.pipes):
            pipe.terminate()
        self.at_once(self._side.close())
        self._inner.close()

    def at_once(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do *work* with the real server now, and nothing else meanwhile."""
        task = self._inner.create_task(work)
        self._spin(task, None)
        return task.result()

    def ask(self, query: str, *values: Any) -> Any:
        """The row that *query* gives, over a connection that belongs to no life."""
        return self.at_once(self._side.fetchrow(query, *values))

    def do(self, query: str) -> None:
        """Statements of the proof's own."""
        self.at_once(self._side.execute(query))

    def look(self) -> Look:
        """See `Ground.look`."""
        return Look(*self.ask(self.look_query))

    def give_up(self, life: Life, *, session: bool) -> int:
        """See `Ground.give_up`."""
        name = "idle_session_timeout" if session else "idle_in_transaction_session_timeout"
        given_up = [
            pipe
            for pipe in self.pipes
            if pipe.life is life
            and name in pipe.limits_s
            and not pipe.is_closed()
            and (session or pipe.idle_in_transaction)
        ]
        for pipe in given_up:
            self.end(pipe)
        return len(given_up)

    def waits(self, pipe: Pipe) -> bool:
        """Whether a statement of this connection waits for a lock."""
        return any(waiting.pipe is pipe for waiting in self._waiting)

    async def carry_out(self, pipe: Pipe, start: Callable[[], Awaitable[Any]]) -> Any:
        """What *start* brings; virtual time passes only if it has to wait for a lock."""
        task = self._inner.create_task(_awaited(start))
        if not self._finished(task, pipe.pid):
            await self._wait(_Waiting(pipe, task, asyncio.get_running_loop().create_future()))
        self.look_after_waiting()
        return task.result()

    def tell_the_time(self, sql: str) -> None:
        """Set the server's clock, if that statement asks for it."""
        now_us = self.now_us()
        if now_us != self._told_us and any(word in sql for word in ASKS_THE_TIME):
            self._told_us = now_us
            self.ask("SELECT setval('proof.clock', $1)", now_us)

    def end(self, pipe: Pipe) -> None:
        """End a session, as its client's death or the server's own impatience does."""
        if pipe.raw.is_closed():
            return
        if pipe.holds_something:
            # Gone before anybody else's next statement, and its locks with it.
            self.ask(END, pipe.pid)
            while self.ask(THERE, pipe.pid) is not None:
                continue
            for waiting in self._waiting:
                if waiting.pipe is pipe:
                    self._spin(waiting.task, None)
        pipe.raw.terminate()
        self.look_after_waiting()

    def look_after_waiting(self) -> None:
        """Whoever waited for a lock that is free now goes on."""
        for waiting in list(self._waiting):
            if waiting.task.done() or self._finished(waiting.task, waiting.pipe.pid):
                self._waiting.remove(waiting)
                if not waiting.over.done():
                    waiting.over.set_result(None)

    async def _wait(self, waiting: _Waiting) -> None:
        self.met["waited for a lock"] += 1
        self._waiting.append(waiting)
        limit_s = waiting.pipe.limits_s.get("lock_timeout")
        loop = asyncio.get_running_loop()
        timer = None
        if limit_s:
            timer = loop.call_later(limit_s, self._give_up, waiting, context=self.world)
        try:
            await waiting.over
        except asyncio.CancelledError:
            self._cancel(waiting)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if waiting.too_late:
            self.met["gave up a lock"] += 1
            raise refusals.LockNotAvailableError("canceling statement due to lock timeout")

    def _give_up(self, waiting: _Waiting) -> None:
        waiting.too_late = True
        self._cancel(waiting)

    def _cancel(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self.ask(CANCEL, waiting.pipe.pid)
            self._spin(waiting.task, None)
            waiting.task.exception()
            self.look_after_waiting()

    def _finished(self, task: asyncio.Task[Any], pid: int) -> bool:
        """Wait, in our own time, until *task* is done or known to wait for a lock."""
        while not self._spin(task, PATIENCE_S):
            if self.at_once(self._side.fetchval(BLOCKED, pid)):
                return False
        return True

    def _spin(self, task: asyncio.Task[Any], patience_s: float | None) -> bool:
        """Run the loop of the real connections until *task* is done, or patience ends."""
        inner, ends_s = self._inner, None
        if patience_s is not None:
            ends_s = inner.time() + patience_s
        # A stop may be left over from the spin before, so what counts is what it stopped for.
        while not task.done() and (ends_s is None or inner.time() < ends_s):
            timer = None if ends_s is None else inner.call_at(ends_s, inner.stop)
            task.add_done_callback(self._stop)
            try:
                with _outside_of_any_loop():
                    inner.run_forever()
            finally:
                task.remove_done_callback(self._stop)
                if timer is not None:
                    timer.cancel()
        return task.done()

    def _stop(self, _done: object) -> None:
        self._inner.stop()


@contextmanager
def _outside_of_any_loop() -> Iterator[None]:
    """Another loop may run here: Python 3.14 knows of one running task, and not of one a loop."""
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    task = asyncio.current_task(outer)
    if task is not None:
        asyncio.tasks._leave_task(outer, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if task is not None:
            asyncio.tasks._enter_task(outer, task)


async def _awaited(start: Callable[[], Awaitable[Any]]) -> Any:
    return await start()


class Pipe:
    """A connection as SQLAlchemy's dialect takes it for asyncpg's, at the server of a history."""

    def __init__(
        self, server: Server, life: Life, raw: asyncpg.Connection[Any], limits_s: dict[str, float]
    ) -> None:
        self.server = server
        self.raw = raw
        self.pid: int = raw.get_server_pid()
        self.limits_s = limits_s
        self.life = life
        life.connections.append(self)
        server.pipes.append(self)

    async def ask(self, sql: str, start: Callable[[], Awaitable[Any]]) -> Any:
        """One step of a life: a statement, and its way there or back."""
        server = self.server
        self.life.step(f"sql {sql[:24]}")
        self._check()
        server.disk.before(sql)
        latency_s = server.rng.choice(LATENCIES_S)
        first = server.rng.random() < 0.5
        if latency_s and first:
            await passes(latency_s)
            self._check()
        server.tell_the_time(sql)
        answer = await server.carry_out(self, start)
        if latency_s and not first:
            await passes(latency_s)
        return answer

    def _check(self) -> None:
        if not self.life.alive:
            raise Died
        if self.raw.is_closed():
            raise refusals.ConnectionDoesNotExistError("connection was closed")

    async def prepare(self, sql: str, *, name: str | None = None) -> Statement:
        self._check()
        raw = await self.server.carry_out(self, lambda: self.raw.prepare(sql, name=name))
        return Statement(self, raw, sql)

    async def executemany(self, sql: str, rows: Sequence[Any]) -> None:
        await self.ask(sql, lambda: self.raw.executemany(sql, rows))

    async def fetchrow(self, sql: str) -> Any:
        return await self.ask(sql, lambda: self.raw.fetchrow(sql))

    def transaction(self, **kinds: Any) -> Transaction:
        return Transaction(self, self.raw.transaction(**kinds))

    async def set_type_codec(self, *args: Any, **kwargs: Any) -> None:
        """For JSON, which our tables do not hold."""

    async def reload_schema_state(self) -> None:
        """Nothing changes the schema while a history lasts."""

    def is_closed(self) -> bool:
        closed: bool = self.raw.is_closed()
        return closed

    @property
    def idle_in_transaction(self) -> bool:
        return self.raw.is_in_transaction() and not self.server.waits(self)

    @property
    def holds_something(self) -> bool:
        """Rows of an open transaction, or what belongs to the one session that speaks for us."""
        return self.raw.is_in_transaction() or "idle_session_timeout" in self.limits_s

    async def close(self, timeout: float | None = None) -> None:
        self.terminate()

    def terminate(self) -> None:
        self.server.end(self)
        if self in self.server.pipes:
            self.server.pipes.remove(self)

    def cut(self) -> None:
        """The process is gone, and its sockets with it."""
        self.terminate()

    async def commit(self, raw: Any) -> None:
        self.life.step("before COMMIT")
        self._check()
        try:
            self.server.disk.before("COMMIT")
        except Exception:
            # Whatever a COMMIT fails of, the server has let go of its transaction.
            await self.server.carry_out(self, raw.rollback)
            raise
        await self.server.carry_out(self, raw.commit)
        self.life.step("after COMMIT")
        try:
            self.server.disk.after_commit()
        except Exception:
            self.terminate()
            raise


@dataclass(frozen=True, slots=True)
class Statement:
    """A prepared statement."""

    pipe: Pipe
    raw: Any
    sql: str

    async def fetch(self, *values: Any) -> Any:
        return await self.pipe.ask(self.sql, lambda: self.raw.fetch(*values))

    def get_attributes(self) -> Any:
        return self.raw.get_attributes()

    def get_statusmsg(self) -> str:
        said: str = self.raw.get_statusmsg()
        return said


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction of a pipe's."""

    pipe: Pipe
    raw: Any

    async def start(self) -> None:
        await self.pipe.ask("BEGIN", self.raw.start)

    async def commit(self) -> None:
        await self.pipe.commit(self.raw)

    async def rollback(self) -> None:
        if not self.pipe.is_closed():
            with suppress(refusals.PostgresError, refusals.InterfaceError):
                await self.pipe.server.carry_out(self.pipe, self.raw.rollback)


class _Adapted(AsyncAdapt_asyncpg_connection):
    """SQLAlchemy's connection, that sees without asking whether its session is still there."""

    __slots__ = ()

    def ping(self) -> None:
        if self._connection.is_closed():
            self._handle_exception(refusals.ConnectionDoesNotExistError("connection was closed"))
        await_only(_nothing())


async def _nothing() -> None:
    """What SQLAlchemy awaits once in every call, to see that the driver is an asynchronous one."""


def connect_virtually(server_of: Callable[[Life], Server | None]) -> None:
    """From now on every PostgreSQL connection that a life opens goes to its history's server."""

    async def opened(life: Life, server: Server, params: dict[str, Any]) -> Pipe:
        settings = dict(params.pop("server_settings", {}))
        limits_s = {
            name: int(settings.pop(name)) / 1000 for name in list(settings) if "timeout" in name
        }
        settings |= {"search_path": SEARCH, "deadlock_timeout": NEVER}
        life.step("sql connect")
        raw = server.at_once(asyncpg.connect(**params, ssl=False, server_settings=settings))
        return Pipe(server, life, raw, limits_s)

    def do_connect(
        dialect: Any, _record: Any, _args: list[Any], params: dict[str, Any]
    ) -> AsyncAdapt_asyncpg_connection | None:
        life = LIFE.get()
        server = None if life is None or dialect.name != "postgresql" else server_of(life)
        if life is None or server is None:
            return None
        pipe = await_only(opened(life, server, dict(params)))
        return _Adapted(dialect.loaded_dbapi, pipe)  # type: ignore[no-untyped-call]  # SQLAlchemy's own

    event.listen(Engine, "do_connect", do_connect)
