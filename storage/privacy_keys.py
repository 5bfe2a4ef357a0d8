"""Privacy in keys: a person's number in a word that names a deed; the word stays one of a kind."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.drive_tables import treasurers
from storage.records import NoticeKind
from storage.schema import buttons, intents, notices, payments

__all__ = ["PrivacyInKeys", "renamed"]

KEY_LENGTH_MAX = 96


def renamed(key: str, person_id: int, pseudonym: int) -> str:
    """A key in which a person's number is another; still the only one of its kind."""
    parts = (str(pseudonym) if each == str(person_id) else each for each in key.split(":"))
    name = ":".join(parts)
    # A pseudonym is longer than a number of Telegram's, and a key may name several people.
    return name if len(name) <= KEY_LENGTH_MAX else f"gone:{sha256(name.encode()).hexdigest()}"


class PrivacyInKeys:
    """One person in the keys of all deeds, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, person_id: int, *, pseudonym: int) -> None:
        self._connection = connection
        self._person_id = person_id
        self._pseudonym = pseudonym

    async def of_payments(self) -> None:
        """
        The keys by which a message that comes twice is one payment; before who asked is another.

        No second payment can come of it. Only a private chat's key has their number, and that
        chat's updates are carried out in their order: all that came before the wish to be
        forgotten are done, or set aside for ever, and the drafts that would take up an older
        message's key go in this same commit. Telegram's own redelivery is known by its
        `update_id`, and whoever comes back writes messages with other numbers.
        """
        await self._rename(
            payments,
            (payments.c.ask_key,),
            payments.c.intent_id.in_(
                select(intents.c.id).where(intents.c.asked_by == self._person_id)
            ),
        )

    async def of(self, table: Table, column: str, where: ColumnElement[bool]) -> None:
        """The keys of these rows, for the same reasons."""
        await self._rename(table, (table.c[column],), where)

    async def of_notices(self) -> None:
        """
        What was said to them goes, what was told stays, as told to nobody.

        Others were told of them too, when they looked after a drive or offered to. One walk over
        the outbox, which looks into words only where that may be.
        """
        words = (notices.c.key, notices.c.topic, notices.c.subject)
        where: ColumnElement[bool] = notices.c.chat_id == self._person_id
        if subjects := await self._looked_after():
            of_them = or_(*map(self._names_them, words))
            where = or_(where, and_(notices.c.subject.in_(subjects), of_them))
        query = select(notices.c.id, notices.c.chat_id, notices.c.kind, *words).where(where)
        said, theirs, others = [], [], []
        for row in (await self._connection.execute(query)).mappings():
            named = self._named(row, words)
            if row["chat_id"] != self._person_id:
                others.append({"old_id": row["id"], **named})
            elif row["kind"] == NoticeKind.SAY.value:
                said.append({"old_id": row["id"]})
            else:
                theirs.append({"old_id": row["id"], **named})
        row_is = notices.c.id == bindparam("old_id")
        new_words = _new(words)
        # A status that is asked for anew finds nobody at that number, and is set aside.
        to_nobody = {
            "chat_id": self._pseudonym,
            "message_id": None,
            "whisper_chat_id": None,
            "whisper_id": None,
        }
        for statement, rows in (
            (delete(notices).where(row_is), said),
            (update(notices).where(row_is).values(new_words | to_nobody), theirs),
            (update(notices).where(row_is).values(new_words), others),
        ):
            if rows:
                await self._connection.execute(statement, rows)

    async def _looked_after(self) -> list[str]:
        """The subjects of drives that they were ever to look after, forgotten there or not yet."""
        query = select(treasurers.c.drive_id).where(
            treasurers.c.person_id.in_((self._person_id, self._pseudonym))
        )
        return [f"d:{each}" for each in (await self._connection.execute(query)).scalars()]

    async def of_buttons(self) -> None:
        """What they were shown goes; what others were shown about them, or they pressed, stays."""
        execute = self._connection.execute
        theirs = or_(buttons.c.owner == self._person_id, buttons.c.chat_id == self._person_id)
        await execute(delete(buttons).where(theirs))
        await self._rename(buttons, (buttons.c.subject, buttons.c.argument))
        await execute(
            update(buttons)
            .where(buttons.c.used_by == self._person_id)
            .values(used_by=self._pseudonym)
        )

    async def _rename(
        self, table: Table, words: Sequence[Column[Any]], where: ColumnElement[bool] | None = None
    ) -> None:
        [primary] = table.primary_key.columns
        named = or_(*map(self._names_them, words))
        query = select(primary, *words).where(named if where is None else and_(where, named))
        found = (await self._connection.execute(query)).mappings()
        rows = [{"old_id": row[primary.name], **self._named(row, words)} for row in found]
        if rows:
            statement = update(table).where(primary == bindparam("old_id")).values(_new(words))
            await self._connection.execute(statement, rows)

    def _names_them(self, column: Column[Any]) -> ColumnElement[bool]:
        """Perhaps: the number may be a part of another's."""
        return column.contains(str(self._person_id), autoescape=True)

    def _named(self, row: Any, words: Sequence[Column[Any]]) -> dict[str, str | None]:
        return {
            f"new_{each.name}": row[each.name]
            and renamed(row[each.name], self._person_id, self._pseudonym)
            for each in words
        }


def _new(words: Sequence[Column[Any]]) -> dict[str, Any]:
    return {each.name: bindparam(f"new_{each.name}", type_=each.type) for each in words}
