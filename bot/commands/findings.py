"""Findings: what `lipabot doctor` says, and what it is told to look at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bot.config import Config

__all__ = ["Finding", "Patient"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what doctor says."""

    good: bool
    what: str
    cure: str = ""  # of a bad one: what to do


@dataclass(frozen=True, slots=True)
class Patient:
    """A configuration and the machine it is on; time and disk come from outside."""

    config: Config
    now: Callable[[], datetime]
    free_bytes: Callable[[Path], int] = field(default=lambda path: shutil.disk_usage(path).free)
