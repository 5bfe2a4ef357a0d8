"""
The journal beside a SQLite file: whether it belongs to that file, and how it is put aside.

SQLite plays whatever lies there into whatever has the name. After a kill a journal stays; beside
another file it damages that one, or takes away the mark by which a copy says that it is one.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

__all__ = ["put_aside", "put_aside_stray", "stray_journal", "sync"]

SUFFIXES = ("-wal", "-shm")

# Bytes 18 and 19 of a database: who may write it, and who may read it, 2 with a -wal beside it
# only. A live one says so before its -wal is made; a copy of ours never does.
_VERSIONS = slice(18, 20)
_WITH_JOURNAL = b"\x02\x02"


def stray_journal(database: Path) -> Path | None:
    """The journal beside *database*, if it cannot be that one's; *database* may be missing."""
    journal = database.with_name(database.name + SUFFIXES[0])
    try:
        if journal.stat().st_size == 0:
            return None
    except FileNotFoundError:
        return None
    try:
        with database.open("rb") as file:
            versions = file.read(_VERSIONS.stop)[_VERSIONS]
    except FileNotFoundError:
        versions = b""
    return None if versions == _WITH_JOURNAL else journal


def put_aside(database: Path, beside: Path) -> None:
    """The journal that lies beside *database* to where it would lie beside *beside*."""
    for suffix in SUFFIXES:
        journal = database.with_name(database.name + suffix)
        if journal.exists():
            journal.replace(beside.with_name(beside.name + suffix))
    sync(database.parent)


def put_aside_stray(database: Path, now: datetime) -> Path | None:
    """A journal that is not *database*'s out of its way; where it is now."""
    if stray_journal(database) is None:
        return None
    beside = database.with_name(f"{database.name}.stray-{now:%Y%m%d-%H%M%S}")
    put_aside(database, beside)
    return beside.with_name(beside.name + SUFFIXES[0])


def sync(path: Path) -> None:
    """What was written to a file, or what names a folder holds, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
