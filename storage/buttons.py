"""Buttons: what a press does, kept from the moment a message shows it until long after."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.records import Deed, ShownButton
from storage.schema import buttons

__all__ = ["Buttons"]

_ONE_DEED = (buttons.c.notice_id, buttons.c.action, buttons.c.subject, buttons.c.argument)


class Buttons:
    """Buttons, inside one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of_notice(self, notice_id: int) -> list[ShownButton]:
        """What the message of this notice has shown so far, the newest last."""
        query = (
            select(buttons)
            .where(buttons.c.notice_id == notice_id)
            .order_by(buttons.c.expires_at, buttons.c.data)
        )
        return [_read(row) for row in (await self._connection.execute(query)).mappings()]

    async def show(self, notice_id: int, new: Sequence[ShownButton]) -> None:
        """Write down what the message of this notice is about to show."""
        if new:
            await self._connection.execute(
                insert(buttons), [_written(each) | {"notice_id": notice_id} for each in new]
            )

    async def get(self, data: str) -> ShownButton | None:
        query = select(buttons).where(buttons.c.data == data)
        row = (await self._connection.execute(query)).mappings().first()
        return None if row is None else _read(row)

    async def take(self, data: str, *, by: int, now: datetime) -> bool:
        """
        Use a button up, in the transaction of its effect; False if that was done, or too late.

        It goes together with what the same message showed for the same deed before it.
        """
        known = await self.get(data)
        if known is None or known.used_at is not None or known.expires_at <= now:
            return False
        taken = await self._connection.execute(
            update(buttons)
            .where(_same_deed(data), buttons.c.used_at.is_(None))
            .values(used_at=now, used_by=by)
            .returning(buttons.c.data)
        )
        return data in set(taken.scalars())

    async def put_back(self, data: str) -> None:
        """Its press had no effect after all, in this same transaction: it may be pressed again."""
        taken_at = select(buttons.c.used_at).where(buttons.c.data == data).scalar_subquery()
        await self._connection.execute(
            update(buttons)
            .where(_same_deed(data), buttons.c.used_at == taken_at)
            .values(used_at=None, used_by=None)
        )

    async def forget(self, gone: Collection[str]) -> None:
        if gone:
            await self._connection.execute(delete(buttons).where(buttons.c.data.in_(gone)))

    async def move(self, *, old_chat_id: int, new_chat_id: int) -> None:
        """A group became a supergroup."""
        await self._connection.execute(
            update(buttons).where(buttons.c.chat_id == old_chat_id).values(chat_id=new_chat_id)
        )

    async def purge(self, *, before: datetime) -> int:
        """Forget buttons that expired before *before*."""
        gone = await self._connection.execute(delete(buttons).where(buttons.c.expires_at < before))
        return gone.rowcount


def _same_deed(data: str) -> ColumnElement[bool]:
    return tuple_(*_ONE_DEED).in_(select(*_ONE_DEED).where(buttons.c.data == data))


def _written(shown: ShownButton) -> dict[str, Any]:
    deed = shown.deed
    return {
        "data": shown.data,
        "action": deed.action,
        "subject": deed.subject,
        "argument": deed.argument,
        "owner": deed.owner,
        "chat_id": shown.chat_id,
        "once": shown.once,
        "expires_at": shown.expires_at,
        "used_at": shown.used_at,
        "used_by": shown.used_by,
    }


def _read(row: Any) -> ShownButton:
    return ShownButton(
        data=row["data"],
        deed=Deed(
            action=row["action"],
            subject=row["subject"],
            argument=row["argument"],
            owner=row["owner"],
        ),
        chat_id=row["chat_id"],
        once=row["once"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        used_by=row["used_by"],
    )
