"""Payments as they are kept on disk: what was wanted, what was told, where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = [
    "AGAIN",
    "FINAL",
    "NOBODY",
    "OPEN",
    "UNDECIDED",
    "Alarm",
    "Evidence",
    "Intent",
    "IntentKind",
    "Kind",
    "Line",
    "LineFacts",
    "PageFacts",
    "Payment",
    "PaymentView",
    "Status",
    "Word",
    "is_reversal_key",
    "reversal_key",
]


class Status(StrEnum):
    """Where a payment stands. Only `bot/core/settle.py` decides it; the stored one is a cache."""

    CREATED = "created"  # certainly not sent yet
    ASKING = "asking"  # bytes may be leaving right now
    PROMPTED = "prompted"  # Safaricom took the push
    UNSURE = "unsure"  # we do not know whether it did
    CONFIRMING = "confirming"  # someone says paid; not believed yet
    REVIEW = "review"  # told both yes and no; a person or the record decides
    PAID = "paid"
    DECLINED = "declined"  # the person, or M-Pesa, said no
    REFUSED = "refused"  # Safaricom would not take the push
    LAPSED = "lapsed"  # we stopped asking and still do not know
    VOID = "void"  # nothing ever left


OPEN = (Status.CREATED, Status.ASKING, Status.PROMPTED, Status.UNSURE)
"""A prompt may still appear on the line."""

UNDECIDED = (*OPEN, Status.CONFIRMING, Status.REVIEW, Status.LAPSED)
"""Nobody can say yet whether money moved."""

FINAL = (Status.PAID, Status.DECLINED, Status.REFUSED, Status.VOID)
"""The last word has been said, as far as we know today."""

_REVERSAL = "reversal:"

AGAIN = "again:"
"""How the ask key of a further attempt begins; the payment that it goes on from follows."""

BY_RECORD = "record:"
"""How it begins where a row of the books became a payment; the receipt follows."""

NOBODY = 0
"""Who asked, and in which chat, where somebody without Telegram asked on a page of ours."""


class IntentKind(StrEnum):
    """What is to be paid."""

    DIRECT = "direct"  # just an amount
    GIFT = "gift"  # to a drive
    INSTALMENT = "instalment"  # of an invoice


class Word(StrEnum):
    """What must be said beside a status."""

    LATE = "late"  # the first yes came after the first no
    OTHER_AMOUNT = "other-amount"
    TWICE = "twice"  # two receipts for one payment
    BY_HAND = "by-hand"  # paid without a prompt
    CONTRADICTED = "contradicted"  # a no, or other ids, beside a credit
    REVERSED = "reversed"


class Kind(StrEnum):
    """What one piece of evidence says."""

    BEGUN = "begun"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not-sent"
    REPLY_LOST = "reply-lost"
    CALLBACK_PAID = "callback-paid"  # trusted, with its receipt or amount
    CALLBACK_BARE = "callback-bare"  # trusted success without metadata
    CALLBACK_FAILED = "callback-failed"  # trusted
    UNTRUSTED = "untrusted"  # posted to our address, but not believable
    QUERY_PAID = "query-paid"
    QUERY_FAILED = "query-failed"  # an answer from the closed list of terminal codes
    RECORD_PAID = "record-paid"
    OPERATOR_PAID = "operator-paid"
    OPERATOR_VOID = "operator-void"
    CLAIM = "claim"  # a person says they paid; for a person to look at
    PROPOSED = "proposed"  # one operator would decide it so; waits for another
    CONTRADICTED = "contradicted"  # a later reply names other ids than a trusted callback did
    REVERSED = "reversed"
    RECEIPT_MOVED = "receipt-moved"  # the receipt it names turned out to be another payment's
    COUNTED_APART = "counted-apart"  # the books' line for its prompt counts as another payment
    LAPSED = "lapsed"


class Alarm(StrEnum):
    """What operators are told about at once."""

    CONTRADICTED = "contradicted"
    UNTRUSTED = "untrusted"
    ORPHAN = "orphan"  # a signed address without a row: a restored backup?
    RECEIPT_HELD = "receipt-held"  # another payment already holds this receipt
    LIMIT_HELD = "limit-held"  # unconfirmed successes reached their total
    PHONE_HELD = "phone-held"  # a success names another phone than the one that was asked
    OUTSIDE = "outside"  # a callback from an address that is not in webhook.allow_from
    ORPHANS_FULL = "orphans-full"  # no more orphans are kept
    TWICE = "twice"
    NEEDS_SETTLE = "needs-settle"
    MISCONFIGURED = "misconfigured"
    UNLISTED = "unlisted"  # a result code we have never seen
    PENDING = "pending"  # joined /pending
    CLAIM = "claim"
    PROPOSED = "proposed"  # an operator waits for another to agree
    KEYS_SHARED = "keys-shared"  # another program uses our Daraja keys
    UNMATCHED = "unmatched"  # money came in, and nobody knows for whom
    CREDENTIAL = "credential"  # Safaricom does not accept the initiator
    CLAIMS_FULL = "claims-full"  # no more payments told by hand are kept
    CLAIMS_WAIT = "claims-wait"  # told by hand a day ago, and Safaricom's books name none of it
    UNREAD = "unread"  # what Safaricom told about money could not be read
    NOT_GIVEN_BACK = "not-given-back"  # Safaricom said no to a reversal; nothing has moved
    BACK_UNSURE = "back-unsure"  # nobody knows whether a reversal was carried out
    BACK_MOVED = "back-moved"  # what went back of a payment, as a person said, is another's
    UNREGISTERED = "unregistered"  # Safaricom does not accept where payments by hand are told
    MERCHANT_TOOK = "merchant-took"  # a merchant says that money of nobody is an invoice's


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing we were told about a payment. Never changed once written."""

    id: int = 0
    payment_id: str
    kind: Kind
    at: datetime
    reason: str | None = None  # an mpesa.results.Meaning, or one plain word of ours
    receipt: str | None = None
    amount_cents: int | None = None
    paid_at: datetime | None = None
    held: bool = False  # a success that may not credit by itself
    digest: str  # SHA-256 hex over what makes it the same thing told twice
    source: str | None = None  # where it came from: an address, or "query"
    body: bytes | None = None  # raw; encrypted at rest; not read back for settling
    by: int | None = None  # Telegram user id of the person who said it


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What someone wants paid."""

    id: str
    kind: IntentKind
    asked_by: int  # Telegram user id, or NOBODY
    chat_id: int  # or NOBODY
    thread_id: int | None
    reply_to: int | None  # message id of the command
    private: bool  # asked in a private chat
    language: str  # "en" | "sw", the asker's
    amount_kes: int
    note: str  # encrypted at rest
    by_hand_ref: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One attempt at an intent: one push to one phone."""

    id: str  # 32 lower-case hex digits
    intent_id: str
    line_id: int
    phone_mask: str  # 0712***678
    amount_kes: int
    push_ref: str
    ask_key: str
    confirm_above_kes: int  # P, stamped when asked
    created_at: datetime
    begun_at: datetime | None = None
    lease_until: datetime | None = None  # of whoever is asking
    holder: int | None = None  # the process that has the push in hand
    merchant_request_id: str | None = None
    checkout_index: str | None = None  # HMAC; the id itself is encrypted
    status: Status = Status.CREATED
    words: frozenset[Word] = frozenset()
    reason: str | None = None
    receipt: str | None = None
    credited_cents: int | None = None
    paid_at: datetime | None = None
    decided_at: datetime | None = None  # when the evidence that made this status arrived
    confirmed: bool = False
    rev: int = 0
    checks: int = 0  # answered checks so far
    not_yet: int = 0  # answers that said "not yet"
    unanswered: int = 0  # asked in a row without an answer
    next_check_at: datetime | None = None
    user_check_at: datetime | None = None  # a person's "check now", not yet carried out
    user_checked_at: datetime | None = None
    check_until: datetime | None = None  # until when somebody is asking about it
    check_gen: int = 0  # which turn of asking that is
    check_holder: int | None = None
    pending_at: datetime | None = None  # joined /pending
    needs_settle: bool = False
    settle_tries: int = 0
    superseded: bool = False  # a newer attempt at the same intent exists
    reversed_cents: int = 0  # of what arrived, already taken off credited_cents
    subject: str | None = None  # what it is for: "d:<drive>" or "i:<invoice>"; never changes
    account: str = ""  # whose money it becomes: a name from [[mpesa.accounts]]; "" is [mpesa]

    @property
    def retried(self) -> bool:
        """Whether it is one of several attempts at its intent."""
        return self.superseded or self.ask_key.startswith(AGAIN)

    @property
    def of_record(self) -> bool:
        """Whether it was made of a row of the books: money that came without a prompt."""
        return self.ask_key.startswith(BY_RECORD)

    @property
    def arrived_cents(self) -> int:
        """What came, whatever of it went back since; 0 for what is not credited."""
        return (self.credited_cents or 0) + self.reversed_cents


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """A payment with what a sentence about it needs. Holds no whole phone number."""

    payment: Payment
    intent: Intent
    streak: int  # prompts to this line not completed in a row, up to this one
    paused_until: datetime | None  # prompts to this line are paused
    claimed: bool  # the person has pasted an M-PESA message that nobody has looked at yet
    others: tuple[Payment, ...] = ()  # the other attempts at the same intent
    alike: tuple[Payment, ...] = ()  # of an unpaid one: earlier wishes for the same from its phone
    put: frozenset[str] = frozenset()  # those at this intent that an operator put there


