"""Rivals: the same callback kept by hand, in one transaction and one hop of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from bot.core.hear import Hear, Heard
from mpesa.models import StkCallback
from storage.schema import micros

__all__ = ["POOL", "PostgresRival", "Rival", "RivalHear", "SqliteRival"]

POOL = 16

UPDATE = """
UPDATE payments SET status = 'paid', receipt = $1, credited_cents = $2, paid_at = $3,
 decided_at = $4, next_check_at = $4, merchant_request_id = $5, rev = rev + 1
 WHERE id = $6 AND status = 'prompted' RETURNING intent_id
"""
EVIDENCE = """
INSERT INTO evidence (payment_id, kind, at, reason, receipt, amount_cents, paid_at, held, digest,
 source, body) VALUES ($1, 'callback-paid', $2, NULL, $3, $4, $5, false, $6, $7, $8)
"""
RECEIPT = """
INSERT INTO receipts (receipt, payment_id, at) VALUES ($1, $2, $3)
 ON CONFLICT (receipt) DO NOTHING RETURNING receipt
"""
NOTICE = """
INSERT INTO notices (key, kind, chat_id, payment_id, wanted, told, state, due_at, tries, resent,
 created_at) VALUES ($1, 'status', 1001, $2, 1, 0, 'due', $3, 0, false, $3)
 ON CONFLICT (key) DO UPDATE SET wanted = notices.wanted + 1, state = 'due'
"""


@dataclass(frozen=True, slots=True)
class Told:
    """The values of one callback."""

    payment_id: str
    merchant_request_id: str | None
    receipt: str | None
    amount_cents: int | None
    paid_at: int | None
    at: int | None
    digest: str
    source: str
    body: bytes

    def statements(self) -> list[tuple[str, tuple[Any, ...]]]:
        return [
            (
                UPDATE,
                (
                    *(self.receipt, self.amount_cents, self.paid_at, self.at),
                    *(self.merchant_request_id, self.payment_id),
                ),
            ),
            (
                EVIDENCE,
                (
                    *(self.payment_id, self.at, self.receipt, self.amount_cents, self.paid_at),
                    *(self.digest, self.source, self.body),
                ),
            ),
            (RECEIPT, (self.receipt, self.payment_id, self.at)),
            (NOTICE, (f"status:{self.payment_id}", self.payment_id, self.at)),
        ]


class Rival(Protocol):
    """A store by hand."""

    async def keep(self, told: Told) -> None: ...


class SqliteRival:
    """One connection in one thread; every callback hops there once, for its whole transaction."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")

    async def keep(self, told: Told) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, told)

    def _transact(self, told: Told) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            (guarded, first), *others = told.statements()
            if execute(guarded, first).fetchone() is not None:
                for statement, values in others:
                    execute(statement, values).fetchall()
        except BaseException:
            execute("ROLLBACK")
            raise
        execute("COMMIT")

    @classmethod
    @asynccontextmanager
    async def opened(cls, path: Path) -> AsyncIterator[SqliteRival]:
        rival = cls(path)
        try:
            yield rival
        finally:
            rival._thread.shutdown()
            rival._connection.close()


class PostgresRival:
    """A pool of connections; every callback takes one for its whole transaction."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def keep(self, told: Told) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            (guarded, first), *others = told.statements()
            if await connection.fetchrow(guarded, *first) is not None:
                for statement, values in others:
                    await connection.fetchrow(statement, *values)

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[PostgresRival]:
        async with asyncpg.create_pool(url, min_size=POOL, max_size=POOL) as pool:
            yield cls(pool)


class RivalHear(Hear):
    """The same route, MAC and validation, kept by a rival."""

    rival: Rival

    async def callback(self, payment_id: str, heard: Heard, raw: bytes, *, source: str) -> None:
        assert isinstance(heard, StkCallback), "the bench posts nothing else"
        await self.rival.keep(
            Told(
                payment_id=payment_id,
                merchant_request_id=heard.merchant_request_id,
                receipt=heard.receipt,
                amount_cents=heard.amount_cents,
                paid_at=micros(heard.paid_at),
                at=micros(self._clock.now()),
                digest=sha256(raw).hexdigest(),
                source=source,
                body=self._store.crypt.seal(raw),
            )
        )
