"""People who have spoken to the bot: language, name, and the line they shared as their own."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.records import Person
from storage.schema import lines, people

__all__ = ["People"]


_GET = (
    select(people, lines.c.phone)
    .outerjoin(lines, people.c.line_id == lines.c.id)
    .where(people.c.id == bindparam("person"))
)
_LOCK = select(people.c.id).where(people.c.id == bindparam("person")).with_for_update()


class People:
    """People, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def get(self, person_id: int, *, locked: bool = False) -> Person | None:
        """
        Who they are; *locked* until the transaction ends, for whoever writes what they read.

        A person is locked before their line, which whoever asks for a payment locks alone.
        """
        whose = {"person": person_id}
        if locked:
            # By itself: a row that was waited for would come with the number of before.
            await self._connection.execute(_LOCK, whose)
        row = (await self._connection.execute(_GET, whose)).mappings().first()
        if row is None:
            return None
        return Person(
            id=row["id"],
            first_name=self._crypt.open_text(row["first_name"]),
            username=None if row["username"] is None else self._crypt.open_text(row["username"]),
            language=row["language"],
            telegram_language=row["telegram_language"],
            line_id=row["line_id"],
            phone=None if row["phone"] is None else self._crypt.open_text(row["phone"]),
            reachable=row["reachable"],
        )

    async def by_username(self, username: str) -> Person | None:
        """Who was last seen under this name; names change hands in Telegram."""
        indexes = self._crypt.indexes(username.lower())
        query = select(people.c.id).where(people.c.username_index.in_(indexes))
        found = (await self._connection.execute(query)).scalars().all()
        persons = [await self.get(each) for each in found]
        return persons[0] if len(persons) == 1 else None

    async def after(self, person_id: int | None, *, limit: int) -> list[Person]:
        """A page of everybody, by id; the first page is after None. Their phones are left out."""
        query = select(people.c.id, people.c.first_name).order_by(people.c.id).limit(limit)
        if person_id is not None:
            query = query.where(people.c.id > person_id)
        return [
            Person(id=row.id, first_name=self._crypt.open_text(row.first_name))
            for row in await self._connection.execute(query)
        ]

    async def of_line(self, line_id: int) -> list[int]:
        """Who shared this line as their own."""
        query = select(people.c.id).where(people.c.line_id == line_id).order_by(people.c.id)
        return list((await self._connection.execute(query)).scalars())

    async def put(self, person: Person) -> None:
        """Write a person as given, new or known; the phone follows `line_id`."""
        values = {
            "first_name": self._crypt.seal_text(person.first_name),
            "username_index": self._index(person.username),
            "username": self._sealed(person.username),
            "language": person.language,
            "telegram_language": person.telegram_language,
            "line_id": person.line_id,
            "reachable": person.reachable,
        }
        known = await self._connection.execute(
            update(people).where(people.c.id == person.id).values(**values)
        )
        if known.rowcount == 0:
            await self._connection.execute(insert(people).values(id=person.id, **values))

    async def set_language(self, person_id: int, language: str) -> None:
        await self._connection.execute(
            update(people).where(people.c.id == person_id).values(language=language)
        )

    async def set_reachable(self, person_id: int, reachable: bool) -> None:
        """Whether somebody we know can be written to in private."""
        await self._connection.execute(
            update(people)
            .where(people.c.id == person_id, people.c.reachable.is_distinct_from(reachable))
            .values(reachable=reachable)
        )

    async def set_line(self, person_id: int, line_id: int | None) -> bool:
        """Remember or forget (None) a person's own line; True if that changed anything."""
        changed = await self._connection.execute(
            update(people)
            .where(people.c.id == person_id, people.c.line_id.is_distinct_from(line_id))
            .values(line_id=line_id)
        )
        return changed.rowcount == 1

    def _index(self, username: str | None) -> str | None:
        return None if username is None else self._crypt.index(username.lower())

    def _sealed(self, username: str | None) -> bytes | None:
        return None if username is None else self._crypt.seal_text(username)
