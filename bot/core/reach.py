"""
Reach: whether the public address leads to us, looked at every five minutes.

One failed look is no alarm: a name server hiccups, a proxy restarts. The last look stands in the
database, so that of several processes one looks at a time, and a restart forgets nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.ports import Clock
from storage.engine import Store
from storage.tx import Tx

__all__ = ["EVERY", "Probe", "Reach", "Reached", "Sight", "sight"]

log = logging.getLogger(__name__)

STATE = "reach"
"""Under this name of the shared values stands the last look."""

EVERY = timedelta(minutes=5)
TURN = EVERY - timedelta(seconds=30)
"""Within this of a look, another process's, nobody looks again."""

STALE_AFTER = 3 * EVERY
SHUT_AFTER_FAILURES = 2


class Reached(StrEnum):
    """Who answers at the public address."""

    OURS = "ours"
    NOBODY = "nobody"
    BAD_CERTIFICATE = "bad-certificate"
    SOMEBODY_ELSE = "somebody-else"


Probe = Callable[[], Awaitable[Reached]]
"""Goes to the public address from outside, as far as this machine can. Never raises for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The last look, and how many in a row have failed."""

    at: datetime
    reached: Reached
    failures: int

    def shut(self, now: datetime) -> bool | None:
        """Whether the address is shut; None after one failure, or where nobody looked lately."""
        if abs(now - self.at) > STALE_AFTER:
            return None
        if self.failures >= SHUT_AFTER_FAILURES:
            return True
        return None if self.failures else False


class Reach:
    """Looks, and writes down what it saw."""

    def __init__(self, *, store: Store, clock: Clock, probe: Probe) -> None:
        self._store = store
        self._clock = clock
        self._probe = probe

    async def look(self) -> None:
        """Look, unless somebody just has. A job. Raises NotKept."""
        now = self._clock.now()
        async with self._store.read() as tx:
            before = await sight(tx)
        # A clock that was set back does not stop us for as long.
        if before is not None and timedelta(0) <= now - before.at < TURN:
            return
        reached = await self._probe()
        if reached is not Reached.OURS:
            log.warning("reach.not_reached why=%s", reached)

        async def run(tx: Tx) -> None:
            last = _read(await tx.shared.lock(STATE))
            if last is not None and last != before:
                return  # another process looked meanwhile; two looks at one time are one failure
            failed = reached is not Reached.OURS
            failures = (0 if last is None else last.failures) + 1 if failed else 0
            await tx.shared.put(STATE, _written(Sight(at=now, reached=reached, failures=failures)))

        await self._store.write(run)

    async def forget(self) -> None:
        """Nobody looks any more: what was seen once says nothing."""
        async with self._store.read() as tx:
            known = await sight(tx)
        if known is not None:
            await self._store.write(lambda tx: tx.shared.put(STATE, b""))


async def sight(tx: Tx) -> Sight | None:
    """The last look, or None where nobody ever looked."""
    return _read(await tx.shared.get(STATE))


def _read(raw: bytes | None) -> Sight | None:
    if not raw:
        return None
    said = json.loads(raw)
    return Sight(
        at=datetime.fromisoformat(said["at"]),
        reached=Reached(said["reached"]),
        failures=said["failures"],
    )


def _written(seen: Sight) -> bytes:
    said = {"at": seen.at.isoformat(), "reached": seen.reached, "failures": seen.failures}
    return json.dumps(said).encode()
