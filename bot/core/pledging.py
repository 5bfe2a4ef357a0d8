"""
Pledging: promises to give by a day, and at most three private reminders of each.

Nobody is ever named to the group for not having given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta

from bot.core.drive_news import DriveNews
from bot.core.drive_views import takes_gifts
from bot.core.eat import EAT
from bot.core.people import close
from bot.core.ports import Clock, Ids
from bot.core.promises import kept_promises, left_of
from bot.core.restored import restored
from storage.engine import Store
from storage.records import Closing, Drive, DriveStatus, Pledge, PledgeState, Reply
from storage.tx import Tx

__all__ = ["REMINDERS_MAX", "Pledging", "day_start", "next_reminder", "polite", "takes_pledges"]

REMINDERS_MAX = 3
BEFORE_AND_AFTER = timedelta(days=3)
IN_THE_MORNING = time(9)
FROM, UNTIL = time(8), time(20)
SUNDAY = 6
AFTER_CHURCH = time(14)
AT_ONCE = 50


class Pledging:
    """Promises, kept and reminded of."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        news: DriveNews,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._news = news
        self._wake = wake

    async def promise(
        self,
        drive_id: str,
        *,
        person_id: int,
        name: str,
        amount_kes: int,
        due_at: datetime,
        key: str,
        closing: Closing,
        reply: Callable[[Pledge], Reply] | None = None,
    ) -> Pledge | None:
        """
        A promise; the same key twice is one, for whichever day and however often it is made.

        None where the drive takes no promise for that day. What was kept stays as it is, and is
        not closed with *closing*; *reply* says what stands in the books by then.
        """

        async def run(tx: Tx) -> Pledge | None:
            # Locked before it is looked for: two first answers at one instant are one promise.
            drive = await tx.drives.lock(drive_id)
            known = await tx.pledges.by_key(key)
            now = self._clock.now()
            if known is not None and (known.person_id, known.drive_id) != (person_id, drive_id):
                return None
            if known is not None and known.state is PledgeState.KEPT:
                return known
            if drive is None or not takes_pledges(drive, due_at, now):
                return None
            made = (
                _again(known, due_at, now)
                if known is not None
                else Pledge(
                    id=self._ids.new(now),
                    drive_id=drive_id,
                    person_id=person_id,
                    name=name,
                    amount_kes=amount_kes,
                    due_at=due_at,
                    state=PledgeState.OPEN,
                    created_at=now,
                    remind_at=next_reminder(due_at, now=now),
                    key=key,
                )
            )
            if known is None:
                await tx.pledges.add(made)
            elif made != known:
                await tx.pledges.change(
                    made.id,
                    state=made.state,
                    created_at=made.created_at,
                    due_at=made.due_at,
                    remind_at=made.remind_at,
                )
            await tx.touched.touch(f"d:{drive_id}")
            said = closing if reply is None else replace(closing, replies=(reply(made),))
            await close(tx, said, self._clock)
            return made

        made = await self._store.write(run)
        self._wake()
        return made

    async def get(self, pledge_id: str) -> Pledge | None:
        async with self._store.read() as tx:
            return await tx.pledges.get(pledge_id)

    async def reminded_of(self, pledge_id: str) -> tuple[Pledge, int] | None:
        """
        The one that a reminder is about, and the shillings that are still to come of it.

        None where nobody is to be reminded of it any more, or not while a gift may be there.
        """
        async with self._store.read() as tx:
            # A backup may still owe the reminder to somebody who has given since.
            pledge = None if await restored(tx) is not None else await tx.pledges.get(pledge_id)
            if pledge is None or pledge.state is not PledgeState.OPEN:
                return None
            if await tx.pledges.may_be_kept(pledge):
                return None
            left_kes = await left_of(tx, pledge)
            return (pledge, left_kes) if left_kes else None

    async def of_drive(self, drive_id: str) -> list[Pledge]:
        async with self._store.read() as tx:
            return await tx.pledges.of_drive(drive_id)

    async def stop_reminders(self, pledge_id: str, *, by: int, closing: Closing) -> bool:
        """Remind of it no more; it stays a promise. False if it is not theirs, or not open."""
        return await self._change(pledge_id, by, closing, remind_at=None)

    async def withdraw(self, pledge_id: str, *, by: int, closing: Closing) -> bool:
        """It is a promise no more. False if it is not theirs, or not open."""
        return await self._change(
            pledge_id, by, closing, remind_at=None, state=PledgeState.WITHDRAWN
        )

    async def remind_tomorrow(self, pledge_id: str, *, by: int, closing: Closing) -> bool:
        """Remind of it tomorrow, if there may be one more. False if not theirs, or not open."""
        tomorrow = day_start(self._clock.now()) + timedelta(days=1)
        return await self._change(pledge_id, by, closing, remind_at=polite(_morning(tomorrow)))

    async def _change(self, pledge_id: str, by: int, closing: Closing, **values: object) -> bool:
        async def run(tx: Tx) -> bool:
            # Locked: kept, taken back and put off at one instant, it is one of them.
            known = await tx.pledges.lock(pledge_id)
            if known is None or known.person_id != by or known.state is not PledgeState.OPEN:
                return False
            if known.reminded >= REMINDERS_MAX:
                values["remind_at"] = None
            await tx.pledges.change(pledge_id, **values)
            await tx.touched.touch(f"d:{known.drive_id}")
            await close(tx, closing, self._clock)
            return True

        changed = await self._store.write(run)
        self._wake()
        return changed

    async def run_due(self) -> None:
        """
        Remind those who are to be reminded now, and nobody at night.

        Nor anybody while these books came from a backup: whoever gave since is not in them.
        """
        now = self._clock.now()
        if polite(now) != now:
            return

        async def run(tx: Tx) -> int:
            if await restored(tx) is not None:
                return 0
            due = await tx.pledges.due(now=now, limit=AT_ONCE)
            for pledge in due:
                await self._remind(tx, pledge, now)
            return len(due)

        async with self._store.read() as tx:
            if await restored(tx) is not None or not await tx.pledges.any_due(now=now):
                return
        if await self._store.write(run):
            self._wake()

    async def _remind(self, tx: Tx, pledge: Pledge, now: datetime) -> None:
        drive = await tx.drives.get(pledge.drive_id)
        assert drive is not None, "a pledge is for a drive"
        # Its own alone: others of theirs may be locked by whoever looks at the drive.
        if pledge.id in await kept_promises(tx, drive.id, pledge.person_id):
            await tx.pledges.keep([pledge.id])
            await tx.touched.touch(drive.subject)
            return
        over = pledge.state is not PledgeState.OPEN or pledge.reminded >= REMINDERS_MAX
        paused = drive.status is DriveStatus.PAUSED
        if over or not takes_gifts(
            replace(drive, status=DriveStatus.OPEN) if paused else drive, now
        ):
            # The drive may be opened again before the next one, and the promise is still open.
            later = None if over else next_reminder(pledge.due_at, now=now)
            await tx.pledges.change(pledge.id, remind_at=later)
            return
        # They were told not to pay again: it is put off, and no reminder is used up by that.
        if paused or await tx.pledges.may_be_kept(pledge):
            tomorrow = day_start(now) + timedelta(days=1)
            await tx.pledges.change(pledge.id, remind_at=polite(_morning(tomorrow)))
            return
        number = pledge.reminded + 1
        more = number < REMINDERS_MAX
        await tx.pledges.change(
            pledge.id,
            reminded=number,
            remind_at=next_reminder(pledge.due_at, now=now) if more else None,
        )
        topic = f"pledge:{pledge.id}:{number}"
        await self._news.to_person(tx, drive, topic, pledge.person_id, now)


