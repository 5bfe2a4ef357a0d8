"""Lead: the one process of several that may do what only one can, such as polling Telegram."""

from __future__ import annotations

from bot.core.ports import Clock
from storage.engine import Store
from storage.errors import NotKept

__all__ = ["Lead"]

LOOK_EVERY_S = 1.0


class Lead:
    """
    A role of the database's: whoever has it keeps it while it is alive, and no longer.

    A process that is alone has it at once.
    """

    def __init__(self, *, store: Store, clock: Clock, role: str) -> None:
        self._store = store
        self._clock = clock
        self._role = role

    async def try_win(self) -> bool:
        """Have the role now, if nobody has it."""
        try:
            return await self._store.presence.try_role(self._role)
        except NotKept:
            return False

    async def won(self) -> None:
        """Wait until we have it."""
        while not await self.try_win():
            await self._clock.sleep(LOOK_EVERY_S)

    async def lost(self) -> None:
        """Wait until we have it no more: we gave it up, or were away too long."""
        await self._store.presence.role_lost(self._role)

    async def resign(self) -> None:
        """Give it up, for whoever waits."""
        await self._store.presence.leave_role(self._role)
