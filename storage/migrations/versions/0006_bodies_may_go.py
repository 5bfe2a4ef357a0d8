"""Evidence stays append-only, but raw bodies, and who pasted one, may be emptied in time."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What a piece of evidence says; it never changes. (`by` and `body` are the other two columns.)
KEPT = (
    *("id", "payment_id", "kind", "at", "reason", "receipt", "amount_cents", "paid_at"),
    *("held", "digest", "source"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        same = " AND ".join(f"NEW.{each} IS NOT DISTINCT FROM OLD.{each}" for each in KEPT)
        op.execute(
            f"""
            CREATE OR REPLACE FUNCTION evidence_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN
              IF TG_OP = 'UPDATE' AND NEW.body IS NULL
                AND (NEW."by" IS NULL OR NEW."by" IS NOT DISTINCT FROM OLD."by") AND {same}
              THEN RETURN NEW; END IF;
              RAISE EXCEPTION 'evidence is append-only';
            END $$
            """
        )
        return
    same = " AND ".join(f"NEW.{each} IS OLD.{each}" for each in KEPT)
    op.execute("DROP TRIGGER evidence_append_only_update")
    op.execute(
        f"""
        CREATE TRIGGER evidence_append_only_update BEFORE UPDATE ON evidence
        WHEN NOT (NEW.body IS NULL AND (NEW."by" IS NULL OR NEW."by" IS OLD."by") AND {same})
        BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END
        """
    )
