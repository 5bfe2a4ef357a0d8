"""One row of the table that `make prove` prints: what was tried, how often, and what broke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Row", "printed"]


@dataclass(frozen=True, slots=True)
class Row:
    """What one proof did. A violation is a broken promise, never a flaw of the harness."""

    what: str
    many: int
    unit: str  # "histories", "kills", "bodies", …
    violations: int
    seconds: float
    note: str = ""  # seeds, effects seen, how a mutant was caught


HEADINGS = ("what", "how many", "violations", "s per thousand", "notes")


def printed(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|---:|---:|---:|---|"]
    for row in rows:
        per_thousand = row.seconds / max(1, row.many) * 1000
        cells = (
            row.what,
            f"{row.many:,} {row.unit}",
            f"{row.violations}",
            f"{per_thousand:,.1f}",
            row.note,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
