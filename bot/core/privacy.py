"""
Privacy: what somebody may have of us: all that is kept about them, and to be forgotten.

The books stay, as the law on books wants them: amounts, times, receipts, and the phone that each
payment was asked from, sealed. What leads from them to a person in Telegram goes.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.limits import STRANGERS_COUNT_FOR
from bot.core.people import FIRST_PSEUDONYM, close
from bot.core.ports import Clock
from storage.engine import Store
from storage.privacy import Asked
from storage.privacy_drives import InDrives
from storage.privacy_invoices import OnInvoice
from storage.records import Closing, Merchant, Person
from storage.tx import Tx

__all__ = ["Asked", "Forgotten", "MyData", "Privacy", "PrivacySettings"]

log = logging.getLogger(__name__)

PAYMENTS_MAX = 5000
"""Of the newest, in one person's data: what a document can carry."""

MONTH = timedelta(days=30.44)
AT_ONCE = 1000
BATCHES = 50
MARK = "bodies-emptied-to"


class Forgotten(StrEnum):
    """What became of a wish to be forgotten."""

    DONE = "done"
    WAITING = "waiting"  # for the last word about a payment: it could not be told
    NEEDED = "needed"  # a drive is open that nobody else looks after
    OWED = "owed"  # invoices that they issued are not paid, or too much, or may be soon
    RECENT = "recent"  # they had a phone of somebody else prompted, and those are still counted


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacySettings:
    """The `[privacy]` of the configuration."""

    raw_bodies_months: int = 18
    looks_months: int = 84


@dataclass(frozen=True, slots=True, kw_only=True)
class MyData:
    """All that is kept about one person."""

    person: Person
    asked: Sequence[Asked]
    in_drives: InDrives
    on_invoices: Sequence[OnInvoice]
    merchant: Merchant | None  # their profile, if they are or were one
    at: datetime


class Privacy:
    """People's own data, and how long any is kept."""

    def __init__(
        self, *, store: Store, clock: Clock, settings: PrivacySettings, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._wake = wake

    async def my_data(self, person_id: int) -> MyData:
        """What is kept about them; that it was taken out is written down."""
        now = self._clock.now()

        async def run(tx: Tx) -> MyData:
            asked = await tx.privacy.asked(person_id, limit=PAYMENTS_MAX)
            in_drives = await tx.privacy_in_drives.kept(person_id, limit=PAYMENTS_MAX)
            on_invoices = await tx.privacy_in_invoices.kept(person_id, limit=PAYMENTS_MAX)
            await tx.payments.looked(by=person_id, payment_ids=[""], what="my-data", at=now)
            person = await tx.people.get(person_id)
            return MyData(
                person=person or Person(id=person_id),
                asked=asked,
                in_drives=in_drives,
                on_invoices=on_invoices,
                merchant=await tx.merchants.get(person_id),
                at=now,
            )

        return await self._store.write(run)

    async def forget(
        self,
        person_id: int,
        *,
        done: Closing,
        waiting: Closing,
        needed: Closing,
        owed: Closing,
        recent: Callable[[datetime], Closing],
    ) -> Forgotten:
        """
        Forget them, in one commit with the words about it.

        Not while a payment of theirs is undecided, or they have not been told how it ended: its
        last word would go to nobody. Nor while they alone look after an open drive: nobody could
        close it, or write cash down; or after a closed one to which a late gift is on its way, or
        waits for their word. Nor while invoices of theirs are unpaid: nobody could say that one was
        paid in cash, or is void; or of what came too much, what became of it. Nor while prompts to
        phones of others count in their hour, or whoever is forgotten often could prompt any number;
        *recent* is told when that is over.
        """

        async def run(tx: Tx) -> Forgotten:
            now = self._clock.now()
            if await tx.privacy.undecided(person_id) or await tx.privacy.unread(person_id):
                await close(tx, waiting, self._clock)
                return Forgotten.WAITING
            await tx.privacy_in_drives.lock(person_id)
            if await tx.privacy_in_drives.alone(person_id):
                await close(tx, needed, self._clock)
                return Forgotten.NEEDED
            if await tx.privacy_in_invoices.unsettled(person_id):
                await close(tx, owed, self._clock)
                return Forgotten.OWED
            _, _, newest_at = await tx.lines.stranger_asks(
                person_id, since=now - STRANGERS_COUNT_FOR
            )
            if newest_at is not None:
                await close(tx, recent(newest_at + STRANGERS_COUNT_FOR), self._clock)
                return Forgotten.RECENT
            pseudonym = FIRST_PSEUDONYM + secrets.randbits(59)
            await tx.privacy_in_drives.forget(person_id, pseudonym=pseudonym)
            await tx.privacy_in_invoices.forget(person_id, pseudonym=pseudonym, now=now)
            await tx.privacy.forget(person_id, pseudonym=pseudonym)
            await close(tx, done, self._clock)
            return Forgotten.DONE

        answer = await self._store.write(run)
        log.info("person.forget answer=%s", answer)
        self._wake()
        return answer

    async def keep_no_longer(self) -> None:
        """Empty what has been kept for as long as was configured. A job."""
        now = self._clock.now()
        bodies_before = now - self._settings.raw_bodies_months * MONTH

        async def batch(tx: Tx) -> bool:
            mark = int(await tx.shared.lock(MARK) or b"0")
            last = await tx.privacy.empty_bodies(after_id=mark, before=bodies_before, limit=AT_ONCE)
            if last == mark:
                return False
            await tx.shared.put(MARK, str(last).encode())
            return last - mark >= AT_ONCE

        for _ in range(BATCHES):
            if not await self._store.write(batch):
                break
        looks_before = now - self._settings.looks_months * MONTH

        async def rest(tx: Tx) -> int:
            return await tx.privacy.forget_old(
                orphans_before=bodies_before, looks_before=looks_before
            )

        if gone := await self._store.write(rest):
            log.info("privacy.forgotten rows=%d", gone)
        await self._drop_lines()

    async def _drop_lines(self) -> None:
        """
        Numbers that nobody needs, and that were left behind: by a version that only untied them,
        or because a key was changed and one number has two lines.
        """
        async with self._store.read() as tx:
            unused = await tx.lines.unused(limit=AT_ONCE)
        for line_id in unused:

            async def drop(tx: Tx, line_id: int = line_id) -> bool:
                return await tx.lines.drop_unused(line_id)

            await self._store.write(drop)
        if unused:
            log.info("privacy.lines_forgotten lines=%d", len(unused))
