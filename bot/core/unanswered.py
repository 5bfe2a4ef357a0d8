"""Unanswered: whether pushes get no reply any more, by what was heard of them lately."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from itertools import takewhile

from bot.core.outage import LOST_IN_A_ROW, UNHEARD
from storage.health import Recent
from storage.records import Kind

__all__ = ["no_answers"]


def no_answers(recent: Sequence[Recent], *, since: datetime) -> bool | None:
    """
    Whether asking has stopped on some account: as many pushes in a row there got no reply.

    It is over once no account that is heard of is so. One that is silent since says nothing.
    """
    accounts = {each.account for each in recent if each.kind is Kind.BEGUN}
    found = [
        _unanswered([each for each in recent if each.account == account], since=since)
        for account in accounts
    ]
    if _Unanswered.NOW in found:
        return True
    return False if _Unanswered.NOT in found and _Unanswered.BEFORE not in found else None


class _Unanswered(Enum):
    NOW, BEFORE, NOT, UNKNOWN = range(4)


def _unanswered(recent: Sequence[Recent], *, since: datetime) -> _Unanswered:
    """In the order in which they left: that a reply is lost is known last of all."""
    ended = {
        each.payment_id: each
        for each in recent
        if each.kind in (Kind.ACCEPTED, Kind.REFUSED)
        or (each.kind is Kind.REPLY_LOST and each.reason == UNHEARD)
    }
    begun = [each.payment_id for each in recent if each.kind is Kind.BEGUN]
    pushes = [ended[each] for each in begun if each in ended]
    lost = list(takewhile(lambda each: each.kind is Kind.REPLY_LOST, pushes))
    if len(lost) >= LOST_IN_A_ROW:
        lately = max(each.at for each in lost) >= since
        return _Unanswered.NOW if lately else _Unanswered.BEFORE
    return _Unanswered.NOT if len(pushes) > len(lost) else _Unanswered.UNKNOWN
