"""Page prompts: what was asked for on public pages, for their limits."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "page_prompts",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("address_index", sa.String(length=32), nullable=False),
        sa.Column("page", sa.String(length=40), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("line_id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="page_prompts_payment"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="page_prompts_line"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("page_prompts_of_address", "page_prompts", ["address_index", "at"])
    op.create_index("page_prompts_of_page", "page_prompts", ["page", "at"])
    op.create_index("page_prompts_of_line", "page_prompts", ["line_id", "at"])
    op.create_index("page_prompts_by_age", "page_prompts", ["at"])
