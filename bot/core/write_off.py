"""Write-offs: what an operator had read when writing a payment off, and what was heard since."""

from __future__ import annotations

from collections.abc import Sequence

from storage.records import Evidence

__all__ = ["SOURCE", "heard_since", "newest", "read_up_to", "source"]

SOURCE = "operator"


def newest(evidence: Sequence[Evidence]) -> int:
    """The id up to which whoever is shown this evidence has read; 0 where there is none."""
    return max((each.id for each in evidence), default=0)


def source(up_to: int) -> str:
    """How a decision keeps up to which evidence its operator had read."""
    return f"{SOURCE}:{up_to}"


def read_up_to(decision: Evidence) -> int | None:
    """As `source` has kept it; None where it was not kept."""
    kept = (decision.source or "").removeprefix(f"{SOURCE}:")
    return int(kept) if kept.isdecimal() else None


def heard_since(up_to: int, evidence: Sequence[Evidence]) -> list[Evidence]:
    """
    What nobody has read who has read up to this id. What is new in this commit has none yet.

    Ids of one payment grow with its commits, whatever the clocks of our processes say.
    """
    return [each for each in evidence if not 0 < each.id <= up_to]
