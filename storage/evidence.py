"""Evidence: append-only rows of what we were told, the receipts claimed, and the orphans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.records import Evidence, Kind
from storage.schema import evidence, orphans, receipts

__all__ = ["EvidenceBook"]

ORPHANS_PER_PAYMENT = 20

_SETTLING = tuple(
    evidence.c[name]
    for name in (
        *("id", "payment_id", "kind", "at", "reason", "receipt", "amount_cents", "paid_at"),
        *("held", "digest", "source", "by"),
    )
)


# Built once: these run for every batch of callbacks.
_CLAIM_SQLITE = (
    sqlite_insert(receipts)
    .on_conflict_do_nothing(index_elements=["receipt"])
    .returning(receipts.c.receipt)
)
_CLAIM_POSTGRES = (
    pg_insert(receipts)
    .on_conflict_do_nothing(index_elements=["receipt"])
    .returning(receipts.c.receipt)
)


def _read(row: Any) -> Evidence:
    return Evidence(**{**row, "kind": Kind(row["kind"])})


class EvidenceBook:
    """Evidence, receipts and orphans, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def of(self, payment_ids: Collection[str]) -> dict[str, list[Evidence]]:
        """All evidence of these payments, without the bodies."""
        found: dict[str, list[Evidence]] = defaultdict(list)
        query = select(*_SETTLING).where(evidence.c.payment_id.in_(payment_ids))
        for row in (await self._connection.execute(query)).mappings():
            found[row["payment_id"]].append(_read(row))
        return found

    async def add(self, new: Sequence[Evidence]) -> None:
        if not new:
            return
        rows = [
            {
                "payment_id": each.payment_id,
                "kind": each.kind.value,
                "at": each.at,
                "reason": each.reason,
                "receipt": each.receipt,
                "amount_cents": each.amount_cents,
                "paid_at": each.paid_at,
                "held": each.held,
                "digest": each.digest,
                "source": each.source,
                "body": None if each.body is None else self._crypt.seal(each.body),
                "by": each.by,
            }
            for each in new
        ]
        await self._connection.execute(insert(evidence), rows)

    async def body(self, evidence_id: int) -> bytes | None:
        """The raw bytes that came, opened."""
        query = select(evidence.c.body).where(evidence.c.id == evidence_id)
        sealed = (await self._connection.execute(query)).scalar()
        return None if sealed is None else self._crypt.open(sealed)

    async def receipt_holders(self, wanted: Collection[str]) -> dict[str, str]:
        """Receipt -> the payment that holds it."""
        query = select(receipts.c.receipt, receipts.c.payment_id).where(
            receipts.c.receipt.in_(wanted)
        )
        return {row.receipt: row.payment_id for row in await self._connection.execute(query)}

    async def claim_receipts(self, claims: Sequence[tuple[str, str, datetime]]) -> list[str]:
        """
        Claim (receipt, payment, at); returns the receipts that were won.

        A lost claim is not an exception: ON CONFLICT DO NOTHING leaves the transaction whole
        on both engines, and the caller looks at who holds it.
        """
        postgres = self._connection.dialect.name == "postgresql"
        rows = [
            {"receipt": receipt, "payment_id": payment_id, "at": at}
            for receipt, payment_id, at in claims
        ]
        statement = _CLAIM_POSTGRES if postgres else _CLAIM_SQLITE
        return list((await self._connection.execute(statement, rows)).scalars())

    async def keep_orphan(self, payment_id: str, body: bytes, *, at: datetime) -> bool:
        """A body with a good signature for a payment we do not have. True if newly kept."""
        count = select(func.count()).where(orphans.c.payment_id == payment_id)
        if (await self._connection.execute(count)).scalar_one() >= ORPHANS_PER_PAYMENT:
            return False
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        statement = (
            make(orphans)
            .values(
                payment_id=payment_id,
                digest=sha256(body).hexdigest(),
                at=at,
                body=self._crypt.seal(body),
            )
            .on_conflict_do_nothing(index_elements=["payment_id", "digest"])
            .returning(orphans.c.id)
        )
        return (await self._connection.execute(statement)).first() is not None
