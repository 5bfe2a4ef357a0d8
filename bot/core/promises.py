"""Promises: which pledges the gifts of whoever made them have kept; each shilling counts once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from storage.records import Pledge, PledgeState
from storage.tx import Tx

__all__ = ["gave_at", "given_to", "kept_promises"]

Given = tuple[datetime, int]
"""When somebody gave, and how many cents."""


def gave_at(asked_at: datetime | None, paid_at: datetime) -> datetime:
    """
    When somebody gave: when it was paid, though it was asked for before they promised.

    Nothing is paid before it was asked for: where it seems so, two clocks differ.
    """
    return paid_at if asked_at is None else max(asked_at, paid_at)


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
        left, newest = cents, None
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
    theirs: dict[int, list[Pledge]] = {}
    for pledge in await tx.pledges.of_givers(drive_id, person_id=person_id):
        theirs.setdefault(pledge.person_id, []).append(pledge)
    if not theirs:
        return []
    gave: dict[int, list[Given]] = {}
    for giver, asked_at, paid_at, cents in await tx.pledges.given(drive_id, person_id=person_id):
        gave.setdefault(giver, []).append((gave_at(asked_at, paid_at), cents))
    kept = []
    for giver, pledges in theirs.items():
        went = given_to(pledges, gave.get(giver, ()))
        kept += [
            each.id
            for each in pledges
            if each.state is PledgeState.OPEN and went[each.id] >= each.amount_kes * 100
        ]
    return kept
