"""The tables of Safaricom's record: its rows, what is open about them, and what we asked for."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)

from storage.columns import Instant, metadata, row_id

__all__ = [
    "OPEN",
    "SETTLED",
    "UNHEARD_REVERSAL",
    "UNPLACED",
    "UNRECORDED",
    "decisions",
    "questions",
    "receipt_claims",
    "record_open",
    "record_rows",
    "record_unread",
]

# An index over some rows only is found by a query that says which in the very same words.
UNPLACED = text("state = 'new'")
UNRECORDED = text("NOT recorded")
SETTLED = text("state IN ('matched', 'closed')")
OPEN = text("closed_at IS NULL")
UNHEARD_REVERSAL = text("heard_at IS NULL AND kind = 'reversal'")
UNDONE = text("done_at IS NULL")

record_rows = Table(
    "record_rows",
    metadata,
    Column("receipt", String(12), primary_key=True),
    Column("kind", String(12), nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
    Column("at", Instant),
    Column("said", LargeBinary, nullable=False),  # sealed: reference, payer, linked receipt
    Column("sources", String(48), nullable=False),
    Column("recorded", Boolean, nullable=False),  # by Safaricom's books, not only by a post
    Column("seen_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("payment_id", String(32)),
    Index("record_rows_unplaced", "receipt", sqlite_where=UNPLACED, postgresql_where=UNPLACED),
    Index("record_rows_claimed", "seen_at", sqlite_where=UNRECORDED, postgresql_where=UNRECORDED),
)

record_open = Table(
    "record_open",
    metadata,
    row_id(),
    Column("key", String(48), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("receipt", String(32)),
    Column("payment_id", String(32)),
    Column("theirs_cents", BigInteger),
    Column("ours_cents", BigInteger),
    Column("at", Instant),
    Column("found_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("closed_by", BigInteger),
    Column("given_to", String(32)),
    Column("why", LargeBinary),  # sealed
    UniqueConstraint("key", name="record_open_key_once"),
    Index("record_open_now", "id", sqlite_where=OPEN, postgresql_where=OPEN),
)

receipt_claims = Table(
    "receipt_claims",
    metadata,
    Column("receipt", String(12), primary_key=True),
    Column("payment_id", String(32), primary_key=True),
    Column("by", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Index("receipt_claims_by_age", "at"),
)

questions = Table(
    "questions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(12), nullable=False),
    Column("receipt", String(12), nullable=False),
    Column("payment_id", String(32)),
    Column("amount_cents", BigInteger),
    Column("by", BigInteger),
    Column("asked_at", Instant, nullable=False),
    Column("heard_at", Instant),
    Column("outcome", String(24)),
    Column("bodies", Integer, nullable=False),
    Index("questions_of_receipt", "receipt", "asked_at"),
    # Not of all that went unheard: of questions about a status, those stay so for ever.
    Index(
        "questions_unheard_reversals",
        "asked_at",
        sqlite_where=UNHEARD_REVERSAL,
        postgresql_where=UNHEARD_REVERSAL,
    ),
)

record_unread = Table(
    "record_unread",
    metadata,
    row_id(),
    Column("digest", String(64), nullable=False),
    Column("door", String(12), nullable=False),
    Column("why", String(120), nullable=False),
    Column("body", LargeBinary, nullable=False),  # sealed
    Column("at", Instant, nullable=False),
    UniqueConstraint("digest", name="record_unread_digest_once"),
)

decisions = Table(
    "decisions",
    metadata,
    row_id(),
    Column("deed", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("argument", String(64), nullable=False),
    Column("by", BigInteger, nullable=False),
    Column("why", LargeBinary, nullable=False),  # sealed
    Column("at", Instant, nullable=False),
    Column("done_at", Instant),
    Column("seconded_by", BigInteger),
    Index("decisions_waiting", "subject", sqlite_where=UNDONE, postgresql_where=UNDONE),
)
