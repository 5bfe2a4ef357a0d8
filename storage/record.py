"""Record: the rows of Safaricom's books, every receipt once, and what is open about them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from storage.columns import instant, micros
from storage.evidence import add_evidence, claim_receipts, take_receipts
from storage.hearing import Decide
from storage.moves import changed
from storage.named import Named, named
from storage.payment_rows import FIELDS, row_of
from storage.record_tables import (
    OPEN,
    SETTLED,
    UNPLACED,
    UNRECORDED,
    record_open,
    record_rows,
)
from storage.records import (
    Evidence,
    NewRecordRow,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    Source,
    Status,
)
from storage.schema import intents, payments, receipts
from storage.setwise import Among, Many
from storage.taken_back import TakenBack

__all__ = ["Kept", "ReceiptTaken", "Record"]

# Built once: a statement of the portal brings a million rows.
_COLUMNS = tuple(record_rows.c)
_KNOWN = Among(select(*_COLUMNS), record_rows.c.receipt)
_ADD = Many(
    {
        "sqlite": sqlite_insert(record_rows).on_conflict_do_nothing().inline(),
        "postgresql": pg_insert(record_rows).on_conflict_do_nothing().inline(),
    },
    [column.name for column in _COLUMNS],
)


_PLACED = (
    update(record_rows)
    .where(record_rows.c.receipt == bindparam("key_receipt"))
    .values(state=bindparam("to_state"), payment_id=bindparam("to_payment_id"))
)
_PLACE = Many(dict.fromkeys(("sqlite", "postgresql"), _PLACED), ())
_SETTLED_SINCE = and_(SETTLED, record_rows.c.state != bindparam("from_state"))
_PLACE_SEEN = Many(dict.fromkeys(("sqlite", "postgresql"), _PLACED.where(~_SETTLED_SINCE)), ())
# The books that come to us are those of [mpesa]: the money of other accounts stands in none.
_IN_THE_BOOKS = payments.c.account == ""
# Without a payment to bear it when it was placed, or not placed yet: of those in all the books few.
_UNBORNE = union(
    select(*_COLUMNS)
    .join(record_open, record_open.c.receipt == record_rows.c.receipt)
    .where(record_open.c.kind == OpenKind.REVERSAL.value),
    select(*_COLUMNS).where(UNPLACED, record_rows.c.kind == RowKind.REVERSAL.value),
)


class ReceiptTaken(Exception):
    """Another payment holds the receipt, since a moment ago."""


Kept = tuple[RecordRow, bool]
"""A row as it stands, and whether what just came differs from what the books said before."""


class Record(TakenBack):
    """Rows of the record, inside one open transaction."""

    async def named(self, references: Collection[str]) -> Named:
        """Whose these references are: payments', intents', drives' and invoices'."""
        return await self._connection.run_sync(named, [*references])

    async def known(self, wanted: Collection[str]) -> dict[str, RecordRow]:
        """The rows of these receipts that are kept."""
        return await self._connection.run_sync(self._known, wanted)

    async def keep(self, new: Sequence[NewRecordRow], *, now: datetime) -> list[Kept]:
        """
        Keep *new* rows, one for each receipt, and say how each of them stands now.

        What the books say outranks what was posted; what they said first stays, and a later word
        that differs in amount is told.
        """
        return await self._connection.run_sync(self._keep, new, now)

    async def get(self, receipt: str) -> RecordRow | None:
        return (await self.known([receipt])).get(receipt)

    async def unplaced(self, *, limit: int) -> list[RecordRow]:
        """Rows that nobody has placed yet: we stopped between keeping and placing them."""
        found = await self._connection.execute(
            select(*_COLUMNS).where(UNPLACED).order_by(record_rows.c.receipt).limit(limit)
        )
        return [self._read(row) for row in found.mappings()]

    async def claims_kept(self) -> int:
        query = select(func.count()).select_from(record_rows).where(UNRECORDED)
        return (await self._connection.execute(query)).scalar_one()

    async def place(
        self, placed: Collection[str], state: RowState, payment_id: str | None = None
    ) -> None:
        """Say where the rows of these receipts stand, wherever they stood."""
        rows = [_placing(receipt, state, payment_id) for receipt in placed]
        if rows:
            await self._connection.run_sync(_PLACE, rows)

    async def place_each(self, placed: Sequence[tuple[RecordRow, RowState, str | None]]) -> None:
        """Say where each of these rows stands, but of those settled since they were read."""
        rows = [
            {**_placing(row.receipt, state, payment_id), "from_state": row.state.value}
            for row, state, payment_id in placed
        ]
        if rows:
            await self._connection.run_sync(_PLACE_SEEN, rows)

    async def push_payment(self, push_ref: str) -> Payment | None:
        """The payment whose prompt showed that account."""
        return await self._payment(select(payments).where(payments.c.push_ref == push_ref))

    async def by_hand_intent(self, reference: str) -> tuple[str, str | None, str] | None:
        """That by-hand reference's intent, what its payments are for, and which account's."""
        found = (
            await self._connection.execute(
                select(intents.c.id, payments.c.subject, payments.c.account)
                .outerjoin(payments, payments.c.intent_id == intents.c.id)
                .where(intents.c.by_hand_ref == reference)
                # What a person credited beside a prompt stands in the first account's books.
                .order_by(payments.c.account.desc())
                .limit(1)
            )
        ).first()
        return None if found is None else (found.id, found.subject, found.account or "")

    async def only_ours(
        self, since: datetime, until: datetime, *, after: str, limit: int
    ) -> list[Payment]:
        """Payments of the books' account credited for that time, by id, that they do not name."""
        named = select(record_rows.c.receipt).where(
            record_rows.c.receipt == payments.c.receipt,
            record_rows.c.recorded,
            # Under the code of a reversal nothing came.
            record_rows.c.kind == RowKind.PAID.value,
        )
        found = await self._connection.execute(
            select(payments)
            .where(
                _IN_THE_BOOKS,
                payments.c.id > after,
                payments.c.status == Status.PAID.value,
                payments.c.paid_at.between(since, until),
                ~named.exists(),
            )
            .order_by(payments.c.id)
            .limit(limit)
        )
        return [self._payment_of(row) for row in found.mappings()]

    async def taking_back(self, receipt: str) -> list[RecordRow]:
        """Reversals of that receipt that no payment bore at once, whatever became of them."""
        return [row for row in await self.unborne() if row.linked == receipt]

    async def unborne(self) -> list[RecordRow]:
        """All reversals that no payment bore at once, whatever became of them: few."""
        found = await self._connection.execute(_UNBORNE)
        return [self._read(row) for row in found.mappings()]

    async def placeable(self, *, after: str = "", limit: int) -> list[RecordRow]:
        """
        Rows that may be placed by now, by receipt: open ones that have a holder, and reversals.

        Reversals that a person has closed or given away too: whose money it was may be known since.
        """
        found = await self._connection.execute(
            select(*_COLUMNS)
            .join(record_open, record_open.c.receipt == record_rows.c.receipt)
            .outerjoin(receipts, receipts.c.receipt == record_rows.c.receipt)
            .where(
                record_rows.c.receipt > after,
                or_(
                    and_(
                        OPEN,
                        record_open.c.kind == OpenKind.UNMATCHED,
                        receipts.c.payment_id.is_not(None),
                    ),
                    record_open.c.kind == OpenKind.REVERSAL,
                ),
            )
            .order_by(record_rows.c.receipt)
            .limit(limit)
        )
        return [self._read(row) for row in found.mappings()]

    async def net_cents(self) -> int:
        """All that was credited to the books' account, less what went back."""
        credited = select(func.coalesce(func.sum(payments.c.credited_cents), 0))
        credited = credited.where(_IN_THE_BOOKS)
        return int((await self._connection.execute(credited)).scalar_one())

    async def bear(
        self, payment: Payment, told: Evidence, decide: Decide, *, now: datetime, outranks: bool
    ) -> Payment:
        """
        A payment of its own, made of money that is there: never sent, and settled from its birth.

        Raises:
            ReceiptTaken: another payment holds the receipt; nothing of it may be kept.
        """
        assert told.receipt is not None, "money paid by hand has a receipt"
        decision = decide(payment, (told,))
        born = changed(
            payment,
            {
                "status": decision.status,
                "words": decision.words,
                "reason": decision.reason,
                "receipt": decision.receipt,
                "credited_cents": decision.credited_cents,
                "reversed_cents": decision.reversed_cents,
                "paid_at": decision.paid_at,
                "decided_at": decision.decided_at,
                "confirmed": decision.confirmed,
                "pending_at": decision.pending_at,
                "rev": 1,
            },
        )
        await self._connection.execute(insert(payments).values(**row_of(born, FIELDS)))
        await self._connection.run_sync(add_evidence, self._crypt, [told])
        claim = [(told.receipt, born.id, told.at)]
        won = await self._connection.run_sync(claim_receipts, claim)
        if not won and not outranks:
            raise ReceiptTaken(told.receipt)
        if not won:
            await self._connection.run_sync(take_receipts, claim)
        return born

    def _known(self, connection: Connection, wanted: Collection[str]) -> dict[str, RecordRow]:
        found = _KNOWN(connection, [*wanted]) if wanted else ()
        rows = [dict(zip((c.name for c in _COLUMNS), row, strict=True)) for row in found]
        for row in rows:
            row["at"], row["seen_at"] = instant(row["at"]), instant(row["seen_at"])
        return {row["receipt"]: self._read(row) for row in rows}

    def _keep(
        self, connection: Connection, new: Sequence[NewRecordRow], now: datetime
    ) -> list[Kept]:
        known = self._known(connection, {each.receipt for each in new})
        stood = dict(known)
        fresh: dict[str, RecordRow] = {}
        moved: dict[str, RecordRow] = {}
        kept: list[tuple[str, bool]] = []
        for each in new:
            before = fresh.get(each.receipt) or known.get(each.receipt)
            after, differs = _merged(before, each, now)
            if before is None or each.receipt in fresh:
                fresh[each.receipt] = after
            elif after != before:
                known[each.receipt] = moved[each.receipt] = after
            kept.append((each.receipt, differs))
        if fresh:
            _ADD(connection, [self._written(row) for row in fresh.values()])
        for row in moved.values():
            values = self._written(row)
            values |= {"at": row.at, "seen_at": row.seen_at}
            # Whose it is a person may have said since it was read; no word of the books does.
            del values["receipt"], values["payment_id"]
            if row.state is stood[row.receipt].state:
                del values["state"]
            connection.execute(
                update(record_rows).where(record_rows.c.receipt == row.receipt).values(**values)
            )
        return [(fresh.get(receipt) or known[receipt], differs) for receipt, differs in kept]

    def _written(self, row: RecordRow) -> dict[str, Any]:
        said = {"reference": row.reference, "payer": row.payer, "linked": row.linked}
        return {
            "receipt": row.receipt,
            "kind": row.kind.value,
            "amount_cents": row.amount_cents,
            "at": micros(row.at),
            "said": self._crypt.seal_text(json.dumps(said)),
            "sources": " ".join(sorted(row.sources)),
            "recorded": row.recorded,
            "seen_at": micros(row.seen_at),
            "state": row.state.value,
            "payment_id": row.payment_id,
        }

    def _read(self, row: Any) -> RecordRow:
        said = json.loads(self._crypt.open_text(row["said"]))
        return RecordRow(
            receipt=row["receipt"],
            kind=RowKind(row["kind"]),
            amount_cents=row["amount_cents"],
            at=row["at"],
            reference=said["reference"],
            payer=said["payer"],
            linked=said["linked"],
            sources=frozenset(map(Source, row["sources"].split())),
            recorded=bool(row["recorded"]),
            seen_at=row["seen_at"],
            state=RowState(row["state"]),
            payment_id=row["payment_id"],
        )


