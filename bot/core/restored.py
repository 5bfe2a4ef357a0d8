"""
Restored: books that were put back from a backup send no prompt until the gap is reconciled.

Between the backup and now people paid, and these books do not know it. Asking somebody again for
what they have paid is the one mistake that a restore makes easy, so the copy itself carries the
mark, and only a person takes it away.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from storage.backups import RESTORED_MARK, read_mark, written_mark
from storage.engine import Store
from storage.tx import Tx

__all__ = ["RESTORED", "UNASKED", "end_of_books", "lift", "lift_in", "mark", "restored"]

log = logging.getLogger(__name__)

RESTORED = "restored"
"""Why a payment that was waiting in a backup is closed unsent."""

UNASKED = "restored:unasked"
"""Since when questions and reminders were let go for the mark: they are taken up once it is off."""

CLOCKS_APART = timedelta(minutes=5)
"""So far may the clocks of those who wrote be apart, and a commit come after what it writes."""


async def restored(tx: Tx) -> datetime | None:
    """How far these books go, if they came from a backup and nobody has reconciled since."""
    return read_mark(await tx.shared.get(RESTORED_MARK))


async def end_of_books(store: Store) -> datetime | None:
    """
    Until when these books go, by the newest thing in them; None where there is nothing.

    Whatever came after that is not in them. It may be earlier than the copy: then more is
    compared than need be, and nothing is left out.
    """
    async with store.read() as tx:
        newest = await tx.health.newest()
    return None if newest is None else newest - CLOCKS_APART


async def mark(store: Store, *, as_of: datetime) -> datetime:
    """
    These books came from a backup by other means than ours, and go as far as *as_of*.

    Marked twice, the earlier end counts, and is returned: the gap begins there.
    """

    async def run(tx: Tx) -> datetime:
        known = read_mark(await tx.shared.lock(RESTORED_MARK))
        end = as_of if known is None else min(known, as_of)
        await tx.shared.put(RESTORED_MARK, written_mark(end))
        return end

    return await store.write(run)


async def lift_in(tx: Tx, *, expected: datetime | None = None) -> datetime | None:
    """As `lift`, inside a transaction of the caller's; where *expected* is said, that gap alone."""
    as_of = read_mark(await tx.shared.lock(RESTORED_MARK))
    if expected is not None and as_of != expected:
        return None
    if as_of is not None:
        await tx.shared.put(RESTORED_MARK, b"")
        before = read_mark(await tx.shared.lock(UNASKED))
        await tx.shared.put(UNASKED, written_mark(min(as_of, before or as_of)))
    return as_of


async def lift(store: Store) -> datetime | None:
    """
    A person says that the gap is reconciled: prompts may go out again.

    Until when the backup went, or None if nothing was paused.
    """

    as_of = await store.write(lift_in)
    if as_of is not None:
        log.info("restored.lifted as_of=%s", as_of.isoformat())
    return as_of
