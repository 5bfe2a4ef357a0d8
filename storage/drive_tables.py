"""The tables of collection drives."""

from __future__ import annotations

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
    UniqueConstraint,
    text,
)

from storage.columns import Instant, metadata, row_id
from storage.schema import payments

__all__ = [
    "CREDITED_TO_SUBJECT",
    "drive_edits",
    "drive_entries",
    "drive_thanked",
    "drives",
    "gifts",
    "pledges",
    "treasurers",
]

# In the very words of the indexes, or they are not found.
CREDITED_TO_SUBJECT = text("subject IS NOT NULL AND status = 'paid'")
AT_WORK = text("status <> 'closed'")

drives = Table(
    "drives",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("code", String(16), nullable=False),
    Column("reference", String(12), nullable=False),
    Column("label", String(6), nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("language", String(8), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("title", LargeBinary, nullable=False),  # sealed
    Column("target_kes", Integer),
    Column("closes_at", Instant),
    Column("shows", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("opened_by", BigInteger, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("open_key", String(96), nullable=False),
    Column("closed_at", Instant),
    Column("card", Integer, nullable=False),
    Column("thanks", Integer, nullable=False),
    Column("thanks_due_at", Instant),
    UniqueConstraint("code", name="drives_code_once"),
    UniqueConstraint("reference", name="drives_reference_once"),
    UniqueConstraint("open_key", name="drives_open_key_once"),
    CheckConstraint("target_kes IS NULL OR target_kes > 0", name="drives_target_positive"),
    Index("drives_of_chat", "chat_id", "opened_at"),
    Index("drives_closing", "closes_at", sqlite_where=AT_WORK, postgresql_where=AT_WORK),
)

treasurers = Table(
    "treasurers",
    metadata,
    Column("drive_id", ForeignKey("drives.id", name="treasurers_drive"), primary_key=True),
    Column("person_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", LargeBinary, nullable=False),  # sealed
    Column("state", String(16), nullable=False),
    Column("by", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Index("treasurers_of_person", "person_id"),
)

gifts = Table(
    "gifts",
    metadata,
    Column("intent_id", ForeignKey("intents.id", name="gifts_intent"), primary_key=True),
    Column("drive_id", ForeignKey("drives.id", name="gifts_drive"), nullable=False),
    Column("giver_id", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),
    Column("name", LargeBinary, nullable=False),  # sealed
    Column("on_behalf", LargeBinary, nullable=False),  # sealed
    Column("anonymous", Boolean, nullable=False),
    Column("hide_amount", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("gifts_of_giver", "giver_id", "drive_id", "created_at"),
)

drive_entries = Table(
    "drive_entries",
    metadata,
    row_id(),
    Column("drive_id", ForeignKey("drives.id", name="drive_entries_drive"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("cents", BigInteger, nullable=False),
    Column("name", LargeBinary, nullable=False),  # sealed
    Column("reason", LargeBinary, nullable=False),  # sealed
    Column("payment_id", ForeignKey("payments.id", name="drive_entries_payment")),
    Column("corrects", BigInteger),
    Column("by", BigInteger, nullable=False),
    Column("by_name", LargeBinary, nullable=False),  # sealed
    Column("at", Instant, nullable=False),
    Column("key", String(96), nullable=False),
    UniqueConstraint("key", name="drive_entries_key_once"),
    Index("drive_entries_of_drive", "drive_id", "kind", "cents"),
)

drive_thanked = Table(
    "drive_thanked",
    metadata,
    Column("payment_id", ForeignKey("payments.id", name="drive_thanked_payment"), primary_key=True),
    Column("drive_id", ForeignKey("drives.id", name="drive_thanked_drive"), nullable=False),
    Column("thanks", Integer, nullable=False),
    Index("drive_thanked_of_drive", "drive_id", "thanks"),
)

pledges = Table(
    "pledges",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("drive_id", ForeignKey("drives.id", name="pledges_drive"), nullable=False),
    Column("person_id", BigInteger, nullable=False),
    Column("name", LargeBinary, nullable=False),  # sealed
    Column("amount_kes", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("remind_at", Instant),
    Column("reminded", Integer, nullable=False),
    Column("key", String(96), nullable=False),
    UniqueConstraint("key", name="pledges_key_once"),
    CheckConstraint("amount_kes > 0", name="pledges_amount_positive"),
    Index("pledges_of_drive", "drive_id", "person_id"),
    Index(
        "pledges_to_remind",
        "remind_at",
        sqlite_where=text("remind_at IS NOT NULL"),
        postgresql_where=text("remind_at IS NOT NULL"),
    ),
)

drive_edits = Table(
    "drive_edits",
    metadata,
    row_id(),
    Column("drive_id", ForeignKey("drives.id", name="drive_edits_drive"), nullable=False),
    Column("what", String(16), nullable=False),
    Column("before", LargeBinary, nullable=False),  # sealed
    Column("after", LargeBinary, nullable=False),  # sealed
    Column("by", BigInteger, nullable=False),
    Column("by_name", LargeBinary, nullable=False),  # sealed
    Column("at", Instant, nullable=False),
    Index("drive_edits_of_drive", "drive_id", "id"),
)

# The newest names of a list.
Index(
    "payments_newest_of_subject",
    payments.c.subject,
    payments.c.decided_at,
    sqlite_where=CREDITED_TO_SUBJECT,
    postgresql_where=CREDITED_TO_SUBJECT,
)
