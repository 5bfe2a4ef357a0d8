"""An open question knows by which notice it is asked, and so what answers it and what does not."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drafts", sa.Column("asked_as", sa.String(length=96), nullable=True))
