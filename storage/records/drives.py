"""Collection drives as they are kept on disk: what is collected, by whom, and who gave what."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from storage.records.payments import Word

__all__ = [
    "AWAY",
    "LOOKED_AT_DRIVE",
    "Drive",
    "DriveEdit",
    "DriveKind",
    "DriveStatus",
    "Entry",
    "EntryKind",
    "Gift",
    "GiftRow",
    "Pledge",
    "PledgeState",
    "Shows",
    "Totals",
    "Treasurer",
    "TreasurerState",
]


class DriveKind(StrEnum):
    """What sort of drive it is; it decides the tone."""

    HARAMBEE = "harambee"
    FUNERAL = "funeral"


class DriveStatus(StrEnum):
    """Whether a drive takes gifts."""

    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class Shows(StrEnum):
    """What everybody may see of who gave what; treasurers always see all."""

    ALL = "all"  # names and amounts
    NAMES = "names"  # names, without amounts
    TOTALS = "totals"  # neither: only the totals


class TreasurerState(StrEnum):
    """Where somebody stands who was asked to look after a drive."""

    NAMED = "named"  # by a treasurer; has not said yes yet
    INVITED = "invited"
    ACCEPTED = "accepted"
    LEFT = "left"


class EntryKind(StrEnum):
    """What a line of a drive's journal says."""

    CASH = "cash"  # money that did not come through M-Pesa
    CORRECTION = "correction"
    KEPT = "kept"  # a gift that came after closing stays; changes no total
    RETURNED = "returned"  # it was handed back outside
    WENT_BACK = "went-back"  # what was handed back, M-Pesa took back as well: it counts once


class PledgeState(StrEnum):
    """What became of a promise."""

    OPEN = "open"
    KEPT = "kept"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A collection for one thing, run by its treasurers in one chat."""

    id: str  # 32 hex digits
    code: str  # of its links; URL-safe, 72 random bits
    reference: str  # what one types as the account when paying by hand
    label: str  # how the accounts on prompts begin
    chat_id: int
    thread_id: int | None
    language: str  # "en" | "sw"
    kind: DriveKind
    title: str  # encrypted at rest
    target_kes: int | None
    closes_at: datetime | None  # the first instant at which it is over
    shows: Shows
    status: DriveStatus
    opened_by: int
    opened_at: datetime
    open_key: str  # the same key twice is one drive
    closed_at: datetime | None = None
    card: int = 1  # which message is its card: a new number is a new message
    thanks: int = 0  # which grouped thanks are being collected
    thanks_due_at: datetime | None = None

    @property
    def subject(self) -> str:
        """What its payments are for, and its notices about."""
        return f"d:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Treasurer:
    """Somebody who looks after a drive, or was asked to."""

    drive_id: str
    person_id: int
    name: str  # encrypted at rest
    state: TreasurerState
    by: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift:
    """What is known of a payment to a drive beside the payment itself."""

    intent_id: str
    drive_id: str
    giver_id: int  # Telegram user id, or NOBODY
    who: str  # the same for two gifts of one person
    name: str  # encrypted at rest
    on_behalf: str = ""  # encrypted at rest
    anonymous: bool = False
    hide_amount: bool = False
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GiftRow:
    """One credited gift or one line of the journal, as a list shows it."""

    at: datetime
    cents: int
    name: str = ""  # empty: nothing is known of the giver (paid by hand)
    on_behalf: str = ""
    anonymous: bool = False
    hide_amount: bool = False
    giver_id: int = 0
    asked_at: datetime | None = None  # None: nobody was asked for it
    payment_id: str | None = None  # None: a line of the journal
    line_id: int | None = None
    phone_mask: str = ""
    receipt: str | None = None
    words: frozenset[Word] = frozenset()
    reversed_cents: int = 0  # what M-Pesa gave back, already taken off `cents`
    entry: Entry | None = None

    @property
    def by_hand(self) -> bool:
        """Money that did not pass through M-Pesa."""
        return self.payment_id is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of a drive's journal; never changed once written."""

    id: int = 0
    drive_id: str
    kind: EntryKind
    cents: int  # what it adds to the total; may be negative
    name: str = ""  # whose money it is; encrypted at rest
    reason: str = ""  # encrypted at rest
    payment_id: str | None = None  # the gift it is about
    corrects: int | None = None  # the entry it is about
    by: int
    by_name: str = field(default="")  # encrypted at rest
    at: datetime
    key: str  # the same key twice is one entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Pledge:
    """A promise to give by a day."""

    id: str
    drive_id: str
    person_id: int
    name: str  # encrypted at rest
    amount_kes: int
    due_at: datetime  # the first instant of the day it is due, in Nairobi
    state: PledgeState
    created_at: datetime
    remind_at: datetime | None  # when the next reminder is due; None: no more
    reminded: int = 0
    key: str  # the same key twice is one pledge


AWAY = "away"
"""That a treasurer left the group: by whom is who left, after is when, as Telegram has it."""

LOOKED_AT_DRIVE = "drive-statement"
"""The look at every whole number of a drive: one row of the audit, under the id of the drive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveEdit:
    """One change to a drive: who made it, when, and what stood there before."""

    drive_id: str
    what: str  # "title", "target", "closes", "shows", "kind", "status", "treasurers", AWAY
    before: str  # encrypted at rest
    after: str  # encrypted at rest
    by: int
    by_name: str  # encrypted at rest
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a drive has come to, in cents."""

    mpesa_cents: int  # credited and not given back
    mpesa_gifts: int  # of which anything stays
    cash_cents: int  # all that stands in the journal
    cash_gifts: int

    @property
    def cents(self) -> int:
        return self.mpesa_cents + self.cash_cents

    @property
    def gifts(self) -> int:
        return self.mpesa_gifts + self.cash_gifts
