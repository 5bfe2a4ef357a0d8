"""
Rulings: what an operator decides about a difference of the books, with a name and a reason on it.

What is done is done before the agreement of two is written down, and may be done twice: evidence
knows itself again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256

from bot.core.apart import counted_already, counts_elsewhere
from bot.core.placing import Placing, may_be_prompts
from bot.core.ports import Clock
from bot.core.references import ByHand
from bot.core.reversal_rows import close_taken_back
from bot.core.ruled import Deed, Ruling, TwoPeople
from bot.core.settle import RULED, Settle
from bot.core.told_rows import Placed, born_key, record_evidence, rules_amount
from storage.engine import Store
from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    Alarm,
    Evidence,
    Kind,
    OpenDifference,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
)
from storage.tx import Tx

__all__ = ["Deed", "Ruling", "Rulings", "TwoPeople"]

log = logging.getLogger(__name__)

REASON_CHARS_MAX = 500


class Rulings:
    """Carries out what operators decide. Who is one, the caller has checked."""

    def __init__(
        self,
        *,
        store: Store,
        settle: Settle,
        clock: Clock,
        placing: Placing,
        two_people: TwoPeople,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._placing = placing
        self.two_people = two_people
        self._wake = wake

    async def assign(
        self, difference_id: int, *, to: str | None = None, by: int, why: str
    ) -> Ruling:
        """
        Say whose an open difference is: *to* is the payment that it belongs to, or whose intent.

        An unreceipted payment takes it as its own; beside one that has a receipt, a payment by
        hand is made. AMOUNT_DIFFERS and REVIEW need no *to*: the amount of the books counts, and
        the waiting payment is credited. Raises NotKept.
        """
        async with self._store.read() as tx:
            open_one = await tx.record.difference(difference_id)
        if open_one is None or open_one.receipt is None:
            return Ruling.UNKNOWN if open_one is None else Ruling.CANNOT
        if open_one.closed_at is not None:
            return Ruling.ALREADY
        target = to or open_one.payment_id
        if target is None or open_one.kind is OpenKind.ONLY_OURS:
            return Ruling.CANNOT
        amount_cents = open_one.theirs_cents
        async with self._store.read() as tx:
            payment = await tx.payments.get(target)
            row = await tx.record.get(open_one.receipt)
            if payment is None or row is None:
                return Ruling.UNKNOWN
            row = replace(row, amount_cents=amount_cents or row.amount_cents)
            born = await tx.payments.by_ask_key(born_key(row))
            holder = (await tx.evidence.receipt_holders([row.receipt])).get(row.receipt)
            # Beside what the payment counts, this would be more money, its own prompt's too.
            beside = payment.receipt not in (None, row.receipt)
            for_it = None if beside else target
            counts = await counted_already(tx, row, for_it)
            elsewhere = counts is not None and await counts_elsewhere(tx, row)
        if open_one.kind is OpenKind.REVIEW and open_one.payment_id is None:
            open_one = replace(open_one, payment_id=holder)  # its code was named for them since
        of = open_one.payment_id if born is None and open_one.kind is OpenKind.REVIEW else None
        joins = counts is not None and counts.id == target and of not in (None, target)
        if counts is not None and not joins:
            return Ruling.TWICE if elsewhere else Ruling.COUNTED
        if open_one.kind is OpenKind.REVIEW and born is not None and born.id != target:
            return Ruling.HELD  # nobody else is ever given what a payment was made of
        if row.kind is RowKind.REVERSAL:
            waits = open_one.kind is OpenKind.REVERSAL
            if not await self._placing.reversals.may_bear(payment, row, waits=waits):
                return Ruling.CANNOT
        subject = str(difference_id)
        agreed = await self.two_people.agreed(
            Deed.ASSIGN, subject, target, amount_cents=row.amount_cents, by=by, why=why
        )
        if agreed is not Ruling.DONE:
            return agreed
        if not joins and await self._placing.apart.forbids(row, for_it, by=by) is not None:
            return Ruling.COUNTED
        given = (
            await self._join(row, of, payment, by)
            if joins and of is not None
            else await self._give(open_one, row, payment, by, why)
        )
        if given is None:
            return Ruling.HELD
        await self._finish(Deed.ASSIGN, subject, target, by=by)
        await self._settle_row(row.receipt, given, by=by, why=why, kind=open_one.kind)
        await self._placing.apart.stays(difference_id, by=by)  # named while it was given away
        return Ruling.DONE

    async def dismiss(self, difference_id: int, *, by: int, why: str) -> Ruling:
        """
        Close a difference without crediting anybody: it is none of ours, or known otherwise.

        Not while two count its line: then it is to be given to the one of them. Raises NotKept.
        """
        now = self._clock.now()
        async with self._store.read() as tx:
            found = await tx.record.difference(difference_id)
        if found is not None and found.closed_at is not None:
            return Ruling.ALREADY
        if await self._placing.apart.stays(difference_id, by=by) is not None:
            return Ruling.TWICE

        async def run(tx: Tx) -> Ruling:
            open_one = await tx.record.difference(difference_id)
            if open_one is None:
                return Ruling.UNKNOWN
            only_ours = open_one.kind is OpenKind.ONLY_OURS
            about = open_one.payment_id if only_ours else open_one.receipt
            assert about is not None, "a difference is about a receipt, or about a payment"
            keys = [(open_one.kind, about)]
            if not await tx.record.close(keys, now=now, by=by, why=why[:REASON_CHARS_MAX]):
                return Ruling.ALREADY
            if open_one.receipt is not None and not only_ours:
                await tx.record.place([open_one.receipt], RowState.CLOSED, open_one.payment_id)
            if open_one.kind is OpenKind.REVERSAL:
                await close_taken_back(tx, about, by=by, why=why[:REASON_CHARS_MAX], now=now)
            return Ruling.DONE

        return await self._store.write(run)

    async def give_to_reference(self, row: RecordRow, reference: str, *, by: int) -> str | Ruling:
        """
        A merchant takes money that is nobody's, as if that reference had been its account.

        Returns the payment that has it now, theirs or of whoever was faster. CANNOT: nobody has
        that reference, or it went back; PROMPTED: it may be counted already. Operators are told.

        Raises NotKept.
        """
        now = self._clock.now()
        # Who did it is written down before it is done.
        await self._store.write(
            lambda tx: tx.payments.looked(by=by, payment_ids=[row.receipt], what="took", at=now)
        )
        refused: list[Ruling] = []

        async def forbids(tx: Tx) -> bool:
            went_back = bool(await tx.record.taking_back(row.receipt))
            refused[:] = [Ruling.CANNOT if went_back else Ruling.PROMPTED]
            return went_back or await may_be_prompts(tx, row)

        born = await self._placing.bear(row, reference, alarm=Alarm.MERCHANT_TOOK, forbids=forbids)
        if born.state is RowState.NEW:
            async with self._store.read() as tx:
                holders = await tx.evidence.receipt_holders([row.receipt])
            return holders.get(row.receipt, Ruling.CANNOT)
        if born.payment_id is None:
            return refused[0] if born.open is OpenKind.REVIEW else Ruling.CANNOT
        await self._settle_row(row.receipt, born.payment_id, by=by, why="")
        return born.payment_id

    async def _give(
        self, open_one: OpenDifference, row: RecordRow, payment: Payment, by: int, why: str
    ) -> str | None:
        """The payment that the money went to; None if another holds the receipt."""
        differs = rules_amount(open_one.kind, row, payment)
        if row.kind is RowKind.REVERSAL:
            told = await self._placing.reversals.tell(
                payment.id, replace(row, linked=None), ruled_by=by if differs else None
            )
            return payment.id if told else None
        closed = partial(_is_closed, open_one.id)
        match open_one.kind:
            case OpenKind.TWICE:
                holder = open_one.payment_id
                assert holder is not None, "the payment that has two receipts"
                await self._placing.disown(row.receipt, holder, by=by)
                return await self._bear(row, payment, by, outranks=True, forbids=closed)
            case OpenKind.UNMATCHED if payment.receipt is not None:
                return await self._bear(row, payment, by, outranks=False, forbids=closed)
            case kind:
                of = open_one.payment_id if kind is OpenKind.REVIEW else None
                if of is not None and of != payment.id:
                    of = of if await self._placing.take_away(row, of, payment, by=by) else None
                ruled = await self._tell_paid(
                    payment.id, row, differs=differs, by=by, why=why, of=of
                )
                if ruled is Ruling.CANNOT:
                    return await self._beside(row, payment, by, of=of)
                return None if ruled is Ruling.HELD else payment.id

    async def _join(self, row: RecordRow, of: str, payment: Payment, by: int) -> str | None:
        """The payment counts that money, and this is its code: whoever had that one is told so."""
        if not await self._placing.take_away(row, of, payment, by=by):
            return None
        told = record_evidence(row, payment.id, self._clock.now())

        def admit(_payment: Payment, _seen: Seen) -> Admitted:
            return Admitted(evidence=(told,), claims_receipt=row.receipt, outranks=True)

        unit = Unit(payment_id=payment.id, admit=admit, receipt=row.receipt)
        await self._store.submit(unit, self._settle)
        return payment.id

    async def _beside(
        self, row: RecordRow, payment: Payment, by: int, *, of: str | None
    ) -> str | None:
        """
        The payment counts another receipt: this one's money becomes a payment of its own.

        None for what was made of this very money, and counts another: there is never a second.
        """
        if payment.ask_key == born_key(row):
            return None
        async with self._store.read() as tx:
            holder = (await tx.evidence.receipt_holders([row.receipt])).get(row.receipt)
        if holder == payment.id:
            await self._placing.disown(row.receipt, holder, by=by)
        return await self._bear(
            row, payment, by, outranks=holder is not None and holder in (payment.id, of)
        )

    async def _bear(
        self,
        row: RecordRow,
        payment: Payment,
        by: int,
        *,
        outranks: bool,
        forbids: Callable[[Tx], Awaitable[bool]] | None = None,
    ) -> str | None:
        """The payment that was made of it; None if somebody gave that money away just before."""
        owner = ByHand(
            intent_id=payment.intent_id, subject=payment.subject, amount_kes=payment.amount_kes
        )
        born: Placed = await self._placing.bear(
            row, owner, by=by, outranks=outranks, forbids=forbids
        )
        if born.payment_id is None:
            return None
        async with self._store.read() as tx:
            made = await tx.payments.get(born.payment_id)
        return made.id if made is not None and made.intent_id == payment.intent_id else None

    async def _tell_paid(
        self, payment_id: str, row: RecordRow, *, differs: bool, by: int, why: str, of: str | None
    ) -> Ruling:
        """
        HELD: the receipt is another payment's. CANNOT: the payment counts another receipt.

        *differs*: the books named another amount before, and this one counts from now on. *of*: the
        payment that has just been told that the receipt is another's.
        """
        now = self._clock.now()
        what = f"{RULED if differs else 'operator'}:{row.receipt}:{row.amount_cents}"
        held: list[bool] = []
        another: list[bool] = []

        def admit(payment: Payment, seen: Seen) -> Admitted:
            held[:] = [seen.receipt_holder not in (None, payment.id, of)]
            another[:] = [not {payment.receipt, *seen.claimed} <= {None, row.receipt}]
            if held[0] or another[0]:
                return Admitted()
            evidence = Evidence(
                payment_id=payment_id,
                kind=Kind.OPERATOR_PAID,
                at=now,
                reason=RULED if differs else None,
                receipt=row.receipt,
                amount_cents=row.amount_cents,
                paid_at=row.at,
                digest=sha256(what.encode()).hexdigest(),
                source="operator",
                body=why[:REASON_CHARS_MAX].encode("utf-8", "replace"),
                by=by,
            )
            taken = seen.receipt_holder not in (None, payment.id)
            return Admitted(evidence=(evidence,), claims_receipt=row.receipt, outranks=taken)

        unit = Unit(payment_id=payment_id, admit=admit, receipt=row.receipt)
        outcome = await self._store.submit(unit, self._settle)
        log.info("payment.ruled id=%s by=%d fresh=%s", payment_id, by, outcome.fresh)
        self._wake()
        if held == [True]:
            return Ruling.HELD
        if another == [True]:
            return Ruling.CANNOT
        return Ruling.DONE if outcome.fresh else Ruling.ALREADY

    async def _settle_row(
        self,
        receipt: str,
        payment_id: str,
        *,
        by: int,
        why: str,
        kind: OpenKind = OpenKind.UNMATCHED,
    ) -> None:
        """The row of that receipt has its payment, by this person's word."""
        now = self._clock.now()

        async def run(tx: Tx) -> None:
            if await tx.record.get(receipt) is not None:
                await tx.record.place([receipt], RowState.MATCHED, payment_id)
            keys = {(kind, receipt), (OpenKind.UNMATCHED, receipt), (OpenKind.REVIEW, receipt)}
            payment = await tx.payments.get(payment_id)
            if payment is not None and payment.receipt == receipt:
                keys.add((OpenKind.ONLY_OURS, payment_id))  # the books name it
            await tx.record.close(
                keys, now=now, by=by, why=why[:REASON_CHARS_MAX], given_to=payment_id
            )

        await self._store.write(run)
        await self._placing.reversals.place_of(receipt)
        self._wake()

    async def _finish(self, deed: Deed, subject: str, argument: str, *, by: int) -> None:
        await self.two_people.done(deed, subject, argument, by=by)
        self._wake()


async def _is_closed(difference_id: int, tx: Tx) -> bool:
    """Whether it was closed a moment ago; if not, nobody does before this transaction ends."""
    return not await tx.record.still_open(difference_id)
