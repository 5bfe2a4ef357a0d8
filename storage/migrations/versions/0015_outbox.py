"""The outbox finds what could not be told to a chat, and knows since when it owes something."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notices", sa.Column("owed_at", sa.BigInteger(), nullable=True))
    # The others owe nothing.
    op.execute(
        "UPDATE notices SET owed_at ="
        " CASE WHEN kind IN ('status', 'card') THEN due_at ELSE created_at END"
        " WHERE state IN ('due', 'sending')"
    )
    op.create_index(
        "notices_dead",
        "notices",
        ["chat_id"],
        unique=False,
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )
