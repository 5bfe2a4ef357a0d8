"""Drive acts: what a treasurer's deeds have in common: who may, in one commit, with a trail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from bot.core.drive_news import DriveNews
from bot.core.giving import is_treasurer
from bot.core.people import close
from bot.core.ports import Clock
from storage.engine import Store
from storage.records import Closing, Drive, DriveEdit, Treasurer, TreasurerState
from storage.tx import Tx

__all__ = ["Actor", "Answer", "DriveActs"]


class Answer(StrEnum):
    """What became of something a treasurer asked for; only DONE changed anything."""

    DONE = "done"
    NOT_YOURS = "not-yours"
    ALREADY = "already"  # it is so, or another was faster
    CLOSED = "closed"
    LAST = "last"  # the only treasurer cannot leave
    AWAITED = "awaited"  # nor while a late gift may have to be decided about
    FULL = "full"  # there are as many treasurers as may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does it."""

    id: int  # Telegram user id
    name: str
    operator: bool = False


Deed = Callable[[Tx, Drive], Awaitable[Answer]]


class DriveActs:
    """Deeds done to a drive."""

    def __init__(
        self, *, store: Store, clock: Clock, news: DriveNews, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._news = news
        self._wake = wake

    async def _do(self, drive_id: str, by: Actor, deed: Deed, closing: Closing) -> Answer:
        """
        Do it if *by* may, in one commit with what it leads to and the end of the update.

        Anything but DONE wrote nothing: the caller answers.
        """

        async def run(tx: Tx) -> Answer:
            drive = await tx.drives.lock(drive_id)
            if drive is None or not (by.operator or await is_treasurer(tx, drive_id, by.id)):
                return Answer.NOT_YOURS
            answer = await deed(tx, drive)
            if answer is Answer.DONE:
                await tx.touched.touch(drive.subject)
                await close(tx, closing, self._clock)
            return answer

        return await self._written(run)

    async def _written(self, run: Callable[[Tx], Awaitable[Answer]]) -> Answer:
        answer = await self._store.write(run)
        self._wake()
        return answer

    async def _note(
        self, tx: Tx, drive: Drive, by: Actor, what: str, before: str, after: str
    ) -> None:
        await tx.drives.note_edit(
            DriveEdit(
                drive_id=drive.id,
                what=what,
                before=before,
                after=after,
                by=by.id,
                by_name=by.name,
                at=self._clock.now(),
            )
        )

    async def _stand(
        self, tx: Tx, drive: Drive, whom: Treasurer, state: TreasurerState, by: Actor
    ) -> None:
        await tx.drives.invite(
            Treasurer(
                drive_id=drive.id,
                person_id=whom.person_id,
                name=whom.name,
                state=state,
                by=by.id,
                at=whom.at,
            )
        )
