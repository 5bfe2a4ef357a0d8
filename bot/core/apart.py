"""
Apart: money that the books name for a prompt, and that is to count as a payment of its own.

A prompt may count what its line says without the line: a post named another code, or none, or a
clock was wrong. To count the line as well is to count that money twice. So it is written on the
prompt first, under its lock, that the line counts apart: whichever comes first of the two, the
other one waits for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from bot.core.ports import Clock
from bot.core.references import read_reference
from bot.core.settle import Settle
from bot.core.told_rows import born_key
from bot.core.went_back import moved_receipts
from storage.engine import Store
from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    BY_RECORD,
    OPEN,
    Evidence,
    Kind,
    Payment,
    RecordRow,
    RowKind,
    Status,
)
from storage.tx import Tx

__all__ = ["Apart", "Prompted", "counted_already", "counts_apart", "prompted_by"]

ASKED_ABOUT = (*OPEN, Status.CONFIRMING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """A payment whose prompt showed the account that a line of the books names."""

    payment: Payment
    told: Sequence[Evidence]
    # Other lines of the same account and amount that count nowhere: one may be what it counts.
    spare: frozenset[str]
    # Codes that an operator typed for it, and that the books have.
    booked: frozenset[str]

    def counts(self, row: RecordRow, *, asking: bool) -> bool:
        """
        Whether it counts what *row* says, or may yet where *asking*.

        Not where the books vouch for another line: that is then what it counts.
        """
        payment = self.payment
        if payment.status in ASKED_ABOUT:
            # Safaricom may say "paid" when asked, and no code with it: a callback would have it.
            can_say = payment.checkout_index is not None and payment.next_check_at is not None
            return asking and can_say and row.amount_cents == payment.amount_kes * 100
        if not payment.credited_cents or row.amount_cents != payment.arrived_cents:
            return False
        gone = moved_receipts(self.told)
        own = {
            each.receipt
            for each in self.told
            if not each.held and each.receipt not in gone and _vouches(each, self.booked)
        }
        apart = {each.receipt for each in self.told if each.kind is Kind.COUNTED_APART}
        return not own - {row.receipt} and not self.spare - apart

    def may_count(self, row: RecordRow) -> bool:
        """Whether a yes for it would be about as much as *row* says."""
        return not self.payment.credited_cents and row.amount_cents == self.payment.amount_kes * 100


def counts_apart(payment: Payment, told: Sequence[Evidence]) -> bool:
    """Whether a yes about *payment* may be about money that counts as another already."""
    apart = any(each.kind is Kind.COUNTED_APART for each in told)
    return apart and payment.status is not Status.PAID


def _vouches(each: Evidence, booked: frozenset[str]) -> bool:
    """Whether by this piece the books have a line for what a payment counts."""
    if each.kind is Kind.OPERATOR_PAID:
        return each.receipt in booked
    return each.kind is Kind.RECORD_PAID


async def prompted_by(tx: Tx, row: RecordRow, payment_id: str | None) -> Prompted | None:
    """The payment, another than *payment_id*, whose prompt's account these books name in *row*."""
    reference = read_reference(row.reference) if row.kind is RowKind.PAID else None
    payment = None if reference is None else await tx.record.push_payment(reference)
    # The prompt of a further account brings nothing into the account whose books these are.
    if payment is None or payment.id == payment_id or payment.account:
        return None
    told = (await tx.evidence.of([payment.id])).get(payment.id, [])
    typed = {each.receipt for each in told if each.kind is Kind.OPERATOR_PAID and each.receipt}
    known = await tx.record.known(typed)
    return Prompted(
        payment=payment,
        told=told,
        spare=await _spare(tx, row, payment),
        booked=frozenset(code for code, line in known.items() if _is_money(line)),
    )


