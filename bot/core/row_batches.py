"""
Row batches: rows of a statement placed by the hundred, as a million of them needs.

What is plain is looked up together and told in shared commits: a receipt that a payment of ours
holds, under no account but its own. Everything else goes the way of single rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bot.core.placing import Placing
from bot.core.ports import Clock
from bot.core.references import read_reference
from bot.core.settle import Settle
from bot.core.told_rows import Placed, same_receipt, same_receipt_placed
from storage.engine import Store
from storage.errors import NotKept
from storage.hearing import Outcome
from storage.named import Named
from storage.records import OpenKind, RecordRow, RowKind, RowState

__all__ = ["RowBatches"]

ODD_AT_ONCE = 50
"""Rows that are placed one by one, together: each holds a connection while it looks."""

UNKNOWN = Placed(state=RowState.OPEN, open=OpenKind.UNMATCHED)


class RowBatches:
    """Places many rows; what could not be kept is None, and comes again."""

    def __init__(self, *, store: Store, settle: Settle, clock: Clock, placing: Placing) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._placing = placing

    async def place(self, rows: Sequence[RecordRow]) -> list[tuple[RecordRow, Placed | None]]:
        """Where each belongs, in no order. Raises NotKept where nothing can be looked up."""
        references = {row.receipt: read_reference(row.reference) for row in rows}
        async with self._store.read() as tx:
            holders = await tx.evidence.receipt_holders([row.receipt for row in rows])
            named = await tx.record.named({each for each in references.values() if each})
        placed: list[tuple[RecordRow, Placed | None]] = []
        plain: list[tuple[RecordRow, str]] = []
        odd: list[RecordRow] = []
        for row in rows:
            holder, reference = holders.get(row.receipt), references[row.receipt]
            if row.kind is RowKind.PAID and holder is None and reference is None:
                placed.append((row, UNKNOWN))
            elif row.kind is RowKind.PAID and holder and _is_its_own(reference, holder, named):
                plain.append((row, holder))
            else:
                odd.append(row)
        placed += await self._tell(plain)
        for start in range(0, len(odd), ODD_AT_ONCE):
            some = odd[start : start + ODD_AT_ONCE]
            placed += zip(
                some,
                await asyncio.gather(*(self._one(row, holders) for row in some)),
                strict=True,
            )
        return placed

    async def _tell(
        self, plain: Sequence[tuple[RecordRow, str]]
    ) -> list[tuple[RecordRow, Placed | None]]:
        units = [same_receipt(row, holder, self._clock.now) for row, holder in plain]
        outcomes = await self._store.submit_many(units, self._settle)
        return [
            (row, _placed(row, outcome)) for (row, _), outcome in zip(plain, outcomes, strict=True)
        ]

    async def _one(self, row: RecordRow, holders: Mapping[str, str]) -> Placed | None:
        try:
            return await self._placing.place(row, holders.get(row.receipt))
        except NotKept:
            return None


def _is_its_own(reference: str | None, holder: str, named: Named) -> bool:
    """Whether the account that was typed says nothing against the payment that has the receipt."""
    if reference is None or named.pushes.get(reference) == holder:
        return True
    return not any(reference in each for each in (named.pushes, named.by_hand, named.subjects))


def _placed(row: RecordRow, outcome: Outcome | NotKept) -> Placed | None:
    if isinstance(outcome, NotKept):
        return None
    assert outcome.payment is not None, "receipts are held by payments that we have"
    return same_receipt_placed(row, outcome.payment)
