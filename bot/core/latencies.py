"""Latencies: how long Safaricom takes to answer, by what was asked; the memory never grows."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

__all__ = ["BOUNDS_S", "Latencies", "Latency"]

BOUNDS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)
NEWEST: Final = 200
WORDS_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One kind of request, since this process started."""

    p95_s: float  # of the newest, `among` of them
    among: int
    total_s: float
    counts: tuple[int, ...]  # by `BOUNDS_S`, and one for what took longer


class _Kind:
    def __init__(self) -> None:
        self.newest: deque[float] = deque(maxlen=NEWEST)
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0


class Latencies:
    """Is told of every request, with a word for its kind; failed ones count with what they took."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def took(self, kind: str, seconds: float) -> None:
        """One request of that kind took so long, connecting included, however it ended."""
        found = self._kinds.get(kind)
        if found is None:
            assert len(self._kinds) < WORDS_MAX, "kinds are a few words of the program"
            found = self._kinds[kind] = _Kind()
        found.newest.append(seconds)
        found.counts[bisect_left(BOUNDS_S, seconds)] += 1
        found.total_s += seconds

    def seen(self) -> Mapping[str, Latency]:
        """Every kind that was asked at least once, by its word."""
        return {kind: _latency(found) for kind, found in sorted(self._kinds.items())}


def _latency(found: _Kind) -> Latency:
    newest = sorted(found.newest)
    return Latency(
        p95_s=newest[ceil(0.95 * len(newest)) - 1],
        among=len(newest),
        total_s=found.total_s,
        counts=tuple(found.counts),
    )
