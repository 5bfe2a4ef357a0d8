"""
Drives: collections that a group opens, gives to, and watches growing.

What a drive has come to is read from its payments and its journal each time; nothing is counted
in a field. A gift is an ordinary payment whose subject is the drive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from bot.core.ask import Asked, Asking
from bot.core.departures import Departures
from bot.core.drive_news import ASKED_ABOUT, DriveNews, card_key, is_late
from bot.core.drive_privacy import shown_when_written
from bot.core.drive_views import CardView, PageView, ShownGift, merged, shown, takes_gifts
from bot.core.drive_words import label_of, typed_reference
from bot.core.giving import GiveRequest, Giving
from bot.core.limits import Refusal
from bot.core.people import close
from bot.core.pledging import Pledging
from bot.core.ports import Clock, Ids
from bot.core.post import chat_now
from bot.core.promises import still_promised
from bot.core.touched import Look
from bot.core.treasurers import Treasurers
from bot.core.treasury import Treasury
from storage.engine import Store
from storage.errors import NotKept
from storage.records import (
    Closing,
    Drive,
    DriveKind,
    DriveStatus,
    Entry,
    EntryKind,
    GiftRow,
    Payment,
    Shows,
    Totals,
    Treasurer,
    TreasurerState,
)
from storage.touched import GONE_BACK
from storage.tx import Tx

__all__ = ["Drives", "GiveRequest", "Named", "NewDrive"]

CARD_NAMES = 5
CARD_STAYS_FOR = timedelta(minutes=2)
"""Whoever asks for the card right after another has asked finds it just above."""
PAGE_NAMES = 100
LIST_NAMES = 100
GIVERS_COUNTED_MAX = 2000
"""Beyond it the card speaks of gifts: to count people reads every gift, to add them up does not."""
REFERENCE_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Somebody whom the opener would like to look after the drive too."""

    id: int  # Telegram user id
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDrive:
    """What a group wants to collect for."""

    title: str  # cleaned, at most 64 characters
    target_kes: int | None = None
    closes_at: datetime | None = None
    shows: Shows = Shows.ALL
    kind: DriveKind = DriveKind.HARAMBEE
    chat_id: int
    thread_id: int | None
    language: str
    opened_by: int
    opener_name: str
    open_key: str  # the same key twice is one drive
    named: tuple[Named, ...] = ()  # each is asked, and is a treasurer once they accept


