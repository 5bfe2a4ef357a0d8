"""The record as the chat, the web and the timetable hold it: one object for all that it can do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from bot.core.counter import Counter
from bot.core.portal import Progress, Reconciled, reconcile_statement
from bot.core.ports import Clock, Collector
from bot.core.record import Record
from bot.core.reversals import Reversals
from bot.core.rulings import Ruling, Rulings
from bot.core.suggestions import Suggestion
from bot.core.ways import Ways
from mpesa.statement import open_statement
from storage.engine import Store
from storage.records import (
    DecidedByOne,
    OpenDifference,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    reversal_key,
)

__all__ = ["Known", "RecordDesk", "Verified"]

ASK_EVERY = timedelta(seconds=30)


class Known(StrEnum):
    """What we know of a receipt."""

    OURS = "ours"  # a payment of ours holds it
    REVERSAL = "reversal"  # money went back under it: it is no proof that any came
    UNMATCHED = "unmatched"  # it is in Safaricom's books, and belongs to nothing of ours yet
    CLAIMED = "claimed"  # only posted to us: the books have not named it
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """
    What we know of a receipt at this moment.

    `payment` holds it. `taken_off` is, of a reversal, the payment whose money went back.
    `asked`: Safaricom has just been asked, and will say in a few seconds: look again then.
    `can_ask` is false where no initiator is configured.
    """

    receipt: str
    known: Known
    payment: Payment | None
    taken_off: Payment | None
    row: RecordRow | None
    difference: OpenDifference | None
    suggestions: tuple[Suggestion, ...]
    asked: bool
    can_ask: bool


class RecordDesk:
    """Everything that can be done with Safaricom's books."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        collector: Collector,
        rows: Record,
        ways: Ways,
        rulings: Rulings,
        reversals: Reversals,
    ) -> None:
        self._store = store
        self._clock = clock
        self._collector = collector
        self.rows = rows
        self.ways = ways
        self.rulings = rulings
        self.reversals = reversals
        self.counter = Counter(
            store=store,
            clock=clock,
            look=self.verify,
            rulings=rulings,
            accounts=collector.kind == "paybill",
        )

    async def verify(self, receipt: str, *, by: int, may_ask: bool = True) -> Verified:
        """
        "The customer shows me a code": what is it? Asks Safaricom where the books have not said.

        For operators: it holds whose it is. Merchants are answered by `counter`. Raises NotKept.
        """
        receipt = receipt.strip().upper()
        key = reversal_key(receipt)
        async with self._store.read() as tx:
            holders = await tx.evidence.receipt_holders([receipt, key])
            holder, said_of = holders.get(receipt), holders.get(key)
            payment = None if holder is None else await tx.payments.get(holder)
            taken_off = None if said_of is None else await tx.payments.get(said_of)
            row = await tx.record.get(receipt)
            open_now = [each for each in await tx.record.of_receipt(receipt) if not each.closed_at]
            asked_before = await tx.record.questions_of(receipt)
        named = row is not None and row.recorded
        lately = asked_before and self._clock.now() - asked_before[0].asked_at < ASK_EVERY
        asked = bool(not named and lately and asked_before[0].heard_at is None)
        if not named and not lately and may_ask:
            asked = await self.ways.ask(receipt, by=by)
        known = Known.UNKNOWN
        if taken_off is not None or (row is not None and row.kind is RowKind.REVERSAL):
            known = Known.REVERSAL
        elif payment is not None:
            known = Known.OURS
        elif row is not None:
            known = Known.UNMATCHED if row.recorded else Known.CLAIMED
        whose = payment or taken_off
        suggestions = () if whose is not None else await self.rows.suggestions(receipt)
        return Verified(
            receipt=receipt,
            known=known,
            payment=payment,
            taken_off=taken_off,
            row=row,
            difference=open_now[0] if open_now else None,
            suggestions=tuple(suggestions),
            asked=asked,
            can_ask=self.ways.can_ask,
        )

    async def reconcile(self, path: Path, progress: Progress = lambda _bytes: None) -> Reconciled:
        """
        Take the portal's statement at *path* (CSV or Excel), wherever it was put for a moment.

        Raises:
            BadStatement: it is none, or of another short code; what to do is in its message.
            NotKept: the store failed; hand it in again.
        """
        with open_statement(path) as statement:
            return await reconcile_statement(self.rows, statement, self._collector, progress)

    async def open_differences(
        self, *, limit: int = 20, after: int = 0, kind: OpenKind | None = None
    ) -> list[OpenDifference]:
        """See `Record.open_differences`."""
        return await self.rows.open_differences(limit=limit, after=after, kind=kind)

    async def assign(
        self, difference_id: int, *, to: str | None = None, by: int, why: str
    ) -> Ruling:
        """See `Rulings.assign`."""
        return await self.rulings.assign(difference_id, to=to, by=by, why=why)

    async def dismiss(self, difference_id: int, *, by: int, why: str) -> Ruling:
        """See `Rulings.dismiss`."""
        return await self.rulings.dismiss(difference_id, by=by, why=why)

    async def reverse(self, payment_id: str, *, by: int, why: str) -> Ruling:
        """See `Reversals.reverse`."""
        return await self.reversals.reverse(payment_id, by=by, why=why)

    async def waiting(self, *, limit: int = 20) -> list[DecidedByOne]:
        """What one operator wants, and a second one must agree to."""
        return await self.rulings.two_people.waiting(limit=limit)
