"""Who said something about an invoice, and a customer's own words, may be forgotten."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# What the books say; it never changes.
KEPT = {
    "bills": ("invoice_id", "revision", "body", "total_cents", "at"),
    "invoice_entries": ("id", "invoice_id", "kind", "cents", "about_cents", "at", "answers"),
}
# A key may name who did it, and is another's only where the deed is.
ALSO = {
    "bills": "TRUE",
    "invoice_entries": (
        '(NEW."key" = OLD."key" OR NEW."by" <> OLD."by") AND '
        '(NEW."why" = OLD."why" OR NEW."kind" IN (\'question\', \'not-mine\'))'
    ),
}


def upgrade() -> None:
    for table, kept in KEPT.items():
        _people_may_go(table, kept)


def _people_may_go(table: str, kept: tuple[str, ...]) -> None:
    if op.get_bind().dialect.name == "postgresql":
        same = " AND ".join(f'NEW."{each}" IS NOT DISTINCT FROM OLD."{each}"' for each in kept)
        op.execute(
            f"""
            CREATE OR REPLACE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN
              IF TG_OP = 'UPDATE' AND {same} AND {ALSO[table]}
              THEN RETURN NEW; END IF;
              RAISE EXCEPTION '{table} is append-only';
            END $$
            """
        )
        return
    same = " AND ".join(f'NEW."{each}" IS OLD."{each}"' for each in kept)
    op.execute(f"DROP TRIGGER {table}_append_only_update")
    op.execute(
        f"""
        CREATE TRIGGER {table}_append_only_update BEFORE UPDATE ON {table}
        WHEN NOT ({same} AND {ALSO[table]})
        BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
        """
    )
