"""
Departures: a treasurer has left the group whose money they look after.

Nothing is taken from them by a machine. The other treasurers are asked; where none of them is in
the group any more, an admin of it may come in beside them, and is asked then. That they left is a
line of the trail, and by that line the same departure, told to us twice, is known.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.core.drive_acts import Actor, Answer, DriveActs
from bot.core.giving import is_treasurer
from bot.core.people import close
from storage.records import (
    AWAY,
    Closing,
    Drive,
    DriveEdit,
    DriveStatus,
    Treasurer,
    TreasurerState,
)
from storage.tx import Tx

__all__ = ["Departures"]

SAME_DEPARTURE = timedelta(minutes=1)
"""Telegram tells of one departure in two ways, each with a time of its own."""
DRIVES_MAX = 1000
EDITS_READ = 200


class Departures(DriveActs):
    """Who has gone, and what the others decide about it."""

    async def left_group(
        self, *, chat_id: int, person_id: int, at: datetime, closing: Closing
    ) -> None:
        """Somebody left a group, or was put out of it, at this time as Telegram has it."""

        async def run(tx: Tx) -> None:
            theirs = await tx.drives.of_treasurer(person_id, limit=DRIVES_MAX)
            for drive_id in sorted(each.id for each in theirs if each.chat_id == chat_id):
                drive = await tx.drives.lock(drive_id)
                if drive is not None and drive.status is not DriveStatus.CLOSED:
                    await self._note_departure(tx, drive, person_id, at)
            await close(tx, closing, self._clock)

        await self._store.write(run)
        self._wake()

    async def take_off(
        self, drive_id: str, by: Actor, *, person_id: int, closing: Closing
    ) -> Answer:
        """A treasurer decides that who left looks after it no more; they may be let in again."""

        async def deed(tx: Tx, drive: Drive) -> Answer:
            at_work = await _at_work(tx, drive)
            whom = next((each for each in at_work if each.person_id == person_id), None)
            if whom is None or whom.person_id == by.id or not await _went_away(tx, whom):
                return Answer.ALREADY
            if len(at_work) == 1:
                return Answer.LAST
            await self._stand(tx, drive, whom, TreasurerState.LEFT, by)
            await self._note(tx, drive, by, "treasurers", "", f"− {whom.name}")
            now = self._clock.now()
            topic = f"off:{person_id}:{int(now.timestamp())}"
            await self._news.to_treasurers(tx, drive, topic, now, but=by.id)
            await self._news.to_person(tx, drive, topic, person_id, now)
            return Answer.DONE

        return await self._do(drive_id, by, deed, closing)

    async def keep(self, drive_id: str, by: Actor, *, person_id: int, closing: Closing) -> Answer:
        """A treasurer decides that all stays as it is: nothing but their answer is written."""

        async def run(tx: Tx) -> Answer:
            drive = await tx.drives.lock(drive_id)
            if drive is None or not (by.operator or await is_treasurer(tx, drive_id, by.id)):
                return Answer.NOT_YOURS
            if not await is_treasurer(tx, drive_id, person_id):
                return Answer.ALREADY
            await close(tx, closing, self._clock)
            return Answer.DONE

        return await self._written(run)

    async def take_over(
        self, drive_id: str, by: Actor, *, person_id: int, closing: Closing
    ) -> Answer:
        """
        Somebody who runs the group looks after it beside its treasurers, who have all left.

        The caller knows that they run the group. The first one counts.
        """

        async def run(tx: Tx) -> Answer:
            drive = await tx.drives.lock(drive_id)
            if drive is None:
                return Answer.NOT_YOURS
            if drive.status is DriveStatus.CLOSED:
                return Answer.CLOSED
            at_work = await _at_work(tx, drive)
            people = [each.person_id for each in at_work]
            if person_id not in people or by.id in people or not await _all_went_away(tx, at_work):
                return Answer.ALREADY
            now = self._clock.now()
            own = Treasurer(
                drive_id=drive.id,
                person_id=by.id,
                name=by.name,
                state=TreasurerState.ACCEPTED,
                by=by.id,
                at=now,
            )
            await tx.drives.invite(own)
            await self._note(tx, drive, by, "treasurers", "", f"+ {by.name}")
            moment = int(now.timestamp())
            await self._news.to_person(tx, drive, f"joined:{moment}", by.id, now)
            for each in people:
                await self._news.to_person(tx, drive, f"gone:{each}:{moment}", by.id, now)
            await self._news.to_treasurers(tx, drive, f"took:{by.id}:{moment}", now, but=by.id)
            await tx.touched.touch(drive.subject)
            await close(tx, closing, self._clock)
            return Answer.DONE

        return await self._written(run)

    async def _note_departure(self, tx: Tx, drive: Drive, person_id: int, at: datetime) -> None:
        at_work = await _at_work(tx, drive)
        own = next((each for each in at_work if each.person_id == person_id), None)
        known = await _departures(tx, drive.id, person_id)
        told = (datetime.fromisoformat(each.after) for each in known)
        if own is None or any(abs(each - at) < SAME_DEPARTURE for each in told):
            return
        now = self._clock.now()
        await tx.drives.note_edit(
            DriveEdit(
                drive_id=drive.id,
                what=AWAY,
                before="",
                after=at.isoformat(),
                by=person_id,
                by_name=own.name,
                at=now,
            )
        )
        moment = int(at.timestamp())
        if len(at_work) > 1:
            topic = f"gone:{person_id}:{moment}"
            await self._news.to_treasurers(tx, drive, topic, now, but=person_id)
        if await _all_went_away(tx, at_work):
            await self._news.to_group(tx, drive, f"alone:{person_id}:{moment}", now)


async def _at_work(tx: Tx, drive: Drive) -> list[Treasurer]:
    found = await tx.drives.treasurers(drive.id)
    return [each for each in found if each.state is TreasurerState.ACCEPTED]


async def _departures(tx: Tx, drive_id: str, person_id: int) -> list[DriveEdit]:
    edits = await tx.drives.edits(drive_id, limit=EDITS_READ)
    return [each for each in edits if each.what == AWAY and each.by == person_id]


async def _went_away(tx: Tx, whom: Treasurer) -> bool:
    """Whether they left since they began: a button from before they were let in again is old."""
    left = await _departures(tx, whom.drive_id, whom.person_id)
    return any(each.at >= whom.at for each in left)


async def _all_went_away(tx: Tx, at_work: list[Treasurer]) -> bool:
    """Whether nobody who looks after it is in the group, as far as we were told."""
    away = [await _went_away(tx, each) for each in at_work]
    return bool(away) and all(away)
