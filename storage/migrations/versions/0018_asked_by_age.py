"""What is to be asked, or told of, is found by its age, however much went unheard long ago."""

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
    op.create_index("receipt_claims_by_age", "receipt_claims", ["at"], unique=False)
