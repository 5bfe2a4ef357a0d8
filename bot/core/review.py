"""
Review: what a person decides about a payment that no machine can decide.

A decision is evidence with a name on it, and goes to the same settle as everything else. Above
`security.two_people_above_kes` one operator proposes and another decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from bot.core.apart import Apart, counts_apart, prompted_by
from bot.core.books import Books, PendingItem
from bot.core.decisions import (
    Deciding,
    Ruling,
    Verdict,
    as_booked,
    booked_cents,
    counts_otherwise,
    decided_cents,
    money_codes,
    not_that_code,
)
from bot.core.ports import Clock
from bot.core.proposals import Proposal, proposed
from bot.core.settle import POSITIVES, Settle
from bot.core.two_people import Needs, TwoPeopleRule
from bot.core.went_back import moved_receipts
from bot.core.write_off import (
    SOURCE,
    heard_since,
    newest,
    not_covered,
    once_more,
    source,
)
from storage.engine import Store
from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    Alarm,
    Evidence,
    Kind,
    NewNotice,
    NoticeKind,
    Payment,
    Status,
    reversal_key,
)
from storage.tx import Tx

__all__ = ["Proposal", "Review", "ReviewItem"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """An undecided payment with all that was heard about it."""

    pending: PendingItem
    evidence: Sequence[Evidence] = field(repr=False)
    proposal: Proposal | None

    @property
    def read_up_to(self) -> int:
        """What whoever is shown this has read, for a decision to carry."""
        return newest(self.evidence)


class Review:
    """The queue of payments that wait for a person, and what a person decides."""

    def __init__(
        self,
        *,
        store: Store,
        settle: Settle,
        books: Books,
        clock: Clock,
        operators: frozenset[int],
        two_people_above_kes: int,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._settle = settle
        self._books = books
        self._apart = Apart(store=store, settle=settle, clock=clock)
        self._clock = clock
        self._rule = TwoPeopleRule(above_kes=two_people_above_kes, operators=operators)
        self._wake = wake

    async def waiting(self, *, by: int, limit: int) -> tuple[int, list[ReviewItem]]:
        """How many wait, and the oldest of them; the look at their numbers is audited."""
        total, items = await self._books.pending(by=by, limit=limit)
        return total, [await self._item(each) for each in items]

    async def one(self, payment_id: str, *, by: int) -> ReviewItem | None:
        """One payment, whether it waits or not; the look at its number is audited."""
        item = await self._books.looked_up(payment_id, by=by)
        return None if item is None else await self._item(item)

    async def _item(self, pending: PendingItem) -> ReviewItem:
        payment_id = pending.view.payment.id
        async with self._store.read() as tx:
            told = (await tx.evidence.of([payment_id])).get(payment_id, [])
        told = sorted(told, key=lambda each: (each.at, each.id))
        proposal = proposed(told, self._clock.now(), self._rule)
        if proposal is not None and proposal.deciding is Deciding.VOID:
            proposal = None if _missed(proposal.read_up_to, told) else proposal
        return ReviewItem(pending=pending, evidence=told, proposal=proposal)

    async def decide(self, ruling: Ruling, *, update_id: int | None = None) -> Verdict:
        """
        Decide, or propose where that takes two; returns after COMMIT.

        The update is done in a commit of its own: replayed, the same decision is one piece of
        evidence, told once.
        """
        now = self._clock.now()
        answers: list[Verdict] = []
        async with self._store.read() as tx:
            ruling = await as_booked(tx, ruling)
            payment = await tx.payments.get(ruling.payment_id)
        assert payment is not None, "what is decided is about a payment that we have"
        cents = decided_cents(ruling.deciding, ruling.amount_cents, payment)
        refused = await self._forbidden(ruling, alone=self._rule.needs(cents) is Needs.ONE)
        if refused is not None:
            return await self._nothing(update_id, refused)

        def admit(payment: Payment, seen: Seen) -> Admitted:
            verdict = self._may(payment, seen, ruling, now)
            answers.append(verdict)
            if verdict is Verdict.PROPOSED:
                return Admitted(
                    evidence=(_evidence(ruling, payment, Kind.PROPOSED, now),),
                    notices=self._settle.alarm(Alarm.PROPOSED, payment.id, key=ruling.key),
                )
            if verdict is Verdict.DONE:
                return self._admit(ruling, payment, seen, now)
            return Admitted()

        await self._submit(ruling, admit, update_id)
        log.info(
            "review.decided id=%s deciding=%s by=%d verdict=%s",
            *(ruling.payment_id, ruling.deciding, ruling.by, answers[-1]),
        )
        return answers[-1]

    async def agree(
        self, payment_id: str, *, proposal_id: int, by: int, key: str, update_id: int | None = None
    ) -> Verdict:
        """A second operator agrees with this proposal, and with nothing that was proposed since."""
        now = self._clock.now()
        async with self._store.read() as tx:
            told = (await tx.evidence.of([payment_id])).get(payment_id, [])
        proposal = proposed(told, now, self._rule)
        if proposal is None or proposal.id != proposal_id:
            return await self._nothing(update_id, Verdict.GONE)
        if proposal.by == by:
            return await self._nothing(update_id, Verdict.SAME_PERSON)
        first = proposal.by
        ruling = Ruling(
            payment_id=payment_id,
            deciding=proposal.deciding,
            by=by,
            key=key,
            receipt=proposal.receipt,
            amount_cents=proposal.amount_cents,
            read_up_to=proposal.read_up_to,
        )
        answers: list[Verdict] = []
        async with self._store.read() as tx:
            ruling = await as_booked(tx, ruling)
        refused = await self._forbidden(ruling, alone=True)
        if refused is not None:
            return await self._nothing(update_id, refused)

        def admit(payment: Payment, seen: Seen) -> Admitted:
            # Whoever proposed it may have proposed otherwise, or another have decided, since.
            stands = proposed(seen.told, now, self._rule) == proposal
            verdict = self._possible(payment, seen, ruling, now) if stands else Verdict.GONE
            answers.append(verdict)
            agreed = self._admit(ruling, payment, seen, now, with_=first)
            return agreed if verdict is Verdict.DONE else Admitted()

        await self._submit(ruling, admit, update_id)
        log.info(
            "review.agreed id=%s deciding=%s by=%d with=%d verdict=%s",
            *(payment_id, ruling.deciding, by, first, answers[-1]),
        )
        return answers[-1]

    async def prompted_by(self, receipt: str) -> Payment | None:
        """The payment whose prompt's account the books name for that code, if they name one."""
        async with self._store.read() as tx:
            row = await tx.record.get(receipt)
            found = None if row is None else await prompted_by(tx, row, None, twins=True)
        return None if found is None else found.payment

    async def _forbidden(self, ruling: Ruling, *, alone: bool) -> Verdict | None:
        """
        Why that code cannot be what this decision needs, whatever the payment is.

        *alone*: it is about to be done by this word. A prompt that the code's line names is told
        first that its money counts apart: it may hear of it at any moment.
        """
        async with self._store.read() as tx:
            refused = await not_that_code(tx, ruling)
            row = None if ruling.receipt is None else await tx.record.get(ruling.receipt)
            holders = await tx.evidence.receipt_holders([] if row is None else [row.receipt])
        if refused is not None or row is None or not alone:
            return refused
        anothers = holders.get(row.receipt) not in (None, ruling.payment_id)
        if ruling.deciding is not Deciding.CREDIT or anothers:
            return None
        counts = await self._apart.forbids(row, ruling.payment_id, by=ruling.by)
        return None if counts is None else Verdict.COUNTED

    async def booked_cents(self, receipt: str) -> int | None:
        """What Safaricom's books say came under that code; None where they do not name it."""
        async with self._store.read() as tx:
            return await booked_cents(tx, receipt)

    def _may(self, payment: Payment, seen: Seen, ruling: Ruling, now: datetime) -> Verdict:
        possible = self._possible(payment, seen, ruling, now)
        if possible is not Verdict.DONE:
            return possible
        cents = decided_cents(ruling.deciding, ruling.amount_cents, payment)
        return _VERDICTS[self._rule.needs(cents)]

    def _possible(self, payment: Payment, seen: Seen, ruling: Ruling, now: datetime) -> Verdict:
        """Whether this can be decided about the payment as it stands under its lock."""
        paid = payment.status is Status.PAID
        match ruling.deciding:
            case Deciding.CREDIT:
                if seen.receipt_holder not in (None, payment.id):
                    return Verdict.RECEIPT_TAKEN
                # Saying "it is there" of what is credited already makes it sure.
                named = {payment.receipt if paid else None, *seen.claimed}
                if not named <= {None, ruling.receipt}:
                    return Verdict.SETTLED
                if not ruling.booked and counts_apart(payment, seen.told):
                    return Verdict.APART
                if ruling.amount_cents is not None:
                    said = _evidence(ruling, payment, Kind.OPERATOR_PAID, now)
                    if counts_otherwise(payment, seen.told, said):
                        return Verdict.OTHER_AMOUNT
            case Deciding.VOID:
                # What is void may be claimed to be paid: somebody looks at that, and may say no.
                claimed = bool(not_covered(seen.told, *SAYS_PAID))
                if paid or (payment.status is Status.VOID and not claimed):
                    return Verdict.SETTLED
                if _missed(ruling.read_up_to, seen.told):
                    return Verdict.HEARD_SINCE
            case Deciding.REVERSE:
                if seen.receipt_holder not in (None, payment.id):
                    return Verdict.RECEIPT_TAKEN
                if not paid or not payment.credited_cents:
                    return Verdict.SETTLED
                money, moved = money_codes(seen.told), moved_receipts(seen.told)
                # All of it was another's: by that code the credit is taken off, as nothing came. So
                # it is where the line's prompt counts it too: one of the two has to go.
                if not ruling.twice and ruling.receipt in money - {None} and not money <= moved:
                    return Verdict.OWN_CODE
        return Verdict.DONE

    def _admit(
        self,
        ruling: Ruling,
        payment: Payment,
        seen: Seen,
        now: datetime,
        *,
        with_: int | None = None,
    ) -> Admitted:
        takes_off = ruling.deciding is Deciding.REVERSE and ruling.receipt in money_codes(seen.told)
        return Admitted(
            evidence=(_evidence(ruling, payment, _KINDS[ruling.deciding], now, with_=with_),),
            claims_receipt=None if takes_off else _claimed(ruling),  # nothing went back under it
            notices=_rings_again(payment, seen) if ruling.deciding is Deciding.VOID else (),
        )

    async def _submit(
        self,
        ruling: Ruling,
        admit: Callable[[Payment, Seen], Admitted],
        update_id: int | None,
    ) -> None:
        await self._store.submit(
            Unit(payment_id=ruling.payment_id, admit=admit, receipt=_claimed(ruling)),
            self._settle,
        )
        await self._done(update_id)
        self._wake()

    async def _nothing(self, update_id: int | None, verdict: Verdict) -> Verdict:
        await self._done(update_id)
        return verdict

    async def _done(self, update_id: int | None) -> None:
        if update_id is None:
            return

        async def run(tx: Tx) -> None:
            await tx.inbox.done(update_id, at=self._clock.now())

        await self._store.write(run)


