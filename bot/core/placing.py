"""
Placing: which payment a row of Safaricom's record belongs to.

The receipt says it first: the payment that holds it. Then the account that was typed: the push
reference of one payment whose prompt it may be, or a by-hand reference, which makes a payment of
its own. Without either it waits for a person: a machine credits nothing for its amount and time.
Every step may be done again: a row is placed only once it stands there that it is.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256

from bot.core.apart import Apart
from bot.core.named_late import names
from bot.core.ports import Clock, Ids
from bot.core.references import ByHand, FindByHand, read_reference
from bot.core.reversal_rows import ReversalRows
from bot.core.settle import RULED, Settle
from bot.core.told_rows import (
    Placed,
    born_key,
    born_placed,
    born_reference,
    record_evidence,
    same_receipt,
    same_receipt_placed,
)
from mpesa.phones import BadPhone, mask, may_be, read_phone
from storage.engine import Store
from storage.hearing import Admitted, Outcome, Seen, Unit
from storage.record import ReceiptTaken
from storage.records import (
    Alarm,
    Evidence,
    Kind,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    is_reversal_key,
)
from storage.touched import ATTEMPT
from storage.tx import Tx

__all__ = ["AHEAD", "PROMPTED_WITHIN", "Placing", "may_be_prompts"]

log = logging.getLogger(__name__)

PROMPTED_WITHIN = timedelta(minutes=10)
"""A payment with a push reference is the prompt's own if it was made within this of its push."""

AHEAD = timedelta(minutes=1)
"""How far Safaricom's clock may be behind ours."""

SURE = (Kind.RECORD_PAID, Kind.OPERATOR_PAID)
MASK_CHARS_MAX = 16
WISH_KES_MAX = 2**31 - 1
"""The most that a wish can be. What came is counted in cents, and may be more."""


class _Whose(Enum):
    """Whose a receipt is that a payment of ours has."""

    HOLDERS = auto()
    ANOTHERS = auto()
    UNSURE = auto()  # a person must say it


