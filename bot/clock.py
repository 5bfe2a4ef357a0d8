"""The one place that reads the machine's clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

__all__ = ["SystemClock"]


class SystemClock:
    """Real time; a `bot.core.ports.Clock`."""

    def now(self) -> datetime:
        """The instant, aware, UTC. Nairobi's time is made where Safaricom or a person reads it."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
