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
from bot.core.settle import POSITIVES, Settle, stand
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
    RowState,
    Status,
)
from storage.tx import Tx

__all__ = [
    "Apart",
    "Prompted",
    "counted_already",
    "counts_apart",
    "counts_elsewhere",
    "prompted_by",
]

ASKED_ABOUT = (*OPEN, Status.CONFIRMING)
NAMED = (Kind.OPERATOR_PAID, Kind.CALLBACK_PAID)
"""Whoever says so names a code, which the books may have, or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """A payment whose prompt showed the account that a line of the books names."""

    payment: Payment
    told: Sequence[Evidence]
    # Other lines of as much that count nowhere: one may be what it counts.
    spare: frozenset[str]
    # Codes that were named for it, and by whom, where the books have them as its own.
    booked: frozenset[tuple[str | None, Kind]]
    # So many of the spare lines are what others count, as far as anybody can tell.
    others: int = 0

    def counts(self, row: RecordRow, *, anew: bool) -> bool:
        """
        Whether it counts what *row* says, or may yet.

        *anew*: the line counts nowhere yet, so that a yes that is still to come would be about the
        same money; where the line counts already, that yes is held. Not where the books vouch for
        another line: that is then what it counts.
        """
        payment = self.payment
        if payment.status in ASKED_ABOUT:
            # Safaricom may say "paid" when asked, and no code with it: a callback would have it.
            can_say = payment.checkout_index is not None and payment.next_check_at is not None
            return anew and can_say and row.amount_cents == payment.amount_kes * 100
        apart = {each.receipt for each in self.told if each.kind is Kind.COUNTED_APART}
        return self.is_alone(row) and len(self.spare - apart) <= self.others

    def is_alone(self, row: RecordRow) -> bool:
        """Whether it counts as much as *row* says, and by no other line that is vouched for."""
        payment = self.payment
        # Until a line vouches for what a person said of the amount, it may be what was asked for.
        alike = row.amount_cents in (payment.arrived_cents, payment.amount_kes * 100)
        if not payment.credited_cents or not alike:
            return False
        gone = moved_receipts(self.told)
        own = {
            each.receipt
            for each in self.told
            if not each.held and each.receipt not in gone and _vouches(each, self.booked)
        }
        return not own - {row.receipt}

    def is_mistyped(self, row: RecordRow) -> bool:
        """Whether nobody but an operator says that it is paid, by another code than *row*'s."""
        credits = [each for each in self.told if each.kind in POSITIVES and not each.held]
        gone = moved_receipts(self.told) | {row.receipt}
        by_hand = {each.kind for each in credits} == {Kind.OPERATOR_PAID}
        return by_hand and not {each.receipt for each in credits} & gone

    def may_count(self, row: RecordRow) -> bool:
        """Whether a yes for it would be about as much as *row* says."""
        return not self.payment.credited_cents and row.amount_cents == self.payment.amount_kes * 100


def counts_apart(payment: Payment, told: Sequence[Evidence]) -> bool:
    """Whether a yes about *payment* may be about money that counts as another already."""
    apart = any(each.kind is Kind.COUNTED_APART for each in told)
    return apart and not payment.credited_cents


def _vouches(each: Evidence, booked: frozenset[tuple[str | None, Kind]]) -> bool:
    """Whether by this piece the books have a line for what a payment counts."""
    return each.kind is Kind.RECORD_PAID or (each.receipt, each.kind) in booked


async def prompted_by(
    tx: Tx, row: RecordRow, payment_id: str | None, *, twins: bool = False
) -> Prompted | None:
    """
    The payment, another than *payment_id*, whose prompt's account the books name in *row*.

    With *twins* also a prompt for the same thing for which an operator typed a code that no book
    has, if that one counts the line: who is asked twice for the same pays once.
    """
    found = await _prompts(tx, row, payment_id, twins=twins)
    counts = [each for each in found if each.counts(row, anew=False)]
    return next(iter(counts or found), None)


async def _prompts(
    tx: Tx, row: RecordRow, payment_id: str | None, *, twins: bool
) -> list[Prompted]:
    """Whoever may count what *row* says: the prompt of its account, and then the slips."""
    # What was only posted names whoever a liar would have it name.
    reference = read_reference(row.reference) if _is_money(row) else None
    named = None if reference is None else await tx.record.push_payment(reference)
    # The prompt of a further account brings nothing into the account whose books these are.
    if named is None or named.account:
        return []
    own = frozenset({named.push_ref})
    found = [] if named.id == payment_id else [await _prompted(tx, row, named, own)]
    return [*found, *await _slips(tx, row, named, payment_id)] if twins else found


