"""Drive news: what a drive owes its chat and its treasurers when something has happened to it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from bot.core.gift_reversals import gift_news, turn_to_tell
from bot.core.given_back import count_gifts_once
from bot.core.people import FIRST_PSEUDONYM
from bot.core.ports import Clock
from bot.core.promises import broken_promises, kept_promises
from storage.records import (
    Drive,
    DriveStatus,
    NewNotice,
    NoticeKind,
    Payment,
    TreasurerState,
)
from storage.tx import Tx

__all__ = ["CARD_EVERY", "CARD_EVERY_WHEN_BUSY", "THANKS_EVERY", "DriveNews", "card_key", "is_late"]

CARD_EVERY = timedelta(seconds=4)
CARD_EVERY_WHEN_BUSY = timedelta(seconds=10)
BUSY_FROM = 3
"""So many messages waiting for the group, and its card leaves them more room."""
THANKS_EVERY = timedelta(minutes=2)
LOOKED_BACK = timedelta(hours=1)
"""Thanks are a courtesy: a gift that we learned of longer ago is on the card and in the list."""
AT_ONCE = 1000
UNNAMED = 0
"""The number of no thanks: nothing names this gift."""
AWAITED = -1
"""Its drive was closed while nobody could say whether it would come."""
ASKED_ABOUT = -2
"""A question to the treasurers names it."""


def card_key(drive: Drive) -> str:
    """The notice that is the drive's card; another number is another message."""
    return f"card:{drive.id}:{drive.card}"


