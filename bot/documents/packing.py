"""Packing: a paper that is too large for Telegram goes into a ZIP, without being in memory."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["SEND_BYTES_MAX", "Packed", "pack"]

SEND_BYTES_MAX: Final = 50_000_000
"""Telegram says 50 MB for what a bot sends; taken in the smaller sense."""

COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Packed:
    """A file on disk, and whether a bot can send it."""

    path: Path
    zipped: bool
    fits: bool


def pack(path: Path, *, bytes_max: int = SEND_BYTES_MAX) -> Packed:
    """
    *path* as it is if it can be sent, else a ZIP beside it, and the original is gone.

    Packing reads it once from end to end: run it in a thread. A ZIP that is too large as well
    is kept, and said not to fit.
    """
    if path.stat().st_size <= bytes_max:
        return Packed(path, zipped=False, fits=True)
    target = path.with_name(f"{path.name}.zip")
    try:
        with (
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
            path.open("rb") as source,
            archive.open(path.name, "w", force_zip64=True) as member,
        ):
            shutil.copyfileobj(source, member, COPY_BYTES)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    path.unlink()
    return Packed(target, zipped=True, fits=target.stat().st_size <= bytes_max)
