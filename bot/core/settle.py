"""
Settle: the only place that decides where a payment stands, from all its evidence.

`stand` is a pure function of the *set* of evidence and of what never changes about a payment
(its amount, its confirm limit P, when it was begun). It looks at no status that was stored
before, so no order, repetition or replay of the same evidence can change its answer.

1. A credit needs proof: the record (a row of it may be held for a person); an operator; a query
   that says paid (for an amount of at most P, or taken after the prompt's life, or beside a
   trusted success); or a trusted success of at most P that is not held. Credits are never undone
   by more evidence: a no beside a credit only adds the word *contradicted*. Only a reversal, which
   is an entry of its own, takes money out of a credit again; it stays *paid*, and counts for what
   is left.
2. A yes that is not proof is *confirming*; with a no beside it, *review*. No machine writes a
   yes off.
3. A no alone is believed at once, and yields to any later yes. If only a callback said it, we
   still ask once: it may be a liar's, and the money may have moved.
4. "Don't know" is an answer: *unsure*, and after we stopped asking, *lapsed*. Never "failed".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.went_back import CREDIT_RANK, RULED, moved_receipts, parts_of
from bot.core.write_off import last_at, not_covered, once_more
from mpesa.results import Meaning
from storage.hearing import Decision
from storage.records import (
    FINAL,
    Alarm,
    Evidence,
    Kind,
    NewNotice,
    NoticeKind,
    Payment,
    Status,
    Word,
)

__all__ = ["PROMPT_LIFE", "RECEIPT_HELD", "RULED", "Settle", "Standing", "stand", "status_notice"]

PROMPT_LIFE = timedelta(seconds=120)
"""After this long a query's "paid" cannot be about a prompt that is still open."""

RING_AFTER = timedelta(seconds=120)
"""An edit does not ring: a last word later than this is also sent as a new message."""

CONFIRM_AFTER = timedelta(seconds=130)
"""When what one channel alone said, yes or no, is asked about again, counted from the push."""

RECEIPT_HELD = "receipt-held"
LIMIT_HELD = "limit-held"
IDS_HELD = "ids-held"  # it names ids that Safaricom's reply to the push did not give
APART_HELD = "apart-held"  # the books' line for this prompt counts as another payment
BAD_CREDENTIALS = "bad-credentials"