async def counted_already(tx: Tx, row: RecordRow, payment_id: str | None) -> Payment | None:
    """
    The prompt that counts what *row* says for its account, or may yet: perhaps that very money.

    To credit *payment_id* as well would be to count it twice. None: nothing speaks against it.
    """
    found = await prompted_by(tx, row, payment_id)
    if found is None or not found.counts(row, asking=True):
        return None
    return None if await _counts_elsewhere(tx, row) else found.payment


class Apart:
    """Writes on a prompt that a line of its account counts apart."""

    def __init__(self, *, store: Store, settle: Settle, clock: Clock) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock

    async def set(
        self, row: RecordRow, payment_id: str | None, *, by: int | None = None, asking: bool = False
    ) -> Payment | None:
        """
        Have *row* count for *payment_id*, and nothing more for the prompt whose account it names.

        Returns the prompt, unchanged, if that one counts the money already, or may yet where
        *asking*; None if nothing speaks against it, and what it hears from now on waits for a
        person. Said again it changes nothing. Raises NotKept.
        """
        async with self._store.read() as tx:
            found = await prompted_by(tx, row, payment_id)
        if found is None:
            return None
        now = self._clock.now()
        counts: list[Payment] = []

        def admit(payment: Payment, seen: Seen) -> Admitted:
            stands = replace(found, payment=payment, told=seen.told)
            counts[:] = [payment] if stands.counts(row, asking=asking) else []
            if counts or not (stands.may_count(row) or stands.spare):
                return Admitted()
            return Admitted(evidence=(_evidence(row, payment.id, by, now),))

        await self._store.submit(Unit(payment_id=found.payment.id, admit=admit), self._settle)
        return counts[0] if counts else None

    async def forbids(self, row: RecordRow, payment_id: str, *, by: int) -> Payment | None:
        """The prompt because of which nobody may give *row* to that payment; None: it may be."""
        counts = await self.set(row, payment_id, by=by, asking=True)
        if counts is None:
            return None
        async with self._store.read() as tx:
            return None if await _counts_elsewhere(tx, row) else counts


def _evidence(row: RecordRow, payment_id: str, by: int | None, now: datetime) -> Evidence:
    return Evidence(
        payment_id=payment_id,
        kind=Kind.COUNTED_APART,
        at=now,
        receipt=row.receipt,
        amount_cents=row.amount_cents,
        digest=sha256(f"{Kind.COUNTED_APART}:{row.receipt}".encode()).hexdigest(),
        source="record" if by is None else "operator",
        by=by,
    )


async def _spare(tx: Tx, row: RecordRow, prompted: Payment) -> frozenset[str]:
    """Other lines for that prompt, of as much, that count nowhere and did not go back."""
    born = {
        each.ask_key.removeprefix(BY_RECORD): each
        for each in await tx.attempts.of_intent(prompted.intent_id)
        if each.ask_key.startswith(BY_RECORD) and each.credited_cents is None
    }
    lines = await tx.record.known(born.keys() - {row.receipt})
    told = await tx.evidence.of([born[code].id for code in lines])
    spare = set()
    for code, line in lines.items():
        alike = _is_money(line) and line.amount_cents == row.amount_cents
        if not alike or read_reference(line.reference) != prompted.push_ref:
            continue
        went_back = any(each.kind is Kind.REVERSED for each in told.get(born[code].id, []))
        if not went_back and not await tx.record.taking_back(code):
            spare.add(code)
    return frozenset(spare)


def _is_money(line: RecordRow) -> bool:
    return line.recorded and line.kind is RowKind.PAID


async def _counts_elsewhere(tx: Tx, row: RecordRow) -> bool:
    """Whether somebody has that money already: nothing more is counted by saying so again."""
    holder = (await tx.evidence.receipt_holders([row.receipt])).get(row.receipt)
    has_it = None if holder is None else await tx.payments.get(holder)
    waits = has_it is None or (has_it.ask_key == born_key(row) and has_it.credited_cents is None)
    return not waits
