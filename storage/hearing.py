"""What the core and the store say to each other when something was heard about a payment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.records import Evidence, Kind, NewNotice, Payment, Status, Word

__all__ = ["Admitted", "Decide", "Decision", "Outcome", "Seen", "Unit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the rest of the store says about one unit, read under the payment's lock."""

    checkout_index: str | None  # of the id the unit names
    checkout_holder: str | None  # the payment that already has that id
    receipt_holder: str | None  # the payment that already has that receipt
    unconfirmed_kes: int  # successes credited by callback alone, all payments together
    untrusted: int  # untrusted bodies already kept for this payment
    callbacks: int = 0  # trusted ones already kept for it
    sorts: frozenset[tuple[Kind, bool]] = frozenset()  # theirs: what it says, and whether held
    claimed: frozenset[str] = frozenset()  # receipts of money that it took in this very commit
    accepted: bool = False  # Safaricom's reply to the push is known, and so its ids
    told: tuple[Evidence, ...] = ()  # all evidence so far; what is new in this commit has no id yet
    other_phone: bool = False  # the unit names a phone, and it is not the one that was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What becomes of one unit: evidence, changes to the row's timetable and ids, notices."""

    evidence: tuple[Evidence, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)  # fields of Payment
    checkout_id: str | None = None  # to be the payment's own from now on
    claims_receipt: str | None = None
    outranks: bool = False  # the claim counts even where another payment holds the receipt
    notices: tuple[NewNotice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """
    One thing to be written about one payment; `admit` judges it under the payment's lock.

    It runs in the database's thread and may run again, so it is a pure function, as `Decide` is.
    """

    payment_id: str
    admit: Callable[[Payment, Seen], Admitted]
    checkout_id: str | None = None  # ids it names, to be looked up first
    receipt: str | None = None
    phone: str | None = None  # whole, as 254…; None where it is masked or absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a unit did."""

    payment: Payment | None  # as it stands now; None: there is no such payment
    moved: bool  # the status or its words changed
    fresh: bool  # something was written
    was: Status | None = None  # as it stood before
    brought: tuple[Kind, ...] = ()  # the evidence that was new, of all that came with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What settle says about a payment, from all its evidence."""

    status: Status
    words: frozenset[Word]
    reason: str | None
    receipt: str | None
    credited_cents: int | None  # what is left of it after reversals
    paid_at: datetime | None
    decided_at: datetime | None
    confirmed: bool
    reversed_cents: int = 0
    notices: tuple[NewNotice, ...] = ()
    next_check_at: datetime | None = None  # None: leave the timetable as it is
    check_over: bool = False  # nothing is left to ask
    pending_at: datetime | None = None  # a person should look, since then


Decide = Callable[[Payment, Sequence[Evidence]], Decision]
"""Where a payment stands now, from all its evidence: pure, and handed in by the core."""
