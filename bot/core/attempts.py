"""
Attempts: what the other tries at one intent say of it, and whether to pay again is a mistake.

After "no prompt came" the first prompt may still be paid. What a later try says is said beside
that, and is said anew when that is known: or somebody who believes it pays twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from bot.core.outcomes import Outcome, outcome_of
from bot.core.ports import Clock
from bot.core.settle import status_notice
from storage.records import Payment, PaymentView, Word
from storage.tx import Tx

__all__ = ["Attempts", "Beside", "beside", "of_others"]


class Beside(StrEnum):
    """What the other attempts at one intent come down to."""

    NOTHING = "nothing"
    MAYBE = "maybe"  # nobody knows yet, or nobody could say
    COUNTS = "counts"  # one is paid, or somebody says so


def beside(others: Iterable[Payment]) -> Beside:
    """What may be said of money, and of trying again, beside *others*."""
    found = {outcome_of(each.status) for each in others if not _all_back(each)}
    if found & {Outcome.PAID, Outcome.CHECKING}:
        return Beside.COUNTS
    return Beside.MAYBE if found & {Outcome.WAITING, Outcome.UNKNOWN} else Beside.NOTHING


def of_others(view: PaymentView) -> Beside:
    """The same for a message: one that a newer goes on from leaves it to that."""
    return Beside.NOTHING if view.payment.superseded else beside(view.others)


def _all_back(payment: Payment) -> bool:
    return Word.REVERSED in payment.words and not payment.credited_cents


class Attempts:
    """Has the messages of other attempts said anew when one of them has moved."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def look(self, tx: Tx, subject: str) -> None:
        """*subject*: "a:<payment>", which moved, and which a newer attempt goes on from."""
        payment = await tx.payments.get(subject.partition(":")[2])
        assert payment is not None, "payments stay"
        others = await tx.payments.others(payment)
        stale = [each for each in others if outcome_of(each.status) is Outcome.UNPAID]
        newest = [status_notice(each.id) for each in stale if not each.superseded]
        await tx.notices.owe(newest, now=self._clock.now())
