"""The tables, with every constraint named: names are how errors are told apart."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.columns import (
    EPOCH,
    MICROSECOND,
    Instant,
    RowId,
    instant,
    metadata,
    micros,
    row_id,
)
from storage.records import Status

__all__ = [
    "DEAD",
    "EPOCH",
    "MICROSECOND",
    "OF_SUBJECT",
    "OWED",
    "UNCONFIRMED",
    "UNSENT",
    "UNSETTLED",
    "Instant",
    "buttons",
    "drafts",
    "evidence",
    "inbox",
    "instant",
    "intents",
    "lines",
    "looks",
    "metadata",
    "micros",
    "notices",
    "orphans",
    "paces",
    "payments",
    "people",
    "receipts",
    "shared",
    "touched",
]

# An index over some rows only is found by a query that says which in the very same words.
UNCONFIRMED = text("status = 'paid' AND NOT confirmed")
UNSENT = text("status IN ('created', 'asking')")
UNSETTLED = text("needs_settle")
OF_SUBJECT = text("subject IS NOT NULL")
OWED = text("state IN ('due', 'sending')")
DEAD = text("state = 'dead'")


def _one_of(column: str, words: type[StrEnum], name: str) -> CheckConstraint:
    # Only for lists that are closed: SQLite cannot change a CHECK without rebuilding the table,
    # which would drop the triggers that keep evidence append-only.
    listed = ", ".join(f"'{word.value}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=name)


lines = Table(
    "lines",
    metadata,
    row_id(),
    Column("phone_index", String(32), nullable=False),
    Column("phone", LargeBinary, nullable=False),  # sealed
    UniqueConstraint("phone_index", name="lines_phone_once"),
)

people = Table(
    "people",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # Telegram's user id
    Column("first_name", LargeBinary, nullable=False),  # sealed
    Column("username_index", String(32)),
    Column("username", LargeBinary),  # sealed
    Column("language", String(8)),
    Column("telegram_language", String(16)),
    Column("line_id", ForeignKey("lines.id", name="people_line")),
    Column("reachable", Boolean, nullable=False),
    Index("people_by_username", "username_index"),
)

intents = Table(
    "intents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("asked_by", BigInteger, nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("reply_to", BigInteger),
    Column("private", Boolean, nullable=False),
    Column("language", String(8), nullable=False),
    Column("amount_kes", Integer, nullable=False),
    Column("note", LargeBinary, nullable=False),  # sealed
    Column("by_hand_ref", String(12), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("by_hand_ref", name="intents_by_hand_ref_once"),
    CheckConstraint("amount_kes > 0", name="intents_amount_positive"),
    Index("intents_of_person", "asked_by", "created_at"),
)

payments = Table(
    "payments",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("intent_id", ForeignKey("intents.id", name="payments_intent"), nullable=False),
    Column("line_id", ForeignKey("lines.id", name="payments_line"), nullable=False),
    Column("phone_mask", String(16), nullable=False),
    Column("amount_kes", Integer, nullable=False),
    Column("push_ref", String(12), nullable=False),
    Column("ask_key", String(96), nullable=False),
    Column("confirm_above_kes", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("begun_at", Instant),
    Column("lease_until", Instant),
    Column("holder", Integer),
    Column("merchant_request_id", String(128)),
    Column("checkout_index", String(32)),
    Column("checkout_id", LargeBinary),  # sealed: it ends in the payer's digits
    Column("status", String(16), nullable=False),
    Column("words", String(96), nullable=False),
    Column("reason", String(32)),
    Column("receipt", String(32)),
    Column("credited_cents", BigInteger),
    Column("paid_at", Instant),
    Column("decided_at", Instant),
    Column("confirmed", Boolean, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("checks", Integer, nullable=False),
    Column("not_yet", Integer, nullable=False),
    Column("unanswered", Integer, nullable=False),
    Column("next_check_at", Instant),
    Column("user_check_at", Instant),
    Column("user_checked_at", Instant),
    Column("check_until", Instant),
    Column("check_gen", Integer, nullable=False, server_default="0"),
    Column("check_holder", Integer),
    Column("pending_at", Instant),
    Column("needs_settle", Boolean, nullable=False),
    Column("settle_tries", Integer, nullable=False),
    Column("superseded", Boolean, nullable=False),
    Column("subject", String(40)),
    Column("reversed_cents", BigInteger, nullable=False, server_default="0"),
    Column("account", String(32), nullable=False, server_default=""),
    UniqueConstraint("push_ref", name="payments_push_ref_once"),
    UniqueConstraint("ask_key", name="payments_ask_key_once"),
    UniqueConstraint("checkout_index", name="payments_checkout_once"),
    CheckConstraint("amount_kes > 0", name="payments_amount_positive"),
    CheckConstraint(
        "(status = 'paid') = (credited_cents IS NOT NULL)", name="payments_paid_is_credited"
    ),
    _one_of("status", Status, "payments_status_known"),
    Index("payments_of_intent", "intent_id"),
    Index("payments_of_line", "line_id", "begun_at"),
    Index("payments_by_receipt", "receipt"),
    # Whatever is added up over a drive or an invoice is read from here alone.
    Index(
        "payments_of_subject",
        "subject",
        "status",
        "credited_cents",
        sqlite_where=OF_SUBJECT,
        postgresql_where=OF_SUBJECT,
    ),
    Index(
        "payments_due",
        "next_check_at",
        sqlite_where=text("next_check_at IS NOT NULL"),
        postgresql_where=text("next_check_at IS NOT NULL"),
    ),
    Index(
        "payments_being_checked",
        "check_holder",
        sqlite_where=text("check_holder IS NOT NULL"),
        postgresql_where=text("check_holder IS NOT NULL"),
    ),
    Index(
        "payments_unsent",
        "created_at",
        sqlite_where=UNSENT,
        postgresql_where=UNSENT,
    ),
    Index(
        "payments_unconfirmed",
        "amount_kes",
        sqlite_where=UNCONFIRMED,
        postgresql_where=UNCONFIRMED,
    ),
    Index(
        "payments_pending",
        "pending_at",
        sqlite_where=text("pending_at IS NOT NULL"),
        postgresql_where=text("pending_at IS NOT NULL"),
    ),
    Index(
        "payments_unsettled",
        "id",
        sqlite_where=UNSETTLED,
        postgresql_where=UNSETTLED,
    ),
)

evidence = Table(
    "evidence",
    metadata,
    row_id(),
    Column("payment_id", ForeignKey("payments.id", name="evidence_payment"), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", String(32)),
    Column("receipt", String(32)),
    Column("amount_cents", BigInteger),
    Column("paid_at", Instant),
    Column("held", Boolean, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("source", String(64)),
    Column("body", LargeBinary),  # sealed
    Column("by", BigInteger),
    UniqueConstraint("payment_id", "kind", "digest", name="evidence_once"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("receipt", String(32), primary_key=True),
    Column("payment_id", ForeignKey("payments.id", name="receipts_payment"), nullable=False),
    Column("at", Instant, nullable=False),
)

orphans = Table(
    "orphans",
    metadata,
    row_id(),
    Column("payment_id", String(32), nullable=False),  # of a row we do not have
    Column("digest", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),  # sealed
    UniqueConstraint("payment_id", "digest", name="orphans_once"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("update_id", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary),  # sealed; emptied when done
    Column("taken_at", Instant, nullable=False),
    Column("done_at", Instant),
    Column("tries", Integer, nullable=False),
    Column("quarantined", Boolean, nullable=False),
    Column("chat_id", BigInteger),  # in whose order it is carried out
    Column("holder", Integer),
    Column("lease_until", Instant),
    Column("lease_gen", Integer, nullable=False, server_default="0"),
    Index(
        "inbox_waiting_of_chat",
        "chat_id",
        "update_id",
        sqlite_where=text("done_at IS NULL"),
        postgresql_where=text("done_at IS NULL"),
    ),
    Index(
        "inbox_waiting",
        "update_id",
        sqlite_where=text("done_at IS NULL"),
        postgresql_where=text("done_at IS NULL"),
    ),
)

notices = Table(
    "notices",
    metadata,
    row_id(),
    Column("key", String(96), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("payment_id", String(32)),
    Column("alarm", String(24)),
    Column("body", LargeBinary),  # sealed; emptied when sent
    Column("message_id", BigInteger),
    Column("wanted", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("lease_until", Instant),
    Column("lease_gen", Integer, nullable=False, server_default="0"),
    Column("holder", Integer),
    Column("tries", Integer, nullable=False),
    Column("resent", Boolean, nullable=False),
    Column("why", Text),
    Column("created_at", Instant, nullable=False),
    Column("subject", String(40)),
    Column("topic", String(96), nullable=False, server_default=""),
    Column("whisper_chat_id", BigInteger),
    Column("whisper_thread_id", BigInteger),
    Column("whisper_query", String(64)),
    Column("whisper_id", BigInteger),  # Telegram's ephemeral_message_id
    Column("owed_at", Instant),  # the oldest wish not told, however often that was tried; or none
    UniqueConstraint("key", name="notices_key_once"),
    CheckConstraint("state IN ('due', 'sending', 'told', 'dead')", name="notices_state_known"),
    Index(
        "notices_owed",
        "chat_id",
        "id",
        sqlite_where=OWED,
        postgresql_where=OWED,
    ),
    # Over these alone: one of all chats would be paid for by every notice that is owed.
    Index("notices_dead", "chat_id", sqlite_where=DEAD, postgresql_where=DEAD),
    Index("notices_of_payment", "payment_id"),
)

buttons = Table(
    "buttons",
    metadata,
    Column("data", String(32), primary_key=True),
    Column("notice_id", RowId, nullable=False),  # whose message shows it; may be forgotten before
    Column("action", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("argument", String(64), nullable=False),
    Column("owner", BigInteger),
    Column("chat_id", BigInteger, nullable=False),
    Column("once", Boolean, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("used_by", BigInteger),
    Index("buttons_of_notice", "notice_id"),
    Index("buttons_by_expiry", "expires_at"),
)

drafts = Table(
    "drafts",
    metadata,
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    Column("person_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("amount_kes", Integer),
    Column("note", LargeBinary, nullable=False),  # sealed
    Column("payment_id", String(32)),
    Column("message_id", BigInteger),
    Column("expires_at", Instant, nullable=False),
    Column("data", LargeBinary),  # sealed
    Column("asked_as", String(96)),  # the key of the notice that asks it
)

looks = Table(
    "looks",
    metadata,
    row_id(),
    Column("by", BigInteger, nullable=False),
    Column("payment_id", String(32), nullable=False),
    Column("what", String(32), nullable=False),
    Column("at", Instant, nullable=False),
)

paces = Table(
    "paces",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("free_at_us", BigInteger, nullable=False),  # when the next turn is free; reckoned with
    Column("granted", Integer, nullable=False),  # how many turns the last asker was given
)

shared = Table(
    "shared",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

touched = Table(
    "touched",
    metadata,
    row_id(),
    Column("subject", String(40), nullable=False),
    Index("touched_by_subject", "subject"),
)
