"""The tables of invoices: merchants, bills and their revisions, entries, reminders."""

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

from storage.columns import Instant, RowId, metadata, row_id

__all__ = [
    "TO_ASK",
    "TO_REMIND",
    "bills",
    "invoice_entries",
    "invoice_readers",
    "invoices",
    "merchants",
    "reminders",
]

TO_ASK = text("ask_at IS NOT NULL")
TO_REMIND = text("sent_at IS NULL")

merchants = Table(
    "merchants",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # Telegram's user id
    Column("name", LargeBinary, nullable=False),  # sealed
    Column("kra_pin", LargeBinary),  # sealed
    Column("logo", LargeBinary),  # sealed
    Column("due_days", Integer, nullable=False),
    Column("language", String(8), nullable=False),
    Column("account", String(32), nullable=False),
    Column("next_number", Integer, nullable=False),
    Column("summary", Boolean, nullable=False),
    Column("summary_at", Instant),
    Column("appointed_by", BigInteger, nullable=False),
    Column("appointed_at", Instant, nullable=False),
    Column("revoked_by", BigInteger),
    Column("revoked_at", Instant),
)

invoices = Table(
    "invoices",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id", name="invoices_merchant"), nullable=False),
    Column("number", Integer),
    Column("code", String(32), nullable=False),
    Column("by_hand_ref", String(12), nullable=False),
    Column("decided", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("issued_revision", Integer, nullable=False),
    Column("total_cents", BigInteger, nullable=False),
    Column("due_on", Integer, nullable=False),  # date.toordinal(): sorts the same everywhere
    Column("language", String(8), nullable=False),
    Column("account", String(32), nullable=False),
    Column("customer_id", BigInteger),
    Column("etims", LargeBinary),  # sealed
    Column("issue_key", String(96), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("issued_at", Instant),
    Column("ask_at", Instant),
    Column("disowned_by", BigInteger),
    UniqueConstraint("merchant_id", "number", name="invoices_number_once"),
    UniqueConstraint("code", name="invoices_code_once"),
    UniqueConstraint("by_hand_ref", name="invoices_by_hand_ref_once"),
    UniqueConstraint("issue_key", name="invoices_issue_key_once"),
    CheckConstraint("total_cents >= 0", name="invoices_total_not_negative"),
    CheckConstraint("(decided = 'draft') = (number IS NULL)", name="invoices_draft_unnumbered"),
    Index("invoices_of_customer", "customer_id"),
    Index("invoices_to_ask", "ask_at", sqlite_where=TO_ASK, postgresql_where=TO_ASK),
)

bills = Table(
    "bills",
    metadata,
    Column("invoice_id", ForeignKey("invoices.id", name="bills_invoice"), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),  # sealed
    Column("total_cents", BigInteger, nullable=False),
    Column("by", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
)

invoice_entries = Table(
    "invoice_entries",
    metadata,
    row_id(),
    Column("invoice_id", ForeignKey("invoices.id", name="entries_invoice"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("cents", BigInteger, nullable=False),
    Column("about_cents", BigInteger, nullable=False),
    Column("why", LargeBinary, nullable=False),  # sealed
    Column("by", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("key", String(96), nullable=False),
    Column("answers", RowId),  # the entry that this one answers
    UniqueConstraint("key", name="invoice_entries_once"),
    Index("entries_of_invoice", "invoice_id", "cents"),
)

invoice_readers = Table(
    "invoice_readers",
    metadata,
    Column("invoice_id", ForeignKey("invoices.id", name="readers_invoice"), primary_key=True),
    Column("person_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("not_mine", Boolean, nullable=False),
)

reminders = Table(
    "reminders",
    metadata,
    row_id(),
    Column("invoice_id", ForeignKey("invoices.id", name="reminders_invoice"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("sent_at", Instant),
    UniqueConstraint("invoice_id", "number", name="reminders_number_once"),
    CheckConstraint("number BETWEEN 1 AND 3", name="reminders_three_at_most"),
    Index("reminders_to_send", "due_at", sqlite_where=TO_REMIND, postgresql_where=TO_REMIND),
)
