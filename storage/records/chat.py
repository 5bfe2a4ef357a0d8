"""The chat as it is kept on disk: people, buttons, what we owe and what we were told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from storage.documents import Document
from storage.records.payments import Alarm

__all__ = [
    "EDITED",
    "Button",
    "Closing",
    "Deed",
    "Document",
    "Draft",
    "DraftKind",
    "InboxItem",
    "Keyboard",
    "NewNotice",
    "NewUpdate",
    "Notice",
    "NoticeKind",
    "Person",
    "Reply",
    "ShownButton",
    "Whisper",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone in Telegram who has spoken to the bot."""

    id: int
    first_name: str = ""  # encrypted at rest
    username: str | None = None  # without the @; encrypted and HMAC-indexed at rest
    language: str | None = None  # chosen with /language
    telegram_language: str | None = None
    line_id: int | None = None
    phone: str | None = None  # 2547…, when shared; from the line
    reachable: bool = False  # has opened a private chat with us


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a press does, to what, and who may press."""

    action: str
    subject: str  # what it is about: a payment's id, a person's
    argument: str = ""  # kept as it is, unlike a phone: never put one here
    owner: int | None = None  # Telegram user id; None: anyone in that chat


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownButton:
    """A button that does something, as one message showed it to one chat."""

    data: str  # what a press carries: random, and all that Telegram learns of the deed
    deed: Deed
    chat_id: int
    once: bool  # the first press that has an effect uses it up
    expires_at: datetime
    used_at: datetime | None = None
    used_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """
    One button under a message: exactly one of `does`, `url`, `copy` and `share` is set.

    When its message is sent, what it does is written down and `data` takes its place.
    """

    label: str
    does: Deed | None = None
    data: str | None = None
    url: str | None = None
    copy: str | None = None
    share: str | None = None  # what is asked of us inline, in a chat that is chosen then
    style: str | None = None  # "primary" | "success" | "danger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyboard:
    """Buttons below a message, or what replaces the typing keyboard."""

    rows: tuple[tuple[Button, ...], ...] = ()
    ask_contact: str | None = None  # label of a "share my number" key (private chats only)
    ask_users: str | None = None  # label of a "choose people" key (private chats only)
    ask_users_max: int = 1
    other_keys: tuple[str, ...] = ()  # further labels beside ask_contact
    remove: bool = False
    force_reply: str | None = None  # placeholder text


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisper:
    """
    A place in a group where one member is told something that nobody else there sees.

    Telegram calls such a message ephemeral, and does not promise that it arrives.
    """

    chat_id: int
    thread_id: int | None = None
    query_id: str | None = None  # of the press that it answers
    message_id: int | None = None  # Telegram's ephemeral_message_id, once it was said


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    A message we owe a chat: HTML text, already in the reader's language.

    With a document the text is its caption: what goes beyond 1024 characters is cut off.
    """

    chat_id: int
    text: str
    thread_id: int | None = None
    reply_to: int | None = None
    keyboard: Keyboard | None = None
    quiet: bool = False
    document: Document | None = None
    pin: bool = False  # where we may
    whisper_to: int | None = None  # the only one in the chat who is to see it
    query_id: str | None = None  # of the press that a whisper answers, while it is fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What ends the handling of one update: what we say, and that it is done, in one commit."""

    update_id: int | None = None  # None: nothing to mark (a test, a job)
    replies: tuple[Reply, ...] = ()
    once_as: str | None = None  # said once under this name, whatever the update
    notices: tuple[NewNotice, ...] = ()  # owed besides, made when their turn comes
    answers: tuple[int, int] | None = None  # chat and person whose open question is answered


class NoticeKind(StrEnum):
    """How a notice is made when its turn comes."""

    SAY = "say"  # its text is stored
    STATUS = "status"  # the one status message of a payment: sent once, then edited
    RING = "ring"  # one short new message about a late last word
    ALARM = "alarm"  # to an operator
    CARD = "card"  # the one message of a drive or an invoice in a chat: sent once, then edited
    NEWS = "news"  # one new message about a drive or an invoice


EDITED = (NoticeKind.STATUS, NoticeKind.CARD)
"""What stays one message, and says something else later on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    """
    A notice to be owed. The same `key` twice is one notice; a STATUS or CARD is then edited anew.

    CARD and NEWS are made when their turn comes, from `subject` and `topic`.
    """

    key: str
    kind: NoticeKind
    chat_id: int | None  # None: the chat where the payment was asked for
    payment_id: str | None = None
    alarm: Alarm | None = None
    reply: Reply | None = None
    subject: str | None = None  # "d:<drive>", "i:<invoice>"
    topic: str = ""  # which message about it, and what it needs to know
    not_before: datetime | None = None
    whisper: Whisper | None = None  # where a STATUS may be told until its last word


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An outbox row whose turn has come."""

    id: int
    kind: NoticeKind
    chat_id: int
    payment_id: str | None
    alarm: Alarm | None
    reply: Reply | None
    message_id: int | None  # of the message to edit, once sent
    wanted: int  # the version asked for; goes back to `sent()`
    tries: int
    resent: bool  # it was being sent when we stopped: a twin is possible
    lease_gen: int = 0  # which turn of telling this is: a later one has taken it over
    begin_by: datetime | None = None  # not a byte of it may leave later; as `Post` measures time
    subject: str | None = None
    topic: str = ""
    whisper: Whisper | None = None  # where it may be told until its last word
    made_at: datetime | None = None  # when it was owed first


class DraftKind(StrEnum):
    """A question we are waiting to have answered."""

    PAY_PHONE = "pay-phone"  # an amount is known, the phone is not
    CLAIM = "claim"  # the next message is a pasted M-PESA message
    REVIEW_CREDIT = "review-credit"  # an operator found the money: its code is to come
    BOOKS_TO = "books-to"  # which payment money in Safaricom's books belongs to
    BOOKS_WHY = "books-why"  # why it belongs to none
    REVIEW_REVERSE = "review-reverse"  # it went back: the code of that
    NEW_DRIVE = "new-drive"  # a drive is being described, step by step
    GIVE = "give"  # a gift, of which something is not known yet
    DRIVE_WORDS = "drive-words"  # a sentence about a drive: an amount, a name, a reason
    INVOICE = "invoice"  # something about a merchant's invoice: `data` says what
    BILL = "bill"  # something that a customer says about an invoice
    STATEMENT = "statement"  # whose statement an operator or a merchant wants
    MERCHANT = "merchant"  # something about the merchant's own profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A half-finished command of one person in one chat; resumable after a restart."""

    chat_id: int
    person_id: int
    kind: DraftKind
    amount_kes: int | None = None
    note: str = ""  # encrypted at rest
    payment_id: str | None = None
    message_id: int | None = None  # of the command that began it, or of what had the button
    data: str = ""  # what has been answered so far, as its flow writes it; encrypted at rest
    expires_at: datetime
    asked_as: str | None = None  # the key of the notice that asks it


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpdate:
    """A Telegram update that has just arrived."""

    update_id: int
    body: str = field(repr=False)
    chat_id: int | None = None  # in whose order it is carried out


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """A Telegram update as it arrived, until its effect is committed."""

    update_id: int
    body: str = field(repr=False)  # JSON; encrypted at rest
    tries: int = 0
