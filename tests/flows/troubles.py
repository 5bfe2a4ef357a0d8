"""Troubles that strike the n-th call: of the disk, of Safaricom, of Telegram, of PostgreSQL."""

from __future__ import annotations

import asyncio
import select
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web
from sqlalchemy import Engine, event

from mpesa.simulator import Endpoint, Fault, ReplyFault, Simulator

__all__ = [
    "BEGIN",
    "COMMIT",
    "COMMIT_OF_A_LOOK",
    "FULL",
    "LOCKED",
    "Disk",
    "DiskFault",
    "Door",
    "SafaricomDoor",
    "TelegramDoor",
    "TelegramFault",
    "Traffic",
    "on_this_disk",
]

LOOK_S = 0.005
BEGIN = "BEGIN IMMEDIATE"
COMMIT = "COMMIT"
COMMIT_OF_A_LOOK = "COMMIT after a look"
BROKEN = "disk I/O error"
FULL = "database or disk is full"
LOCKED = "database is locked"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Traffic:
    """What is under way, so that a test can wait until nothing is."""

    def __init__(self) -> None:
        self.busy = 0
        self.seen = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        self.busy += 1
        self.seen += 1
        try:
            yield
        finally:
            self.busy -= 1


class DiskFault(StrEnum):
    """What the disk does at the n-th statement."""

    IO_ERROR = "one I/O error"
    FULL = "full from here on"
    LOCKED = "locked from here on"
    COMMITTED_AND_FAILED = "the COMMIT is done, and fails all the same"


@dataclass
class Disk:
    """
    Every statement of a process, counted; and the fault of the n-th, once armed.

    Counted are the statements that the fault can meet, or only those that read like *like*. What
    is raised is *error*, as the driver would raise it.
    """

    traffic: Traffic
    error: Callable[[str], Exception] = sqlite3.OperationalError
    fault: DiskFault | None = None
    nth: int = 0
    like: str | None = None
    count: int = 0
    struck: int = 0
    read: Counter[str] = field(default_factory=Counter)

    def arm(self, fault: DiskFault, nth: int, like: str | None = None) -> None:
        self.fault, self.nth, self.like = fault, nth, like
        self.count = self.struck = 0
        self.read.clear()

    def mend(self) -> None:
        self.fault = None

    @property
    def fell(self) -> bool:
        return self.struck > 0

    @contextmanager
    def statement(self, words: str) -> Iterator[None]:
        """Around one statement, in the thread of its connection."""
        with self.traffic.one():
            place = 0
            if self._counts(words):
                self.read[words] += 1
                self.count += 1
                place = self.count
                self._strike()
            yield
            if self.fault is DiskFault.COMMITTED_AND_FAILED and place == self.nth:
                self._fail(BROKEN, once=True)

    def _counts(self, words: str) -> bool:
        kind = words.lstrip()[:6].upper()
        if kind == "PRAGMA" or self.like not in (None, words):
            return False
        match self.fault:
            case DiskFault.IO_ERROR:
                return True
            case DiskFault.FULL:
                return kind in ("INSERT", "UPDATE", "DELETE") or words == COMMIT
            case DiskFault.LOCKED:
                return words == BEGIN
            case DiskFault.COMMITTED_AND_FAILED:
                return words == COMMIT
            case None:
                return False

    def _strike(self) -> None:
        if self.count < self.nth:
            return
        match self.fault:
            case DiskFault.IO_ERROR:
                self._fail(BROKEN, once=True)
            case DiskFault.FULL:
                self.like = None  # it stays full for everybody
                self._fail(FULL)
            case DiskFault.LOCKED:
                self._fail(LOCKED)
            case _:
                return

    def _fail(self, words: str, *, once: bool = False) -> None:
        self.struck += 1
        if once:
            self.fault = None
        raise self.error(words)


