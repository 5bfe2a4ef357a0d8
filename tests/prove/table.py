"""The rows of the table that `make prove` prints, and the file in which pieces of it add up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

__all__ = ["Row", "added_up", "code_fingerprint", "kept", "printed", "read"]

ROOT = Path(__file__).parents[2]
SOURCES = ("bot", "mpesa", "storage")


@dataclass(frozen=True, slots=True)
class Row:
    """What one proof did. A violation is a broken promise, never a flaw of the harness."""

    what: str
    many: int
    unit: str  # "histories", "kills", "bodies", …
    violations: int
    seconds: float
    note: str = ""  # what is worth knowing: effects seen, how a mutant was caught
    seeds: tuple[int, int] | None = None  # the first and the last; None: nothing is drawn
    counts: dict[str, int] = field(default_factory=dict)  # what adds up over pieces

    @property
    def noted(self) -> str:
        """The note, with the counts that are not the effects of faults."""
        sums = [f"{many:,} {name}" for name, many in self.counts.items() if name in SAID]
        return "; ".join(filter(None, (*sums, self.note)))


SAID = ("payments",)
"""Counts that stand in the table itself; the others are effects, of which there are too many."""

HEADINGS = ("what", "how many", "violations", "seeds", "s per thousand", "notes")


def printed(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|---:|---:|---|---:|---|"]
    for row in rows:
        per_thousand = row.seconds / max(1, row.many) * 1000
        first, last = row.seeds or (0, 0)
        seeds = f"{first}–{last}" if last > first else str(first)
        cells = (
            row.what,
            f"{row.many:,} {row.unit}",
            f"{row.violations}",
            "" if row.seeds is None else seeds,
            f"{per_thousand:,.1f}",
            row.noted,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def code_fingerprint(root: Path = ROOT) -> str:
    """Twelve digits that change with any source of the product, its sentences included."""
    whole = sha256()
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".py", ".po"):
                whole.update(str(path.relative_to(root)).encode())
                whole.update(path.read_bytes())
    return whole.hexdigest()[:12]


def kept(path: Path, rows: Iterable[Row], code: str) -> None:
    """Add a piece of the table to the file at *path*, a line of JSON for each row."""
    with path.open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({"code": code, **asdict(row)}, ensure_ascii=False) + "\n")


def read(path: Path, code: str) -> tuple[list[Row], int]:
    """The rows that were kept of this very code, and how many were of other code."""
    found: list[Row] = []
    others = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        if values.pop("code") != code:
            others += 1
            continue
        if values["seeds"] is not None:
            first, last = values["seeds"]
            values["seeds"] = first, last
        found.append(Row(**values))
    return found, others


def added_up(rows: Iterable[Row]) -> list[Row]:
    """
    One row for each thing, in the order in which they came.

    What was run twice counts once, as it went the last time: the pieces of one thing whose seeds
    overlap, and everything that draws no seeds.
    """
    pieces: dict[str, list[Row]] = {}
    for row in rows:
        before = pieces.setdefault(row.what, [])
        pieces[row.what] = [each for each in before if not _overlap(each, row)] + [row]
    return [_sum(each) for each in pieces.values()]


def _overlap(one: Row, other: Row) -> bool:
    if one.seeds is None or other.seeds is None:
        return True
    return one.seeds[0] <= other.seeds[1] and other.seeds[0] <= one.seeds[1]


def _sum(pieces: Sequence[Row]) -> Row:
    counts: Counter[str] = Counter()
    for piece in pieces:
        counts.update(piece.counts)
    seeds = [each for piece in pieces if piece.seeds for each in piece.seeds]
    notes = dict.fromkeys(piece.note for piece in pieces if piece.note)
    note = "; ".join(notes)
    if len(pieces) > 1 and seeds and _gaps(pieces):
        note = "; ".join(filter(None, (note, "with gaps between the seeds")))
    return replace(
        pieces[-1],
        many=sum(piece.many for piece in pieces),
        violations=sum(piece.violations for piece in pieces),
        seconds=sum(piece.seconds for piece in pieces),
        note=note,
        seeds=(min(seeds), max(seeds)) if seeds else None,
        counts=dict(counts),
    )


def _gaps(pieces: Sequence[Row]) -> bool:
    spans = sorted(piece.seeds for piece in pieces if piece.seeds is not None)
    return any(after[0] > before[1] + 1 for before, after in pairwise(spans))
