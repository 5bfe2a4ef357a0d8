"""The first tables, and the triggers that keep evidence append-only."""

import sqlalchemy as sa
from alembic import op

from storage.schema import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _updates_and_drafts()
    _intents_and_lines()
    _looks_and_notices()
    _orphans_people_shared()
    _payments()
    _payment_indexes()
    _people()
    _evidence_and_receipts()
    _append_only()


def _updates_and_drafts() -> None:
    op.create_table(
        "drafts",
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("amount_kes", sa.Integer(), nullable=True),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "person_id"),
    )
    op.create_table(
        "inbox",
        sa.Column("update_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("taken_at", Instant(), nullable=False),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("update_id"),
    )
    op.create_index(
        "inbox_waiting",
        "inbox",
        ["update_id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )


def _intents_and_lines() -> None:
    op.create_table(
        "intents",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("thread_id", sa.BigInteger(), nullable=True),
        sa.Column("reply_to", sa.BigInteger(), nullable=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("amount_kes", sa.Integer(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("by_hand_ref", sa.String(length=12), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("amount_kes > 0", name="intents_amount_positive"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("by_hand_ref", name="intents_by_hand_ref_once"),
    )
    op.create_index("intents_of_person", "intents", ["asked_by", "created_at"], unique=False)
    op.create_table(
        "lines",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("phone_index", sa.String(length=32), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("phone_index", name="lines_phone_once"),
    )


def _looks_and_notices() -> None:
    op.create_table(
        "looks",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "notices",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=96), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=True),
        sa.Column("alarm", sa.String(length=24), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("resent", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "state IN ('due', 'sending', 'told', 'dead')", name="notices_state_known"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", name="notices_key_once"),
    )
    op.create_index("notices_of_payment", "notices", ["payment_id"], unique=False)
    op.create_index(
        "notices_owed",
        "notices",
        ["chat_id", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('due', 'sending')"),
        postgresql_where=sa.text("state IN ('due', 'sending')"),
    )


def _orphans_people_shared() -> None:
    op.create_table(
        "orphans",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("payment_id", "digest", name="orphans_once"),
    )
    op.create_table(
        "shared",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("intent_id", sa.String(length=32), nullable=False),
        sa.Column("line_id", ROW_ID, nullable=False),
        sa.Column("phone_mask", sa.String(length=16), nullable=False),
        sa.Column("amount_kes", sa.Integer(), nullable=False),
        sa.Column("push_ref", sa.String(length=12), nullable=False),
        sa.Column("ask_key", sa.String(length=96), nullable=False),
        sa.Column("confirm_above_kes", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("begun_at", Instant(), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("merchant_request_id", sa.String(length=128), nullable=True),
        sa.Column("checkout_index", sa.String(length=32), nullable=True),
        sa.Column("checkout_id", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("words", sa.String(length=96), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("receipt", sa.String(length=32), nullable=True),
        sa.Column("credited_cents", sa.BigInteger(), nullable=True),
        sa.Column("paid_at", Instant(), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("not_yet", sa.Integer(), nullable=False),
        sa.Column("unanswered", sa.Integer(), nullable=False),
        sa.Column("next_check_at", Instant(), nullable=True),
        sa.Column("user_check_at", Instant(), nullable=True),
        sa.Column("user_checked_at", Instant(), nullable=True),
        sa.Column("pending_at", Instant(), nullable=True),
        sa.Column("needs_settle", sa.Boolean(), nullable=False),
        sa.Column("settle_tries", sa.Integer(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "(status = 'paid') = (credited_cents IS NOT NULL)", name="payments_paid_is_credited"
        ),
        sa.CheckConstraint(
            "status IN ('created', 'asking', 'prompted', 'unsure', 'confirming', 'review', "
            "'paid', 'declined', 'refused', 'lapsed', 'void')",
            name="payments_status_known",
        ),
        sa.CheckConstraint("amount_kes > 0", name="payments_amount_positive"),
        sa.ForeignKeyConstraint(["intent_id"], ["intents.id"], name="payments_intent"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="payments_line"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ask_key", name="payments_ask_key_once"),
        sa.UniqueConstraint("checkout_index", name="payments_checkout_once"),
        sa.UniqueConstraint("push_ref", name="payments_push_ref_once"),
    )


def _payment_indexes() -> None:
    op.create_index("payments_by_receipt", "payments", ["receipt"], unique=False)
    op.create_index(
        "payments_due",
        "payments",
        ["next_check_at"],
        unique=False,
        sqlite_where=sa.text("next_check_at IS NOT NULL"),
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
    )
    op.create_index("payments_of_intent", "payments", ["intent_id"], unique=False)
    op.create_index("payments_of_line", "payments", ["line_id", "begun_at"], unique=False)
    op.create_index(
        "payments_pending",
        "payments",
        ["pending_at"],
        unique=False,
        sqlite_where=sa.text("pending_at IS NOT NULL"),
        postgresql_where=sa.text("pending_at IS NOT NULL"),
    )
    op.create_index(
        "payments_unconfirmed",
        "payments",
        ["amount_kes"],
        unique=False,
        sqlite_where=sa.text("status = 'paid' AND NOT confirmed"),
        postgresql_where=sa.text("status = 'paid' AND NOT confirmed"),
    )
    op.create_index(
        "payments_unsent",
        "payments",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('created', 'asking')"),
        postgresql_where=sa.text("status IN ('created', 'asking')"),
    )
    op.create_index(
        "payments_unsettled",
        "payments",
        ["id"],
        unique=False,
        sqlite_where=sa.text("needs_settle"),
        postgresql_where=sa.text("needs_settle"),
    )


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_name", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("telegram_language", sa.String(length=16), nullable=True),
        sa.Column("line_id", ROW_ID, nullable=True),
        sa.Column("reachable", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="people_line"),
        sa.PrimaryKeyConstraint("id"),
    )


def _evidence_and_receipts() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("receipt", sa.String(length=32), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=True),
        sa.Column("paid_at", Instant(), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("by", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="evidence_payment"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("payment_id", "kind", "digest", name="evidence_once"),
    )
    op.create_table(
        "receipts",
        sa.Column("receipt", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="receipts_payment"),
        sa.PrimaryKeyConstraint("receipt"),
    )


def _append_only() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            """
            CREATE FUNCTION evidence_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'evidence is append-only'; END $$
            """
        )
        op.execute(
            """
            CREATE TRIGGER evidence_append_only BEFORE UPDATE OR DELETE ON evidence
            FOR EACH ROW EXECUTE FUNCTION evidence_is_append_only()
            """
        )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"""
            CREATE TRIGGER evidence_append_only_{act.lower()} BEFORE {act} ON evidence
            BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END
            """
        )
