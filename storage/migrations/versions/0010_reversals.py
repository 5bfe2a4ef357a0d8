"""Reversals: how much of a payment went back."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "payments",
        sa.Column("reversed_cents", sa.BigInteger(), nullable=False, server_default="0"),
    )