class Drives:
    """Opens drives, takes gifts, and shows what has come in."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        asking: Asking,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._wake = wake
        self._news = news = DriveNews(clock, operators=asking.operators)
        self.look = news.look
        self.looks: dict[str, Look] = {"d": news.look, GONE_BACK: news.look_at_gift}
        self.giving = Giving(store=store, clock=clock, asking=asking, wake=wake)
        self.treasury = Treasury(store=store, clock=clock, news=news, wake=wake)
        self.treasurers = Treasurers(store=store, clock=clock, news=news, wake=wake)
        self.departures = Departures(store=store, clock=clock, news=news, wake=wake)
        self.pledging = Pledging(store=store, clock=clock, ids=ids, news=news, wake=wake)

    async def open(self, new: NewDrive, closing: Closing) -> Drive:
        """The drive and its card, in the commit that ends the update; known by its key."""

        async def run(tx: Tx) -> Drive:
            known = await tx.drives.by_open_key(new.open_key)
            drive = known or await self._make(tx, new)
            await close(tx, closing, self._clock)
            return drive

        drive = await self._store.write(run)
        self._wake()
        return drive

    async def _make(self, tx: Tx, new: NewDrive) -> Drive:
        now = self._clock.now()
        label = label_of(new.title)
        drive = Drive(
            id=self._ids.new(now),
            code=self._ids.drive_code(),
            reference=await self._reference(tx, label),
            label=label,
            chat_id=new.chat_id,
            thread_id=new.thread_id,
            language=new.language,
            kind=new.kind,
            title=new.title,
            target_kes=new.target_kes,
            closes_at=new.closes_at,
            shows=new.shows,
            status=DriveStatus.OPEN,
            opened_by=new.opened_by,
            opened_at=now,
            open_key=new.open_key,
        )
        await tx.drives.add(drive)
        opener = Treasurer(
            drive_id=drive.id,
            person_id=new.opened_by,
            name=new.opener_name,
            state=TreasurerState.ACCEPTED,
            by=new.opened_by,
            at=now,
        )
        await tx.drives.invite(opener)
        await self._news.card(tx, drive, now)
        await self.treasurers.ask_named(tx, drive, opener, new.named)
        return drive

    async def _reference(self, tx: Tx, label: str) -> str:
        make = partial(self._ids.by_hand_reference, label)
        for _ in range(REFERENCE_TRIES):
            reference = make()
            if not await tx.payments.reference_taken(reference):
                return reference
        raise NotKept("no free reference was found")

    async def get(self, drive_id: str) -> Drive | None:
        async with self._store.read() as tx:
            return await tx.drives.get(drive_id)

    async def late_word(
        self, drive: Drive, payment: Payment
    ) -> EntryKind | Literal["asked"] | None:
        """What its treasurers decided about a gift that came after closing, or are asked about."""
        async with self._store.read() as tx:
            late = drive.status is DriveStatus.CLOSED and await is_late(tx, drive, payment)
            # What was decided stands, also where the drive was opened again since.
            if not late and await tx.gifts.thanks_of(payment.id) != ASKED_ABOUT:
                return None
            entry = await tx.drives.about_payment(payment.id)
        if entry is None:
            return "asked" if late else None
        return entry.kind

    async def handed_back(self, drive_id: str, payment_id: str) -> Entry | None:
        """The line of the journal that says that a gift was handed back to its giver."""
        async with self._store.read() as tx:
            entries = await tx.drives.handed_back(drive_id)
        theirs = (each for each in entries if each.payment_id == payment_id)
        return next((each for each in theirs if each.kind is EntryKind.RETURNED), None)

    async def by_open_key(self, key: str) -> Drive | None:
        """What was opened with that key before."""
        async with self._store.read() as tx:
            return await tx.drives.by_open_key(key)

    async def by_code(self, code: str) -> Drive | None:
        """The drive of a link."""
        async with self._store.read() as tx:
            return await tx.drives.by_code(code)

    async def by_reference(self, reference: str) -> Drive | None:
        """The drive that money paid by hand names as its account, however it was typed."""
        async with self._store.read() as tx:
            return await tx.drives.by_reference(typed_reference(reference))

    async def in_chat(self, chat_id: int) -> list[Drive]:
        """The drives of a chat that are not closed, newest first."""
        async with self._store.read() as tx:
            return await tx.drives.of_chat(await chat_now(tx, chat_id))

    async def of_treasurer(self, person_id: int, *, chat_id: int | None = None) -> list[Drive]:
        """What somebody looks after, in a chat or anywhere: at work first, then the newest."""
        async with self._store.read() as tx:
            return await tx.drives.of_treasurer(person_id, chat_id=chat_id)

    async def known_to(self, person_id: int) -> list[Drive]:
        """The drives, not closed, that somebody looks after or has given to."""
        async with self._store.read() as tx:
            own = await tx.drives.of_treasurer(person_id)
            given = await tx.drives.of_giver(person_id)
        found = {each.id: each for each in (*own, *given)}
        return [each for each in found.values() if each.status is not DriveStatus.CLOSED]

    async def totals(self, drive_id: str) -> Totals:
        async with self._store.read() as tx:
            return await tx.gifts.totals(drive_id)

    async def card_view(self, drive_id: str) -> CardView | None:
        """What the card says now."""
        async with self._store.read() as tx:
            drive = await tx.drives.get(drive_id)
            if drive is None:
                return None
            totals = await tx.gifts.totals(drive.id)
            newest = await _listed(tx, drive, limit=CARD_NAMES)
            found = await tx.drives.treasurers(drive.id)
            return CardView(
                drive=drive,
                totals=totals,
                givers=await _givers(tx, totals, drive.id),
                newest=tuple(newest),
                more=_not_among(newest, totals),
                treasurers=tuple(each for each in found if each.state is TreasurerState.ACCEPTED),
                promised=await still_promised(tx, drive.id),
            )

    async def page_view(self, code: str, *, limit: int = PAGE_NAMES) -> PageView | None:
        """What anybody who has the link may see; None for a link that we never gave out."""
        async with self._store.read() as tx:
            drive = await tx.drives.by_code(code)
            if drive is None:
                return None
            totals = await tx.gifts.totals(drive.id)
            gifts = await _listed(tx, drive, limit=limit)
            found = await tx.drives.treasurers(drive.id)
            return PageView(
                drive=drive,
                totals=totals,
                givers=await _givers(tx, totals, drive.id),
                gifts=tuple(gifts),
                more=_not_among(gifts, totals),
                treasurers=tuple(
                    each.name for each in found if each.state is TreasurerState.ACCEPTED
                ),
                takes_gifts=takes_gifts(drive, self._clock.now()),
            )

    async def full_list(self, drive_id: str, *, limit: int = LIST_NAMES) -> list[ShownGift]:
        """The newest lines of the list, as everybody may see them."""
        async with self._store.read() as tx:
            drive = await tx.drives.get(drive_id)
            return [] if drive is None else await _listed(tx, drive, limit=limit)

    async def thanked(self, drive_id: str, *, thanks: int) -> list[GiftRow]:
        """Whom one grouped thanks names."""
        async with self._store.read() as tx:
            return await tx.gifts.thanked(drive_id, thanks=thanks)

    async def among(self, payment_ids: Sequence[str]) -> list[GiftRow]:
        """These gifts, if they are credited."""
        async with self._store.read() as tx:
            return await tx.gifts.among(payment_ids)

    async def give(self, request: GiveRequest) -> Asked | Refusal:
        """See `Giving.give`."""
        return await self.giving.give(request)

    async def came_back(self, chat_id: int, closing: Closing) -> bool:
        """We were put into a group again: the cards of its drives are posted anew."""

        async def run(tx: Tx) -> bool:
            found = await tx.drives.of_chat(chat_id)
            for drive in found:
                # Still owed: the same news was told to us before, and is about to be carried out.
                if not await tx.notices.owes(card_key(drive)):
                    await self._news.post_again(tx, drive, self._clock.now())
            await close(tx, closing, self._clock)
            return bool(found)

        posted = await self._store.write(run)
        self._wake()
        return posted

    async def post_again(self, drive_id: str, closing: Closing) -> None:
        """The card as a new message at the end of the chat, unless it stands there already."""

        async def run(tx: Tx) -> None:
            drive = await tx.drives.lock(drive_id)
            now = self._clock.now()
            posted_at = None if drive is None else await tx.notices.made_at(card_key(drive))
            fresh = posted_at is not None and now - posted_at < CARD_STAYS_FOR
            if drive is not None and not fresh:
                await self._news.post_again(tx, drive, self._clock.now())
            await close(tx, closing, self._clock)

        await self._store.write(run)
        self._wake()


async def _listed(tx: Tx, drive: Drive, *, limit: int) -> list[ShownGift]:
    if drive.shows is Shows.TOTALS:
        return []
    gifts = await tx.gifts.newest(drive.id, limit=limit)
    entries = await tx.drives.entries(drive.id, limit=limit)
    then = await shown_when_written(tx, drive, entries)
    return shown(merged(gifts, entries, then), drive.shows)[:limit]


def _not_among(listed: Sequence[ShownGift], totals: Totals) -> int:
    """How many gifts there are besides: a line of the journal that is none hides none."""
    return max(0, totals.gifts - sum(each.counts for each in listed))


async def _givers(tx: Tx, totals: Totals, drive_id: str) -> int | None:
    if totals.mpesa_gifts > GIVERS_COUNTED_MAX:
        return None
    return await tx.gifts.givers(drive_id) + totals.cash_gifts