async def _slips(tx: Tx, row: RecordRow, named: Payment, payment_id: str | None) -> list[Prompted]:
    """
    Others for the same thing than *named*, that count by a code which somebody mistyped.

    It needs one line more than those that the others count, who may be such slips too, or have a
    line under their own account. Lines of a further prompt are nobody else's: that one may say yes
    yet, and only *named* is told that it is not to.
    """
    attempts = await tx.attempts.of_intent(named.intent_id)
    alone = []
    for each in attempts:
        theirs = frozenset({each.push_ref, named.push_ref})
        elsewhere = each.ask_key.startswith(BY_RECORD) or each.account or each.id == payment_id
        if each.credited_cents and not elsewhere:
            prompted = await _prompted(tx, row, each, theirs)
            alone += [prompted] if prompted.is_alone(row) else []
    slips = [each for each in alone if each.is_mistyped(row)]
    if not slips:
        return []
    honest = [each for each in alone if each.payment.id == named.id and each not in slips]
    others = len(slips) - 1 + sum(bool(each.spare) for each in honest)
    return [replace(each, others=others) for each in slips if each.payment.id != named.id]


async def _prompted(tx: Tx, row: RecordRow, payment: Payment, accounts: frozenset[str]) -> Prompted:
    """*accounts*: whose other lines may be what it counts."""
    told = (await tx.evidence.of([payment.id])).get(payment.id, [])
    named = {(each.receipt, each.kind) for each in told if each.kind in NAMED and each.receipt}
    known = await tx.record.known({code for code, _ in named if code is not None})
    return Prompted(
        payment=payment,
        told=told,
        # What counts nothing yet has no need of them, and there may be many.
        spare=await _spare(tx, row, payment, accounts) if payment.credited_cents else frozenset(),
        booked=frozenset(
            (code, kind)
            for code, kind in named
            if code in known and _is_own(known[code], payment, by_hand=kind is Kind.OPERATOR_PAID)
        ),
    )


def _is_own(line: RecordRow, payment: Payment, *, by_hand: bool) -> bool:
    """
    Whether the books name that line for *payment*; or for nobody, and somebody has looked it up,
    or for somebody else, and a person has said that it stays.

    Whoever forges a post may name any code that came.
    """
    named = read_reference(line.reference) == payment.push_ref
    # Given to it; or left with it, or called nobody's, where its code was typed for it.
    given = line.state is RowState.MATCHED and line.payment_id == payment.id
    stays = given or (line.state is RowState.CLOSED and line.payment_id in (None, payment.id))
    return _is_money(line) and (named or (by_hand and (stays or not line.reference)))


async def counted_already(tx: Tx, row: RecordRow, payment_id: str | None) -> Payment | None:
    """
    The prompt that counts what *row* says for its account, or may yet: perhaps that very money.

    To credit *payment_id* as well would be to count it twice. None: nothing speaks against it.
    """
    anew = not await counts_elsewhere(tx, row)
    found = await prompted_by(tx, row, payment_id, twins=anew)
    return found.payment if found is not None and found.counts(row, anew=anew) else None