def takes_pledges(drive: Drive, due_at: datetime, now: datetime) -> bool:
    """Whether somebody may promise to give by that day: nobody can give after the last one."""
    return takes_gifts(drive, now) and (drive.closes_at is None or due_at < drive.closes_at)


def _again(known: Pledge, due_at: datetime, now: datetime) -> Pledge:
    """The same promise for that day; what was taken back is made anew, from now on."""
    if known.state is PledgeState.OPEN and known.due_at == due_at:
        return known
    more = known.reminded < REMINDERS_MAX
    return replace(
        known,
        state=PledgeState.OPEN,
        created_at=known.created_at if known.state is PledgeState.OPEN else now,
        due_at=due_at,
        remind_at=next_reminder(due_at, now=now) if more else None,
    )


def day_start(at: datetime) -> datetime:
    """The first instant of that day in Nairobi."""
    local = at.astimezone(EAT)
    return datetime.combine(local.date(), time(), EAT).astimezone(at.tzinfo)


def next_reminder(due_at: datetime, *, now: datetime) -> datetime | None:
    """Three days before, on the day, three days after: whichever is still to come."""
    mornings = (
        polite(_morning(day))
        for day in (due_at - BEFORE_AND_AFTER, due_at, due_at + BEFORE_AND_AFTER)
    )
    return next((each for each in mornings if each > now), None)


def polite(at: datetime) -> datetime:
    """The first instant from then on at which one may write: by day, and not on Sunday morning."""
    local = at.astimezone(EAT)
    if local.timetz().replace(tzinfo=None) >= UNTIL:
        local = datetime.combine(local.date() + timedelta(days=1), IN_THE_MORNING, EAT)
    elif local.timetz().replace(tzinfo=None) < FROM:
        local = datetime.combine(local.date(), IN_THE_MORNING, EAT)
    if local.weekday() == SUNDAY and local.time() < AFTER_CHURCH:
        local = datetime.combine(local.date(), AFTER_CHURCH, EAT)
    return local.astimezone(at.tzinfo)


def _morning(day: datetime) -> datetime:
    local = day.astimezone(EAT)
    return datetime.combine(local.date(), IN_THE_MORNING, EAT).astimezone(day.tzinfo)
