"""Buttons as records: what a press does, who may press, and until when."""

import sqlalchemy as sa
from alembic import op

from storage.schema import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "buttons",
        sa.Column("data", sa.String(length=32), nullable=False),
        sa.Column("notice_id", ROW_ID, nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("argument", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.BigInteger(), nullable=True),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("used_at", Instant(), nullable=True),
        sa.Column("used_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("data"),
    )
    op.create_index("buttons_of_notice", "buttons", ["notice_id"])
    op.create_index("buttons_by_expiry", "buttons", ["expires_at"])
