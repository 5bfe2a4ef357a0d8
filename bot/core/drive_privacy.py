"""Drive privacy: what everybody could see of a drive's list when something was written there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from storage.records import Drive, DriveEdit, Entry, EntryKind, Shows
from storage.tx import Tx

__all__ = ["CLOCKS_APART", "PRIVACY_EDITS_READ", "shown_then", "shown_when_written"]

PRIVACY_EDITS_READ = 100
"""Where none of so many is found, everything is taken to have been given in private."""
CLOCKS_APART = timedelta(minutes=1)
"""So far may the clocks of two processes be apart: whoever gave in between is hidden."""
_WIDEST_FIRST = (Shows.ALL, Shows.NAMES, Shows.TOTALS)


async def shown_when_written(tx: Tx, drive: Drive, entries: Iterable[Entry]) -> dict[int, Shows]:
    """
    What everybody could see when each cash entry was written down, by its id.

    Whoever gave it was told so, and has no button with which to hide or to show it later.
    """
    cash = [each for each in entries if each.kind is EntryKind.CASH]
    if not cash:
        return {}
    edits = await tx.drives.edits(drive.id, limit=PRIVACY_EDITS_READ, what="shows")
    return {each.id: shown_then(drive, edits, each.at) for each in cash}


def shown_then(drive: Drive, edits: Sequence[DriveEdit], at: datetime) -> Shows:
    """What a drive showed at *at*, by the changes of that, oldest first; if in doubt, less."""
    sure = (_at(drive, edits, at), _at(drive, edits, at + CLOCKS_APART))
    return max(sure, key=_WIDEST_FIRST.index)


def _at(drive: Drive, edits: Sequence[DriveEdit], at: datetime) -> Shows:
    if len(edits) >= PRIVACY_EDITS_READ and at <= edits[0].at:
        return Shows.TOTALS
    later = next((each for each in edits if each.at >= at), None)
    return drive.shows if later is None else Shows(later.before)
