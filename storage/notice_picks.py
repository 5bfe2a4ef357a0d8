"""Which notices are handed out next: the statements behind `Notices.claim`, built once."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    func,
    literal_column,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from storage.leases import ME, lease_end, lease_over
from storage.records import NoticeKind
from storage.schema import OWED, Instant, notices

__all__ = ["FAR", "NOW", "any_ready", "mark", "pick"]

_DUE = literal_column("'due'", String)
_SENDING = literal_column("'sending'", String)
_PATIENT = [literal_column(f"'{kind}'", String) for kind in (NoticeKind.CARD, NoticeKind.NEWS)]

_PAPERS = literal_column("'p:%'", String)
"""Subjects of what is about a payment itself: its receipt, on paper."""

NOW: ColumnElement[datetime] = bindparam("now", type_=Instant())

FAR = timedelta(minutes=10)
"""Nothing is put off for so long: what is due later was owed by a clock that was set back since."""

_FAR_FROM_NOW: ColumnElement[datetime] = bindparam("far", type_=Instant())
_NEWS = literal_column(f"'{NoticeKind.NEWS}'", String)

# What was never put off is due whatever the clock shows. News that are being gathered wait all the
# same: what came after them would be in none, and nobody waits for them.
_DUE_BY_NOW = or_(
    notices.c.due_at <= NOW,
    notices.c.due_at == notices.c.created_at,
    and_(notices.c.due_at > _FAR_FROM_NOW, notices.c.kind != _NEWS),
)


def _ready(*, by_server: bool) -> ColumnElement[bool]:
    """Due, or being sent by somebody who has had time enough."""
    over = lease_over(notices.c.lease_until, by_server=by_server)
    return or_(
        and_(notices.c.state == "due", _DUE_BY_NOW),
        and_(notices.c.state == "sending", over),
    )


@cache
def any_ready(by_server: bool) -> Select[tuple[int]]:
    """One id, if anything is due; takes no lock."""
    return select(notices.c.id).where(OWED, _ready(by_server=by_server)).limit(1)


# Its time is yet to come, and nobody in the chat misses it meanwhile.
_PUT_OFF = and_(notices.c.kind.in_(_PATIENT), notices.c.state == _DUE, not_(_DUE_BY_NOW))


def _uploading(*, by_server: bool) -> ColumnElement[bool]:
    """A receipt's file is on its way: on a slow line for a minute, and words need not wait."""
    over = lease_over(notices.c.lease_until, by_server=by_server)
    # A subject that is NULL is like nothing, and NOT LIKE nothing either.
    paper = func.coalesce(notices.c.subject, literal_column("''", String)).like(_PAPERS)
    return and_(paper, notices.c.state == _SENDING, not_(over))


@cache
def pick(by_server: bool) -> Select[tuple[int, str]]:
    """The oldest owed notice of each chat, where it is due; what others hold is passed over."""
    heads = (
        select(func.min(notices.c.id))
        .where(OWED, not_(_PUT_OFF), not_(_uploading(by_server=by_server)))
        .group_by(notices.c.chat_id)
    )
    return (
        select(notices.c.id, notices.c.state)
        .where(notices.c.id.in_(heads), _ready(by_server=by_server))
        .order_by(notices.c.due_at, notices.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )


@cache
def mark(by_server: bool) -> ReturningUpdate[Any]:
    """These are being sent, by us, until the lease is over."""
    wanted: BindParameter[int] = bindparam("these", expanding=True)
    return (
        update(notices)
        .where(notices.c.id.in_(wanted))
        .values(
            state="sending",
            lease_until=lease_end(by_server=by_server),
            lease_gen=notices.c.lease_gen + 1,
            holder=ME,
            tries=notices.c.tries + 1,
            resent=or_(notices.c.resent, notices.c.state == "sending"),
        )
        .returning(notices)
    )