SUCCESSES = (Kind.CALLBACK_PAID, Kind.CALLBACK_BARE)
POSITIVES = (Kind.RECORD_PAID, Kind.OPERATOR_PAID, Kind.QUERY_PAID, *SUCCESSES)
FAILURES = (Kind.CALLBACK_FAILED, Kind.QUERY_FAILED)
NEGATIVES = (*FAILURES, Kind.REFUSED, Kind.NOT_SENT)
GIVEN_UP = (*NEGATIVES, Kind.LAPSED, Kind.OPERATOR_VOID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a payment stands."""

    status: Status
    words: frozenset[Word] = frozenset()
    reason: str | None = None
    receipt: str | None = None
    credited_cents: int | None = None  # what is left of it after reversals
    reversed_cents: int = 0
    paid_at: datetime | None = None
    decided_at: datetime | None = None
    confirmed: bool = False


def stand(payment: Payment, evidence: Sequence[Evidence]) -> Standing:
    """Where *payment* stands on this evidence. Pure; the order of *evidence* does not matter."""
    credits = [each for each in evidence if _credits(payment, each, evidence)]
    if credits:
        return _paid(payment, evidence, credits)
    status, deciding = _unpaid(evidence)
    first = min(deciding, key=_age, default=None)
    return Standing(
        status=status,
        words=frozenset({Word.CONTRADICTED} if _has(evidence, Kind.CONTRADICTED) else ()),
        reason=None if first is None else first.reason,
        receipt=_receipt(evidence, None) if status in (Status.CONFIRMING, Status.REVIEW) else None,
        decided_at=None if first is None else first.at,
    )


def _credits(payment: Payment, each: Evidence, evidence: Sequence[Evidence]) -> bool:
    """Whether this one piece, among the others, proves that money arrived."""
    small = payment.amount_kes <= payment.confirm_above_kes
    match each.kind:
        case Kind.RECORD_PAID | Kind.OPERATOR_PAID:
            return not each.held  # held: it is in our account, and a person says whose it is
        case Kind.CALLBACK_PAID:
            return small and not each.held
        case Kind.QUERY_PAID if not each.held:
            return small or _is_sure(payment, each, evidence)
        case _:
            return False


def _is_sure(payment: Payment, query: Evidence, evidence: Sequence[Evidence]) -> bool:
    """Whether a query's "paid" is more than a word about a prompt that may have been open."""
    begun_at = payment.begun_at
    prompt_was_over = begun_at is not None and query.at >= begun_at + PROMPT_LIFE
    # One about money that counts as another payment says nothing for an early yes either.
    others = (each.reason for each in evidence if each.kind in SUCCESSES)
    return prompt_was_over or any(reason != APART_HELD for reason in others)


def _confirms(payment: Payment, credit: Evidence, evidence: Sequence[Evidence]) -> bool:
    """Whether this credit needs no second look."""
    if credit.held:
        return False
    if credit.kind is Kind.QUERY_PAID:
        return _is_sure(payment, credit, evidence)
    return credit.kind in (Kind.RECORD_PAID, Kind.OPERATOR_PAID)


def _paid(payment: Payment, evidence: Sequence[Evidence], credits: Sequence[Evidence]) -> Standing:
    gone = moved_receipts(evidence)
    best = min(
        [each for each in credits if each.reason == RULED and each.receipt not in gone] or credits,
        key=lambda each: (each.receipt in gone, CREDIT_RANK.index(each.kind), *_age(each)),
    )
    asked_cents = payment.amount_kes * 100
    arrived_cents = asked_cents if best.amount_cents is None else best.amount_cents
    back = parts_of(evidence, arrived_cents)
    reversed_cents = sum(each.cents for each in back)
    words = set()
    if arrived_cents != asked_cents:
        words.add(Word.OTHER_AMOUNT)
    if len(_receipts(evidence)) > 1:
        words.add(Word.TWICE)
    if not _has(evidence, Kind.BEGUN, Kind.ACCEPTED):
        words.add(Word.BY_HAND)
    another_payments = all(each.receipt in gone for each in credits)
    if another_payments or _has(evidence, Kind.CONTRADICTED, Kind.OPERATOR_VOID, *NEGATIVES):
        words.add(Word.CONTRADICTED)
    if back:
        words.add(Word.REVERSED)
    first_yes = min(each.at for each in evidence if each.kind in POSITIVES)
    if any(each.kind in GIVEN_UP and each.at < first_yes for each in evidence):
        words.add(Word.LATE)
    times = [each.paid_at for each in _own_successes(evidence) if each.paid_at is not None]
    return Standing(
        status=Status.PAID,
        words=frozenset(words),
        receipt=_receipt(evidence, best),
        credited_cents=arrived_cents - reversed_cents,
        reversed_cents=reversed_cents,
        paid_at=min(times, default=best.at) if best.paid_at is None else best.paid_at,
        decided_at=min(each.at for each in credits),
        confirmed=any(_confirms(payment, each, evidence) for each in credits),
    )


def _unpaid(evidence: Sequence[Evidence]) -> tuple[Status, list[Evidence]]:
    """The status without a credit, and the pieces that made it so."""

    def of(*kinds: Kind) -> list[Evidence]:
        return [each for each in evidence if each.kind in kinds]

    positives, voids = of(*POSITIVES), of(Kind.OPERATOR_VOID)
    if voids:
        # A person wrote it off, knowing what was there then. A yes that came later reopens it.
        since = not_covered(evidence, *POSITIVES)
        return (Status.REVIEW, since) if since else (Status.VOID, voids)
    if positives:
        in_doubt = of(*NEGATIVES) or any(each.kind is Kind.RECORD_PAID for each in positives)
        return (Status.REVIEW if in_doubt else Status.CONFIRMING), positives
    # A callback says more than a query: it is about this very push and is said once.
    said_no = of(Kind.CALLBACK_FAILED) or of(Kind.QUERY_FAILED)
    if said_no:
        return Status.DECLINED, said_no
    for kind, status in (
        (Kind.REFUSED, Status.REFUSED),
        (Kind.NOT_SENT, Status.VOID),
        (Kind.LAPSED, Status.LAPSED),
        (Kind.ACCEPTED, Status.PROMPTED),
        (Kind.REPLY_LOST, Status.UNSURE),
        (Kind.BEGUN, Status.ASKING),
    ):
        if found := of(kind):
            return status, found
    return Status.CREATED, []


def _receipt(evidence: Sequence[Evidence], best: Evidence | None) -> str | None:
    if best is not None and best.receipt in _receipts(evidence):
        return best.receipt
    return min(_receipts(evidence), default=None)


def _receipts(evidence: Sequence[Evidence]) -> set[str]:
    """Receipts told for this payment, without those that another payment holds."""
    return {each.receipt for each in _own_successes(evidence) if each.receipt is not None}


def _own_successes(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Without those whose receipt, and so whose time, belongs to another payment."""
    gone = moved_receipts(evidence)
    return [
        each
        for each in evidence
        if each.kind in POSITIVES and each.reason != RECEIPT_HELD and each.receipt not in gone
    ]


def _has(evidence: Sequence[Evidence], *kinds: Kind) -> bool:
    return any(each.kind in kinds for each in evidence)


def _age(each: Evidence) -> tuple[datetime, str, str, str]:
    """Oldest first; the rest only makes the choice independent of the order of a list."""
    return each.at, each.reason or "", each.receipt or "", each.digest


def status_notice(payment_id: str) -> NewNotice:
    """The one status message of a payment, to be edited anew."""
    key = f"status:{payment_id}"
    return NewNotice(key=key, kind=NoticeKind.STATUS, chat_id=None, payment_id=payment_id)


class Settle:
    """Turns a standing into what must happen next: messages, alarms, and the next check."""

    def __init__(self, *, operators: Sequence[int]) -> None:
        self._operators = tuple(operators)

    def __call__(self, payment: Payment, evidence: Sequence[Evidence]) -> Decision:
        """The `decide` handed to `Store.submit`. *payment* carries what was stored before."""
        standing = stand(payment, evidence)
        heard_at = max((each.at for each in evidence), default=payment.created_at)
        pending_at = _pending_at(payment, standing, evidence, heard_at)
        next_check_at, check_over = _timetable(payment, standing, evidence, heard_at)
        return Decision(
            status=standing.status,
            words=standing.words,
            reason=standing.reason,
            receipt=standing.receipt,
            credited_cents=standing.credited_cents,
            reversed_cents=standing.reversed_cents,
            paid_at=standing.paid_at,
            decided_at=standing.decided_at,
            confirmed=standing.confirmed,
            notices=(
                *_tell(payment, standing, pending_at, heard_at),
                *self._alarms(payment, standing, pending_at, heard_at, evidence),
            ),
            next_check_at=next_check_at,
            check_over=check_over,
            pending_at=pending_at,
        )

    def alarm(
        self, alarm: Alarm, payment_id: str | None, *, key: str = ""
    ) -> tuple[NewNotice, ...]:
        """One notice to each operator; the same alarm for the same *key* is told once."""
        return tuple(
            NewNotice(
                key=f"alarm:{alarm}:{key or payment_id}:{operator}",
                kind=NoticeKind.ALARM,
                chat_id=operator,
                payment_id=payment_id,
                alarm=alarm,
            )
            for operator in self._operators
        )

    def pending_alarm(self, payment: Payment) -> tuple[NewNotice, ...]:
        """It comes to wait for a person: told once, each time that it does."""
        return self.alarm(Alarm.PENDING, payment.id, key=_this_time(payment))

    def _alarms(
        self,
        payment: Payment,
        standing: Standing,
        pending_at: datetime | None,
        heard_at: datetime,
        evidence: Sequence[Evidence],
    ) -> list[NewNotice]:
        alarms: list[NewNotice] = []
        new_words = standing.words - payment.words
        if Word.CONTRADICTED in new_words:
            alarms += self.alarm(Alarm.CONTRADICTED, payment.id)
        if Word.TWICE in new_words:
            alarms += self.alarm(Alarm.TWICE, payment.id)
        moved = standing.status is not payment.status
        if moved and standing.reason in (Meaning.MISCONFIGURED, BAD_CREDENTIALS):
            # One an hour says it; a hundred would hide it.
            hour = heard_at.strftime("%Y%m%d%H")
            alarms += self.alarm(Alarm.MISCONFIGURED, payment.id, key=hour)
        if moved and standing.reason == Meaning.UNLISTED:
            alarms += self.alarm(Alarm.UNLISTED, payment.id)
        # A credit that waits for a person was contradicted, which is an alarm of its own.
        newly = pending_at not in (None, payment.pending_at)
        if newly and standing.status is not Status.PAID:
            written_off = _has(evidence, Kind.OPERATOR_VOID)
            key = once_more(payment.id, evidence) if written_off else _this_time(payment)
            alarms += self.alarm(Alarm.PENDING, payment.id, key=key)
        return alarms


def _this_time(payment: Payment) -> str:
    """Names the time that it waits: what is decided may have waited before it was."""
    # By its revision: two times may be heard of in one second, and a clock may be set back.
    return f"{payment.id}:rev{payment.rev}" if payment.status in FINAL else payment.id


def _tell(
    payment: Payment, standing: Standing, pending_at: datetime | None, heard_at: datetime
) -> list[NewNotice]:
    """The status message again if it would read differently, and a ring if it comes late."""
    was = (_read_as(payment.status), payment.words, payment.reason, payment.receipt)
    now = (_read_as(standing.status), standing.words, standing.reason, standing.receipt)
    more_went_back = payment.reversed_cents != standing.reversed_cents
    if was == now and not more_went_back and (pending_at is None) == (payment.pending_at is None):
        return []
    notices = [status_notice(payment.id)]
    last_word = standing.status in (*FINAL, Status.LAPSED)
    if last_word and standing.status is not payment.status:
        begun_at = payment.begun_at or payment.created_at
        if Word.LATE in standing.words or heard_at > begun_at + RING_AFTER:
            key = f"ring:{payment.id}:{standing.status}"
            ring = NewNotice(key=key, kind=NoticeKind.RING, chat_id=None, payment_id=payment.id)
            notices.append(ring)
    return notices


def _read_as(status: Status) -> Status:
    """Both are "sending" in the chat."""
    return Status.CREATED if status is Status.ASKING else status


def _pending_at(
    payment: Payment, standing: Standing, evidence: Sequence[Evidence], heard_at: datetime
) -> datetime | None:
    """Since when a person should look at this payment; None where nobody needs to."""
    if standing.status is Status.PAID:
        # A yes about ids that only a callback named may be about another payment; one about a
        # receipt that is another's by now was.
        gone = moved_receipts(evidence)
        sure = any(
            _confirms(payment, each, evidence)
            and each.reason != IDS_HELD
            and each.receipt not in gone
            for each in evidence
        )
        denied = Word.CONTRADICTED in standing.words and not sure
        # Of a credit that was taken off again nothing is left to decide.
        return (payment.pending_at or heard_at) if denied and standing.credited_cents else None
    before, claimed = payment.pending_at, not_covered(evidence, Kind.CLAIM)
    if before is not None and before >= (last_at(evidence) or before):
        return None if standing.status in FINAL and not claimed else before
    if standing.status in (Status.REVIEW, Status.LAPSED) or claimed:
        return heard_at
    return None


def _timetable(
    payment: Payment, standing: Standing, evidence: Sequence[Evidence], heard_at: datetime
) -> tuple[datetime | None, bool]:
    """When to ask Safaricom next because of what was just heard, or that asking is over."""
    begun_at = payment.begun_at or payment.created_at
    match standing.status:
        case Status.PAID:
            if standing.confirmed:
                return None, True
            moved = payment.status is not Status.PAID
            return (max(heard_at, begun_at + CONFIRM_AFTER) if moved else None), False
        case Status.DECLINED if not _has(evidence, Kind.QUERY_FAILED):
            moved = payment.status is not Status.DECLINED
            return (max(heard_at, begun_at + CONFIRM_AFTER) if moved else None), False
        case Status.DECLINED | Status.REFUSED | Status.VOID | Status.LAPSED:
            return None, True
        case Status.CONFIRMING if payment.status is not Status.CONFIRMING:
            beside_success = _has(evidence, *SUCCESSES)
            return (heard_at if beside_success else max(heard_at, begun_at + PROMPT_LIFE)), False
        case Status.REVIEW if payment.status is not Status.REVIEW:
            return max(heard_at, begun_at + PROMPT_LIFE), False
        case _:
            return None, False
