"""
Treasury: what those who look after a drive may do with it. Nothing is ever changed silently.

Money that did not come through M-Pesa, and every correction, is a new line of the journal with
who, when and why. Every change to the drive itself leaves a trail that anybody can read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from bot.core.drive_acts import Actor, Answer, DriveActs
from bot.core.drive_news import AWAITED, is_late
from bot.core.drive_privacy import CLOCKS_APART, PRIVACY_EDITS_READ, shown_when_written
from bot.core.drive_views import merged
from bot.core.gift_reversals import gift_news
from bot.core.giving import is_treasurer
from bot.core.people import is_forgotten
from bot.core.restored import restored
from bot.core.settle import status_notice
from bot.core.went_back import Part, parts_of
from storage.records import (
    LOOKED_AT_DRIVE,
    Closing,
    Drive,
    DriveEdit,
    DriveStatus,
    Entry,
    EntryKind,
    GiftRow,
    Payment,
    Pledge,
    Shows,
    Totals,
)
from storage.tx import Tx

__all__ = ["Statement", "Treasury"]

EDITS_SHOWN = 20
TOLD_AGAIN_MAX = 200
BY_NOBODY = 0
"""Who closes a drive whose time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Everything about a drive that its treasurers may see, whole numbers included."""

    drive: Drive
    totals: Totals
    rows: list[GiftRow]  # oldest first
    people: int
    phones: dict[int, str] = field(repr=False)  # line id -> 2547…
    pledges: list[Pledge]
    undecided: list[Payment]  # nobody can say yet whether this money moved
    went_back: dict[str, tuple[Part, ...]]  # payment id -> what M-Pesa took back of it


class Treasury(DriveActs):
    """What treasurers do."""

    async def is_treasurer(self, drive_id: str, person_id: int) -> bool:
        async with self._store.read() as tx:
            return await is_treasurer(tx, drive_id, person_id)

    async def trail(self, drive_id: str) -> list[DriveEdit]:
        """The newest changes to a drive, oldest first; for anybody."""
        async with self._store.read() as tx:
            return await tx.drives.edits(drive_id, limit=EDITS_SHOWN)

    async def entries(self, drive_id: str, *, limit: int = EDITS_SHOWN) -> list[Entry]:
        """The newest lines of the journal, oldest first."""
        async with self._store.read() as tx:
            return await tx.drives.entries(drive_id, limit=limit)

    async def cash(
        self, drive_id: str, by: Actor, *, amount_kes: int, name: str, key: str, closing: Closing
    ) -> Answer:
        """Money handed to a treasurer; the same key twice is written once."""

        async def deed(tx: Tx, drive: Drive) -> Answer:
            entry = Entry(
                drive_id=drive.id,
                kind=EntryKind.CASH,
                cents=amount_kes * 100,
                name=name,
                by=by.id,
                by_name=by.name,
                at=self._clock.now(),
                key=key,
            )
            await tx.drives.write_entry(entry)  # the same words again: it stands there already
            return Answer.DONE

        return await self._do(drive_id, by, deed, closing)

    async def correct(
        self,
        drive_id: str,
        by: Actor,
        *,
        change_kes: int,
        reason: str,
        key: str,
        closing: Closing,
    ) -> Answer:
        """Add to, or take from, what was written down, with the reason; nothing is rewritten."""

        async def deed(tx: Tx, drive: Drive) -> Answer:
            entry = Entry(
                drive_id=drive.id,
                kind=EntryKind.CORRECTION,
                cents=change_kes * 100,
                reason=reason,
                by=by.id,
                by_name=by.name,
                at=self._clock.now(),
                key=key,
            )
            await tx.drives.write_entry(entry)  # the same words again: it stands there already
            return Answer.DONE

        return await self._do(drive_id, by, deed, closing)

    async def decided_late(self, drive_id: str, by: Actor, *, payment_id: str) -> Entry | None:
        """What was decided about a gift that came after closing; None if nothing was."""
        async with self._store.read() as tx:
            if not (by.operator or await is_treasurer(tx, drive_id, by.id)):
                return None
            entry = await tx.drives.about_payment(payment_id)
            return entry if entry is not None and entry.drive_id == drive_id else None

    async def took_back(self, drive_id: str, entry_id: int) -> Entry | None:
        """What M-Pesa took back of a gift that had been handed back."""
        async with self._store.read() as tx:
            entry = await tx.drives.entry(entry_id)
            return entry if entry is not None and entry.drive_id == drive_id else None

    async def decide_late(
        self, drive_id: str, by: Actor, *, payment_id: str, keep: bool, closing: Closing
    ) -> Answer:
        """What came after closing stays, or was handed back outside; the first word counts."""

        async def deed(tx: Tx, drive: Drive) -> Answer:
            payment = await tx.payments.get(payment_id)
            if (
                payment is None
                or payment.subject != drive.subject
                or not payment.credited_cents  # all of it has gone back
                or not await is_late(tx, drive, payment)
            ):
                return Answer.ALREADY
            gift = await tx.gifts.get(payment.intent_id)
            written = await tx.drives.write_entry(
                Entry(
                    drive_id=drive.id,
                    kind=EntryKind.KEPT if keep else EntryKind.RETURNED,
                    cents=0 if keep else -payment.credited_cents,
                    name="" if gift is None else gift.name,
                    payment_id=payment_id,
                    by=by.id,
                    by_name=by.name,
                    at=self._clock.now(),
                    key=f"late:{payment_id}",
                )
            )
            if not written:
                return Answer.ALREADY
            await self._tell_giver(tx, drive, by, payment, keep=keep)
            return Answer.DONE

        return await self._do(drive_id, by, deed, closing)

    async def _tell_giver(
        self, tx: Tx, drive: Drive, by: Actor, payment: Payment, *, keep: bool
    ) -> None:
        """What was decided; that it was handed back rings, for it may be not so."""
        owed = [status_notice(payment.id)]
        chat_id = (await tx.payments.intent(payment.intent_id)).chat_id
        if not keep and chat_id != by.id and not is_forgotten(chat_id):
            owed.append(gift_news(drive, f"handed-back:{payment.id}", chat_id))
        await tx.notices.owe(owed, now=self._clock.now())

    async def change(
        self, drive_id: str, by: Actor, *, what: str, value: Any, told: str, closing: Closing
    ) -> Answer:
        """
        Another title, target, closing day, kind or privacy; *what* is the field of `Drive`.

        *told* is the new value as the trail says it. Where more is to be seen from now on, that
        is so of gifts to come: see `_keep_hidden`.
        """

        async def deed(tx: Tx, drive: Drive) -> Answer:
            before = getattr(drive, what)
            if before == value:
                return Answer.ALREADY
            if what == "shows":
                await self._keep_hidden(tx, drive, value)
            await tx.drives.change(drive.id, **{what: value})
            await self._note(tx, drive, by, what, _said(before), told)
            return Answer.DONE

        return await self._do(drive_id, by, deed, closing)

    async def _keep_hidden(self, tx: Tx, drive: Drive, shows: Shows) -> None:
        """
        What was given while the group saw less stays hidden until its giver shows it.

        They were told who would see what, and had no button to hide what nobody saw. What was
        given while as much was shown as from now on was shown to all then, and is again.
        """
        edits = await tx.drives.edits(drive.id, limit=PRIVACY_EDITS_READ, what="shows")

        def since(*wide: Shows) -> datetime | None:
            narrowed = [each.at for each in edits if each.before in wide]
            return max(narrowed) - CLOCKS_APART if narrowed else None

        hide, hid = tx.gifts.hide, False
        if drive.shows is Shows.TOTALS:
            hid = await hide(drive.id, since=since(Shows.NAMES, Shows.ALL), what="anonymous")
        if shows is Shows.ALL:
            hid = await hide(drive.id, since=since(Shows.ALL), what="hide_amount") or hid
        if hid:
            # An edit rings nobody, and brings the buttons with which they show themselves.
            newest = await tx.gifts.newest_told(drive.id, limit=TOLD_AGAIN_MAX)
            await tx.notices.owe([status_notice(each) for each in newest], now=self._clock.now())

    async def set_status(
        self,
        drive_id: str,
        by: Actor,
        status: DriveStatus,
        closing: Closing,
        *,
        was: DriveStatus | None = None,
    ) -> Answer:
        """
        Pause it, let it go on, or close it: that posts what it has come to.

        *was*: only from there. What is closed meanwhile is not opened by "go on".
        """

        async def deed(tx: Tx, drive: Drive) -> Answer:
            if drive.status is status:
                return Answer.ALREADY
            if was is not None and drive.status is not was:
                return Answer.CLOSED if drive.status is DriveStatus.CLOSED else Answer.ALREADY
            await self._to_status(tx, drive, by, status)
            return Answer.DONE

        return await self._do(drive_id, by, deed, closing)

    async def close_due(self) -> None:
        """
        Close the drives whose time is over.

        None while the books are restored: a closing paper names a total, and theirs lacks the gap.
        """
        now = self._clock.now()
        async with self._store.read() as tx:
            if await restored(tx) is not None:
                return
            due = await tx.drives.closing(now=now, limit=20)
        for found in due:
            await self._store.write(partial(self._close_one, drive_id=found.id))
        if due:
            self._wake()

    async def _close_one(self, tx: Tx, *, drive_id: str) -> None:
        drive = await tx.drives.lock(drive_id)
        now = self._clock.now()
        if drive is None or drive.status is DriveStatus.CLOSED:
            return
        if drive.closes_at is None or drive.closes_at > now:
            return
        await self._to_status(tx, drive, Actor(id=BY_NOBODY, name=""), DriveStatus.CLOSED)
        await tx.touched.touch(drive.subject)

    async def statement(self, drive_id: str, by: Actor) -> Statement | None:
        """
        Everything, with whole numbers; the look is kept in the audit. None if not theirs.

        Read without the writer, for whom callbacks wait; kept before anything is handed out.

        Raises NotKept: the look could not be kept.
        """
        async with self._store.read() as tx:
            drive = await tx.drives.get(drive_id)
            if drive is None or not (by.operator or await is_treasurer(tx, drive_id, by.id)):
                return None
            statement = await _statement(tx, drive)
            line_ids = {each.line_id for each in statement.rows if each.line_id is not None}
            phones = await tx.lines.phones(sorted(line_ids))
        now = self._clock.now()
        await self._store.write(
            lambda tx: tx.payments.looked(
                by=by.id, payment_ids=[drive_id], what=LOOKED_AT_DRIVE, at=now
            )
        )
        return replace(statement, phones=phones)

    async def public_statement(self, drive_id: str) -> Statement | None:
        """The same without whole numbers, for a paper that hides what the drive hides."""
        async with self._store.read() as tx:
            drive = await tx.drives.get(drive_id)
            return None if drive is None else await _statement(tx, drive)

    async def _to_status(self, tx: Tx, drive: Drive, by: Actor, status: DriveStatus) -> None:
        now = self._clock.now()
        closed_at: datetime | None = now if status is DriveStatus.CLOSED else None
        values: dict[str, Any] = {"status": status, "closed_at": closed_at}
        over = drive.closes_at is not None and drive.closes_at <= now
        if status is DriveStatus.OPEN and over:
            values["closes_at"] = None  # opened again: until somebody sets another day
        await tx.drives.change(drive.id, **values)
        await self._note(tx, drive, by, "status", drive.status, status)
        if status is DriveStatus.CLOSED:
            await tx.gifts.mark_undecided(drive.id, thanks=AWAITED)
            moment = int(now.timestamp())
            await self._news.to_group(tx, drive, f"closed:{moment}", now)
            if drive.shows is not Shows.TOTALS:
                await self._news.to_group(tx, drive, f"statement:{moment}", now)


async def _statement(tx: Tx, drive: Drive) -> Statement:
    gifts = await tx.gifts.newest(drive.id, limit=None, oldest=True)
    entries = await tx.drives.entries(drive.id)
    rows = merged(gifts, entries, await shown_when_written(tx, drive, entries))[::-1]
    totals = await tx.gifts.totals(drive.id)
    less = {row.payment_id: row for row in gifts if row.payment_id and row.reversed_cents}
    told = await tx.evidence.of(sorted(less))
    return Statement(
        drive=drive,
        totals=totals,
        people=await tx.gifts.givers(drive.id) + totals.cash_gifts,
        rows=rows,
        phones={},
        pledges=await tx.pledges.of_drive(drive.id),
        undecided=await tx.gifts.undecided(drive.id),
        went_back={
            payment_id: parts_of(told.get(payment_id, []), row.cents + row.reversed_cents)
            for payment_id, row in less.items()
        },
    )


def _said(value: Any) -> str:
    """A value as the trail keeps it."""
    if value is None:
        return ""
    return value.date().isoformat() if isinstance(value, datetime) else str(value)