class Placing:
    """Finds the payment of a row, and tells it."""

    def __init__(
        self,
        *,
        store: Store,
        settle: Settle,
        clock: Clock,
        ids: Ids,
        finders: Sequence[FindByHand],
        confirm_above_kes: int,
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._ids = ids
        self._finders = finders
        self._confirm_above_kes = confirm_above_kes
        self.apart = Apart(store=store, settle=settle, clock=clock)
        self.reversals = ReversalRows(store=store, settle=settle, clock=clock, disown=self.disown)

    async def place(self, row: RecordRow, holder: str | None) -> Placed:
        """
        Place one row; *holder* is the payment that holds its receipt, as was seen a moment ago.

        Raises:
            NotKept: the store could not; the row waits.
        """
        if row.kind is RowKind.REVERSAL:
            return await self.reversals.place(row)
        reference = read_reference(row.reference)
        prompted = None
        if reference is not None:
            async with self._store.read() as tx:
                prompted = await tx.record.push_payment(reference)
        if holder is not None:
            match await self._whose(row, holder, prompted, reference):
                case _Whose.HOLDERS:
                    return await self._same_receipt(row, holder)
                case _Whose.ANOTHERS:
                    return await self._take_over(row, holder, prompted, reference)
                case _Whose.UNSURE:
                    return Placed(state=RowState.OPEN, payment_id=holder, open=OpenKind.REVIEW)
        return await self._by_reference(row, prompted, reference, outranks=False)

    async def _by_reference(
        self, row: RecordRow, prompted: Payment | None, reference: str | None, *, outranks: bool
    ) -> Placed:
        if prompted is not None:
            # To what counts already its own line adds nothing.
            twin = None if prompted.credited_cents else await self.apart.counts(row, prompted.id)
            if twin is None:
                outcome = await self._tell_prompted(row, prompted, outranks=outranks)
                if outcome.fresh:
                    assert outcome.payment is not None, "it was there a moment ago"
                    return same_receipt_placed(row, outcome.payment)
            owner = ByHand(
                intent_id=prompted.intent_id,
                subject=prompted.subject,
                amount_kes=prompted.amount_kes,
                account=prompted.account,
            )
            born = await self.bear(row, owner, held=True, outranks=outranks)
        elif reference is not None:
            born = await self.bear(row, reference, outranks=outranks)
        else:
            return Placed(state=RowState.OPEN, open=OpenKind.UNMATCHED)
        return await self._again(row) if born.state is RowState.NEW else born

    async def _again(self, row: RecordRow) -> Placed:
        """Somebody was faster with this receipt: look who holds it now, and whose it is."""
        async with self._store.read() as tx:
            holders = await tx.evidence.receipt_holders([row.receipt])
        holder = holders.get(row.receipt)
        return Placed(state=RowState.NEW) if holder is None else await self.place(row, holder)

    async def _same_receipt(self, row: RecordRow, holder: str) -> Placed:
        """The payment that holds the receipt has its word from the books."""
        outcome = await self._submit(same_receipt(row, holder, self._clock.now))
        assert outcome.payment is not None, "receipts are held by payments that we have"
        return same_receipt_placed(row, outcome.payment)

    async def _tell_prompted(self, row: RecordRow, prompted: Payment, *, outranks: bool) -> Outcome:
        """The row may be what the prompt of this payment was answered with."""

        def admit(payment: Payment, seen: Seen) -> Admitted:
            free = seen.receipt_holder in (None, payment.id) or outranks
            taken = payment.receipt is not None or bool(seen.claimed - {row.receipt})
            if taken or not free or not _fits_prompt(row, payment):
                return Admitted()
            return Admitted(
                evidence=(record_evidence(row, payment.id, self._clock.now()),),
                claims_receipt=row.receipt,
                outranks=outranks,
            )

        return await self._submit(Unit(payment_id=prompted.id, admit=admit, receipt=row.receipt))

    async def _whose(
        self, row: RecordRow, holder: str, prompted: Payment | None, reference: str | None
    ) -> _Whose:
        """
        Whether the books name another payment than the one that has the receipt.

        They outrank a post, and a code that an operator typed, who had not seen this row. Typed for
        one of ours, it goes to another only where that one's prompt must have brought it: else what
        the books name may be an account that somebody used again, and the operator be right.
        """
        if reference is None:
            return _Whose.HOLDERS
        async with self._store.read() as tx:
            held_by = await tx.payments.get(holder)
            told = (await tx.evidence.of([holder])).get(holder, [])
            theirs = await tx.record.by_hand_intent(reference)
            subject = (await tx.record.named([reference])).subjects.get(reference)
        assert held_by is not None, "receipts are held by payments that we have"
        sure = [each for each in told if each.kind in SURE and each.receipt == row.receipt]
        if not all(map(_is_typed, sure)):
            return _Whose.HOLDERS
        if prompted is not None:
            another = prompted.id != holder
        else:
            # A by-hand reference of ours never stands on a prompt.
            somebodys = theirs is not None or subject not in (None, held_by.subject)
            another = somebodys and held_by.begun_at is not None
        if not another or not sure:
            return _Whose.ANOTHERS if another else _Whose.HOLDERS
        if prompted is not None:
            # Who is asked twice for the same pays once, under whichever prompt: unless both count.
            same = prompted.intent_id == held_by.intent_id
            if same and await self.apart.set(row, holder) is None:
                return _Whose.HOLDERS
            fits = prompted.receipt is None and _fits_prompt(row, prompted)
            moves = fits and await self.reversals.may_follow(row.receipt, told)
            return _Whose.ANOTHERS if moves else _Whose.UNSURE
        own = theirs is not None and theirs[0] == held_by.intent_id
        return _Whose.HOLDERS if own else _Whose.UNSURE

    async def _take_over(
        self, row: RecordRow, holder: str, prompted: Payment | None, reference: str | None
    ) -> Placed:
        await self.disown(row.receipt, holder)
        await self.reversals.let_go(row.receipt, holder)
        log.warning("record.receipt_moved from=%s", holder)
        placed = await self._by_reference(row, prompted, reference, outranks=True)
        await self.reversals.place_of(row.receipt)
        return placed

    async def take_away(self, row: RecordRow, holder: str, to: Payment, *, by: int) -> bool:
        """
        Tell *holder* that its receipt is *to*'s, as this person says: False if it has more.

        More than a code typed without the books; unless they name *to* themselves by now.
        """
        async with self._store.read() as tx:
            has = (await tx.evidence.receipt_holders([row.receipt])).get(row.receipt) == holder
            told = (await tx.evidence.of([holder])).get(holder, [])
            named = await names(tx, row.reference, to)
            born = await tx.payments.by_ask_key(born_key(row))
        sure = [each for each in told if each.kind in SURE and each.receipt == row.receipt]
        # There is never a second payment made of a row: without that one it would be nobody's.
        made_of_it = born is not None and born.id == holder
        if not has or made_of_it or not (named or (sure and all(map(_is_typed, sure)))):
            return False
        await self.disown(row.receipt, holder, by=by)
        await self.reversals.let_go(row.receipt, holder)
        return True

    async def disown(self, receipt: str, holder: str, *, by: int | None = None) -> None:
        """Tell *holder* that this receipt is another payment's."""
        now = self._clock.now()
        alarms = self._settle.alarm(Alarm.RECEIPT_HELD, holder)
        if is_reversal_key(receipt):
            alarms = self._settle.alarm(Alarm.BACK_MOVED, holder, key=f"{holder}:{receipt}")

        def admit(payment: Payment, _seen: Seen) -> Admitted:
            evidence = Evidence(
                payment_id=payment.id,
                kind=Kind.RECEIPT_MOVED,
                at=now,
                receipt=receipt,
                digest=sha256(f"moved:{receipt}".encode()).hexdigest(),
                source="record" if by is None else "operator",
                by=by,
            )
            return Admitted(evidence=(evidence,), notices=alarms)

        await self._store.submit(Unit(payment_id=holder, admit=admit), self._settle)

    async def bear(
        self,
        row: RecordRow,
        owner: ByHand | str,
        *,
        held: bool = False,
        outranks: bool = False,
        by: int | None = None,
        alarm: Alarm | None = None,
        forbids: Callable[[Tx], Awaitable[bool]] | None = None,
    ) -> Placed:
        """
        A payment of its own for money paid by hand, under *owner* or whoever has that reference.

        *held*: it waits for a person. *by*: an operator says so. *alarm*: operators are told it, if
        the payment is new. *forbids*: asked in the same transaction; then nothing is born, and the
        row waits for a person. State NEW: the receipt has just been taken by another.

        What was to go to another account came to the wrong one: that too is for a person.
        """
        now = self._clock.now()

        async def run(tx: Tx) -> Placed:
            known = await tx.payments.by_ask_key(born_key(row))
            if known is not None:
                return born_placed(known, row)
            if forbids is not None and await forbids(tx):
                return Placed(state=RowState.OPEN, open=OpenKind.REVIEW)
            found = owner if isinstance(owner, ByHand) else await self._owner(tx, owner)
            astray = found is not None and bool(found.account) and by is None
            if found is None or (astray and not outranks):
                return Placed(state=RowState.OPEN, open=OpenKind.UNMATCHED)
            payment = await self._newborn(tx, row, found, now)
            told = record_evidence(row, payment.id, now, held=held or astray, by=by)
            born = await tx.record.bear(payment, told, self._settle, now=now, outranks=outranks)
            await tx.notices.owe(self._settle(payment, (told,)).notices, now=now)
            if alarm is not None:
                await tx.notices.owe(self._settle.alarm(alarm, born.id), now=now)
            subjects = [] if born.subject is None else [born.subject]
            await tx.touched.touch(*subjects, f"{ATTEMPT}:{born.id}")
            return born_placed(born, row)

        try:
            return await self._store.write(run)
        except ReceiptTaken:
            return Placed(state=RowState.NEW)

    async def _owner(self, tx: Tx, reference: str) -> ByHand | None:
        for find in self._finders:
            found = await find(tx, reference)
            if found is not None:
                return found
        return None

    async def _newborn(self, tx: Tx, row: RecordRow, owner: ByHand, now: datetime) -> Payment:
        phone = await self._payer(tx, row, owner)
        line = await tx.lines.lock(phone)
        return Payment(
            id=self._ids.new(now),
            intent_id=owner.intent_id,
            line_id=line.id,
            phone_mask=mask(phone) if phone else _shown(row.payer),
            amount_kes=owner.amount_kes or min(max(1, row.amount_cents // 100), WISH_KES_MAX),
            push_ref=born_reference(row.receipt),
            ask_key=born_key(row),
            confirm_above_kes=self._confirm_above_kes,
            created_at=now,
            subject=owner.subject,
        )

    async def _payer(self, tx: Tx, row: RecordRow, owner: ByHand) -> str:
        """The payer's number: as the books say it, or one that was asked and may be it; or ""."""
        try:
            return read_phone(row.payer.partition(" - ")[0])
        except BadPhone:
            pass
        lines = {each.line_id for each in await tx.attempts.of_intent(owner.intent_id)}
        phones = [await tx.lines.phone(line_id) for line_id in sorted(lines)]
        fitting = [phone for phone in phones if phone and may_be(row.payer, phone)]
        return fitting[0] if len(fitting) == 1 else ""

    async def _submit(self, unit: Unit) -> Outcome:
        outcome = await self._store.submit(unit, self._settle)
        if outcome.moved and outcome.payment is not None:
            status = outcome.payment.status
            log.info("payment.heard id=%s status=%s via=record", unit.payment_id, status)
        return outcome


async def may_be_prompts(tx: Tx, row: RecordRow) -> bool:
    """
    Whether money that waits may be what a prompt brought, which counts it without a receipt.

    Its callback is lost then, and these books are the first to tell the receipt. Nor is it free
    if it names somebody who was to be paid on another account.
    """
    if row.at is None or await _names_somebody(tx, row):
        return True
    if row.amount_cents % 100:
        return False  # a prompt is for whole shillings
    return await tx.record.may_have_come(
        amount_kes=row.amount_cents // 100,
        since=row.at - PROMPTED_WITHIN,
        until=row.at + AHEAD,
    )


async def _names_somebody(tx: Tx, row: RecordRow) -> bool:
    reference = read_reference(row.reference)
    if reference is None:
        return False
    named = await tx.record.named([reference])
    invoice = await tx.invoices.by_hand_ref(reference)
    # What is asked for on the first account, and waits all the same, is a draft's.
    astray = invoice is not None and bool(invoice.account)
    return astray or bool(named.pushes or named.by_hand)


def _is_typed(each: Evidence) -> bool:
    """Whether an operator named that receipt of a payment, and not whose a row of the books is."""
    return each.kind is Kind.OPERATOR_PAID and each.reason not in (None, RULED)


def _fits_prompt(row: RecordRow, payment: Payment) -> bool:
    if payment.begun_at is None or row.amount_cents != payment.amount_kes * 100:
        return False
    if payment.account:
        return False  # its prompt brings nothing into the account whose books these are
    return row.at is not None and abs(row.at - payment.begun_at) <= PROMPTED_WITHIN


def _shown(payer: str) -> str:
    """A mask as Safaricom made it; a hash or a name is none."""
    said = payer.partition(" - ")[0]
    masked = "*" in said and len(said) <= MASK_CHARS_MAX and set(said) <= set("0123456789*")
    return said if masked else "***"
