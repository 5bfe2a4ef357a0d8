"""Owns how each part of the judge says what it found."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

__all__ = ["Verdict"]


class Verdict(Protocol):
    """What was wrong, and which effects of the faults were really there."""

    @property
    def effects(self) -> Counter[str]: ...
    def must(self, holds: bool, invariant: str, *what: object) -> None: ...
