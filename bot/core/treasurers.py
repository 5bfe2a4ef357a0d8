"""Treasurers: who looks after a drive; nobody is made one, and nobody lets themselves in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from bot.core.drive_acts import Actor, Answer, DriveActs
from bot.core.people import close
from storage.records import Closing, Drive, DriveStatus, Treasurer, TreasurerState
from storage.tx import Tx

__all__ = ["TREASURERS_MAX", "Treasurers"]

TREASURERS_MAX = 3


class Person(Protocol):
    """Somebody who was named."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...


class Treasurers(DriveActs):
    """Offers, consents and departures."""

    async def of(self, drive_id: str) -> list[Treasurer]:
        """Those who look after it now."""
        async with self._store.read() as tx:
            found = await tx.drives.treasurers(drive_id)
        return [each for each in found if each.state is TreasurerState.ACCEPTED]

    async def name_of(self, drive_id: str, person_id: int) -> str:
        """As somebody is called who was ever asked; empty for anybody else."""
        async with self._store.read() as tx:
            found = await tx.drives.treasurers(drive_id)
        return next((each.name for each in found if each.person_id == person_id), "")

    async def ask_named(
        self, tx: Tx, drive: Drive, opener: Treasurer, named: Sequence[Person]
    ) -> None:
        """Ask those whom the opener named; none of them has any power before they accept."""
        for each in named:
            if each.id == opener.person_id:
                continue
            await tx.drives.invite(
                replace(opener, person_id=each.id, name=each.name, state=TreasurerState.NAMED)
            )
            asked = f"named:{opener.person_id}"
            await self._news.to_person(tx, drive, asked, each.id, opener.at)

    async def accept(self, drive_id: str, who: Actor, *, yes: bool, closing: Closing) -> Answer:
        """Somebody who was named says that they will look after it, or will not."""

        async def run(tx: Tx) -> Answer:
            drive = await tx.drives.lock(drive_id)
            if drive is None:
                return Answer.CLOSED
            found = {each.person_id: each for each in await tx.drives.treasurers(drive.id)}
            own = found.get(who.id)
            if own is None or own.state is TreasurerState.LEFT:
                return Answer.NOT_YOURS
            if own.state is not TreasurerState.NAMED:
                return Answer.ALREADY
            at_work = sum(each.state is TreasurerState.ACCEPTED for each in found.values())
            if yes and at_work >= TREASURERS_MAX:
                return Answer.FULL
            now = self._clock.now()
            state = TreasurerState.ACCEPTED if yes else TreasurerState.LEFT
            # From now on, and not from when they were named: they are listed as they came.
            await tx.drives.invite(replace(own, state=state, by=who.id, at=now))
            word = "accepted" if yes else "declined"
            topic = f"{word}:{who.id}:{int(now.timestamp())}"
            await self._news.to_treasurers(tx, drive, topic, now, but=who.id)
            if yes:
                await self._note(tx, drive, who, "treasurers", "", f"+ {own.name}")
                await tx.touched.touch(drive.subject)
            await close(tx, closing, self._clock)
            return Answer.DONE

        return await self._written(run)

    async def was_named(self, drive_id: str, person_id: int) -> bool:
        """Whether somebody was named and has not answered."""
        async with self._store.read() as tx:
            found = await tx.drives.treasurers(drive_id)
        return any(
            each.person_id == person_id and each.state is TreasurerState.NAMED for each in found
        )

    async def ask_to_join(self, drive_id: str, who: Actor, closing: Closing) -> Answer:
        """Somebody offers to look after it; a treasurer must agree."""

        async def run(tx: Tx) -> Answer:
            drive = await tx.drives.lock(drive_id)
            if drive is None:
                return Answer.CLOSED
            found = {each.person_id: each for each in await tx.drives.treasurers(drive.id)}
            known = found.get(who.id)
            if known is not None and known.state is not TreasurerState.LEFT:
                return Answer.ALREADY
            now = self._clock.now()
            await tx.drives.invite(
                Treasurer(
                    drive_id=drive.id,
                    person_id=who.id,
                    name=who.name,
                    state=TreasurerState.INVITED,
                    by=who.id,
                    at=now,
                )
            )
            asked = f"join:{who.id}:{int(now.timestamp())}"
            await self._news.to_treasurers(tx, drive, asked, now)
            await close(tx, closing, self._clock)
            return Answer.DONE

        return await self._written(run)

    async def agree(
        self, drive_id: str, by: Actor, *, person_id: int, yes: bool, closing: Closing
    ) -> Answer:
        """A treasurer lets somebody in who offered, or does not."""

        async def deed(tx: Tx, drive: Drive) -> Answer:
            found = await tx.drives.treasurers(drive.id)
            asked = next((each for each in found if each.person_id == person_id), None)
            if asked is None or asked.state is not TreasurerState.INVITED:
                return Answer.ALREADY
            at_work = sum(each.state is TreasurerState.ACCEPTED for each in found)
            if yes and at_work >= TREASURERS_MAX:
                return Answer.FULL
            state = TreasurerState.ACCEPTED if yes else TreasurerState.LEFT
            await self._stand(tx, drive, asked, state, by)
            if yes:
                await self._note(tx, drive, by, "treasurers", "", f"+ {asked.name}")
                now = self._clock.now()
                joined = f"joined:{int(now.timestamp())}"
                await self._news.to_person(tx, drive, joined, person_id, now)
            return Answer.DONE

        return await self._do(drive_id, by, deed, closing)

    async def leave(self, drive_id: str, by: Actor, closing: Closing) -> Answer:
        """Look after it no more; the others are told, and can let somebody else in."""

        async def deed(tx: Tx, drive: Drive) -> Answer:
            found = await tx.drives.treasurers(drive.id)
            at_work = [each for each in found if each.state is TreasurerState.ACCEPTED]
            own = next((each for each in at_work if each.person_id == by.id), None)
            if own is None:
                return Answer.NOT_YOURS
            if len(at_work) == 1 and drive.status is not DriveStatus.CLOSED:
                return Answer.LAST
            if len(at_work) == 1 and await tx.gifts.awaits_a_word(drive.id):
                return Answer.AWAITED
            now = self._clock.now()
            await self._stand(tx, drive, own, TreasurerState.LEFT, by)
            await self._note(tx, drive, by, "treasurers", "", f"− {own.name}")
            left = f"left:{by.id}:{int(now.timestamp())}"
            await self._news.to_treasurers(tx, drive, left, now, but=by.id)
            return Answer.DONE

        return await self._do(drive_id, by, deed, closing)
