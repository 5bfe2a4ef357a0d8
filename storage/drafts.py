"""Drafts: half-finished commands, one per person and chat."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.records import Draft, DraftKind
from storage.schema import drafts

__all__ = ["Drafts"]


class Drafts:
    """Drafts, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def get(self, *, chat_id: int, person_id: int, now: datetime) -> Draft | None:
        query = select(drafts).where(
            drafts.c.chat_id == chat_id,
            drafts.c.person_id == person_id,
            drafts.c.expires_at > now,
        )
        row = (await self._connection.execute(query)).mappings().first()
        if row is None:
            return None
        values = {
            **row,
            "kind": DraftKind(row["kind"]),
            "note": self._crypt.open_text(row["note"]),
            "data": "" if row["data"] is None else self._crypt.open_text(row["data"]),
        }
        return Draft(**values)

    async def put(self, draft: Draft) -> None:
        """Keep *draft*, in place of what that person had open in that chat."""
        await self.drop(chat_id=draft.chat_id, person_id=draft.person_id)
        await self._connection.execute(
            insert(drafts).values(
                chat_id=draft.chat_id,
                person_id=draft.person_id,
                kind=draft.kind.value,
                amount_kes=draft.amount_kes,
                note=self._crypt.seal_text(draft.note),
                payment_id=draft.payment_id,
                message_id=draft.message_id,
                data=self._crypt.seal_text(draft.data),
                expires_at=draft.expires_at,
                asked_as=draft.asked_as,
            )
        )

    async def drop(self, *, chat_id: int, person_id: int) -> bool:
        gone = await self._connection.execute(
            delete(drafts).where(drafts.c.chat_id == chat_id, drafts.c.person_id == person_id)
        )
        return gone.rowcount > 0

    async def purge(self, *, before: datetime) -> int:
        gone = await self._connection.execute(delete(drafts).where(drafts.c.expires_at < before))
        return gone.rowcount