class Apart:
    """Writes on a prompt that a line of its account counts apart."""

    def __init__(self, *, store: Store, settle: Settle, clock: Clock) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock

    async def set(
        self, row: RecordRow, payment_id: str | None, *, by: int | None = None, anew: bool = False
    ) -> Payment | None:
        """
        Have *row* count for *payment_id*, and nothing more for the prompt whose account it names.

        Returns the prompt, unchanged, if that one counts the money already, or may yet and the line
        counts nowhere (*anew*, as of `Prompted.counts`); None if nothing speaks against it, and
        what it hears from now on waits for a person. Said again it changes nothing. Raises NotKept.
        """
        async with self._store.read() as tx:
            found = await _prompts(tx, row, payment_id, twins=anew)
        counts = [each.payment for each in found if each.counts(row, anew=anew)]
        # In one order: else each of two at once is refused for what the other one was told first.
        for each in sorted(found, key=lambda each: each.payment.id):
            if counts:
                break  # nobody is told what is not to be
            counts += await self._tell(each, row, by=by, anew=anew)
        return counts[0] if counts else None

    async def _tell(
        self, found: Prompted, row: RecordRow, *, by: int | None, anew: bool
    ) -> list[Payment]:
        """Write it on that one, unless it counts the money by now: then it is returned."""
        now = self._clock.now()
        counts: list[Payment] = []

        def admit(payment: Payment, seen: Seen) -> Admitted:
            # What was heard in this very commit is not in its row yet.
            by_now = stand(payment, seen.told)
            payment = replace(
                payment,
                status=by_now.status,
                receipt=by_now.receipt,
                credited_cents=by_now.credited_cents,
                reversed_cents=by_now.reversed_cents,
            )
            stands = replace(found, payment=payment, told=seen.told)
            counts[:] = [payment] if stands.counts(row, anew=anew) else []
            if counts or not (stands.may_count(row) or stands.spare):
                return Admitted()
            return Admitted(evidence=(_evidence(row, payment.id, by, now),))

        await self._store.submit(Unit(payment_id=found.payment.id, admit=admit), self._settle)
        return counts

    async def counts(self, row: RecordRow, payment_id: str) -> Payment | None:
        """As `counted_already`."""
        async with self._store.read() as tx:
            return await counted_already(tx, row, payment_id)

    async def forbids(self, row: RecordRow, payment_id: str | None, *, by: int) -> Payment | None:
        """
        The prompt because of which nobody may give *row* to that payment; None: it may be.

        Where somebody counts it already, that one is told, whoever it is asked about yet.
        """
        async with self._store.read() as tx:
            # Its account may have been told since somebody looked at it.
            row = replace(await tx.record.get(row.receipt) or row, amount_cents=row.amount_cents)
            anew = not await counts_elsewhere(tx, row)
        return await self.set(row, payment_id, by=by, anew=anew)

    async def stays(self, difference_id: int, *, by: int) -> Payment | None:
        """
        Whoever counts the line of that difference goes on doing so: its prompt is told.

        Returns that prompt if it counts the money too.
        """
        async with self._store.read() as tx:
            found = await tx.record.difference(difference_id)
            receipt = None if found is None else found.receipt
            row = None if receipt is None else await tx.record.get(receipt)
            if row is None or not await counts_elsewhere(tx, row):
                return None
            holders = await tx.evidence.receipt_holders([row.receipt])
        return await self.set(row, holders[row.receipt], by=by)


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


async def _spare(
    tx: Tx, row: RecordRow, prompted: Payment, accounts: frozenset[str]
) -> frozenset[str]:
    """Other lines under *accounts*, of as much, that count nowhere and did not go back."""
    made = {
        each.ask_key.removeprefix(BY_RECORD): each
        for each in await tx.attempts.of_intent(prompted.intent_id)
        if each.ask_key.startswith(BY_RECORD)
    }
    known = await tx.record.known(made.keys() - {row.receipt})
    lines = {
        code: line
        for code, line in known.items()
        if _is_money(line)
        and line.amount_cents == row.amount_cents
        and read_reference(line.reference) in accounts
    }
    told = await tx.evidence.of([made[code].id for code in lines])
    unborne = await tx.record.unborne() if lines else []
    return frozenset(
        code
        for code, line in lines.items()
        if not _is_used(line, made[code], told.get(made[code].id, []), unborne)
    )


def _is_used(
    line: RecordRow, made: Payment, told: Sequence[Evidence], unborne: Sequence[RecordRow]
) -> bool:
    """Whether that line counts for the payment that was made of it, or went back."""
    back = [each for each in told if each.kind is Kind.REVERSED]
    if made.credited_cents is not None:
        return made.receipt == line.receipt  # or what went back was another's
    gone_cents = [line.amount_cents if b.amount_cents is None else b.amount_cents for b in back]
    gone_cents += [each.amount_cents for each in unborne if each.linked == line.receipt]
    return sum(gone_cents) >= line.amount_cents


def _is_money(line: RecordRow) -> bool:
    return line.recorded and line.kind is RowKind.PAID


async def counts_elsewhere(tx: Tx, row: RecordRow) -> bool:
    """Whether somebody counts that very line: nothing more is counted by saying so again."""
    holder = (await tx.evidence.receipt_holders([row.receipt])).get(row.receipt)
    has_it = None if holder is None else await tx.payments.get(holder)
    return has_it is not None and bool(has_it.credited_cents) and has_it.receipt == row.receipt
