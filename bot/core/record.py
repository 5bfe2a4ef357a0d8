"""
Record: Safaricom's own books, by whichever way they come, and what is open between them and ours.

Every receipt is kept once. What was only posted (a payment told by hand: unsigned, at a fixed
address) is a claim; it is placed once the books name it. Rows are first kept, then placed; what
we did not get to is placed by the next turn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bot.core.books_alarm import BooksAlarm, hour_of
from bot.core.claims_alarm import ClaimsAlarm
from bot.core.named_late import named_late, named_now
from bot.core.placing import Placing
from bot.core.ports import Clock
from bot.core.references import read_reference
from bot.core.row_batches import RowBatches
from bot.core.settle import Settle
from bot.core.suggestions import Suggestion, suggestions
from bot.core.told_rows import Placed, difference_of
from storage.engine import Store
from storage.records import (
    Alarm,
    NewRecordRow,
    OpenDifference,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    Source,
)
from storage.tx import Tx

__all__ = ["Record", "Taken"]

log = logging.getLogger(__name__)

CHUNK = 1000
UNPLACED_AT_ONCE = 500
CLAIMS_MAX = 10_000

SETTLED = (RowState.MATCHED, RowState.CLOSED)
BY_ROW = tuple(kind for kind in OpenKind if kind is not OpenKind.ONLY_OURS)


@dataclass(slots=True)
class Taken:
    """What became of rows that were handed in."""

    rows: int = 0
    fresh: int = 0  # receipts that we had not seen in the books
    matched: int = 0
    open: int = 0
    left: int = 0  # not placed: the store was in the way
    differs: int = 0  # the books say now what they did not say before

    def add(self, other: Taken) -> None:
        for name in ("rows", "fresh", "matched", "open", "left", "differs"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Record:
    """The record, as the rest of the bot holds it."""

    claims_max = CLAIMS_MAX
    again_at_once = UNPLACED_AT_ONCE

    def __init__(
        self,
        *,
        store: Store,
        settle: Settle,
        clock: Clock,
        placing: Placing,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self.placing = placing
        self._batches = RowBatches(store=store, settle=settle, clock=clock, placing=placing)
        self._alarm = BooksAlarm(store=store, settle=settle, clock=clock, wake=wake)
        self.claims = ClaimsAlarm(store=store, settle=settle, clock=clock, wake=wake)
        self._wake = wake
        self._looked_at = ""

    async def take(self, rows: Sequence[NewRecordRow]) -> Taken:
        """
        Keep rows of the books and place each. The same rows again change nothing.

        Raises:
            NotKept: the store could not; hand them in again.
        """
        taken = Taken()
        for start in range(0, len(rows), CHUNK):
            taken.add(await self._take(rows[start : start + CHUNK]))
        if taken.fresh:
            self._wake()
        return taken

    async def claim(self, row: NewRecordRow) -> bool:
        """
        Keep what was only posted: it credits nothing until the books name the receipt.

        Returns False where no more claims are kept. Raises NotKept.
        """
        assert row.source is Source.C2B, "only a post is a claim"
        now = self._clock.now()

        async def run(tx: Tx) -> bool:
            known = await tx.record.get(row.receipt)
            if known is None and await tx.record.claims_kept() >= self.claims_max:
                alarm = self._settle.alarm(Alarm.CLAIMS_FULL, None, key=hour_of(now))
                await tx.notices.owe(alarm, now=now)
                return False
            await tx.record.keep([row], now=now)
            return True

        kept = await self._store.write(run)
        if not kept:
            self._wake()
        return kept

    async def place_left(self) -> None:
        """Rows that were kept and not placed: we stopped in between. A job."""
        async with self._store.read() as tx:
            left = await tx.record.unplaced(limit=UNPLACED_AT_ONCE)
        if left:
            await self._place(left)
            self._wake()

    async def look_again(self) -> None:
        """Rows whose payment has become known since, and what no book has named. A job."""
        many = self.again_at_once
        async with self._store.read() as tx:
            found = await tx.record.placeable(after=self._looked_at, limit=many)
        # The next turn goes on from here: else those that stay open would be all that is looked at.
        self._looked_at = found[-1].receipt if len(found) == many else ""
        if due := await self._due(found):
            await self._place(due)
            self._wake()
        await self._alarm.ring_again()
        await self.claims.ring()

    async def _due(self, found: Sequence[RecordRow]) -> list[RecordRow]:
        """Without the reversals that a person has dealt with, unless the books now say whose."""
        async with self._store.read() as tx:
            holders = await tx.evidence.receipt_holders({row.linked for row in found if row.linked})
        return [
            row
            for row in found
            if row.state not in SETTLED
            or holders.get(row.linked or "") not in (None, row.payment_id)
        ]

    async def get(self, receipt: str) -> RecordRow | None:
        """The row of a receipt, if the books or a post have named it."""
        async with self._store.read() as tx:
            return await tx.record.get(receipt.strip().upper())

    async def taking_back(self, receipt: str) -> list[RecordRow]:
        """Reversals that say that they take this receipt back, and were placed nowhere at once."""
        async with self._store.read() as tx:
            return await tx.record.taking_back(receipt)

    async def row_of(self, difference_id: int) -> RecordRow | None:
        """The row that a difference is about, open or closed, if it is about one."""
        async with self._store.read() as tx:
            found = await tx.record.difference(difference_id)
            about = None if found is None else found.receipt
            return None if about is None else await tx.record.get(about)

    async def open_differences(
        self, *, limit: int = 20, after: int = 0, kind: OpenKind | None = None
    ) -> list[OpenDifference]:
        """What a person must look at, oldest first; go on with the last one's id as *after*."""
        async with self._store.read() as tx:
            return await tx.record.differences(limit=limit, after=after, kind=kind)

    async def count_open(self) -> dict[OpenKind, int]:
        async with self._store.read() as tx:
            return await tx.record.count_open()

    async def net_cents(self) -> int:
        """All that was credited, less what went back: what the account must have received."""
        async with self._store.read() as tx:
            return await tx.record.net_cents()

    async def suggestions(self, receipt: str) -> list[Suggestion]:
        """Payments that a row without one may belong to, the likeliest first."""
        async with self._store.read() as tx:
            row = await tx.record.get(receipt)
            return [] if row is None else await suggestions(tx, row)

    async def only_ours(self, *, since: datetime, until: datetime) -> int:
        """
        Note as open what was credited for that time and stands in no book; says how many there are.

        For whoever has just handed in a statement that covers all of that time.
        """
        now, count, after = self._clock.now(), 0, ""

        async def close(tx: Tx) -> None:
            await tx.record.close_of_other_accounts(now=now)
            await tx.record.close_named(now=now)

        await self._store.write(close)
        while True:
            async with self._store.read() as tx:
                batch = await tx.record.only_ours(since, until, after=after, limit=CHUNK)
            if not batch:
                return count
            after, count = batch[-1].id, count + len(batch)
            await self._note([_only_ours(each, now) for each in batch])

    async def _note(self, found: Sequence[OpenDifference]) -> None:
        await self._store.write(lambda tx: tx.record.open_up(found))

    async def _take(self, rows: Sequence[NewRecordRow]) -> Taken:
        now = self._clock.now()
        async with self._store.read() as tx:
            known = await tx.record.known({each.receipt for each in rows})
        wanted = [each for each in rows if not _says_nothing_new(known.get(each.receipt), each)]
        taken = Taken(rows=len(rows))
        states = {receipt: row.state for receipt, row in known.items()}
        await self._set_apart(wanted, known, list(known.values()))
        if wanted:
            keep = partial(self._keep, new=wanted, before=known, now=now)
            kept = await self._store.write(keep)
            # Also what somebody gave away since it was looked at.
            await self._set_apart(wanted, known, [row for row, _ in kept])
            taken.differs = sum(differs for _, differs in kept)
            states |= {row.receipt: row.state for row, _ in kept}
            new = {row.receipt: row for row, _ in kept if row.state is RowState.NEW}
            taken.fresh = len(new)
            if new:
                states |= await self._place(list(new.values()))
        taken.matched = sum(state in SETTLED for state in states.values())
        taken.open = sum(state is RowState.OPEN for state in states.values())
        taken.left = sum(state is RowState.NEW for state in states.values())
        return taken

    async def _set_apart(
        self,
        new: Sequence[NewRecordRow],
        before: Mapping[str, RecordRow],
        stand: Sequence[RecordRow],
    ) -> None:
        """What is named only now counts where it is, and nothing more for the prompt it names."""
        async with self._store.read() as tx:
            named = await named_now(tx, new, before, stand)
            read = {row.receipt: read_reference(row.reference) for row in named}
            known = await tx.record.named([each for each in read.values() if each is not None])
        for row in named:
            if known.pushes.get(read[row.receipt] or "") not in (None, row.payment_id):
                await self.placing.apart.set(row, row.payment_id)

    async def _keep(
        self,
        tx: Tx,
        *,
        new: Sequence[NewRecordRow],
        before: Mapping[str, RecordRow],
        now: datetime,
    ) -> list[tuple[RecordRow, bool]]:
        """
        Keep *new*, and note where the books said another amount before, or no account.

        That, nobody may overlook: once kept, they may never say it again.
        """
        kept = await tx.record.keep(new, now=now)
        odd = [
            OpenDifference(
                id=0,
                kind=OpenKind.AMOUNT_DIFFERS,
                receipt=row.receipt,
                payment_id=row.payment_id,
                theirs_cents=said.amount_cents,
                ours_cents=row.amount_cents,
                at=row.at,
                found_at=now,
            )
            for (row, differs), said in zip(kept, new, strict=True)
            if differs
        ]
        odd += await named_late(tx, [row for row, _ in kept], before, now=now)
        fresh = await tx.record.unknown(odd)
        if fresh:
            await tx.record.open_up(fresh)
            await self._alarm.ring(tx, now)
        return kept

    async def _place(self, rows: Sequence[RecordRow]) -> dict[str, RowState]:
        """Place rows and write down where; payments before the reversals that take them back."""
        states: dict[str, RowState] = {}
        for kind in (RowKind.PAID, RowKind.REVERSAL):
            batch = [row for row in rows if row.kind is kind]
            if not batch:
                continue
            # What could not be kept stays new, and the job comes back to it.
            placed = [(row, place) for row, place in await self._batches.place(batch) if place]
            # Nor does what a person has dealt with open again.
            pairs = [(r, place) for r, place in placed if r.state not in SETTLED or not place.open]
            await self._store.write(partial(self._write_down, pairs=pairs))
            states |= {row.receipt: place.state for row, place in pairs}
        return states

    async def _write_down(self, tx: Tx, *, pairs: Sequence[tuple[RecordRow, Placed]]) -> None:
        now = self._clock.now()
        await tx.record.place_each([(row, place.state, place.payment_id) for row, place in pairs])
        settled = [row.receipt for row, place in pairs if place.state is RowState.MATCHED]
        keys: list[tuple[OpenKind, str]] = [
            (kind, receipt) for receipt in settled for kind in BY_ROW
        ]
        named = {place.payment_id for _, place in pairs if place.payment_id is not None}
        keys += [(OpenKind.ONLY_OURS, payment_id) for payment_id in sorted(named)]
        await tx.record.close(keys, now=now, why="matched")
        opened = [each for row, place in pairs if (each := difference_of(row, place, now))]
        await tx.record.open_up(opened)
        # What was open before, and still is, has been told.
        if any(place.open and row.state is RowState.NEW for row, place in pairs):
            await self._alarm.ring(tx, now)


def _says_nothing_new(known: RecordRow | None, new: NewRecordRow) -> bool:
    """Whether this row is kept already, as it is, from this source or a better one."""
    if known is None or new.source not in known.sources or known.state is RowState.NEW:
        return False
    same = (known.amount_cents, known.kind) == (new.amount_cents, new.kind)
    told_link = new.kind is RowKind.REVERSAL and bool(new.linked and not known.linked)
    return same and not told_link and bool(known.reference or not new.reference)


def _only_ours(payment: Payment, now: datetime) -> OpenDifference:
    return OpenDifference(
        id=0,
        kind=OpenKind.ONLY_OURS,
        receipt=payment.receipt,
        payment_id=payment.id,
        theirs_cents=None,
        ours_cents=payment.credited_cents,
        at=payment.paid_at,
        found_at=now,
    )
