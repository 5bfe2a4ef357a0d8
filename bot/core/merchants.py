"""
Merchants: who may issue invoices, and how customers know them.

Operators appoint and revoke; operators are merchants themselves, and nobody else is.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from bot.core.people import close, is_forgotten
from bot.core.ports import Clock, Collector
from storage.engine import Store
from storage.records import Closing, Merchant
from storage.tx import Tx

__all__ = [
    "DUE_DAYS_MAX",
    "LOGO_BYTES_MAX",
    "Appointed",
    "Merchants",
    "is_appointed",
    "is_kra_pin",
]

T = TypeVar("T")

KRA_PIN = re.compile(r"[AP][0-9]{9}[A-Z]")
LOGO_BYTES_MAX = 512 * 1024
DUE_DAYS_MAX = 365
REVOKED_MAX = 100


class Appointed(StrEnum):
    """What came of an appointment, or of its end."""

    DONE = "done"
    ALREADY = "already"
    OPERATOR = "operator"  # operators are merchants for as long as they are operators
    NOBODY = "nobody"  # was no merchant


Say = Callable[[Appointed], Closing]
"""What is said about it, and that the update is done."""


def is_kra_pin(text: str) -> bool:
    """Whether it looks like a PIN of the revenue authority, like `A123456789B`."""
    return KRA_PIN.fullmatch(text) is not None


def is_appointed(profile: Merchant | None) -> bool:
    """Whether an operator lets this person issue, also one who is no operator."""
    if profile is None or profile.revoked_at is not None:
        return False
    # Operators have written their own profiles: nobody has appointed them.
    return profile.appointed_by != profile.id


class Merchants:
    """Appoints merchants and keeps their profiles."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        operators: Collection[int],
        collectors: Mapping[str, Collector],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._operators = operators
        self._collectors = collectors  # by account; "" is [mpesa]
        self._wake = wake

    @property
    def accounts(self) -> tuple[str, ...]:
        """Names of the accounts that a merchant may be given; "" is the first one."""
        return tuple(self._collectors)

    async def get(self, person_id: int) -> Merchant | None:
        """The merchant, if this person may issue invoices today."""
        async with self._store.read() as tx:
            return await self.within(tx, person_id)

    async def all(self) -> list[Merchant]:
        """Everybody who was appointed and not revoked, the first one first."""
        async with self._store.read() as tx:
            known = await tx.merchants.all()
        return [each for each in known if is_appointed(each) or each.id in self._operators]

    async def revoked(self) -> list[int]:
        """Who was one until lately; operators are merchants all the same, and not among them."""
        async with self._store.read() as tx:
            found = await tx.merchants.revoked(limit=REVOKED_MAX)
            found += [each.id for each in await tx.merchants.all() if not is_appointed(each)]
        return [each for each in found if each not in self._operators and not is_forgotten(each)]

    async def within(self, tx: Tx, person_id: int) -> Merchant | None:
        """The same inside a transaction; an operator without a profile yet has a fresh one."""
        known = await tx.merchants.get(person_id)
        if person_id in self._operators:
            return known or self._fresh(person_id, by=person_id, now=self._clock.now())
        return known if is_appointed(known) else None

    async def locked(self, tx: Tx, person_id: int) -> Merchant | None:
        """The same, written down and locked until the transaction ends."""
        merchant = await tx.merchants.lock(person_id)
        if person_id not in self._operators:
            return merchant if is_appointed(merchant) else None
        if merchant is None:
            merchant = self._fresh(person_id, by=person_id, now=self._clock.now())
            await tx.merchants.add(merchant)
        return merchant

    async def appoint(
        self, person_id: int, *, name: str, language: str, by: int, say: Say
    ) -> Appointed:
        """
        Let this person issue invoices; *name* is what customers read until it is changed.

        What came of it is said in the same commit: a crash in between would tell nobody.
        """
        now = self._clock.now()

        async def appointed(tx: Tx) -> Appointed:
            if person_id in self._operators:
                return Appointed.OPERATOR
            known = await tx.merchants.lock(person_id)
            if known is None:
                fresh = self._fresh(person_id, by=by, now=now, name=name, language=language)
                await tx.merchants.add(fresh)
                return Appointed.DONE
            if is_appointed(known):
                return Appointed.ALREADY
            await tx.merchants.change(
                person_id,
                appointed_by=by,
                appointed_at=now,
                revoked_by=None,
                revoked_at=None,
                summary_at=None,
            )
            return Appointed.DONE

        return await self._said(appointed, say)

    async def revoke(self, person_id: int, *, by: int, say: Say) -> Appointed:
        """This person issues no more; what was issued can still be paid, and is still theirs."""
        now = self._clock.now()

        async def revoked(tx: Tx) -> Appointed:
            if person_id in self._operators:
                return Appointed.OPERATOR
            known = await tx.merchants.lock(person_id)
            if known is None or known.revoked_at is not None:
                return Appointed.NOBODY
            await tx.merchants.change(person_id, revoked_by=by, revoked_at=now)
            return Appointed.DONE

        return await self._said(revoked, say)

    async def change(self, person_id: int, *, closing: Closing, **changes: object) -> bool:
        """Write fields of a profile anew; False if this person is no merchant."""

        async def run(tx: Tx) -> bool:
            if await self.locked(tx, person_id) is None:
                return False
            await tx.merchants.change(person_id, **changes)
            await close(tx, closing, self._clock)
            return True

        return await self._write(run)

    async def logo(self, merchant_id: int) -> bytes | None:
        async with self._store.read() as tx:
            return await tx.merchants.logo(merchant_id)

    def _fresh(
        self, person_id: int, *, by: int, now: datetime, name: str = "", language: str = "en"
    ) -> Merchant:
        return Merchant(
            id=person_id,
            name=name or self._collectors[""].name,
            language=language,
            appointed_by=by,
            appointed_at=now,
        )

    async def _said(self, act: Callable[[Tx], Awaitable[Appointed]], say: Say) -> Appointed:
        async def run(tx: Tx) -> Appointed:
            done = await act(tx)
            await close(tx, say(done), self._clock)
            return done

        return await self._write(run)

    async def _write(self, run: Callable[[Tx], Awaitable[T]]) -> T:
        result = await self._store.write(run)
        self._wake()
        return result
