"""
Restored: books that were put back from a backup send no prompt until the gap is reconciled.

Between the backup and now people paid, and these books do not know it. Asking somebody again for
what they have paid is the one mistake that a restore makes easy, so the copy itself carries the
mark, and only a person takes it away.
"""

from __future__ import annotations

import logging
from datetime import datetime

from storage.backups import RESTORED_MARK, read_mark, written_mark
from storage.engine import Store
from storage.tx import Tx

__all__ = ["RESTORED", "lift", "lift_in", "mark", "restored"]

log = logging.getLogger(__name__)

RESTORED = "restored"
"""Why a payment that was waiting in a backup is closed unsent."""


async def restored(tx: Tx) -> datetime | None:
    """How far these books go, if they came from a backup and nobody has reconciled since."""
    return read_mark(await tx.shared.get(RESTORED_MARK))


async def mark(store: Store, *, as_of: datetime) -> None:
    """These books came from a backup by other means than ours; until when they go, at most."""

    async def run(tx: Tx) -> None:
        known = read_mark(await tx.shared.lock(RESTORED_MARK))
        await tx.shared.put(RESTORED_MARK, written_mark(known or as_of))

    await store.write(run)


async def lift_in(tx: Tx) -> datetime | None:
    """As `lift`, inside a transaction of the caller's."""
    as_of = read_mark(await tx.shared.lock(RESTORED_MARK))
    if as_of is not None:
        await tx.shared.put(RESTORED_MARK, b"")
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
