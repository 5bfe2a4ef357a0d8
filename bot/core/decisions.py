"""Decisions: what an operator may say about one payment, how much it moves, what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.core.apart import counted_already, prompted_by
from bot.core.settle import POSITIVES, stand
from bot.core.told_rows import born_key, is_reversals
from storage.records import Evidence, Payment, RowKind
from storage.tx import Tx

__all__ = [
    "Deciding",
    "Ruling",
    "Verdict",
    "as_booked",
    "booked_cents",
    "counts_otherwise",
    "decided_cents",
    "money_codes",
    "not_that_code",
]


class Deciding(StrEnum):
    """What an operator would have a payment be."""

    CREDIT = "credit"  # the money is there, under this receipt
    VOID = "void"  # looked up: nothing came
    REVERSE = "reverse"  # it went back to the payer, under this receipt


class Verdict(StrEnum):
    """What became of a decision."""

    DONE = "done"
    PROPOSED = "proposed"  # waits for another operator
    ALONE = "alone"  # it needs another operator, and there is none
    SAME_PERSON = "same-person"  # whoever proposed cannot agree with themselves
    RECEIPT_TAKEN = "receipt-taken"  # another payment holds it
    SETTLED = "settled"  # nothing is left to decide that way
    HEARD_SINCE = "heard-since"  # somebody said "paid", and whoever writes it off has not read that
    WENT_BACK = "went-back"  # under that code money went back: none came under it
    CAME_IN = "came-in"  # under that code money came, of another: none went back under it
    OTHER_AMOUNT = "other-amount"  # another amount counts for that code already, and stays
    GONE = "gone"  # there is nothing to agree to any more
    COUNTED = "counted"  # the prompt whose account the books name counts that money, it seems
    APART = "apart"  # its line counts as another payment: more takes a code that the books have
    OWN_CODE = "own-code"  # the money's: the code of its way back would take it off again


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One decision of one operator about one payment."""

    payment_id: str
    deciding: Deciding
    by: int
    key: str  # the same press told twice is one decision
    receipt: str | None = None  # of the money, or of its way back
    # None: what the books say, else what was asked for; of a reversal: all that is left.
    amount_cents: int | None = None
    booked: bool = False  # the books have that code, as money that came
    twice: bool = False  # the prompt that its line names counts that money too
    read_up_to: int = 0  # id of the newest evidence that whoever decides had before them


def decided_cents(deciding: Deciding, amount_cents: int | None, payment: Payment) -> int:
    """How much of the totals a decision moves; *amount_cents* as whoever decides has named it."""
    if amount_cents is not None:
        return amount_cents
    if deciding is Deciding.REVERSE:
        return payment.credited_cents or 0
    return payment.amount_kes * 100


async def booked_cents(tx: Tx, receipt: str) -> int | None:
    """What Safaricom's books say came under that code; None where they do not name it."""
    row = await tx.record.get(receipt)
    named = row is not None and row.recorded and row.kind is RowKind.PAID
    return row.amount_cents if row is not None and named else None


async def as_booked(tx: Tx, ruling: Ruling) -> Ruling:
    """
    The decision with what the books say of its code: how much, where that was left to them.

    And whether what goes back is counted twice, by the line's own payment and by its prompt.
    """
    if ruling.receipt is None or ruling.deciding is Deciding.VOID:
        return ruling
    if ruling.deciding is Deciding.REVERSE:
        row = await tx.record.get(ruling.receipt)
        born = None if row is None else await tx.payments.by_ask_key(born_key(row))
        if row is None or born is None or born.id != ruling.payment_id:
            return ruling
        found = await prompted_by(tx, row, ruling.payment_id)
        return replace(ruling, twice=found is not None and found.counts(row, anew=False))
    cents = await booked_cents(tx, ruling.receipt)
    said = cents if ruling.amount_cents is None else ruling.amount_cents
    return replace(ruling, amount_cents=said, booked=cents is not None)


async def not_that_code(tx: Tx, ruling: Ruling) -> Verdict | None:
    """
    Why that code cannot be what this decision needs: money went back under it, or came, or counts.

    What the books name only a moment later is only ours, or open, for a person.
    """
    receipt = ruling.receipt
    if receipt is None or ruling.deciding is Deciding.VOID:
        return None
    if ruling.deciding is Deciding.CREDIT:
        if await is_reversals(tx, receipt):
            return Verdict.WENT_BACK
        row = await tx.record.get(receipt)
        counts = None if row is None else await counted_already(tx, row, ruling.payment_id)
        return None if counts is None else Verdict.COUNTED
    told = (await tx.evidence.of([ruling.payment_id])).get(ruling.payment_id, [])
    if receipt in money_codes(told):
        return None  # its own, or what it had of another's: judged by whose it is now
    holder = (await tx.evidence.receipt_holders([receipt])).get(receipt)
    came = holder is not None or await booked_cents(tx, receipt) is not None
    return Verdict.CAME_IN if came else None


def money_codes(told: Sequence[Evidence]) -> set[str | None]:
    """The codes under which somebody said that this payment's money came."""
    return {each.receipt for each in told if each.kind in POSITIVES}


def counts_otherwise(payment: Payment, told: Sequence[Evidence], said: Evidence) -> bool:
    """Whether another amount goes on counting although a person has *said* this one."""
    then = stand(payment, [*told, said])
    if then.credited_cents is None:
        return False
    return then.credited_cents + then.reversed_cents != said.amount_cents