_VERDICTS = {
    Needs.ONE: Verdict.DONE,
    Needs.SECOND: Verdict.PROPOSED,
    Needs.ANOTHER_OPERATOR: Verdict.ALONE,
}
_KINDS = {
    Deciding.CREDIT: Kind.OPERATOR_PAID,
    Deciding.VOID: Kind.OPERATOR_VOID,
    Deciding.REVERSE: Kind.REVERSED,
}


def _claimed(ruling: Ruling) -> str | None:
    """What one payment alone may have: the receipt of money, or of its way back."""
    if ruling.receipt is None or ruling.deciding is Deciding.VOID:
        return None
    return ruling.receipt if ruling.deciding is Deciding.CREDIT else reversal_key(ruling.receipt)


def _evidence(
    ruling: Ruling, payment: Payment, kind: Kind, now: datetime, *, with_: int | None = None
) -> Evidence:
    reason: str | None = ruling.deciding.value
    if kind is not Kind.PROPOSED:
        reason = "operator" if with_ is None else f"agreed:{with_}"
    credits = ruling.deciding is Deciding.CREDIT
    cents = decided_cents(ruling.deciding, ruling.amount_cents, payment)
    return Evidence(
        payment_id=payment.id,
        kind=kind,
        at=now,
        reason=reason,
        receipt=ruling.receipt,
        amount_cents=cents if credits else ruling.amount_cents,
        digest=sha256(f"{kind}:{ruling.key}".encode()).hexdigest(),
        source=source(ruling.read_up_to) if ruling.deciding is Deciding.VOID else SOURCE,
        by=ruling.by,
    )


def _rings_again(payment: Payment, seen: Seen) -> tuple[NewNotice, ...]:
    """Whoever said that they paid, after they had read "not paid", hears that it stays so."""
    claims = not_covered(seen.told, Kind.CLAIM)
    if payment.status is not Status.VOID or not claims:
        return ()
    key = once_more(f"ring:{payment.id}:again", seen.told)
    return (NewNotice(key=key, kind=NoticeKind.RING, chat_id=None, payment_id=payment.id),)


SAYS_PAID = (*POSITIVES, Kind.CLAIM)


def _missed(up_to: int, told: Sequence[Evidence]) -> bool:
    """Whether somebody has said "paid" whom an operator who has read so far has not heard."""
    return any(each.kind in SAYS_PAID for each in heard_since(up_to, told))
