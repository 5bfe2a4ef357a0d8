"""Privacy in drives: a person's name leaves lists, journals and trails; what was given stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Table, and_, case, exists, func, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from storage.crypt import Crypt
from storage.drive_tables import drive_edits, drive_entries, drives, gifts, pledges, treasurers
from storage.gifts import awaits_a_word
from storage.privacy_keys import PrivacyInKeys
from storage.records import DriveStatus, PledgeState, TreasurerState
from storage.schema import payments
from storage.touched import Touched

__all__ = ["InDrives", "PrivacyInDrives", "ShownAs"]

TREASURERS = "treasurers"
"""What a trail calls the coming and going of treasurers; the words name them."""

SIGNS = ("+ ", "− ")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAs:
    """Something of a person's in a drive: a gift, a promise, or the looking after it."""

    what: str  # "gift" | "pledge" | "treasurer"
    title: str  # of the drive
    name: str = field(repr=False)
    on_behalf: str = field(default="", repr=False)
    state: str = ""  # of a gift: how it is shown
    amount_kes: int | None = None
    at: datetime


InDrives = tuple[ShownAs, ...]


class PrivacyInDrives:
    """One person in all drives, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def kept(self, person_id: int, *, limit: int) -> InDrives:
        """What of a person stands in drives, the newest first."""
        return tuple(
            sorted(
                [
                    *await self._gifts(person_id, limit),
                    *await self._pledges(person_id, limit),
                    *await self._treasurer_of(person_id, limit),
                ],
                key=lambda each: each.at,
                reverse=True,
            )
        )

    async def _gifts(self, person_id: int, limit: int) -> list[ShownAs]:
        query = (
            select(gifts, drives.c.title)
            .join(drives, drives.c.id == gifts.c.drive_id)
            .where(gifts.c.giver_id == person_id)
            .order_by(gifts.c.created_at.desc())
            .limit(limit)
        )
        open_text = self._crypt.open_text
        return [
            ShownAs(
                what="gift",
                title=open_text(row["title"]),
                name=open_text(row["name"]),
                on_behalf=open_text(row["on_behalf"]),
                state=", ".join(each for each in ("anonymous", "hide_amount") if row[each]),
                at=row["created_at"],
            )
            for row in (await self._connection.execute(query)).mappings()
        ]

    async def _pledges(self, person_id: int, limit: int) -> list[ShownAs]:
        query = (
            select(pledges, drives.c.title)
            .join(drives, drives.c.id == pledges.c.drive_id)
            .where(pledges.c.person_id == person_id)
            .order_by(pledges.c.created_at.desc())
            .limit(limit)
        )
        return [
            ShownAs(
                what="pledge",
                title=self._crypt.open_text(row["title"]),
                name=self._crypt.open_text(row["name"]),
                state=row["state"],
                amount_kes=row["amount_kes"],
                at=row["created_at"],
            )
            for row in (await self._connection.execute(query)).mappings()
        ]

    async def _treasurer_of(self, person_id: int, limit: int) -> list[ShownAs]:
        query = (
            select(treasurers, drives.c.title)
            .join(drives, drives.c.id == treasurers.c.drive_id)
            .where(treasurers.c.person_id == person_id)
            .order_by(treasurers.c.at.desc())
            .limit(limit)
        )
        return [
            ShownAs(
                what="treasurer",
                title=self._crypt.open_text(row["title"]),
                name=self._crypt.open_text(row["name"]),
                state=row["state"],
                at=row["at"],
            )
            for row in (await self._connection.execute(query)).mappings()
        ]

    async def lock(self, person_id: int) -> None:
        """Hold the drives that they look after: of two who go at once, one sees the other go."""
        query = (
            select(drives.c.id)
            .join(treasurers, treasurers.c.drive_id == drives.c.id)
            .where(
                treasurers.c.person_id == person_id,
                treasurers.c.state == TreasurerState.ACCEPTED.value,
            )
            .order_by(drives.c.id)
        )
        await self._connection.execute(query.with_for_update(of=drives))

    async def alone(self, person_id: int) -> int:
        """
        How many drives have nobody but this person to look after them.

        Not those that are closed, unless they are awaited: see `awaits_a_word`.
        """
        other = aliased(treasurers)
        accepted = TreasurerState.ACCEPTED.value
        others = exists().where(
            other.c.drive_id == treasurers.c.drive_id,
            other.c.person_id != person_id,
            other.c.state == accepted,
        )
        query = (
            select(func.count())
            .select_from(treasurers)
            .join(drives, drives.c.id == treasurers.c.drive_id)
            .where(
                treasurers.c.person_id == person_id,
                treasurers.c.state == accepted,
                or_(drives.c.status != DriveStatus.CLOSED.value, awaits_a_word(drives.c.id)),
                ~others,
            )
        )
        return int((await self._connection.execute(query)).scalar_one())

    async def forget(self, person_id: int, *, pseudonym: int) -> None:
        """
        Nothing in a drive leads to this person, or says their name, any more.

        Amounts, times, reasons and receipts stay, and so does every total. Before their payments
        are made another's: by these their gifts are found.
        """
        await self._touch(person_id)
        keys = PrivacyInKeys(self._connection, person_id, pseudonym=pseudonym)
        await keys.of(pledges, "key", pledges.c.person_id == person_id)
        await keys.of(drives, "open_key", drives.c.opened_by == person_id)
        await self._trail_of(person_id)
        nameless = self._crypt.seal_text("")
        await self._entries(person_id, pseudonym, nameless)
        await self._set(
            gifts,
            gifts.c.giver_id == person_id,
            giver_id=pseudonym,
            # What was given for others goes by the gift: they stay people of their own.
            who=case((gifts.c.who == f"p:{person_id}", f"p:{pseudonym}"), else_=gifts.c.who),
            name=nameless,
            on_behalf=nameless,
            anonymous=True,
        )
        # Who is not there any more is not waited for.
        await self._set(
            pledges,
            and_(pledges.c.person_id == person_id, pledges.c.state == PledgeState.OPEN.value),
            state=PledgeState.WITHDRAWN.value,
        )
        await self._set(
            pledges,
            pledges.c.person_id == person_id,
            person_id=pseudonym,
            name=nameless,
            remind_at=None,
        )
        await self._set(
            treasurers,
            treasurers.c.person_id == person_id,
            person_id=pseudonym,
            name=nameless,
            state=TreasurerState.LEFT.value,
        )
        await self._set(treasurers, treasurers.c.by == person_id, by=pseudonym)
        await self._set(drives, drives.c.opened_by == person_id, opened_by=pseudonym)
        await self._set(drives, drives.c.chat_id == person_id, chat_id=pseudonym)

    async def _touch(self, person_id: int) -> None:
        """A card goes on naming them until it is made anew, and a closed drive's has no reason."""
        named = union(
            select(gifts.c.drive_id).where(gifts.c.giver_id == person_id),
            select(pledges.c.drive_id).where(pledges.c.person_id == person_id),
            select(treasurers.c.drive_id).where(treasurers.c.person_id == person_id),
        )
        found = (await self._connection.execute(named)).scalars()
        await Touched(self._connection).touch(*(f"d:{each}" for each in found))

    async def _entries(self, person_id: int, pseudonym: int, nameless: bytes) -> None:
        """What they gave, as the journal names it; and what they wrote down themselves."""
        theirs = (
            select(payments.c.id)
            .join(gifts, gifts.c.intent_id == payments.c.intent_id)
            .where(gifts.c.giver_id == person_id)
        )
        await self._set(drive_entries, drive_entries.c.payment_id.in_(theirs), name=nameless)
        for table in (drive_entries, drive_edits):
            await self._set(table, table.c.by == person_id, by=pseudonym, by_name=nameless)

    async def _trail_of(self, person_id: int) -> None:
        """That a treasurer of this name came or went; their names are sealed, so one by one."""
        theirs = select(treasurers.c.drive_id).where(treasurers.c.person_id == person_id)
        for drive_id in (await self._connection.execute(theirs)).scalars().all():
            changes = await self._changes_of(drive_id)
            names = await self._names(drive_id)
            own = names.pop(person_id, set())
            others = {name for each in names.values() for name in each}
            # Of what they wrote themselves, what names nobody else may be how they were named.
            own |= {name for _, by, _, name in changes if by == person_id and name not in others}
            for edit_id, _, sign, name in changes:
                if name in own - {""}:
                    sealed = self._crypt.seal_text(f"{sign}–")
                    await self._set(drive_edits, drive_edits.c.id == edit_id, after=sealed)

    async def _changes_of(self, drive_id: str) -> list[tuple[int, int, str, str]]:
        """Who came and went: the line, who wrote it, the sign, and the name."""
        query = select(drive_edits.c.id, drive_edits.c.by, drive_edits.c.after).where(
            drive_edits.c.drive_id == drive_id, drive_edits.c.what == TREASURERS
        )
        found = []
        for row in (await self._connection.execute(query)).all():
            after = self._crypt.open_text(row.after)
            sign = next((each for each in SIGNS if after.startswith(each)), "")
            found.append((row.id, row.by, sign, after.removeprefix(sign)))
        return found

    async def _names(self, drive_id: str) -> dict[int, set[str]]:
        """By person, all names that they have or had there, as far as the drive says whose."""
        now = select(treasurers.c.person_id, treasurers.c.name).where(
            treasurers.c.drive_id == drive_id
        )
        once = select(drive_edits.c.by, drive_edits.c.by_name).where(
            drive_edits.c.drive_id == drive_id
        )
        names: dict[int, set[str]] = {}
        for query in (now, once):
            for who, name in (await self._connection.execute(query)).all():
                names.setdefault(who, set()).add(self._crypt.open_text(name))
        return names

    async def _set(self, table: Table, where: Any, **values: Any) -> None:
        await self._connection.execute(update(table).where(where).values(**values))
