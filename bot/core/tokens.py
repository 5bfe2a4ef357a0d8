"""Tokens: the one Daraja token of all processes, kept in the database, sealed."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from bot.core.ports import Clock, SteadyClock
from bot.core.settle import Settle
from mpesa.errors import Unreachable
from mpesa.models import Token
from storage.engine import Store
from storage.errors import NotKept
from storage.records import Alarm
from storage.tx import Tx

__all__ = ["SharedToken"]

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
WAIT_AT_MOST_S = 45.0
"""For another process that fetches: longer than the request it makes may take."""

VOIDED_WITHIN = timedelta(hours=1)
VOIDED_MAX = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """What the database holds: the token, and when tokens before it were voided by strangers."""

    token: Token | None = None
    voided_at: tuple[datetime, ...] = field(default=())

    @classmethod
    def read(cls, raw: bytes | None) -> Kept:
        if raw is None:
            return cls()
        value, issued_at, expires_at, voided_at = json.loads(raw)
        at = datetime.fromisoformat
        token = None if value is None else Token(value, at(issued_at), at(expires_at))
        return cls(token, tuple(map(at, voided_at)))

    def written(self) -> bytes:
        token = self.token
        values = (
            (None, None, None)
            if token is None
            else (token.value, token.issued_at.isoformat(), token.expires_at.isoformat())
        )
        return json.dumps([*values, [each.isoformat() for each in self.voided_at]]).encode()


class SharedToken:
    """
    An `mpesa.tokens.TokenShelf` in the database.

    One process fetches at a time: it has a role of the database's meanwhile, which no
    transaction holds open and which a process that dies or is stopped loses by itself.
    """

    def __init__(
        self,
        *,
        store: Store,
        settle: Settle,
        clock: Clock,
        wake: Callable[[], None],
        account: str,
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._wake = wake
        # Other keys, or another address, have another token.
        self._name = f"token:{sha256(account.encode()).hexdigest()[:32]}"

    async def renew(
        self,
        fetch: Callable[[], Awaitable[Token]],
        *,
        refused: Token | None,
        spent: Callable[[Token], bool],
    ) -> Token:
        """See `mpesa.tokens.TokenShelf`."""
        waiting = SteadyClock(self._clock)
        give_up_at = waiting.now() + timedelta(seconds=WAIT_AT_MOST_S)
        try:
            while True:
                kept = (await self._read()).token
                if kept is not None and kept != refused and not spent(kept):
                    return kept
                if await self._store.presence.try_role(self._name):
                    try:
                        return await self._fetch(fetch, refused=refused, spent=spent)
                    finally:
                        await self._store.presence.leave_role(self._name)
                if waiting.now() >= give_up_at:
                    raise Unreachable("another process has been fetching a token for too long")
                await self._clock.sleep(LOOK_EVERY_S)
        except NotKept as exc:
            raise Unreachable("the token that all processes share cannot be read") from exc

    async def _fetch(
        self,
        fetch: Callable[[], Awaitable[Token]],
        *,
        refused: Token | None,
        spent: Callable[[Token], bool],
    ) -> Token:
        """With the role: look once more, for its last holder may just have fetched; then fetch."""
        before = (await self._read()).token
        if before is not None and before != refused and not spent(before):
            return before
        if before is not None and before == refused:
            await self._voided(before)
        token = await fetch()
        return await self._replace(before, token)

    async def _read(self) -> Kept:
        async with self._store.read() as tx:
            return Kept.read(await tx.shared.get(self._name))

    async def _replace(self, before: Token | None, token: Token) -> Token:
        """Keep *token*, unless another was kept while we were away: then that one is newer."""

        async def run(tx: Tx) -> Token:
            kept = Kept.read(await tx.shared.lock(self._name))
            if kept.token is not None and kept.token != before:
                return kept.token
            await tx.shared.put(self._name, Kept(token, kept.voided_at).written())
            return token

        return await self._store.write(run)

    async def _voided(self, token: Token) -> None:
        """
        Safaricom refuses the very token that we all use: somebody else has fetched one.

        Once may be an accident; more than three times an hour, another program uses our keys.
        """
        now = self._clock.now()

        async def run(tx: Tx) -> bool:
            kept = Kept.read(await tx.shared.lock(self._name))
            if kept.token != token:
                return False
            voided_at = [at for at in kept.voided_at if at > now - VOIDED_WITHIN]
            voided_at.append(now)
            too_often = len(voided_at) > VOIDED_MAX
            if too_often:
                alarm = self._settle.alarm(Alarm.KEYS_SHARED, None, key=now.isoformat())
                await tx.notices.owe(alarm, now=now)
                voided_at.clear()
            await tx.shared.put(self._name, Kept(None, tuple(voided_at)).written())
            return too_often

        if await self._store.write(run):
            log.error("token.voided_by_others within_s=%d", VOIDED_WITHIN.total_seconds())
            self._wake()