class DriveNews:
    """Owes cards, thanks and questions; in transactions of others."""

    def __init__(self, clock: Clock, *, operators: Collection[int] = ()) -> None:
        self._clock = clock
        self._operators = operators

    async def look(self, tx: Tx, subject: str) -> None:
        """The card, promises kept, thanks, what came too late, and what went back twice."""
        drive = await tx.drives.lock(subject.removeprefix("d:"))
        if drive is None:
            return
        now = self._clock.now()
        for entry in await count_gifts_once(tx, drive, now):
            await self.to_treasurers(tx, drive, f"{entry.kind}:{entry.id}", now)
        await self.card(tx, drive, now)
        since = _looked_back(drive, now)
        await tx.pledges.keep(await kept_promises(tx, drive.id))
        broken = await broken_promises(tx, drive.id)
        await tx.pledges.reopen(broken, nobody_from=FIRST_PSEUDONYM)
        fresh = await tx.gifts.unthanked(drive.id, since=since, limit=AT_ONCE)
        came = await tx.gifts.marked(drive.id, thanks=AWAITED)
        if drive.status is DriveStatus.CLOSED:
            late = [*came, *(each for each in fresh if came_after_closing(drive, each))]
            # Who came to look after it later is asked too: each person once, by the notice's key.
            late += await tx.gifts.unanswered(drive.id, thanks=ASKED_ABOUT)
            await self._ask_treasurers(tx, drive, late, now)
            await tx.gifts.thank(drive.id, [each.id for each in fresh], thanks=UNNAMED)
            await tx.gifts.thank(drive.id, [each.id for each in late], thanks=ASKED_ABOUT)
        else:
            fresh += came
            await self._thank(tx, drive, fresh, now)
        if len(fresh) == AT_ONCE:
            await tx.touched.touch(subject)

    async def look_at_gift(self, tx: Tx, subject: str) -> None:
        """*subject*: "b:<payment>", a gift of which more, or less, has gone back than before."""
        payment = await tx.payments.get(subject.partition(":")[2])
        assert payment is not None, "payments stay"
        assert payment.subject is not None, "it was given to a drive"
        drive = await tx.drives.lock(payment.subject.removeprefix("d:"))
        assert drive is not None, "drives stay"
        topic = await turn_to_tell(tx, drive, payment, self._operators)
        if topic is not None:
            told = await self._who_is_told(tx, drive)
            owed = [gift_news(drive, topic, each) for each in told]
            await tx.notices.owe(owed, now=self._clock.now())

    async def card(self, tx: Tx, drive: Drive, now: datetime) -> None:
        """The card anew, as soon as the pace of its edits allows; all that comes until then."""
        key = card_key(drive)
        edited_at = await tx.notices.edited_at(key)
        busy = await tx.notices.waiting(drive.chat_id) >= BUSY_FROM
        every = CARD_EVERY_WHEN_BUSY if busy else CARD_EVERY
        if edited_at is not None:
            not_before = max(now, edited_at + every)
        else:
            # Never sent: at once. Being sent right now: what is owed meanwhile waits its turn.
            not_before = now + every if await tx.notices.known(key) else now
        notice = NewNotice(
            key=key,
            kind=NoticeKind.CARD,
            chat_id=drive.chat_id,
            subject=drive.subject,
            topic=f"card:{drive.card}",
            not_before=not_before,
        )
        await tx.notices.owe([notice], now=now)

    async def post_again(self, tx: Tx, drive: Drive, now: datetime) -> None:
        """The card as a new message; the old one is edited once more, and points there."""
        await tx.drives.change(drive.id, card=drive.card + 1)
        if await tx.notices.edited_at(card_key(drive)) is not None:
            await self.card(tx, drive, now)
        again = await tx.drives.get(drive.id)
        assert again is not None, "it was there a moment ago"
        await self.card(tx, again, now)

    async def to_treasurers(
        self, tx: Tx, drive: Drive, topic: str, now: datetime, *, but: int | None = None
    ) -> None:
        """
        One new message to each treasurer, in private.

        The last may step down from a closed drive: what is asked then, operators are asked.
        """
        asked = await self._who_is_told(tx, drive, nobody_else=but is not None)
        await tx.notices.owe(
            [self._news(drive, topic, each) for each in asked if each != but], now=now
        )

    async def _who_is_told(
        self, tx: Tx, drive: Drive, *, nobody_else: bool = False
    ) -> Collection[int]:
        at_work = await _at_work(tx, drive)
        return at_work if at_work or nobody_else else sorted(self._operators)

    async def to_group(self, tx: Tx, drive: Drive, topic: str, now: datetime) -> None:
        """One new message to the drive's chat."""
        await tx.notices.owe([self._news(drive, topic, drive.chat_id, where="chat")], now=now)

    async def _thank(self, tx: Tx, drive: Drive, fresh: list[Payment], now: datetime) -> None:
        kept = [each.id for each in fresh if each.credited_cents]
        if not kept:
            return
        number, due_at = drive.thanks, drive.thanks_due_at
        if due_at is None or due_at <= now:
            number, due_at = number + 1, now + THANKS_EVERY
            await tx.drives.change(drive.id, thanks=number, thanks_due_at=due_at)
            news = self._news(drive, f"thanks:{number}", drive.chat_id, due_at, where="chat")
            await tx.notices.owe([news], now=now)
        await tx.gifts.thank(drive.id, kept, thanks=number)

    async def _ask_treasurers(
        self, tx: Tx, drive: Drive, late: list[Payment], now: datetime
    ) -> None:
        for payment in late:
            await self.to_treasurers(tx, drive, f"late:{payment.id}", now)

    async def to_person(
        self, tx: Tx, drive: Drive, topic: str, person_id: int, now: datetime
    ) -> None:
        """One new message to somebody, in private."""
        await tx.notices.owe([self._news(drive, topic, person_id)], now=now)

    def _news(
        self,
        drive: Drive,
        topic: str,
        chat_id: int,
        not_before: datetime | None = None,
        *,
        where: str | None = None,
    ) -> NewNotice:
        # Where it goes is no part of a group's key: the group may move and have another id.
        return NewNotice(
            key=f"drive:{drive.id}:{topic}:{where or chat_id}",
            kind=NoticeKind.NEWS,
            chat_id=chat_id,
            subject=drive.subject,
            topic=topic,
            not_before=not_before,
        )


async def _at_work(tx: Tx, drive: Drive) -> list[int]:
    """Who looks after it now."""
    found = await tx.drives.treasurers(drive.id)
    return [each.person_id for each in found if each.state is TreasurerState.ACCEPTED]


def _looked_back(drive: Drive, now: datetime) -> datetime:
    """Since when gifts are looked at; a question to the treasurers is owed however late we are."""
    if drive.closed_at is not None:
        return drive.closed_at
    return max(drive.opened_at, now - LOOKED_BACK)


def came_after_closing(drive: Drive, payment: Payment) -> bool:
    """Whether its treasurers had closed the drive before they could know of this gift."""
    closed_at, decided_at = drive.closed_at, payment.decided_at
    return closed_at is not None and decided_at is not None and decided_at > closed_at


async def is_late(tx: Tx, drive: Drive, payment: Payment) -> bool:
    """Whether its treasurers may decide about this gift: it came after closing."""
    if drive.closed_at is None:
        return False
    if came_after_closing(drive, payment):
        return True
    # Of what was awaited then they are asked at the next look.
    return await tx.gifts.thanks_of(payment.id) in (AWAITED, ASKED_ABOUT)
