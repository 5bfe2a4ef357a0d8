"""Safaricom's record as it is kept on disk: its rows, and what a person must look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = [
    "AskedLater",
    "DecidedByOne",
    "NewRecordRow",
    "OpenDifference",
    "OpenKind",
    "QuestionKind",
    "RecordRow",
    "RowKind",
    "RowState",
    "Source",
    "UnreadPost",
]


class Source(StrEnum):
    """How a row came to us."""

    C2B = "c2b"  # posted to us, by somebody who knows the address: a claim
    PULL = "pull"
    STATUS = "status"
    PORTAL = "portal"


class RowKind(StrEnum):
    """What a row did."""

    PAID = "paid"
    REVERSAL = "reversal"


class RowState(StrEnum):
    """Where a row stands."""

    NEW = "new"  # not placed yet
    CLAIMED = "claimed"  # only posted: Safaricom's books have not named it
    MATCHED = "matched"
    OPEN = "open"  # a person must look; see `OpenDifference`
    CLOSED = "closed"  # a person has


class OpenKind(StrEnum):
    """What is open."""

    UNMATCHED = "unmatched"  # only Safaricom's
    ONLY_OURS = "only-ours"  # credited, and not in their books
    AMOUNT_DIFFERS = "amount-differs"
    TWICE = "twice"  # a second receipt for one payment
    REVIEW = "review"  # a payment of its own was made of it, and waits for a person
    REVERSAL = "reversal"  # of a payment that we do not know


class QuestionKind(StrEnum):
    """What we ask Safaricom, to be answered later."""

    STATUS = "status"
    REVERSAL = "reversal"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecordRow:
    """
    One row as it came.

    `amount_cents` is positive; `payer` the number as it was said, whole, masked or hashed.
    """

    receipt: str
    amount_cents: int
    at: datetime | None
    source: Source
    kind: RowKind = RowKind.PAID
    reference: str = ""
    payer: str = ""
    linked: str | None = None  # the receipt that a reversal takes back


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """One row as it is kept: every receipt once, however often and by whichever way it came."""

    receipt: str
    kind: RowKind
    amount_cents: int
    at: datetime | None
    reference: str
    payer: str
    linked: str | None
    sources: frozenset[Source]
    recorded: bool
    seen_at: datetime
    state: RowState
    payment_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDifference:
    """One difference between Safaricom's books and ours, until a person has closed it."""

    id: int
    kind: OpenKind
    receipt: str | None
    payment_id: str | None
    theirs_cents: int | None
    ours_cents: int | None
    at: datetime | None
    found_at: datetime
    closed_at: datetime | None = None
    closed_by: int | None = None  # Telegram user id; None: closed by itself, once it was found
    given_to: str | None = None  # the payment that it went to
    why: str = ""  # encrypted at rest


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLater:
    """A question to Safaricom that is answered later, at an address of its own."""

    id: str
    kind: QuestionKind
    receipt: str
    payment_id: str | None
    amount_cents: int | None
    by: int | None
    asked_at: datetime
    heard_at: datetime | None = None
    outcome: str | None = None
    bodies: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadPost:
    """What was posted about a payment by hand, or as an answer, and could not be read."""

    id: int = 0
    digest: str  # SHA-256 hex: the same body told twice is kept once
    door: str  # "by-hand" or "result"
    why: str
    body: bytes = field(repr=False)  # encrypted at rest; empty where it was refused unread
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedByOne:
    """What one person wants done, where a second one must agree."""

    id: int
    deed: str
    subject: str
    argument: str
    by: int
    why: str
    at: datetime
