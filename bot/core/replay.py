"""Replay: work every stored payment out again from its evidence, and say where the row differs."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from bot.core.settle import POSITIVES, RECEIPT_HELD, Standing, stand
from bot.core.went_back import moved_receipts
from storage.reading import Kept
from storage.records import Kind

__all__ = ["Difference", "Replayed", "differences", "replay"]

# What settle decides; the stored row is a cache of it.
DECIDED = (
    *("status", "words", "reason", "receipt", "credited_cents", "reversed_cents"),
    *("paid_at", "decided_at", "confirmed"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one payment that its evidence does not bear out."""

    payment_id: str
    field: str
    stored: str
    recomputed: str

    def __str__(self) -> str:
        return (
            f"payment {self.payment_id}: {self.field}: "
            f"stored {self.stored}, recomputed {self.recomputed}"
        )


@dataclass(slots=True)
class Replayed:
    """What a replay went through."""

    payments: int = 0
    evidence: int = 0
    differences: int = 0
    stored_cents: int = 0  # credited, all payments together
    recomputed_cents: int = 0


def differences(kept: Kept) -> Iterator[Difference]:
    """Where the stored row, and the receipts it holds, differ from what its evidence says."""
    stored = kept.payment
    begun_at = _begun_at(kept)
    standing = _standing(kept)
    pairs: dict[str, tuple[object, object]] = {"begun_at": (stored.begun_at, begun_at)}
    pairs |= {field: (getattr(stored, field), getattr(standing, field)) for field in DECIDED}
    pairs["needs_settle"] = (stored.needs_settle, False)
    for field, (was, should_be) in pairs.items():
        if was != should_be:
            yield Difference(stored.id, field, _shown(was), _shown(should_be))
    yes = [each for each in kept.evidence if each.kind in POSITIVES]
    named = {each.receipt for each in yes if each.receipt is not None}
    named -= moved_receipts(kept.evidence)
    own = {each.receipt for each in yes if each.receipt in named and each.reason != RECEIPT_HELD}
    for receipt in sorted(own - kept.holds):
        holder = kept.holders.get(receipt)
        yield Difference(stored.id, f"holder of {receipt}", _shown(holder), stored.id)
    for receipt in sorted(kept.holds - own):
        yield Difference(stored.id, f"holder of {receipt}", stored.id, "another payment")
    for receipt in sorted(named - own - kept.holders.keys()):
        yield Difference(stored.id, f"holder of {receipt}", _shown(None), "another payment")


def _begun_at(kept: Kept) -> datetime | None:
    return min((each.at for each in kept.evidence if each.kind is Kind.BEGUN), default=None)


def _standing(kept: Kept) -> Standing:
    return stand(replace(kept.payment, begun_at=_begun_at(kept)), kept.evidence)


async def replay(every: AsyncIterable[Kept], report: Callable[[Difference], None]) -> Replayed:
    """Go through *every* payment, and *report* each difference as it is found."""
    done = Replayed()
    async for kept in every:
        done.payments += 1
        done.evidence += len(kept.evidence)
        done.stored_cents += kept.payment.credited_cents or 0
        done.recomputed_cents += _standing(kept).credited_cents or 0
        for difference in differences(kept):
            done.differences += 1
            report(difference)
    return done


def _shown(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case datetime():
            return value.isoformat()
        case frozenset():
            return " ".join(sorted(value)) or "nothing"
        case _:
            return str(value)
