"""What went back is claimed by the payment that it was taken off, also where that was long ago."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of one that was taken off two, the first keeps it: which is right, only a person can say.
    op.execute(
        "INSERT INTO receipts (receipt, payment_id, at)"
        " SELECT 'reversal:' || receipt, payment_id, at FROM evidence"
        " WHERE kind = 'reversed' AND receipt IS NOT NULL ORDER BY id"
        " ON CONFLICT DO NOTHING"
    )
