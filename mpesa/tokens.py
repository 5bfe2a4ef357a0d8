"""
Keeps the one access token that everybody shares.

Each new token voids the one before it, so tokens are fetched by one flight at a time and never
per request.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from mpesa.models import Token

EARLY: Final = timedelta(seconds=60)
"""How long before its end a token is renewed."""

PATIENCE: Final = timedelta(seconds=10)
"""After an early renewal failed, how long the old token serves before the next attempt."""


class TokenShelf(Protocol):
    """Where processes that use the same keys keep the one token that they share."""

    async def renew(
        self,
        fetch: Callable[[], Awaitable[Token]],
        *,
        refused: Token | None,
        spent: Callable[[Token], bool],
    ) -> Token:
        """
        The shelved token, if it is not the one that was *refused*, and not *spent*; else what
        *fetch* brings, one process at a time, shelved for the others.

        Raises:
            NotSent: none is there and none could be had.
        """
        ...


class TokenKeeper:
    """
    One token, renewed early, by one flight for all who wait, and taken from a shelf where other
    processes have put a newer one.

    `fetch` asks Safaricom and raises `NotSent`; `now` gives aware time. A waiter that is
    cancelled leaves the flight to the others. An early renewal is waited for `renewal_wait_s`,
    then the old token serves while it is good.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token]],
        now: Callable[[], datetime],
        *,
        renewal_wait_s: float = 5,
        shelf: TokenShelf | None = None,
    ) -> None:
        self._fetch = fetch
        self._shelf = shelf
        self._now = now
        self._renewal_wait_s = renewal_wait_s
        self._token: Token | None = None
        self._refused: Token | None = None
        self._flight: asyncio.Task[Token] | None = None
        self._leave_until: datetime | None = None

    def at_hand(self) -> Token | None:
        """The token, if it is good and not yet to be renewed."""
        token = self._token
        if token is None or self._is_spent(token):
            return None
        return token

    async def get(self) -> Token:
        """
        A token that should be good.

        Raises:
            NotSent: none is at hand and none could be had.
        """
        token = self._token
        if token is None or self._now() >= token.expires_at:
            return await asyncio.shield(self._join_flight())
        if not self._is_due(token):
            return token
        # Still good: a token service that is slow or down must not hold up a push.
        flight = self._join_flight()
        await asyncio.wait([flight], timeout=self._renewal_wait_s)
        landed = flight.done() and not flight.cancelled() and flight.exception() is None
        if not landed:
            self._leave_until = self._now() + PATIENCE
        return flight.result() if landed else token

    def refuse(self, token: Token) -> None:
        """Safaricom turned `token` away. Late news of a token since replaced changes nothing."""
        if token is self._token:
            self._token = None
            self._refused = token

    async def aclose(self) -> None:
        """End a flight that is still out."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    def _is_spent(self, token: Token) -> bool:
        return self._now() >= token.expires_at or self._is_due(token)

    def _is_due(self, token: Token) -> bool:
        # A token granted for seconds would otherwise be due the moment that it came.
        early = min(EARLY, (token.expires_at - token.issued_at) / 2)
        now = self._now()
        if now < token.expires_at - early:
            return False
        return self._leave_until is None or now >= self._leave_until

    def _join_flight(self) -> asyncio.Task[Token]:
        if self._flight is None:
            self._flight = asyncio.create_task(self._fly())
            self._flight.add_done_callback(self._landed)
        return self._flight

    async def _fly(self) -> Token:
        if self._shelf is None:
            token = await self._fetch()
        else:
            token = await self._shelf.renew(
                self._fetch, refused=self._refused, spent=self._is_spent
            )
        self._token = token
        self._leave_until = None
        return token

    def _landed(self, flight: asyncio.Task[Token]) -> None:
        self._flight = None
        # Reading the exception keeps asyncio from reporting a failure that every waiter has heard,
        # or that all of them stopped waiting for.
        if not flight.cancelled():
            flight.exception()
