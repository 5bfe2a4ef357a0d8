"""
Attempts: what the other tries at one intent say of it, and whether to pay again is a mistake.

After "no prompt came" the first prompt may still be paid. What another try says is said beside
that, and is said anew when that is known: or somebody who believes it pays twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from bot.core.outcomes import Outcome, all_back, outcome_of
from bot.core.settle import status_notice
from storage.records import Payment, PaymentView, Status
from storage.tx import Tx

__all__ = ["PAID_MEANWHILE", "Beside", "beside", "of_others", "say_others_anew"]


PAID_MEANWHILE = "paid-meanwhile"
"""Why a further attempt was not sent: before it could be, another one was paid."""


class Beside(StrEnum):
    """What the other attempts at one intent come down to."""

    NOTHING = "nothing"
    MAYBE = "maybe"  # nobody knows yet, or nobody could say
    COUNTS = "counts"  # one is paid, or somebody says so


def beside(others: Iterable[Payment]) -> Beside:
    """What may be said of money, and of trying again, beside *others*."""
    found = {outcome_of(each.status) for each in others if not _leaves_some(each)}
    if found & {Outcome.PAID, Outcome.CHECKING}:
        return Beside.COUNTS
    return Beside.MAYBE if found & {Outcome.WAITING, Outcome.UNKNOWN} else Beside.NOTHING


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
    stale = [each for each in others if each.retried or each.status is not Status.PAID]
    await tx.notices.owe([status_notice(each.id) for each in stale], now=now)


def _leaves_some(payment: Payment) -> bool:
    """Whether what came of it, if anything, leaves the whole or a part to be paid."""
    part = payment.arrived_cents < payment.amount_kes * 100
    return payment.status is Status.PAID and (part or all_back(payment))


def _was_open(earlier: Payment, payment: Payment) -> bool:
    """Whether *earlier* was not decided when *payment* was asked for; an unpaid one says no."""
    if outcome_of(earlier.status) is Outcome.UNPAID or all_back(earlier):
        return False
    decided = earlier.decided_at
    return earlier.status is not Status.PAID or decided is None or decided > payment.created_at
