"""
Presence: this process as the others see it, and the roles that only one of them may have.

On PostgreSQL a process is there as long as a session of its own is: the session holds advisory
locks, and the server ends it, and with it the locks, when the process dies or says nothing for
`SILENT_S` (stopped, suspended, cut off). Whoever is alive speaks every `BEAT_S`.

Roles are locks of the session and not rows or row locks, because a role is kept while other
things are waited for: a lock in a transaction would keep that open over an HTTP call, and a
row with an expiry would outlive a process that was killed.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Executable, Row, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from storage import paces
from storage.errors import StoreBusy, StoreFailed

__all__ = ["ROLE_CLASS", "SILENT_S", "Alone", "Member", "Presence", "role_key"]

log = logging.getLogger(__name__)

PROCESS_CLASS = 0x4C495043  # any two fixed numbers, for two kinds of advisory locks
ROLE_CLASS = 0x4C495044
BEAT_S = 3.0
SILENT_S = 15.0
SURE_S = 10.0
"""Since we last spoke. Past it the server may be about to end the session, or has."""

AWAY_S = 60.0
"""Not sure for so long: no session that the server ends and we begin anew, but real trouble."""


class Presence(Protocol):
    """What a store knows of this process among others. `Alone` and `Member` are the two kinds."""

    @property
    def number(self) -> int:
        """Its name, in what it holds."""
        ...

    @property
    def sure(self) -> bool:
        """Whether nobody can have taken our work over as a dead process's."""
        ...

    @property
    def away(self) -> bool:
        """Whether we have not been sure for so long that a person should look."""
        ...

    async def bury(self, number: int) -> bool:
        """Whether the process of that number is gone; it cannot come back before `buried`."""
        ...

    async def buried(self, number: int) -> None: ...

    async def try_role(self, name: str) -> bool:
        """Have a role that only one process may have, if it is free."""
        ...

    async def leave_role(self, name: str) -> None: ...

    async def role_lost(self, name: str) -> None:
        """Returns when we do not have that role (any more)."""
        ...

    async def reserve(self, name: str, *, gap: timedelta, count: int) -> float:
        """Queue up for turns of a pace that all processes share; seconds until the first."""
        ...

    async def take(self, name: str, *, gap: timedelta, burst: int, wanted: int) -> int:
        """Turns of a shared pace that are free now, as many as are wanted or there are."""
        ...

    async def give_back(self, name: str, *, gap: timedelta, count: int) -> None: ...


def _new_number() -> int:
    return secrets.randbelow(2**31 - 1) + 1


class Alone:
    """The only process: the file lock of SQLite says so. It has every role, and no rival."""

    def __init__(self) -> None:
        self.number = _new_number()
        self.sure = True
        self.away = False
        self._roles: dict[str, asyncio.Event] = {}

    async def bury(self, number: int) -> bool:
        return number != self.number

    async def buried(self, number: int) -> None:
        """It cannot come back: it has lost the file."""

    async def try_role(self, name: str) -> bool:
        if name in self._roles:
            return False
        self._roles[name] = asyncio.Event()
        return True

    async def leave_role(self, name: str) -> None:
        if name in self._roles:
            self._roles.pop(name).set()

    async def role_lost(self, name: str) -> None:
        if name in self._roles:
            await self._roles[name].wait()

    async def reserve(self, name: str, *, gap: timedelta, count: int) -> float:
        raise StoreFailed("a pace is shared on PostgreSQL only")

    async def take(self, name: str, *, gap: timedelta, burst: int, wanted: int) -> int:
        raise StoreFailed("a pace is shared on PostgreSQL only")

    async def give_back(self, name: str, *, gap: timedelta, count: int) -> None:
        raise StoreFailed("a pace is shared on PostgreSQL only")


