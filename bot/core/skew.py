"""
Skew: how far this machine's clock is from Safaricom's, as the date of each of its replies shows.

A prompt carries the time and a password made of it; one that is far off is refused, and what was
refused reads like wrong credentials. Whoever sees that its clock is off writes it down, so that
another process, whose clock is right, does not say that it is over.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from bot.core.ports import Clock
from storage.engine import Store
from storage.tx import Tx

__all__ = ["SKEW_BAD_S", "SKEW_GOOD_S", "Skew", "skew_written"]

STATE = "skew"
"""Under this name of the shared values stands the last clock that was seen to be off."""

SKEW_BAD_S, SKEW_GOOD_S = 60.0, 30.0
LATELY = timedelta(minutes=10)
WRITTEN_EVERY = timedelta(minutes=2)


class Skew:
    """Hears the date of Safaricom's replies."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard_at: datetime | None = None
        self._skew = timedelta()

    def dated(self, theirs_at: datetime) -> None:
        """A reply came just now, and this is the date it carries."""
        self._heard_at = self._clock.now()
        self._skew = theirs_at - self._heard_at

    def seen(self) -> timedelta | None:
        """How far Safaricom's clock is ahead of ours; None where no reply came lately."""
        if self._heard_at is None or abs(self._clock.now() - self._heard_at) > LATELY:
            return None
        return self._skew

    def theirs(self) -> datetime | None:
        """What time it is by Safaricom's clock; None where no reply came lately."""
        skew = self.seen()
        return None if skew is None else self._clock.now() + skew

    async def write_down(self, store: Store) -> None:
        """Tell the other processes, where ours is off. Raises NotKept."""
        skew = self.seen()
        if skew is None or abs(skew).total_seconds() <= SKEW_BAD_S:
            return
        true_now = self._clock.now() + skew

        async def run(tx: Tx) -> None:
            last = _read(await tx.shared.lock(STATE))
            if last is None or abs(true_now - last[0]) >= WRITTEN_EVERY:
                await tx.shared.put(STATE, _written(true_now, skew))

        await store.write(run)


async def skew_written(tx: Tx, *, true_now: datetime) -> timedelta | None:
    """By how much the clock of some process was off lately."""
    last = _read(await tx.shared.get(STATE))
    return None if last is None or abs(true_now - last[0]) > LATELY else last[1]


def _read(raw: bytes | None) -> tuple[datetime, timedelta] | None:
    if not raw:
        return None
    said = json.loads(raw)
    return datetime.fromisoformat(said["at"]), timedelta(seconds=said["skew_s"])


def _written(at: datetime, skew: timedelta) -> bytes:
    return json.dumps({"at": at.isoformat(), "skew_s": skew.total_seconds()}).encode()