def reversal_key(receipt: str) -> str:
    """
    As what a reversal's own receipt is claimed, for it is taken off one payment.

    It is no proof of money that came, so it never stands among the receipts of payments.
    """
    return f"{_REVERSAL}{receipt}"


def is_reversal_key(receipt: str) -> bool:
    return receipt.startswith(_REVERSAL)


def shown_receipt(receipt: str) -> str:
    """As Safaricom writes it, be it a payment's or as what a reversal's is claimed."""
    return receipt.removeprefix(_REVERSAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A phone number as M-Pesa knows it."""

    id: int
    phone: str  # 2547…; encrypted and HMAC-indexed at rest
    new: bool = False  # made in this transaction, for whoever has it here


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFacts:
    """What the limits need to know about a line and the one who asks, at one instant."""

    own: bool  # the one who asks has shared this line as theirs
    streak: int
    last_begun_at: datetime | None
    open_payment: Payment | None
    same_amount_paid_at: datetime | None  # last credited or confirming push of this very amount
    stranger_asks: int  # this person's pushes to lines not theirs within the hour
    oldest_stranger_ask_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the limits of public pages need to know besides, at one instant."""

    by_address: int  # prompts asked for from this address within the hour
    first_by_address_at: datetime | None
    on_page: int  # and on this page, from anywhere
    first_on_page_at: datetime | None
    known: bool  # somebody has shared this line as theirs, or it has paid here before
    to_line: tuple[Payment, ...]  # asked for on any page within the day, newest first
