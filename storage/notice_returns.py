"""Notice returns: what could not be told and is owed once more, when its chat can be told again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.notice_words import pack
from storage.records import Reply
from storage.schema import DEAD, notices

__all__ = ["CLOSED_OUT", "SET_ASIDE", "Untold", "owe_again"]

SET_ASIDE = "odd: "
"""So begins why it is dead, where Telegram's refusal is none that we know."""

CLOSED_OUT = "closed: "
"""So begins why it is dead, where a group takes no message of ours for the time being."""

PASSED_OVER = "passed over"
"""Why it stays dead, where a later one of its sort was owed again in its place."""

_OF_NOBODY = and_(
    notices.c.alarm.is_not(None),
    # Written so that no index of payments is taken for it: most of what was ever told has none.
    func.coalesce(notices.c.payment_id, notices.c.subject, "") == "",
    func.coalesce(notices.c.why, "") != PASSED_OVER,
)
"""Alarms that name no payment: they say the same each time, so the newest says it all."""

_ABOUT_MONEY = or_(notices.c.payment_id.is_not(None), notices.c.subject.is_not(None), _OF_NOBODY)


async def owe_again(connection: AsyncConnection, *which: ColumnElement[bool], **values: Any) -> int:
    """
    Owe the dead ones of *which* that are about money; of alarms that name no payment, one a sort.

    Who was away for a month would read hundreds of those otherwise.
    """
    alarms = and_(DEAD, *which, _OF_NOBODY)
    newest = (
        select(func.max(notices.c.id))
        .where(alarms)
        .group_by(notices.c.chat_id, notices.c.alarm)
        .correlate(None)
    )
    # They would come in its place the next time that this chat cannot be told.
    passed = update(notices).where(alarms, notices.c.id.not_in(newest)).values(why=PASSED_OVER)
    await connection.execute(passed)
    again = update(notices).where(DEAD, *which, _ABOUT_MONEY).values(state="due", **values)
    return (await connection.execute(again)).rowcount


class Untold:
    """Plain messages that could not be told, by their keys, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def of(self, keys: Sequence[str], *, tried_before: datetime) -> set[str]:
        """Those of these keys that are dead, and were not set aside since *tried_before*."""
        lately = and_(notices.c.why.startswith(SET_ASIDE), notices.c.due_at > tried_before)
        query = select(notices.c.key).where(notices.c.key.in_(keys), DEAD, not_(lately))
        return set((await self._connection.execute(query)).scalars())

    async def owe(self, key: str, reply: Reply, *, now: datetime) -> None:
        """Owe it in these words; what is not dead stays as it is."""
        await self._connection.execute(
            update(notices)
            .where(notices.c.key == key, DEAD)
            .values(
                state="due",
                body=self._crypt.seal_text(pack(reply)),
                due_at=now,
                owed_at=now,
                tries=0,
                why=None,
            )
        )

    async def forget(self, keys: Sequence[str]) -> set[str]:
        """Those of these keys that are dead: they never will be told, and are known no more."""
        gone = delete(notices).where(notices.c.key.in_(keys), DEAD).returning(notices.c.key)
        return set((await self._connection.execute(gone)).scalars())
