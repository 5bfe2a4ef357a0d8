"""Where a member of a group is told something alone; and names that a drive's books may lose."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# What the journal and the trail say; it never changes. Who is named there may be forgotten.
KEPT = {
    "drive_entries": (
        *("id", "drive_id", "kind", "cents", "reason", "payment_id", "corrects", "at", "key"),
    ),
    "drive_edits": ("id", "drive_id", "what", "before", "at"),
}


def upgrade() -> None:
    op.add_column("notices", sa.Column("whisper_chat_id", sa.BigInteger()))
    op.add_column("notices", sa.Column("whisper_thread_id", sa.BigInteger()))
    op.add_column("notices", sa.Column("whisper_query", sa.String(length=64)))
    op.add_column("notices", sa.Column("whisper_id", sa.BigInteger()))
    for table, kept in KEPT.items():
        _names_may_go(table, kept)


def _names_may_go(table: str, kept: tuple[str, ...]) -> None:
    # The trail's `after` is a value that was set, but for the names of treasurers.
    if op.get_bind().dialect.name == "postgresql":
        same = " AND ".join(f'NEW."{each}" IS NOT DISTINCT FROM OLD."{each}"' for each in kept)
        op.execute(
            f"""
            CREATE OR REPLACE FUNCTION {table}_are_append_only() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN
              IF TG_OP = 'UPDATE' AND {same}{_after(table, "IS NOT DISTINCT FROM")}
              THEN RETURN NEW; END IF;
              RAISE EXCEPTION '{table} are append-only';
            END $$
            """
        )
        return
    same = " AND ".join(f'NEW."{each}" IS OLD."{each}"' for each in kept)
    op.execute(f"DROP TRIGGER {table}_append_only_update")
    op.execute(
        f"""
        CREATE TRIGGER {table}_append_only_update BEFORE UPDATE ON {table}
        WHEN NOT ({same}{_after(table, "IS")})
        BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END
        """
    )


def _after(table: str, same: str) -> str:
    if table != "drive_edits":
        return ""
    return f""" AND (NEW."after" {same} OLD."after" OR NEW."what" = 'treasurers')"""
