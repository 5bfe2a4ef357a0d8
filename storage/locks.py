"""The lock of a SQLite file: one process may have it open for writing."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from storage.errors import InUse

__all__ = ["only_process"]


class only_process:  # noqa: N801 - reads as a verb phrase in a `with`
    """An exclusive lock on `<file>.lock`, held while the database is open."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        file = os.fdopen(handle, "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = file.read().strip() or "unknown"
            file.close()
            raise InUse(
                f"{self._path.with_suffix('')} is in use by another lipabot (process {owner}): "
                "stop that one first, or give this one its own storage.url"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()
