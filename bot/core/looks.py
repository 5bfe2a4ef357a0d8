"""Looks: who was shown whole numbers, or took the books out, and when. Never edited."""

from __future__ import annotations

from datetime import datetime

from storage.engine import Store
from storage.tx import Tx

__all__ = ["AT_THE_MACHINE", "export_looked"]

AT_THE_MACHINE = 0
"""Who looked, when it was somebody at the command line, whom Telegram knows nothing of."""


async def export_looked(store: Store, *, period: str, at: datetime) -> None:
    """Whole numbers of *period* ("2026-11-01..2026-11-30") leave the machine."""

    async def run(tx: Tx) -> None:
        await tx.payments.looked(by=AT_THE_MACHINE, payment_ids=[period], what="export", at=at)

    await store.write(run)
