"""One planted bug: where it is, and which promise it breaks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Planted", "plant"]


@dataclass(frozen=True, slots=True)
class Planted:
    """One bug: in *file*, each *old* text stands exactly once and becomes the *new* one."""

    name: str
    breaks: str
    file: str
    edits: tuple[tuple[str, str], ...]


def plant(name: str, breaks: str, file: str, old: str, new: str, *more: tuple[str, str]) -> Planted:
    """A bug of one edit, and perhaps *more* in the same file."""
    return Planted(name, breaks, file, ((old, new), *more))
