"""Evidence: append-only rows of what we were told, the receipts claimed, and the orphans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, String, func, insert, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.records import Evidence, Kind
from storage.schema import evidence, instant, micros, orphans, receipts
from storage.setwise import Among, Many

__all__ = [
    "EvidenceBook",
    "Orphaned",
    "add_evidence",
    "claim_receipts",
    "read_evidence",
    "receipt_holders",
    "take_receipts",
]

ORPHANS_PER_PAYMENT = 20
ORPHANS_MAX = 10_000
PAYMENTS_AT_ONCE = 256


class Orphaned(StrEnum):
    """What became of a body whose payment we do not have."""

    KEPT = "kept"
    NOT_NEW = "not-new"  # known, or that payment has had its share
    FULL = "full"  # the first ones stay: what comes later cannot push them out


_SETTLING = tuple(
    evidence.c[name]
    for name in (
        *("id", "payment_id", "kind", "at", "reason", "receipt", "amount_cents", "paid_at"),
        *("held", "digest", "source", "by"),
    )
)


# Built once: these run for every batch of callbacks.
_OF = Among(select(*_SETTLING), evidence.c.payment_id)
_REVERSED = Among(
    select(evidence.c.payment_id)
    .where(evidence.c.kind == literal_column(f"'{Kind.REVERSED}'", String))
    .distinct(),
    evidence.c.payment_id,
)
_ADD = Many(
    dict.fromkeys(("sqlite", "postgresql"), insert(evidence).inline()),
    [column.name for column in evidence.c if column.name != "id"],
)
_HOLDERS = Among(select(receipts.c.receipt, receipts.c.payment_id), receipts.c.receipt)
_CLAIM = {
    "sqlite": sqlite_insert(receipts)
    .on_conflict_do_nothing(index_elements=["receipt"])
    .returning(receipts.c.receipt),
    "postgresql": pg_insert(receipts)
    .on_conflict_do_nothing(index_elements=["receipt"])
    .returning(receipts.c.receipt),
}
_NAMES = tuple(column.name for column in _SETTLING)


def _read(row: Sequence[Any]) -> Evidence:
    values = dict(zip(_NAMES, row, strict=True))
    values["kind"] = Kind(values["kind"])
    values["at"] = instant(values["at"])
    values["paid_at"] = instant(values["paid_at"])
    values["held"] = bool(values["held"])
    return Evidence(**values)


def read_evidence(
    connection: Connection, payment_ids: Collection[str]
) -> dict[str, list[Evidence]]:
    """All evidence of these payments, without the bodies."""
    found: dict[str, list[Evidence]] = defaultdict(list)
    for row in _OF(connection, [*payment_ids]) if payment_ids else ():
        found[row[1]].append(_read(row))
    return found


def add_evidence(connection: Connection, crypt: Crypt, new: Sequence[Evidence]) -> None:
    """Add rows that are not there yet."""
    if not new:
        return
    rows = [
        {
            "payment_id": each.payment_id,
            "kind": each.kind.value,
            "at": micros(each.at),
            "reason": each.reason,
            "receipt": each.receipt,
            "amount_cents": each.amount_cents,
            "paid_at": micros(each.paid_at),
            "held": each.held,
            "digest": each.digest,
            "source": each.source,
            "body": None if each.body is None else crypt.seal(each.body),
            "by": each.by,
        }
        for each in new
    ]
    _ADD(connection, rows)


def receipt_holders(connection: Connection, wanted: Collection[str]) -> dict[str, str]:
    """Receipt -> the payment that holds it."""
    found = _HOLDERS(connection, [*wanted]) if wanted else ()
    return {each.receipt: each.payment_id for each in found}


def claim_receipts(
    connection: Connection, claims: Sequence[tuple[str, str, datetime]]
) -> list[str]:
    """
    Claim (receipt, payment, at); returns the receipts that were won.

    A lost claim is not an exception: ON CONFLICT DO NOTHING leaves the transaction whole on both
    engines, and the caller looks at who holds it.
    """
    rows = [
        {"receipt": receipt, "payment_id": payment_id, "at": at}
        for receipt, payment_id, at in claims
    ]
    return list(connection.execute(_CLAIM[connection.dialect.name], rows).scalars())


def take_receipts(connection: Connection, claims: Sequence[tuple[str, str, datetime]]) -> None:
    """Give (receipt, payment, at), whoever held it: Safaricom's books outrank what was posted."""
    for receipt, payment_id, at in claims:
        connection.execute(
            update(receipts)
            .where(receipts.c.receipt == receipt)
            .values(payment_id=payment_id, at=at)
        )


class EvidenceBook:
    """Evidence, receipts and orphans, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def of(self, payment_ids: Collection[str]) -> dict[str, list[Evidence]]:
        """All evidence of these payments, without the bodies."""
        return await self._connection.run_sync(read_evidence, payment_ids)

    async def reversed_among(self, payment_ids: Sequence[str]) -> list[str]:
        """Those of these payments of which it was ever said that something went back."""

        def read(connection: Connection) -> list[str]:
            found: list[str] = []
            for start in range(0, len(payment_ids), PAYMENTS_AT_ONCE):
                rows = _REVERSED(connection, payment_ids[start : start + PAYMENTS_AT_ONCE])
                found += [row[0] for row in rows]
            return found

        return await self._connection.run_sync(read)

    async def body(self, evidence_id: int) -> bytes | None:
        """The raw bytes that came, opened."""
        query = select(evidence.c.body).where(evidence.c.id == evidence_id)
        sealed = (await self._connection.execute(query)).scalar()
        return None if sealed is None else self._crypt.open(sealed)

    async def receipt_holders(self, wanted: Collection[str]) -> dict[str, str]:
        """Receipt -> the payment that holds it."""
        return await self._connection.run_sync(receipt_holders, wanted)

    async def claim(self, receipt: str, payment_id: str, *, at: datetime) -> bool:
        """Claim one for a payment; False where another has just been faster."""
        claims = [(receipt, payment_id, at)]
        return bool(await self._connection.run_sync(claim_receipts, claims))

    async def keep_orphan(
        self, payment_id: str, body: bytes, *, at: datetime, orphans_max: int = ORPHANS_MAX
    ) -> Orphaned:
        """Keep a body with a good signature for a payment that we do not have."""
        digest = sha256(body).hexdigest()
        told = select(orphans.c.digest).where(orphans.c.payment_id == payment_id)
        known = (await self._connection.execute(told)).scalars().all()
        if digest in known or len(known) >= ORPHANS_PER_PAYMENT:
            return Orphaned.NOT_NEW
        count = select(func.count()).select_from(orphans)
        if (await self._connection.execute(count)).scalar_one() >= orphans_max:
            return Orphaned.FULL
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        statement = (
            make(orphans)
            .values(
                payment_id=payment_id,
                digest=digest,
                at=at,
                body=self._crypt.seal(body),
            )
            .on_conflict_do_nothing(index_elements=["payment_id", "digest"])
            .returning(orphans.c.id)
        )
        kept = (await self._connection.execute(statement)).first() is not None
        return Orphaned.KEPT if kept else Orphaned.NOT_NEW
