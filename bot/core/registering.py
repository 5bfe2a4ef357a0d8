"""
Registering: what Safaricom was last told about where to post, and whether that is still so.

Of one thing there is one value, the last that was told: there and back again is two changes. What
is not accepted is tried again, and after a day a person is told: money paid by hand is otherwise
told to nobody, in silence.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from bot.core.ports import Clock
from bot.core.settle import Settle
from mpesa.errors import MpesaError, NotSent, Throttled
from storage.engine import Store
from storage.records import Alarm
from storage.tx import Tx

__all__ = ["Registered", "Registering"]

log = logging.getLogger(__name__)

ALARM_AFTER = timedelta(days=1)
DIGITS = 16


class Registered(StrEnum):
    """What Safaricom says to it."""

    YES = "yes"
    MAYBE = "maybe"  # refused or unclear: perhaps because it knows of one already
    UNHEARD = "unheard"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What is kept of one thing."""

    last: str = ""  # what was told and accepted
    wanted: str = ""  # what is told and not accepted yet
    since: str = ""  # from when on


class Registering:
    """Registers each thing anew when what is to be told about it has changed."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        settle: Settle,
        wake: Callable[[], None],
        account: str,
        address: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settle = settle
        self._wake = wake
        self._account = account  # whose Safaricom: its address and the numbers there
        self._address = address

    async def once(
        self, name: str, what: str, register: Callable[[], Awaitable[None]]
    ) -> Registered:
        """Register *what*, unless that is what was last told about *name*."""
        wanted = self._wanted(what)
        async with self._store.read() as tx:
            if (await self._told(tx, name, what)).last == wanted:
                return Registered.YES
        try:
            await register()
        except MpesaError as exc:
            log.warning("record.not_registered what=%s why=%s", what, exc)
            await self._store.write(lambda tx: self._failed(tx, name, what))
            self._wake()
            return Registered.UNHEARD if isinstance(exc, NotSent | Throttled) else Registered.MAYBE
        await self.stands(name, what)
        return Registered.YES

    async def stands(self, name: str, what: str) -> None:
        """What was told about *name* is *what*: it was accepted, or it works."""
        told = _Told(last=self._wanted(what))
        await self._store.write(lambda tx: tx.shared.put(_key(name), _written(told)))

    async def _failed(self, tx: Tx, name: str, what: str) -> None:
        now, wanted = self._clock.now(), self._wanted(what)
        told = _read(await tx.shared.lock(_key(name)))
        since = datetime.fromisoformat(told.since) if told.since else now
        if told.wanted != wanted or since > now:
            told = replace(told, wanted=wanted, since=now.isoformat())
            await tx.shared.put(_key(name), _written(told))
        elif now - since >= ALARM_AFTER:
            notices = self._settle.alarm(Alarm.UNREGISTERED, None, key=f"{name}:{wanted}")
            await tx.notices.owe(notices, now=now)

    async def _told(self, tx: Tx, name: str, what: str) -> _Told:
        kept = await tx.shared.get(_key(name))
        if kept is not None:
            return _read(kept)
        # Older books have a value for every address that was ever told. One alone is the last.
        known = await tx.shared.names(f"registered:{name}")
        if known == [f"registered:{what}:{_digest(f'{what} {self._address}')}"]:
            return _Told(last=self._wanted(what))
        return _Told()

    def _wanted(self, what: str) -> str:
        return _digest(f"{what} {self._account} {self._address}")


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:DIGITS]


def _key(name: str) -> str:
    return f"last-registered:{name}"


def _read(value: bytes | None) -> _Told:
    return _Told(**json.loads(value)) if value else _Told()


def _written(told: _Told) -> bytes:
    return json.dumps(asdict(told)).encode()
