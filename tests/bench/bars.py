"""Bars: what the design promises, what was measured, and whether the one meets the other."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["ROUNDS", "Bar", "median", "spread"]

ROUNDS = 5
"""Arms run in turn, this many times each; the medians are compared."""

median = statistics.median


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One promise: *figure* must be at *least*, or at *most*, the bar."""

    what: str
    figure: float
    side: Literal["at least", "at most", "exactly"]
    bar: float
    unit: str = ""
    detail: str = ""

    @property
    def met(self) -> bool:
        if self.side == "exactly":
            return self.figure == self.bar
        return self.figure >= self.bar if self.side == "at least" else self.figure <= self.bar

    def __str__(self) -> str:
        verdict = "met" if self.met else "NOT met"
        line = f"{self.what}: {self.figure:.2f}{self.unit} ({self.side} {self.bar:g}): {verdict}"
        return f"{line}\n    {self.detail}" if self.detail else line


def spread(values: Sequence[float], form: str = ".0f") -> str:
    """A median with its extremes: how far the machine can be trusted."""
    return f"{median(values):{form}} [{min(values):{form}}..{max(values):{form}}]"
