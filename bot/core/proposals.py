"""Proposals: what one operator would decide about a payment, until another has agreed to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.core.decisions import Deciding
from bot.core.two_people import TwoPeopleRule
from bot.core.write_off import read_up_to
from storage.records import Evidence, Kind

__all__ = ["Proposal", "proposed"]

NOT_KEPT_YET = 2**63  # what is new in this commit has no id yet, and is the newest
DECIDED = (Kind.OPERATOR_PAID, Kind.OPERATOR_VOID, Kind.REVERSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What one operator would decide, and another has yet to agree to."""

    id: int  # of its evidence
    deciding: Deciding
    by: int
    at: datetime
    receipt: str | None
    amount_cents: int | None
    read_up_to: int


def _order(each: Evidence) -> int:
    return each.id or NOT_KEPT_YET


def proposed(told: Sequence[Evidence], now: datetime, rule: TwoPeopleRule) -> Proposal | None:
    """
    The newest proposal that nobody has decided since, while it waits for a second.

    By their ids: clocks of several processes may differ, and one may be set back.
    """
    decided = [each for each in told if each.kind in DECIDED and each.by is not None]
    decided_up_to = max(map(_order, decided), default=0)
    open_since = [
        each
        for each in told
        if each.kind is Kind.PROPOSED
        and rule.waits(each.by, each.at, now)
        and _order(each) > decided_up_to
    ]
    if not open_since:
        return None
    last = max(open_since, key=_order)
    assert last.by is not None, "somebody proposed it"
    assert last.reason is not None, "and something"
    return Proposal(
        id=last.id,
        deciding=Deciding(last.reason),
        by=last.by,
        at=last.at,
        receipt=last.receipt,
        amount_cents=last.amount_cents,
        read_up_to=read_up_to(last) or 0,
    )
