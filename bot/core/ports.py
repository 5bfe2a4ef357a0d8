"""What the core needs from the world outside, as narrow as its callers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from mpesa.models import Accepted, Ack, PulledPage, Push, QueryAnswer, ResultUrls

__all__ = ["BackOffice", "Clock", "Collector", "Daraja", "Ids", "Pace", "SteadyClock"]

# No 0 O 1 I: people read these aloud and type them by hand.
REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
REFERENCE_RANDOM = 5


class Clock(Protocol):
    """Time, which comes in from outside so that a test can hold it."""

    def now(self) -> datetime:
        """The instant, aware, UTC."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SteadyClock:
    """
    A clock to measure waits by: where the machine's is set back, it goes on from where it was.

    Nobody waits out the difference. Its instants are for comparing with each other, in memory:
    none is stored or shown.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta()
        self._seen_at = clock.now()

    def now(self) -> datetime:
        now = self._clock.now() + self._ahead
        if now < self._seen_at:
            self._ahead += self._seen_at - now
            now = self._seen_at
        self._seen_at = now
        return now

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class Daraja(Protocol):
    """Safaricom, as far as a payment needs it. `mpesa.client.Daraja` is one."""

    async def ready(self) -> None:
        """A token is at hand. Raises NotSent."""
        ...

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        """Ask once. Raises NotSent, Refused, OutcomeUnknown."""
        ...

    async def query(self, checkout_request_id: str) -> QueryAnswer:
        """Ask what became of a push. Raises NoAnswer."""
        ...


class BackOffice(Protocol):
    """Safaricom's services beside payments. `mpesa.back_office.BackOffice` is one."""

    async def ask_status(self, receipt: str, urls: ResultUrls) -> Ack:
        """Ask, to be answered later. Raises NotSent, Refused, OutcomeUnknown."""
        ...

    async def reverse(
        self, receipt: str, amount_kes: int, urls: ResultUrls, *, remarks: str
    ) -> Ack:
        """Give back, once. Raises NotSent, Refused, OutcomeUnknown."""
        ...

    async def register_urls(
        self, version: Literal["v1", "v2"], *, confirmation_url: str, validation_url: str
    ) -> Ack:
        """Say where payments by hand are told. Raises NotSent, Refused, OutcomeUnknown."""
        ...

    async def register_pull(self, *, nominated_number: str, callback_url: str) -> Ack:
        """Open the list of payments. Raises NotSent, Refused, OutcomeUnknown."""
        ...

    async def pull(self, *, since: datetime, until: datetime, offset: int = 0) -> PulledPage:
        """A page of the list. Raises NoAnswer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Who is paid."""

    name: str  # as the chat says it
    kind: Literal["paybill", "till"]
    number: str  # what one types to pay by hand
    practice: bool  # a sandbox or the demo: no real money stays
    gone: bool = False  # no longer configured: nobody is told to pay there


class Ids:
    """New ids and references, from a source of random bytes that a test can seed."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes

    def new(self, now: datetime) -> str:
        """
        32 hex digits, sortable by time.

        Hex on purpose: an id is part of the callback address, where Safaricom refuses words
        like "exe", "cmd" and "sql", which cannot be spelt in hex.
        """
        milliseconds = int(now.timestamp() * 1000)
        return f"{milliseconds:012x}{self._random_bytes(10).hex()}"

    def push_reference(self, label: str = "PAY") -> str:
        """
        What the prompt shows as the account, e.g. `PAY-7K2QX`.

        Daraja allows 12 characters, so *label* has at most six: A–Z and 0–9.
        """
        return f"{label}-{self._letters()}"

    def by_hand_reference(self, label: str = "LIPA") -> str:
        """What a person types as the account when paying by hand, e.g. `LIPA-7K2QX`."""
        return f"{label}-{self._letters()}"

    def drive_code(self) -> str:
        """What a drive's links carry: 72 random bits in 12 characters."""
        return base64.urlsafe_b64encode(self._random_bytes(9)).decode()

    def button(self) -> str:
        """What a press carries: 144 random bits in 24 characters (Telegram allows 64)."""
        return base64.urlsafe_b64encode(self._random_bytes(18)).decode()

    def _letters(self) -> str:
        return "".join(
            REFERENCE_LETTERS[byte % len(REFERENCE_LETTERS)]
            for byte in self._random_bytes(REFERENCE_RANDOM)
        )


class Pace:
    """Turns, evenly spaced: a queue, never a refusal."""

    def __init__(self, clock: Clock, *, per_second: float) -> None:
        self._clock = SteadyClock(clock)
        self._gap = max(timedelta(seconds=1 / per_second), timedelta.resolution)
        self._burst = max(1, int(per_second))
        self._free_at: datetime | None = None

    async def turn(self) -> None:
        """Wait until it is our turn."""
        now = self._clock.now()
        free_at = now if self._free_at is None else max(now, self._free_at)
        self._free_at = free_at + self._gap
        if free_at > now:
            await self._clock.sleep((free_at - now).total_seconds())

    def try_turn(self) -> bool:
        """Take the turn if it is free right now."""
        now = self._clock.now()
        if self._free_at is not None and self._free_at > now:
            return False
        self._free_at = now + self._gap
        return True

    async def take(self, wanted: int) -> int:
        """The turns that are free right now, up to those of one second; at most *wanted*."""
        now = self._clock.now()
        free_at = now if self._free_at is None else max(now, self._free_at)
        fitting = (now + self._burst * self._gap - free_at) // self._gap
        granted = max(0, min(wanted, fitting))
        self._free_at = free_at + granted * self._gap
        return granted

    async def give_back(self, count: int) -> None:
        """Turns that were taken and not used."""
        if self._free_at is not None:
            self._free_at -= count * self._gap
