"""Write-offs: what an operator had read when writing a payment off, and what was heard since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storage.records import Evidence, Kind

__all__ = [
    "SOURCE",
    "heard_since",
    "last_at",
    "newest",
    "not_covered",
    "once_more",
    "read_up_to",
    "source",
]

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


def not_covered(evidence: Sequence[Evidence], *kinds: Kind) -> list[Evidence]:
    """Those of these *kinds* that nobody knew who wrote the payment off; all, if nobody has."""
    write_offs = [each for each in evidence if each.kind is Kind.OPERATOR_VOID]
    wanted = [each for each in evidence if each.kind in kinds]
    for write_off in write_offs:
        up_to = read_up_to(write_off)
        if up_to is None:  # an older version kept no more than when it was decided
            wanted = [each for each in wanted if each.at > write_off.at]
        else:
            wanted = heard_since(up_to, wanted)
    return wanted


def last_at(evidence: Sequence[Evidence]) -> datetime | None:
    """When it was written off last; None where it never was."""
    return max((each.at for each in evidence if each.kind is Kind.OPERATOR_VOID), default=None)


def once_more(words: str, evidence: Sequence[Evidence]) -> str:
    """Words that name what is said or told once, or once more after each write-off."""
    write_offs = {each.digest for each in evidence if each.kind is Kind.OPERATOR_VOID}
    return f"{words}:{len(write_offs)}" if write_offs else words
