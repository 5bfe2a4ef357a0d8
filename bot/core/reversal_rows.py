"""
Reversal rows: money that went back, and the one payment that it is taken off.

The books say which receipt it takes back, or a person says which payment. Its own receipt is
claimed in the commit that tells it: whoever else says it, of another payment or once more, takes
nothing off a second time. Every step may be done again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from hashlib import sha256

from bot.core.ports import Clock
from bot.core.settle import RULED, Settle
from bot.core.told_rows import Placed
from storage.engine import Store
from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    Evidence,
    Kind,
    OpenKind,
    Payment,
    RecordRow,
    RowState,
    Word,
    reversal_key,
)
from storage.tx import Tx

__all__ = ["ReversalRows", "close_taken_back"]

log = logging.getLogger(__name__)

WAITS = Placed(state=RowState.OPEN, open=OpenKind.REVERSAL)


async def close_taken_back(tx: Tx, reversal: str, *, by: int, why: str, now: datetime) -> None:
    """
    A person has closed that reversal: money of nobody of which nothing is left is closed with it.

    What is left of it after a part went back stays open.
    """
    row = await tx.record.get(reversal)
    of = None if row is None or row.linked is None else await tx.record.get(row.linked)
    if of is None or of.state is not RowState.OPEN:
        return
    back = await tx.record.taking_back(of.receipt)
    closed_cents = sum(each.amount_cents for each in back if each.state is RowState.CLOSED)
    if closed_cents < of.amount_cents:
        return
    keys = [(OpenKind.UNMATCHED, of.receipt)]
    if await tx.record.close(keys, now=now, by=by, why=why):
        await tx.record.place([of.receipt], RowState.CLOSED)


class ReversalRows:
    """Finds the payment that a reversal is taken off, and tells it."""

    def __init__(
        self,
        *,
        store: Store,
        settle: Settle,
        clock: Clock,
        disown: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._disown = disown

    async def place(self, row: RecordRow) -> Placed:
        """
        Tell the payment that counts the receipt which it takes back.

        Where the books name none, it is the payment that a person said it of.
        """
        key = reversal_key(row.receipt)
        async with self._store.read() as tx:
            holders = await tx.evidence.receipt_holders([key, row.linked or key])
            said_of, holder = holders.get(key), holders.get(row.linked or "")
            told_to = holder or said_of
            payment = None if told_to is None else await tx.payments.get(told_to)
            taken_back = None if row.linked is None else await tx.record.get(row.linked)
            told = [] if holder is None else (await tx.evidence.of([holder])).get(holder, [])
        leaves = any(
            each.kind is Kind.RECEIPT_MOVED and each.receipt == row.linked for each in told
        )
        if payment is None or leaves:
            return WAITS
        # Of two receipts the books may yet make the other one count: they speak first.
        unclear = Word.TWICE in payment.words and (
            taken_back is None or taken_back.state not in (RowState.MATCHED, RowState.CLOSED)
        )
        if holder is None:
            borne = await self._is_given(row, payment.id) or await self.tell(payment.id, row)
        elif payment.receipt in (None, row.linked):
            borne = not unclear and await self._outrank(payment.id, row, said_of)
        else:
            borne = await self._store.write(partial(self._uncounted, row=row, holder=payment.id))
        return Placed(state=RowState.MATCHED, payment_id=payment.id) if borne else WAITS

    async def may_bear(self, payment: Payment, row: RecordRow, *, waits: bool) -> bool:
        """
        Whether a person may say that this row is taken off *payment*.

        Not if what it took back is a receipt that *payment* has, and does not count. And while it
        *waits* for its payment, not of one that counts less: nothing could be taken off that.
        """
        key = reversal_key(row.receipt)
        async with self._store.read() as tx:
            holders = await tx.evidence.receipt_holders([key, row.linked or key])
        another = row.linked is not None and payment.receipt not in (None, row.linked)
        if another and holders.get(row.linked or key) == payment.id:
            return False
        bears = holders.get(key) == payment.id
        return bears or not waits or _counts(payment) >= row.amount_cents

    async def place_of(self, receipt: str) -> None:
        """That receipt has a payment by now: what took it back is taken off that."""
        async with self._store.read() as tx:
            rows = await tx.record.taking_back(receipt)
        for row in rows:
            placed = await self.place(row)
            if placed.open is None:
                await self._store.write(partial(self._borne, row=row, holder=placed.payment_id))

    async def _is_given(self, row: RecordRow, to: str) -> bool:
        """
        Whether a person has found for that row, which waited, that it is taken off this payment.

        There it stays, whatever it names, until the payment is known that it took back.
        """
        async with self._store.read() as tx:
            about = await tx.record.of_receipt(row.receipt)
        return any(each.kind is OpenKind.REVERSAL and each.given_to == to for each in about)

    async def may_follow(self, receipt: str, told: Sequence[Evidence]) -> bool:
        """
        Whether all that went back, as *told*, may go along with that receipt to another payment.

        What a person said of the payment alone may be of that receipt, or not: a person says it.
        """
        codes = {each.receipt or "" for each in told if each.kind is Kind.REVERSED}
        async with self._store.read() as tx:
            rows = await tx.record.known(codes)
        return all(code in rows and rows[code].linked == receipt for code in codes)

    async def let_go(self, receipt: str, holder: str) -> None:
        """
        What took that receipt back of *holder* has to be placed anew: another is about to have it.

        It is noted before that one has it: whatever becomes of us then, a job comes back to it. Who
        is to lose the receipt is told before: until then the job would leave it where it is.
        """

        async def run(tx: Tx) -> None:
            told = (await tx.evidence.of([holder])).get(holder, [])
            rows = await tx.record.known(
                {each.receipt or "" for each in told if each.kind is Kind.REVERSED}
            )
            back = [
                row.receipt
                for row in rows.values()
                if row.linked == receipt and row.state is RowState.MATCHED
            ]
            await tx.record.place(back, RowState.NEW, holder)

        await self._store.write(run)

    async def _borne(self, tx: Tx, *, row: RecordRow, holder: str | None) -> None:
        await tx.record.place([row.receipt], RowState.MATCHED, holder)
        keys = [(OpenKind.REVERSAL, row.receipt)]
        await tx.record.close(keys, now=self._clock.now(), why="matched")

    async def _outrank(self, holder: str, row: RecordRow, said_of: str | None) -> bool:
        """Safaricom says what went back: of another payment that a person named, nothing did."""
        if said_of is not None and said_of != holder:
            await self._disown(reversal_key(row.receipt), said_of)
            log.warning("record.reversal_moved from=%s", said_of)
        return await self.tell(holder, row, outranks=said_of)

    async def _uncounted(self, tx: Tx, *, row: RecordRow, holder: str) -> bool:
        """
        What went back is a second receipt that *holder* does not count: nothing is taken off it.

        The whole of it closes what was open about that receipt. False: a person must look.
        """
        assert row.linked is not None, "it takes something back"
        about = await tx.record.of_receipt(row.linked)
        # Under their locks: a person may be giving that money away right now.
        open_now = [each for each in about if await tx.record.still_open(each.id)]
        key = reversal_key(row.receipt)
        holders = await tx.evidence.receipt_holders([row.linked, key])
        taken_back = await tx.record.get(row.linked)
        if taken_back is None or holders.get(row.linked) != holder:
            return False
        closed = taken_back.state is RowState.CLOSED
        whole = row.amount_cents >= taken_back.amount_cents
        if not closed and (not whole or [each.kind for each in open_now] != [OpenKind.TWICE]):
            return False
        now = self._clock.now()
        if holders.get(key) != holder and not await tx.evidence.claim(key, holder, at=now):
            return False
        if not closed:
            await tx.record.close([(OpenKind.TWICE, row.linked)], now=now, why="given back")
            await tx.record.place([row.linked], RowState.CLOSED, holder)
        return True

    async def tell(
        self,
        holder: str,
        row: RecordRow,
        *,
        outranks: str | None = None,
        ruled_by: int | None = None,
    ) -> bool:
        """
        A linked entry: so much of that payment went back. Told again, it changes nothing.

        *ruled_by*: the books named two amounts, and this operator says that it is this one. False:
        it took back what another row brought than the one that *holder* counts, or it was said of
        another payment than the one of *outranks*, whom the caller has just taken it from.
        """
        now = self._clock.now()
        ruled = ruled_by is not None
        what = f"reversed:{row.receipt}" + (f":{row.amount_cents}" if ruled else "")
        key = reversal_key(row.receipt)
        told: list[bool] = []

        def admit(payment: Payment, seen: Seen) -> Admitted:
            counts = row.linked is None or payment.receipt in (None, row.linked)
            free = seen.receipt_holder in (None, payment.id, outranks)
            bears = seen.receipt_holder == payment.id
            # A person's word is for a payment that still counts so much; the books' is for any.
            enough = bears or row.linked is not None or _counts(payment) >= row.amount_cents
            told[:] = [counts and free and enough]
            if not told[0]:
                return Admitted()
            evidence = Evidence(
                payment_id=payment.id,
                kind=Kind.REVERSED,
                at=now,
                receipt=row.receipt,
                amount_cents=row.amount_cents,
                paid_at=row.at,
                reason=RULED if ruled else None,
                digest=sha256(what.encode()).hexdigest(),
                source="operator" if ruled else "record",
                by=ruled_by,
            )
            taken = seen.receipt_holder not in (None, payment.id)
            return Admitted(evidence=(evidence,), claims_receipt=key, outranks=taken)

        await self._store.submit(Unit(payment_id=holder, admit=admit, receipt=key), self._settle)
        return told[0]


def _counts(payment: Payment) -> int:
    """What is credited by it, after all that went back of it."""
    return payment.credited_cents or 0
