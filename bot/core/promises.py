"""Promises: which pledges the gifts of whoever made them have kept; each shilling counts once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from storage.records import GiftRow, Pledge, PledgeState
from storage.tx import Tx

__all__ = [
    "broken_promises",
    "gave_by",
    "given_to",
    "kept_promises",
    "left_of",
    "still_promised",
]

Given = tuple[datetime, int]
"""When somebody gave, and how many cents."""


def gave_at(asked_at: datetime | None, paid_at: datetime) -> datetime:
    """
    When somebody gave: when it was paid, though it was asked for before they promised.

    Nothing is paid before it was asked for: where it seems so, two clocks differ.
    """
    return paid_at if asked_at is None else max(asked_at, paid_at)


def gave_by(rows: Iterable[GiftRow]) -> dict[int, list[Given]]:
    """What each giver gave, by a drive's list: net of what the journal says was handed back."""
    every = list(rows)
    back: dict[str | None, int] = {}
    for row in every:
        if row.entry is not None and row.entry.payment_id is not None:
            back[row.entry.payment_id] = back.get(row.entry.payment_id, 0) + row.cents
    gave: dict[int, list[Given]] = {}
    for row in every:
        cents = row.cents + back.get(row.payment_id, 0)
        if row.entry is None and cents > 0:
            gave.setdefault(row.giver_id, []).append((gave_at(row.asked_at, row.at), cents))
    return gave


def given_to(pledges: Iterable[Pledge], gifts: Iterable[Given]) -> dict[str, int]:
    """
    The cents that went to each of one person's *pledges*, by its id.

    A gift goes to the oldest pledge that was made before it and is not yet full, then to the
    next; what is left over to the newest of them. What was taken back takes nothing.
    """
    waiting = sorted(
        (each for each in pledges if each.state is not PledgeState.WITHDRAWN),
        key=lambda each: (each.created_at, each.id),
    )
    went = {each.id: 0 for each in waiting}
    for at, cents in sorted(gifts):
        left, newest = max(0, cents), None
        for pledge in waiting:
            if pledge.created_at > at:
                break
            newest = pledge.id
            part = min(left, max(0, pledge.amount_kes * 100 - went[pledge.id]))
            went[pledge.id] += part
            left -= part
        if newest is not None:
            went[newest] += left
    return went


async def kept_promises(tx: Tx, drive_id: str, person_id: int | None = None) -> list[str]:
    """The open pledges to a drive that gifts have kept: of everybody, or of one person."""
    return [
        each.id
        for each, cents in await _with_gifts(tx, drive_id, person_id=person_id)
        if each.state is PledgeState.OPEN and cents >= each.amount_kes * 100
    ]


async def broken_promises(tx: Tx, drive_id: str) -> list[str]:
    """The kept pledges to a drive of which too much went back to whoever made them."""
    return [
        each.id
        for each, cents in await _with_gifts(tx, drive_id, refunded=True)
        if each.state is PledgeState.KEPT and cents < each.amount_kes * 100
    ]


async def still_promised(tx: Tx, drive_id: str) -> tuple[int, int]:
    """How many pledges to a drive are open, and the shillings that are still to come of them."""
    count, amount_kes = await tx.pledges.promised(drive_id)
    if not count:
        return 0, 0
    for pledge, cents in await _with_gifts(tx, drive_id):
        if pledge.state is PledgeState.OPEN:
            left_kes = _left_kes(pledge, cents)
            amount_kes -= pledge.amount_kes - left_kes
            count -= not left_kes
    return count, amount_kes


async def left_of(tx: Tx, pledge: Pledge) -> int:
    """The shillings that are still to come of an open pledge."""
    found = await _with_gifts(tx, pledge.drive_id, person_id=pledge.person_id)
    return _left_kes(pledge, sum(cents for each, cents in found if each.id == pledge.id))


def _left_kes(pledge: Pledge, cents: int) -> int:
    """Rounded up: a prompt is of whole shillings."""
    return max(0, -(-(pledge.amount_kes * 100 - cents) // 100))


async def _with_gifts(
    tx: Tx, drive_id: str, *, person_id: int | None = None, refunded: bool = False
) -> list[tuple[Pledge, int]]:
    """The pledges of those givers (see `Pledges.of_givers`), and the cents that went to each."""
    theirs: dict[int, list[Pledge]] = {}
    for pledge in await tx.pledges.of_givers(drive_id, person_id=person_id, refunded=refunded):
        theirs.setdefault(pledge.person_id, []).append(pledge)
    if not theirs:
        return []
    gave: dict[int, list[Given]] = {}
    given = await tx.pledges.given(drive_id, person_id=person_id, refunded=refunded)
    for giver, asked_at, paid_at, cents in given:
        gave.setdefault(giver, []).append((gave_at(asked_at, paid_at), cents))
    found: list[tuple[Pledge, int]] = []
    for giver, pledges in theirs.items():
        went = given_to(pledges, gave.get(giver, ()))
        found += [(each, went.get(each.id, 0)) for each in pledges]
    return found
