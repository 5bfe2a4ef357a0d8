"""Drive views: a drive as others may see it, with what its privacy keeps to the treasurers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from storage.records import (
    Drive,
    DriveStatus,
    Entry,
    EntryKind,
    GiftRow,
    Shows,
    Totals,
    Treasurer,
)

__all__ = ["CardView", "PageView", "ShownGift", "merged", "shown", "takes_gifts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownGift:
    """One line of a drive's list, as the reader may see it."""

    at: datetime
    name: str | None  # None: somebody who is not named (a well-wisher, or paid by hand)
    through: str = ""  # who gave in that name, where it was on somebody's behalf
    cents: int | None  # None: not for this reader
    cash: bool = False  # written down by a treasurer, not paid through M-Pesa
    by_name: str = ""  # which treasurer
    correction: bool = False
    reason: str = ""
    returned: bool = False  # taken back by Safaricom, or handed back by a treasurer
    once: bool = False  # handed back, and taken back by Safaricom too: it counts once
    untold: bool = False  # what counted once for that was not taken back by Safaricom
    handed_back: bool = False  # a gift of which nothing stays; another line says how it went back
    receipt: str | None = None  # for treasurers only
    phone_mask: str = ""  # for treasurers only

    @property
    def counts(self) -> bool:
        """Whether it is one of `Totals.gifts`, and no word about one."""
        return not (self.correction or self.returned or self.handed_back)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """What the one message of a drive says."""

    drive: Drive
    totals: Totals
    givers: int | None  # None: too many to be counted one by one
    newest: tuple[ShownGift, ...]
    more: int  # gifts that are not among the newest
    treasurers: tuple[Treasurer, ...]  # who accepted
    promised: tuple[int, int]  # how many open pledges, and their shillings


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """What anybody who has the link may see."""

    drive: Drive  # title, kind, language, target, closing, `reference` for paying by hand
    totals: Totals
    givers: int | None  # None: too many to be counted one by one
    gifts: tuple[ShownGift, ...]  # newest first, as the drive's privacy allows
    more: int  # gifts that are not listed
    treasurers: tuple[str, ...]  # their names
    takes_gifts: bool

    @property
    def percent(self) -> int | None:
        """Of the target, rounded down; None without one."""
        target = self.drive.target_kes
        return None if target is None else max(0, self.totals.cents // target)


def takes_gifts(drive: Drive, now: datetime) -> bool:
    """Whether a prompt may be sent for it."""
    over = drive.closes_at is not None and drive.closes_at <= now
    return drive.status is DriveStatus.OPEN and not over


def merged(
    gifts: Iterable[GiftRow], entries: Iterable[Entry], then: Mapping[int, Shows]
) -> list[GiftRow]:
    """Gifts and the journal as one list, newest first; *then*: what was seen of cash, by its id."""
    rows = list(gifts)
    given = {row.payment_id: row for row in rows}
    rows += [
        _of_journal(entry, given.get(entry.payment_id), then.get(entry.id, Shows.ALL))
        for entry in entries
        if entry.kind is not EntryKind.KEPT
    ]
    return sorted(rows, key=lambda row: row.at, reverse=True)


def _of_journal(entry: Entry, gift: GiftRow | None, then: Shows) -> GiftRow:
    """
    What was handed back is as private as the gift was; where that is not at hand, wholly.

    Cash is as private as the list was when it was written down, however much is shown since.
    """
    row = GiftRow(at=entry.at, cents=entry.cents, name=entry.name, entry=entry)
    if entry.kind not in (EntryKind.RETURNED, EntryKind.WENT_BACK):
        return replace(
            row, anonymous=then is Shows.TOTALS, hide_amount=then in (Shows.NAMES, Shows.TOTALS)
        )
    if gift is None:
        return replace(row, anonymous=True, hide_amount=True)
    return replace(
        row, anonymous=gift.anonymous, hide_amount=gift.hide_amount, on_behalf=gift.on_behalf
    )


def shown(rows: Iterable[GiftRow], shows: Shows, *, treasurer: bool = False) -> list[ShownGift]:
    """The list as everybody may see it; to a *treasurer* all, but whole phones."""
    if shows is Shows.TOTALS and not treasurer:
        return []
    amounts = treasurer or shows is Shows.ALL
    every = list(rows)
    gone = _handed_back(every)
    listed = (row for row in every if treasurer or row.cents or not row.reversed_cents)
    return [
        replace(
            _shown(row, amounts=amounts, treasurer=treasurer), handed_back=row.payment_id in gone
        )
        for row in listed
    ]


def _handed_back(rows: Iterable[GiftRow]) -> set[str | None]:
    """The gifts of which the journal leaves nothing."""
    left: dict[str, int] = {}
    for row in rows:
        about = row.payment_id if row.entry is None else row.entry.payment_id
        if about is not None:
            left[about] = left.get(about, 0) + row.cents
    return {about for about, cents in left.items() if cents <= 0}


def _shown(row: GiftRow, *, amounts: bool, treasurer: bool) -> ShownGift:
    came = row.cents or row.reversed_cents
    cents = came if amounts and (treasurer or not row.hide_amount) else None
    entry = row.entry
    hidden = row.anonymous and not treasurer
    name = None if hidden else (row.on_behalf or row.name or None)
    if entry is not None:
        return ShownGift(
            at=row.at,
            name=name,
            cents=cents,
            cash=True,
            by_name=entry.by_name,
            correction=entry.kind is EntryKind.CORRECTION,
            reason=entry.reason,
            returned=entry.kind in (EntryKind.RETURNED, EntryKind.WENT_BACK),
            once=entry.kind is EntryKind.WENT_BACK and entry.cents > 0,
            untold=entry.kind is EntryKind.WENT_BACK and entry.cents < 0,
        )
    return ShownGift(
        at=row.at,
        name=name,
        through=row.name if row.on_behalf and not hidden else "",
        cents=cents,
        returned=bool(row.reversed_cents) and not row.cents,
        receipt=row.receipt if treasurer else None,
        phone_mask=row.phone_mask if treasurer else "",
    )