@contextmanager
def on_this_disk(disk: Disk) -> Iterator[None]:
    """Every SQLite connection that is opened in the block is on *disk*."""

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, *values: Any) -> Any:
            if sql.startswith("BEGIN") and isinstance(self.connection, Connection):
                self.connection.writes = sql == BEGIN
            with disk.statement(sql):
                return super().execute(sql, *values)

        def executemany(self, sql: str, *values: Any) -> Any:
            with disk.statement(sql):
                return super().executemany(sql, *values)

    class Connection(sqlite3.Connection):
        writes = False

        def cursor(self, *_: Any) -> Any:
            return super().cursor(Cursor)

        def commit(self) -> None:
            with disk.statement(COMMIT if self.writes else COMMIT_OF_A_LOOK):
                super().commit()

        def rollback(self) -> None:
            with disk.traffic.one():
                super().rollback()

    def connect(dialect: Any, _record: Any, _args: Any, values: dict[str, Any]) -> None:
        if dialect.name == "sqlite":
            values["factory"] = Connection

    event.listen(Engine, "do_connect", connect)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", connect)


class Door:
    """A server's door: counts who comes in, and can do something to the n-th."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self.nth = 0
        self.count = 0
        self.fell = False

    def mend(self) -> None:
        self.nth = 0

    def _arm(self, nth: int) -> None:
        self.nth, self.count, self.fell = nth, 0, False

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        with self._traffic.one():
            if self._counts(request):
                self.count += 1
                if self.count == self.nth:
                    self.fell = True
                    return await self._strike(request, handler)
            return await handler(request)

    def _counts(self, request: web.Request) -> bool:
        return True

    async def _strike(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)


class SafaricomDoor(Door):
    """The n-th request to Daraja meets one of the simulator's faults."""

    def __init__(self, traffic: Traffic, simulator: Simulator) -> None:
        super().__init__(traffic)
        self._simulator = simulator
        self._fault = ReplyFault.LOST

    def arm(self, fault: ReplyFault, nth: int) -> None:
        self._fault = fault
        self._arm(nth)

    async def _strike(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint = {
            "generate": Endpoint.TOKEN,
            "processrequest": Endpoint.PUSH,
            "query": Endpoint.QUERY,
        }[request.path.rpartition("/")[2]]
        self._simulator.faults.next(endpoint, Fault(reply=self._fault))
        return await handler(request)


class TelegramFault(StrEnum):
    """What becomes of the n-th call to Telegram."""

    FLOOD = "429"
    FORBIDDEN = "403"
    BAD_REQUEST = "400"
    SERVER_ERROR = "500"
    PROXY = "502 in HTML"
    CUT_BEFORE = "cut off, not done"
    CUT_AFTER = "cut off, done"
    SILENT = "no answer, done"


_REFUSALS: dict[TelegramFault, tuple[int, str, dict[str, int]]] = {
    TelegramFault.FLOOD: (429, "Too Many Requests: retry after 3", {"retry_after": 3}),
    TelegramFault.FORBIDDEN: (403, "Forbidden: bot was blocked by the user", {}),
    TelegramFault.BAD_REQUEST: (400, "Bad Request: something unheard of", {}),
    TelegramFault.SERVER_ERROR: (500, "Internal Server Error", {}),
}


class TelegramDoor(Door):
    """The n-th call that says something meets a fault; polling never does."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(traffic)
        self._fault = TelegramFault.FLOOD

    def arm(self, fault: TelegramFault, nth: int) -> None:
        self._fault = fault
        self._arm(nth)

    def _counts(self, request: web.Request) -> bool:
        return not request.path.endswith("/getUpdates")

    async def _strike(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self._fault
        if fault in _REFUSALS:
            code, words, parameters = _REFUSALS[fault]
            body = {"ok": False, "error_code": code, "description": words}
            return web.json_response(body | {"parameters": parameters}, status=code)
        if fault is TelegramFault.PROXY:
            return web.Response(status=502, text="<html>nginx</html>", content_type="text/html")
        if fault is TelegramFault.CUT_BEFORE:
            return _cut(request)
        answer = await handler(request)
        if fault is TelegramFault.CUT_AFTER:
            return _cut(request)
        await _until_gone(request)
        return answer


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _until_gone(request: web.Request) -> None:
    """A caller who hears nothing gives up at last."""
    loop = asyncio.get_running_loop()
    while request.transport is not None and not request.transport.is_closing():
        await loop.run_in_executor(None, select.select, [], [], [], LOOK_S)
