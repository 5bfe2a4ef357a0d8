"""Subjects: payments that are for something, and messages about it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("payments", sa.Column("subject", sa.String(length=40), nullable=True))
    op.create_index(
        "payments_of_subject",
        "payments",
        ["subject", "status", "credited_cents"],
        unique=False,
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.add_column("notices", sa.Column("subject", sa.String(length=40), nullable=True))
    op.add_column(
        "notices", sa.Column("topic", sa.String(length=96), nullable=False, server_default="")
    )
    op.add_column("drafts", sa.Column("data", sa.LargeBinary(), nullable=True))
    op.create_table(
        "touched",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("touched_by_subject", "touched", ["subject"])