def _placing(receipt: str, state: RowState, payment_id: str | None) -> dict[str, Any]:
    return {"key_receipt": receipt, "to_state": state.value, "to_payment_id": payment_id}


def _merged(before: RecordRow | None, new: NewRecordRow, now: datetime) -> tuple[RecordRow, bool]:
    """The row after this word about it, and whether the books now say something else."""
    recorded = new.source is not Source.C2B
    if before is None:
        return (
            RecordRow(
                receipt=new.receipt,
                kind=new.kind,
                amount_cents=new.amount_cents,
                at=new.at,
                reference=new.reference,
                payer=new.payer,
                linked=new.linked,
                sources=frozenset({new.source}),
                recorded=recorded,
                seen_at=now,
                state=RowState.NEW if recorded else RowState.CLAIMED,
                payment_id=None,
            ),
            False,
        )
    after = replace(before, sources=before.sources | {new.source})
    if before.recorded:
        # What the books name without its account is completed by whoever tells that.
        if not before.reference and new.reference:
            # What somebody has given away, or closed, stays so: a person looks whose it is.
            state = RowState.NEW if before.state is RowState.OPEN else before.state
            after = replace(after, reference=new.reference, state=state)
        if before.kind is RowKind.REVERSAL and before.linked is None and new.linked is not None:
            # Whoever bore it by a person's word may not be the one; what was closed, jobs look at.
            closed = before.state is RowState.CLOSED
            state = RowState.CLOSED if closed else RowState.NEW
            after = replace(after, linked=new.linked, state=state)
        if not recorded:
            return after, False
        differs = (before.amount_cents, before.kind) != (new.amount_cents, new.kind)
        return after, differs
    if not recorded:
        return after, False
    return (
        replace(
            after,
            kind=new.kind,
            amount_cents=new.amount_cents,
            at=new.at or before.at,
            reference=new.reference or before.reference,
            payer=new.payer or before.payer,
            linked=new.linked,
            recorded=True,
            state=RowState.NEW,
        ),
        False,
    )