class Member:
    """One of several processes on one PostgreSQL database. Its session is *engine*'s only one."""

    beat_s = BEAT_S

    def __init__(self, engine: AsyncEngine, *, now: Callable[[], datetime] | None) -> None:
        self.number = _new_number()
        self._engine = engine
        self._now = now  # None: the server's clock
        self._session: AsyncConnection | None = None
        self._named = False
        self._spoke_s = float("-inf")
        self._sure_at_s = float("-inf")
        self._turn = asyncio.Lock()
        self._roles: dict[str, asyncio.Event] = {}
        self._trying: set[str] = set()
        self._beating: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Be there. Raises what the driver raises: at the start somebody reads it."""
        self._sure_at_s = self.steady_s()
        await self._connect()
        await self._take_name()
        self._beating = asyncio.create_task(self._beat(), name="presence")

    async def close(self) -> None:
        """Be gone: the server frees our roles and our name at once."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        async with self._turn:
            await self._disconnect()

    @property
    def sure(self) -> bool:
        return self._named and self.steady_s() - self._spoke_s < SURE_S

    @property
    def away(self) -> bool:
        return not self.sure and self.steady_s() - self._sure_at_s >= AWAY_S

    def steady_s(self) -> float:
        """The loop's clock goes on while a process is stopped, and is never set."""
        return asyncio.get_running_loop().time()

    async def bury(self, number: int) -> bool:
        gone = await self._ask(select(func.pg_try_advisory_lock(PROCESS_CLASS, number)))
        return bool(gone) and number != self.number

    async def buried(self, number: int) -> None:
        await self._ask(select(func.pg_advisory_unlock(PROCESS_CLASS, number)))

    async def try_role(self, name: str) -> bool:
        if name in self._roles or name in self._trying:
            return False  # the server would give a session its own lock again
        self._trying.add(name)
        try:
            lock = func.pg_try_advisory_lock(ROLE_CLASS, role_key(name))
            if not await self._ask(select(lock)):
                return False
            self._roles[name] = asyncio.Event()
            return True
        finally:
            self._trying.discard(name)

    async def leave_role(self, name: str) -> None:
        if name in self._roles:
            self._roles.pop(name).set()
            with suppress(StoreFailed, StoreBusy):  # then the session is gone, and with it the lock
                await self._ask(select(func.pg_advisory_unlock(ROLE_CLASS, role_key(name))))

    async def role_lost(self, name: str) -> None:
        if name in self._roles:
            await self._roles[name].wait()

    async def reserve(self, name: str, *, gap: timedelta, count: int) -> float:
        asked = paces.reserve(name, gap=gap, count=count, now=self._instant())
        wait_us: int = await self._ask(asked)
        return wait_us / 1e6

    async def take(self, name: str, *, gap: timedelta, burst: int, wanted: int) -> int:
        asked = paces.take(name, gap=gap, burst=burst, wanted=wanted, now=self._instant())
        granted: int = await self._ask(asked)
        return granted

    async def give_back(self, name: str, *, gap: timedelta, count: int) -> None:
        await self._ask(paces.give_back(name, gap=gap, count=count))

    def _instant(self) -> datetime | None:
        return None if self._now is None else self._now()

    async def _ask(self, statement: Executable) -> Any:
        """
        The one value that *statement* gives, from the session.

        Shielded: a caller who goes away in the middle of it would take the session along.

        Raises:
            StoreFailed: the server could not be asked.
        """
        rows = await asyncio.shield(asyncio.ensure_future(self._speak(statement)))
        return rows[0][0] if rows else None

    async def _speak(self, statement: Executable) -> Sequence[Row[Any]]:
        async with self._turn:
            # A session that the server ended is found out about by the first word in it.
            for again in (True, False):
                try:
                    if self._session is None:
                        await self._connect()
                    assert self._session is not None, "connected a moment ago"
                    if not self._named:
                        await self._take_name()
                    began_s = self.steady_s()
                    result = await self._session.execute(statement)
                    rows = result.all() if result.returns_rows else []
                except Exception as exc:
                    # Whatever it is, such a session is in doubt, and a new one is not.
                    await self._disconnect()
                    if not again:
                        raise StoreFailed(type(exc).__name__) from exc
                else:
                    self._spoken(began_s)
                    return rows
            raise AssertionError("the second try returns or raises")

    async def _connect(self) -> None:
        self._session = await self._engine.connect()

    async def _take_name(self) -> None:
        """Have our own number, unless the server has not noticed yet that our last session died."""
        assert self._session is not None, "connected a moment ago"
        began_s = self.steady_s()
        lock = select(func.pg_try_advisory_lock(PROCESS_CLASS, self.number))
        self._named = bool((await self._session.execute(lock)).scalar())
        self._spoken(began_s)

    def _spoken(self, began_s: float) -> None:
        self._spoke_s = began_s
        if self._named:
            self._sure_at_s = began_s

    async def _disconnect(self) -> None:
        """Without a session there is no role, and whoever has one must know."""
        session, self._session, self._named = self._session, None, False
        roles, self._roles = self._roles, {}
        for name, lost in roles.items():
            log.warning("presence.role_lost name=%s", name)
            lost.set()
        if session is not None:
            with suppress(SQLAlchemyError, OSError):
                await session.invalidate()
                await session.close()

    async def speak(self) -> None:
        """Say that we are there; if the server ended our session, begin another one."""
        try:
            await self._speak(select(1))
        except StoreFailed as exc:
            log.warning("presence.silent why=%s", exc)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.beat_s)
            try:
                await self.speak()
            except Exception:
                # Without its beat this process would do nothing more, and say nothing of it.
                log.exception("presence.beat_failed")


def role_key(name: str) -> int:
    """The number of a role's lock."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF
