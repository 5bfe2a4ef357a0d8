"""
Attempts: what the other tries at one intent say of it, and whether to pay again is a mistake.

After "no prompt came" the first prompt may still be paid. What another try says is said beside
that, and is said anew when that is known: or somebody who believes it pays twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from bot.core.outcomes import Outcome, all_back, outcome_of, standing
from bot.core.settle import status_notice
from storage.records import Payment, PaymentView, Status
from storage.tx import Tx

__all__ = ["PAID_MEANWHILE", "Beside", "beside", "of_others", "paid_twice", "say_others_anew"]


BY_HAND_ANEW = 5
"""Who pays with one reference again and again reads that on so many of the latest messages."""

PAID_MEANWHILE = "paid-meanwhile"
"""Why a further attempt was not sent: before it could be, another one was paid."""


class Beside(StrEnum):
    """What the other attempts at one intent come down to."""

    NOTHING = "nothing"
    MAYBE = "maybe"  # nobody knows yet, or nobody could say
    COUNTS = "counts"  # one is paid, or somebody says so


def beside(others: Iterable[Payment]) -> Beside:
    """What may be said of money, and of trying again, beside *others*."""
    attempts = [*others]
    parts = [each for each in attempts if _is_part(each)]
    came_cents = sum(each.credited_cents or 0 for each in parts)
    found = {standing(each) for each in attempts if each not in parts}
    # In parts, by hand, the whole may have come as well.
    if found & {Outcome.PAID, Outcome.CHECKING} or _covers(came_cents, parts):
        return Beside.COUNTS
    open_ones = found & {Outcome.WAITING, Outcome.UNKNOWN}
    return Beside.MAYBE if open_ones or came_cents else Beside.NOTHING


def of_others(view: PaymentView) -> Beside:
    """
    The same for what is said of one payment.

    That a newer attempt is under way is said by its own message. Another wish for the same money
    from the same phone never counts, for people pay twice on purpose; but who sent it because
    nothing was heard of the first must know that there is one.
    """
    found = beside(view.others)
    if view.payment.superseded:
        return Beside.COUNTS if found is Beside.COUNTS else Beside.NOTHING
    if found is Beside.NOTHING and any(_was_open(each, view.payment) for each in view.alike):
        return Beside.MAYBE
    return found


async def say_others_anew(tx: Tx, subject: str, *, now: datetime) -> None:
    """*subject*: "a:<payment>", an attempt, or money by hand, which moved. A `touched.Look`."""
    payment = await tx.payments.get(subject.partition(":")[2])
    assert payment is not None, "payments stay"
    others = await tx.attempts.others(payment)
    by_hand = [each for each in others if each.of_record][-BY_HAND_ANEW:]
    anew = [each for each in others if not each.of_record or each in by_hand]
    await tx.notices.owe([status_notice(each.id) for each in anew], now=now)


def paid_twice(view: PaymentView) -> bool:
    """
    Whether other attempts brought money as well, and together they brought too much.

    What is for a drive or an invoice has a sum of its own, and an operator may put money there
    that came without a word: it is not what that attempt brought. Nor is it a mistake where
    somebody pays by hand again with the reference that they have.
    """
    payment, put = view.payment, view.put
    if payment.subject is not None and payment.id in put:
        return False
    others = [each for each in view.others if payment.subject is None or each.id not in put]
    paid = [each for each in others if standing(each) is Outcome.PAID]
    if payment.subject is not None and all(each.of_record for each in (payment, *paid)):
        return False
    came_cents = sum(each.credited_cents or 0 for each in (payment, *paid))
    return bool(paid) and came_cents > payment.amount_kes * 100


def _is_part(payment: Payment) -> bool:
    """Whether less came of it than was to be paid, and is still there."""
    part = payment.arrived_cents < payment.amount_kes * 100
    return part and standing(payment) is Outcome.PAID


def _covers(came_cents: int, parts: Sequence[Payment]) -> bool:
    """All attempts at an intent are for the same amount."""
    return bool(parts) and came_cents >= parts[0].amount_kes * 100


def _was_open(earlier: Payment, payment: Payment) -> bool:
    """Whether *earlier* was not decided when *payment* was asked for; an unpaid one says no."""
    if outcome_of(earlier.status) is Outcome.UNPAID or all_back(earlier):
        return False
    decided = earlier.decided_at
    return earlier.status is not Status.PAID or decided is None or decided > payment.created_at
