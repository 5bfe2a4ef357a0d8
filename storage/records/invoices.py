"""Invoices as they are kept on disk: merchants, bills, what people did about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

__all__ = [
    "Bill",
    "BillItem",
    "Decided",
    "Etims",
    "Invoice",
    "InvoiceEntry",
    "InvoiceEntryKind",
    "InvoiceSums",
    "Merchant",
    "Reminder",
    "VatMode",
    "invoice_label",
]


def invoice_label(number: int | None) -> str:
    """`INV-0042`; a draft has no number yet."""
    return "INV-…" if number is None else f"INV-{number:04d}"


class Decided(StrEnum):
    """What the merchant decided. Whether it is paid is never stored: it is added up."""

    DRAFT = "draft"  # not issued: it has no number, and nobody can pay it
    ISSUED = "issued"
    VOID = "void"  # it should not have been issued
    WRITTEN_OFF = "written-off"  # it is owed, and will not come


class VatMode(StrEnum):
    """Whether the prices of the items have the tax in them."""

    NONE = "none"
    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"


class InvoiceEntryKind(StrEnum):
    """What somebody did about an invoice. Entries are only ever added."""

    CASH = "cash"  # money that came past M-Pesa
    CASH_UNDONE = "cash-undone"  # an entry of cash was wrong
    GIVEN_BACK = "given-back"  # what was paid too much
    STOOD = "stood"  # a payment that was there when one of these two was said; moves nothing
    WENT_BACK = "went-back"  # what was given back, M-Pesa took back as well: it counts once
    BOTH_WENT_BACK = "both-went-back"  # no, it was given back twice
    KEPT = "kept"  # what was paid too much stays with the merchant, as agreed; less: it did not
    REVISED = "revised"
    VOIDED = "voided"
    WRITTEN_OFF = "written-off"
    REOPENED = "reopened"
    REMINDED = "reminded"
    QUESTION = "question"  # the customer asks
    NOT_MINE = "not-mine"  # somebody who was sent it says so
    ANSWER = "answer"  # the merchant, to a question or to "not mine"
    THEIRS = "theirs"  # the merchant, after "not mine": it is theirs all the same
    NOT_THEIRS = "not-theirs"  # the merchant, after "not mine": it goes to somebody else


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """Somebody who may issue invoices."""

    id: int  # Telegram user id
    name: str = ""  # as customers read it; encrypted at rest
    kra_pin: str | None = None  # encrypted at rest
    logo: bytes | None = None  # PNG or JPEG; encrypted at rest, read only where it is asked for
    due_days: int = 7
    language: str = "en"  # of the papers
    account: str = ""  # whose money it becomes: a name from [[mpesa.accounts]]; "" is [mpesa]
    next_number: int = 1
    summary: bool = True  # told every evening
    summary_at: datetime | None = None  # when next
    appointed_by: int
    appointed_at: datetime
    revoked_by: int | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillItem:
    """One line of a bill. A quantity is in thousandths: 2.5 kg is 2500."""

    what: str
    quantity_milli: int = 1000
    price_cents: int  # of one


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one revision of an invoice says; encrypted at rest as a whole."""

    customer: str
    username: str | None = None  # in Telegram, without the @
    items: tuple[BillItem, ...] = ()
    vat: VatMode = VatMode.NONE
    vat_bp: int = 0  # hundredths of a percent: 16 % is 1600
    due_on: date
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Etims:
    """What the merchant pasted from the tax authority's own invoice."""

    number: str
    qr_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice with its newest bill."""

    id: str  # 32 lower-case hex digits
    merchant_id: int
    number: int | None  # without gaps, of this merchant; None: a draft
    code: str  # unguessable: whoever has it may see and pay
    by_hand_ref: str
    decided: Decided
    revision: int  # of the bill, from 1; a draft has them too
    issued_revision: int = 1  # the first one that anybody else could read
    bill: Bill
    total_cents: int  # of this bill
    due_on: date
    language: str  # "en" | "sw"
    account: str
    customer_id: int | None = None  # Telegram user id of who opened it and did not say "not mine"
    etims: Etims | None = None
    issue_key: str  # the same key twice is one invoice
    created_at: datetime
    issued_at: datetime | None = None
    ask_at: datetime | None = None  # when the merchant is next asked about what is late
    disowned_by: int | None = None  # who says it is not theirs, until the merchant has decided

    @property
    def label(self) -> str:
        """`INV-0042`."""
        return invoice_label(self.number)

    @property
    def shown_revision(self) -> int:
        """1 for the bill as it was issued, and one more for every change since."""
        return self.revision - self.issued_revision + 1

    @property
    def subject(self) -> str:
        """What payments of it are stamped with."""
        return f"i:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceEntry:
    """One thing somebody did about an invoice."""

    id: int = 0
    invoice_id: str
    kind: InvoiceEntryKind
    cents: int = 0  # what it adds to what is paid; below nothing where it takes away
    about_cents: int = 0  # an amount that it names and does not move
    why: str = ""  # encrypted at rest
    by: int
    at: datetime
    key: str  # the same key twice is one entry
    answers: int | None = None  # the entry that this one answers


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSums:
    """What has come for one invoice, added up at this instant. All amounts are cents."""

    mpesa_cents: int  # net of reversals
    entries_cents: int  # cash and what was given back
    waiting_cents: int  # M-Pesa says paid, and nobody believes it yet
    unknown_cents: int = 0  # it may be paid, and nobody can say so yet; asked for all the same
    under_way_cents: int = 0  # prompts for it that are not answered yet
    kept_cents: int = 0  # of what was paid too much: agreed to stay
    excess_words: int = 0  # how often the merchant has said what became of too much

    @property
    def paid_cents(self) -> int:
        return self.mpesa_cents + self.entries_cents

    @property
    def maybe_cents(self) -> int:
        """What nobody can say of that it has not come, or will not."""
        return self.waiting_cents + self.unknown_cents + self.under_way_cents


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """A polite word to a customer that waits for its time."""

    id: int
    invoice_id: str
    number: int  # 1, 2, 3
    due_at: datetime
