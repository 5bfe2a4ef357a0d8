"""Drives: collections, who looks after them, who gave, promised and wrote down what."""

import sqlalchemy as sa
from alembic import op

from storage.schema import Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _drives()
    _treasurers_and_gifts()
    _journal()
    _thanks_and_pledges()
    _edits()
    credited = "subject IS NOT NULL AND status = 'paid'"
    _index("payments_newest_of_subject", "payments", ["subject", "decided_at"], credited)
    _append_only()


def _index(name: str, table: str, columns: list[str], condition: str | None = None) -> None:
    where = None if condition is None else sa.text(condition)
    op.create_index(name, table, columns, unique=False, sqlite_where=where, postgresql_where=where)


def _drives() -> None:
    op.create_table(
        "drives",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=12), nullable=False),
        sa.Column("label", sa.String(length=6), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("thread_id", sa.BigInteger(), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("title", sa.LargeBinary(), nullable=False),
        sa.Column("target_kes", sa.Integer(), nullable=True),
        sa.Column("closes_at", Instant(), nullable=True),
        sa.Column("shows", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("opened_by", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("open_key", sa.String(length=96), nullable=False),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.Column("card", sa.Integer(), nullable=False),
        sa.Column("thanks", sa.Integer(), nullable=False),
        sa.Column("thanks_due_at", Instant(), nullable=True),
        sa.CheckConstraint("target_kes IS NULL OR target_kes > 0", name="drives_target_positive"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code", name="drives_code_once"),
        sa.UniqueConstraint("reference", name="drives_reference_once"),
        sa.UniqueConstraint("open_key", name="drives_open_key_once"),
    )
    _index("drives_of_chat", "drives", ["chat_id", "opened_at"])
    _index("drives_closing", "drives", ["closes_at"], "status <> 'closed'")


def _treasurers_and_gifts() -> None:
    op.create_table(
        "treasurers",
        sa.Column("drive_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["drive_id"], ["drives.id"], name="treasurers_drive"),
        sa.PrimaryKeyConstraint("drive_id", "person_id"),
    )
    _index("treasurers_of_person", "treasurers", ["person_id"])
    op.create_table(
        "gifts",
        sa.Column("intent_id", sa.String(length=32), nullable=False),
        sa.Column("drive_id", sa.String(length=32), nullable=False),
        sa.Column("giver_id", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("on_behalf", sa.LargeBinary(), nullable=False),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        sa.Column("hide_amount", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intents.id"], name="gifts_intent"),
        sa.ForeignKeyConstraint(["drive_id"], ["drives.id"], name="gifts_drive"),
        sa.PrimaryKeyConstraint("intent_id"),
    )
    _index("gifts_of_giver", "gifts", ["giver_id", "drive_id", "created_at"])


def _journal() -> None:
    op.create_table(
        "drive_entries",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("drive_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=True),
        sa.Column("corrects", sa.BigInteger(), nullable=True),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("by_name", sa.LargeBinary(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("key", sa.String(length=96), nullable=False),
        sa.ForeignKeyConstraint(["drive_id"], ["drives.id"], name="drive_entries_drive"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="drive_entries_payment"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", name="drive_entries_key_once"),
    )
    _index("drive_entries_of_drive", "drive_entries", ["drive_id", "kind", "cents"])


def _thanks_and_pledges() -> None:
    op.create_table(
        "drive_thanked",
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("drive_id", sa.String(length=32), nullable=False),
        sa.Column("thanks", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="drive_thanked_payment"),
        sa.ForeignKeyConstraint(["drive_id"], ["drives.id"], name="drive_thanked_drive"),
        sa.PrimaryKeyConstraint("payment_id"),
    )
    _index("drive_thanked_of_drive", "drive_thanked", ["drive_id", "thanks"])
    op.create_table(
        "pledges",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("drive_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("amount_kes", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("remind_at", Instant(), nullable=True),
        sa.Column("reminded", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=96), nullable=False),
        sa.CheckConstraint("amount_kes > 0", name="pledges_amount_positive"),
        sa.ForeignKeyConstraint(["drive_id"], ["drives.id"], name="pledges_drive"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", name="pledges_key_once"),
    )
    _index("pledges_of_drive", "pledges", ["drive_id", "person_id"])
    _index("pledges_to_remind", "pledges", ["remind_at"], "remind_at IS NOT NULL")


def _edits() -> None:
    op.create_table(
        "drive_edits",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("drive_id", sa.String(length=32), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("before", sa.LargeBinary(), nullable=False),
        sa.Column("after", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("by_name", sa.LargeBinary(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["drive_id"], ["drives.id"], name="drive_edits_drive"),
        sa.PrimaryKeyConstraint("id"),
    )
    _index("drive_edits_of_drive", "drive_edits", ["drive_id", "id"])


def _append_only() -> None:
    """Neither the journal nor the trail of edits can be rewritten."""
    for table in ("drive_entries", "drive_edits"):
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"""
                CREATE FUNCTION {table}_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION '{table} are append-only'; END $$
                """
            )
            op.execute(
                f"""
                CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION {table}_are_append_only()
                """
            )
            continue
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"""
                CREATE TRIGGER {table}_append_only_{act.lower()} BEFORE {act} ON {table}
                BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END
                """
            )
