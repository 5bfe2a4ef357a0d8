"""Reversals without an answer are found among themselves, however many questions went unheard."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    where = sa.text("heard_at IS NULL AND kind = 'reversal'")
    op.create_index(
        "questions_unheard_reversals",
        "questions",
        ["asked_at"],
        unique=False,
        sqlite_where=where,
        postgresql_where=where,
    )
    op.drop_index("questions_unheard", "questions")
