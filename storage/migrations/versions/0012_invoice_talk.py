"""Invoice talk: what an answer answers, who disowns an invoice, and words written on pages."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("invoice_entries", sa.Column("answers", ROW_ID, nullable=True))
    op.add_column("invoices", sa.Column("disowned_by", sa.BigInteger(), nullable=True))
    op.create_table(
        "page_words",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("address_index", sa.String(length=32), nullable=False),
        sa.Column("page", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("page_words_of_address", "page_words", ["address_index", "at"])
    op.create_index("page_words_of_page", "page_words", ["page", "at"])
    op.create_index("page_words_by_age", "page_words", ["at"])
