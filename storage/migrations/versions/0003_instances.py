"""Holders, turns and paces: what several processes on one database need to share its work."""

import sqlalchemy as sa
from alembic import op

from storage.schema import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payments", sa.Column("holder", sa.Integer(), nullable=True))
    op.add_column("payments", sa.Column("check_until", Instant(), nullable=True))
    op.add_column("payments", _turn("check_gen"))
    op.add_column("payments", sa.Column("check_holder", sa.Integer(), nullable=True))
    _index("payments_being_checked", "payments", ["check_holder"], "check_holder IS NOT NULL")
    op.add_column("inbox", sa.Column("chat_id", sa.BigInteger(), nullable=True))
    op.add_column("inbox", sa.Column("holder", sa.Integer(), nullable=True))
    op.add_column("inbox", sa.Column("lease_until", Instant(), nullable=True))
    op.add_column("inbox", _turn("lease_gen"))
    _index("inbox_waiting_of_chat", "inbox", ["chat_id", "update_id"], "done_at IS NULL")
    op.add_column("notices", _turn("lease_gen"))
    op.add_column("notices", sa.Column("holder", sa.Integer(), nullable=True))
    op.create_table(
        "paces",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("free_at_us", sa.BigInteger(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _turn(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default="0")


def _index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=False,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
