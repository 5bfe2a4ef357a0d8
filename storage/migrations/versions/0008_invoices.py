"""Invoices: merchants, bills and their revisions, entries, reminders; and accounts of payments."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()


def upgrade() -> None:
    op.add_column(
        "payments", sa.Column("account", sa.String(length=32), nullable=False, server_default="")
    )
    _merchants()
    _invoices()
    _bills()
    _about_invoices()
    _keep_append_only("invoice_entries")
    _keep_append_only("bills")


def _merchants() -> None:
    op.create_table(
        "merchants",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("kra_pin", sa.LargeBinary(), nullable=True),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("due_days", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("summary", sa.Boolean(), nullable=False),
        sa.Column("summary_at", INSTANT, nullable=True),
        sa.Column("appointed_by", sa.BigInteger(), nullable=False),
        sa.Column("appointed_at", INSTANT, nullable=False),
        sa.Column("revoked_by", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )


def _invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("by_hand_ref", sa.String(length=12), nullable=False),
        sa.Column("decided", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("issued_revision", sa.Integer(), nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("due_on", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("etims", sa.LargeBinary(), nullable=True),
        sa.Column("issue_key", sa.String(length=96), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("issued_at", INSTANT, nullable=True),
        sa.Column("ask_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="invoices_merchant"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("merchant_id", "number", name="invoices_number_once"),
        sa.UniqueConstraint("code", name="invoices_code_once"),
        sa.UniqueConstraint("by_hand_ref", name="invoices_by_hand_ref_once"),
        sa.UniqueConstraint("issue_key", name="invoices_issue_key_once"),
        sa.CheckConstraint("total_cents >= 0", name="invoices_total_not_negative"),
        sa.CheckConstraint(
            "(decided = 'draft') = (number IS NULL)", name="invoices_draft_unnumbered"
        ),
    )
    op.create_index("invoices_of_customer", "invoices", ["customer_id"])
    op.create_index(
        "invoices_to_ask",
        "invoices",
        ["ask_at"],
        sqlite_where=sa.text("ask_at IS NOT NULL"),
        postgresql_where=sa.text("ask_at IS NOT NULL"),
    )


def _bills() -> None:
    op.create_table(
        "bills",
        sa.Column("invoice_id", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="bills_invoice"),
        sa.PrimaryKeyConstraint("invoice_id", "revision"),
    )


def _about_invoices() -> None:
    op.create_table(
        "invoice_entries",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("invoice_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("about_cents", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("key", sa.String(length=96), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="entries_invoice"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", name="invoice_entries_once"),
    )
    op.create_index("entries_of_invoice", "invoice_entries", ["invoice_id", "cents"])
    op.create_table(
        "invoice_readers",
        sa.Column("invoice_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("not_mine", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="readers_invoice"),
        sa.PrimaryKeyConstraint("invoice_id", "person_id"),
    )
    op.create_table(
        "reminders",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("invoice_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="reminders_invoice"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("invoice_id", "number", name="reminders_number_once"),
        sa.CheckConstraint("number BETWEEN 1 AND 3", name="reminders_three_at_most"),
    )
    op.create_index(
        "reminders_to_send",
        "reminders",
        ["due_at"],
        sqlite_where=sa.text("sent_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL"),
    )


def _keep_append_only(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"""
            CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$
            """
        )
        op.execute(
            f"""
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_is_append_only()
            """
        )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"""
            CREATE TRIGGER {table}_append_only_{act.lower()} BEFORE {act} ON {table}
            BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
            """
        )
