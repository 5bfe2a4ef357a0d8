"""
Reading a database that another process may be at work on: no lock, no key, nothing written.

Money needs no key: phones, words and bodies are sealed, statuses and evidence are not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import event, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.errors import StorageError
from storage.migrations import HEAD, version
from storage.payment_rows import read_payment
from storage.records import Evidence, Kind, Payment, is_reversal_key
from storage.schema import evidence, lines, payments, receipts

__all__ = ["Kept", "Listed", "Reader", "open_engine", "open_reader", "version_at"]

BATCH = 500

# Bodies are sealed, large, and not read back for settling.
_EVIDENCE = tuple(evidence.c[field.name] for field in fields(Evidence) if field.name != "body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One payment with all that is kept of it, as of one instant."""

    payment: Payment
    evidence: tuple[Evidence, ...]
    holds: frozenset[str]  # the receipts that it holds
    holders: Mapping[str, str]  # who holds each receipt that its evidence names


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A payment in a list, with the number it was asked from, still sealed."""

    payment: Payment
    phone: bytes


class Reader:
    """Looks at a database, and changes nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def every_payment(self, *, batch: int = BATCH) -> AsyncIterator[Kept]:
        """
        Every payment, by id; a batch at a time is in memory.

        Each batch is one look: its rows and their evidence are of the same instant, and no
        long look keeps a busy database from tidying up.
        """
        after = ""
        while True:
            async with self._engine.connect() as connection, connection.begin():
                found = await _batch(connection, after=after, limit=batch)
            for kept in found:
                yield kept
            if len(found) < batch:
                return
            after = found[-1].payment.id

    async def payments_between(
        self, since: datetime, until: datetime, *, batch: int = BATCH
    ) -> AsyncIterator[Listed]:
        """Payments asked for from *since* on and before *until*, by id; a batch is in memory."""
        query = (
            select(payments, lines.c.phone)
            .join(lines, payments.c.line_id == lines.c.id)
            .where(payments.c.created_at >= since, payments.c.created_at < until)
            .order_by(payments.c.id)
            .limit(batch)
        )
        after = ""
        while True:
            async with self._engine.connect() as connection, connection.begin():
                rows = (await connection.execute(query.where(payments.c.id > after))).mappings()
                found = [Listed(payment=read_payment(row), phone=row["phone"]) for row in rows]
            for each in found:
                yield each
            if len(found) < batch:
                return
            after = found[-1].payment.id


async def _batch(connection: AsyncConnection, *, after: str, limit: int) -> list[Kept]:
    query = select(payments).where(payments.c.id > after).order_by(payments.c.id).limit(limit)
    rows = [read_payment(row) for row in (await connection.execute(query)).mappings()]
    ids = [payment.id for payment in rows]
    told = await _evidence_of(connection, ids)
    named = {each.receipt for facts in told.values() for each in facts if each.receipt}
    holders = await _holders(connection, ids, named)
    return [
        Kept(
            payment=payment,
            evidence=tuple(told[payment.id]),
            holds=frozenset(receipt for receipt, holder in holders.items() if holder == payment.id),
            holders={
                each.receipt: holders[each.receipt]
                for each in told[payment.id]
                if each.receipt in holders
            },
        )
        for payment in rows
    ]


async def _evidence_of(
    connection: AsyncConnection, ids: Collection[str]
) -> dict[str, list[Evidence]]:
    told: dict[str, list[Evidence]] = defaultdict(list)
    query = select(*_EVIDENCE).where(evidence.c.payment_id.in_(ids))
    for row in (await connection.execute(query)).mappings():
        told[row["payment_id"]].append(Evidence(**{**row, "kind": Kind(row["kind"])}))
    return told


async def _holders(
    connection: AsyncConnection, ids: Collection[str], named: Collection[str]
) -> dict[str, str]:
    """Receipt of money -> holder, of those that these payments hold, and that they name."""
    held: dict[str, str] = {}
    for wanted in (receipts.c.payment_id.in_(ids), receipts.c.receipt.in_(named)):
        query = select(receipts.c.receipt, receipts.c.payment_id).where(wanted)
        held |= {row.receipt: row.payment_id for row in await connection.execute(query)}
    return {receipt: holder for receipt, holder in held.items() if not is_reversal_key(receipt)}


@asynccontextmanager
async def open_reader(url: str) -> AsyncIterator[Reader]:
    """
    Look at the database at *url* without writing to it, also while a bot runs on it.

    Raises:
        StorageError: there is none, it cannot be read, or it is of another version.
    """
    engine = open_engine(url)
    try:
        found = await _version(engine)
        if found != HEAD:
            raise StorageError(
                f"storage.url: the database is at version {found or 'none'}, and this Lipabot "
                f"reads {HEAD}: `lipabot run` brings it there"
            )
        yield Reader(engine)
    finally:
        await engine.dispose()


async def version_at(url: str) -> str | None:
    """
    The last migration that the database at *url* has seen; None where there are no tables of ours.

    Raises:
        StorageError: there is none, or it cannot be read.
    """
    engine = open_engine(url)
    try:
        return await _version(engine)
    finally:
        await engine.dispose()


async def _version(engine: AsyncEngine) -> str | None:
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(version)
    except (DBAPIError, OSError) as exc:
        raise StorageError(f"storage.url: cannot be read ({_words(exc)})") from None


def _words(exc: DBAPIError | OSError) -> str:
    """The server's or the machine's own, in one line, without a statement."""
    why = exc.orig if isinstance(exc, DBAPIError) else exc.strerror
    return str(why or "").partition("\n")[0] or type(exc).__name__


def open_engine(url: str) -> AsyncEngine:
    """An engine that only reads. Raises StorageError where there is nothing to read."""
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite" if parsed.database:
            return _sqlite(Path(parsed.database))
        case "postgresql":
            return _postgres(parsed)
        case _:
            raise StorageError("storage.url must begin with sqlite:/// or postgresql://")


def _sqlite(path: Path) -> AsyncEngine:
    if not path.exists():
        raise StorageError(f"storage.url: there is no {path}")
    engine = create_async_engine(
        f"sqlite+aiosqlite:///file:{quote(str(path.resolve()))}?mode=ro&uri=true",
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # our own BEGIN: the driver's comes too late for a look

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _postgres(url: URL) -> AsyncEngine:
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        hide_parameters=True,
        isolation_level="REPEATABLE READ",
        connect_args={"server_settings": {"default_transaction_read_only": "on"}},
    )
