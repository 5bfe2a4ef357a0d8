"""Owns where tests keep files that need outlive no power cut: in memory, if there is room."""

from __future__ import annotations

import os
import shutil

__all__ = ["in_memory"]

MEMORY = "/dev/shm"


def in_memory(needed_bytes: int) -> str | None:
    """The folder whose files are kept in memory, if we may write there and so much is free."""
    try:
        roomy = shutil.disk_usage(MEMORY).free >= needed_bytes
    except OSError:
        return None
    return MEMORY if roomy and os.access(MEMORY, os.W_OK) else None
