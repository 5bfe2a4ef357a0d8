"""
Drives: collections that a group opens, gives to, and watches growing.

What a drive has come to is read from its payments and its journal each time; nothing is counted
in a field. A gift is an ordinary payment whose subject is the drive.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from bot.core.ask import Asked, Asking, AskRequest
from bot.core.drive_news import DriveNews
from bot.core.drive_views import CardView, PageView, ShownGift, merged, shown, takes_gifts
from bot.core.limits import Refusal, RefusalReason
from bot.core.people import close
from bot.core.ports import Clock, Ids
from bot.core.settle import status_notice
from storage.engine import Store
from storage.errors import NotKept
from storage.records import (
    NOBODY,
    Closing,
    Drive,
    DriveKind,
    DriveStatus,
    Gift,
    Intent,
    IntentKind,
    Shows,
    Totals,
    Treasurer,
    TreasurerState,
)
from storage.tx import Tx

__all__ = ["Drives", "GiveRequest", "NewDrive", "guard_gift", "label_of"]

CARD_NAMES = 5
PAGE_NAMES = 100
LIST_NAMES = 100
GIVERS_COUNTED_MAX = 2000
"""Beyond it the card speaks of gifts: to count people reads every gift, to add them up does not."""
REFERENCE_TRIES = 8
LABEL_CHARS_MAX = 6

# Words that begin many titles and tell none of them apart.
COMMON = frozenset(
    [
        "MAMA",
        "BABA",
        "THE",
        "FOR",
        "AND",
        "OUR",
        "HARAMBEE",
        "MCHANGO",
        "KWA",
        "WA",
        "YA",
        "ZA",
        "LA",
        "NI",
        "NA",
        "BILL",
        "BILI",
        "DRIVE",
        "FUND",
        "MR",
        "MRS",
        "MISS",
        "DR",
        "HELP",
    ]
)
WORD = re.compile(r"[A-Z0-9]+")


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
    invited: tuple[tuple[int, str], ...] = ()  # further treasurers: Telegram user id and name


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveRequest:
    """Somebody wants to give."""

    drive_id: str
    giver_id: int  # Telegram user id, or NOBODY from a page
    chat_id: int  # where they are told how it goes: their private chat, or NOBODY
    name: str  # as they are called; "" where nobody said
    amount_kes: int
    phone: str  # 2547…
    language: str
    ask_key: str  # the same key twice is one gift
    update_id: int | None = None
    on_behalf: str = ""  # "Shosh"
    anonymous: bool | None = None  # None: as the last time
    hide_amount: bool | None = None


class Drives:
    """Opens drives, takes gifts, and shows what has come in."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        asking: Asking,
        news: DriveNews,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._asking = asking
        self._news = news
        self._wake = wake

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
        people = [(new.opened_by, new.opener_name), *new.invited]
        for person_id, name in dict(reversed(people)).items():
            own = person_id == new.opened_by
            state = TreasurerState.ACCEPTED if own else TreasurerState.INVITED
            treasurer = Treasurer(
                drive_id=drive.id,
                person_id=person_id,
                name=name,
                state=state,
                by=new.opened_by,
                at=now,
            )
            await tx.drives.invite(treasurer)
        await self._news.card(tx, drive, now)
        await self._news.invitations(tx, drive, now)
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
            return await tx.drives.of_chat(chat_id)

    async def of_treasurer(self, person_id: int) -> list[Drive]:
        async with self._store.read() as tx:
            return await tx.drives.of_treasurer(person_id)

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
                more=max(0, totals.gifts - len(newest)),
                treasurers=tuple(each for each in found if each.state is TreasurerState.ACCEPTED),
                promised=await tx.pledges.promised(drive.id),
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
                more=max(0, totals.gifts - len(gifts)),
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

    async def give(self, request: GiveRequest) -> Asked | Refusal:
        """
        A prompt for a gift. A Refusal, and an Asked with `again`, wrote nothing.

        Raises:
            LookupError: there is no such drive.
            NotKept: nothing was written, nothing is sent.
        """
        async with self._store.read() as tx:
            drive = await tx.drives.get(request.drive_id)
            if drive is None:
                raise LookupError(request.drive_id)
            trusted = await is_treasurer(tx, drive.id, request.giver_id)

        async def also(tx: Tx, intent: Intent) -> None:
            last = await _last(tx, drive.id, request.giver_id)
            anonymous = last.anonymous if last and request.anonymous is None else request.anonymous
            hidden = last.hide_amount if last and request.hide_amount is None else None
            await tx.gifts.add(
                Gift(
                    intent_id=intent.id,
                    drive_id=drive.id,
                    giver_id=request.giver_id,
                    who=_who(request.giver_id, request.on_behalf, intent.id),
                    name=request.name,
                    on_behalf=request.on_behalf,
                    anonymous=bool(anonymous),
                    hide_amount=bool(request.hide_amount if hidden is None else hidden),
                    created_at=intent.created_at,
                )
            )

        return await self._asking.open(
            AskRequest(
                asked_by=request.giver_id,
                chat_id=request.chat_id,
                thread_id=None,
                reply_to=None,
                private=True,
                language=request.language,
                amount_kes=request.amount_kes,
                phone=request.phone,
                note=drive.title,
                ask_key=request.ask_key,
                update_id=request.update_id,
                kind=IntentKind.GIFT,
                subject=drive.subject,
                label=drive.label,
                trusted=trusted,
                also=also,
            )
        )

    async def gift(self, intent_id: str) -> Gift | None:
        """How a gift is shown."""
        async with self._store.read() as tx:
            return await tx.gifts.get(intent_id)

    async def show_gift(
        self,
        intent_id: str,
        *,
        by: int,
        closing: Closing,
        anonymous: bool | None = None,
        hide_amount: bool | None = None,
        on_behalf: str | None = None,
    ) -> Gift | None:
        """Show a gift otherwise from now on; None if it is not theirs. The card follows."""

        async def run(tx: Tx) -> Gift | None:
            known = await tx.gifts.get(intent_id)
            if known is None or known.giver_id != by or by == NOBODY:
                return None
            changed = replace(
                known,
                anonymous=known.anonymous if anonymous is None else anonymous,
                hide_amount=known.hide_amount if hide_amount is None else hide_amount,
                on_behalf=known.on_behalf if on_behalf is None else on_behalf,
            )
            changed = replace(changed, who=_who(by, changed.on_behalf, intent_id))
            await tx.gifts.change(changed)
            await tx.touched.touch(f"d:{known.drive_id}")
            attempts = await tx.payments.of_intent(intent_id)
            await tx.notices.owe([status_notice(each) for each in attempts], now=self._clock.now())
            await close(tx, closing, self._clock)
            return changed

        changed = await self._store.write(run)
        self._wake()
        return changed

    async def moved(self, tx: Tx, *, old_chat_id: int, new_chat_id: int) -> None:
        """A group became a supergroup: its drives go along, and show their cards there."""
        for drive_id in await tx.drives.move(old_chat_id=old_chat_id, new_chat_id=new_chat_id):
            await tx.touched.touch(f"d:{drive_id}")

    async def came_back(self, chat_id: int, closing: Closing) -> bool:
        """We were put into a group again: the cards of its drives are posted anew."""

        async def run(tx: Tx) -> bool:
            found = await tx.drives.of_chat(chat_id)
            for drive in found:
                await self._news.post_again(tx, drive, self._clock.now())
            await close(tx, closing, self._clock)
            return bool(found)

        posted = await self._store.write(run)
        self._wake()
        return posted

    async def post_again(self, drive_id: str, closing: Closing) -> None:
        """The card as a new message at the end of the chat."""

        async def run(tx: Tx) -> None:
            drive = await tx.drives.lock(drive_id)
            if drive is not None:
                await self._news.post_again(tx, drive, self._clock.now())
            await close(tx, closing, self._clock)

        await self._store.write(run)
        self._wake()


async def guard_gift(tx: Tx, request: AskRequest, now: datetime) -> RefusalReason | None:
    """Whether a drive takes a gift now; its row stays locked until the gift is written."""
    assert request.subject is not None, "a gift is for a drive"
    drive = await tx.drives.lock(request.subject.removeprefix("d:"))
    if drive is None or drive.status is DriveStatus.CLOSED:
        return RefusalReason.DRIVE_CLOSED
    if drive.status is DriveStatus.PAUSED:
        return RefusalReason.DRIVE_PAUSED
    return None if takes_gifts(drive, now) else RefusalReason.DRIVE_CLOSED


async def is_treasurer(tx: Tx, drive_id: str, person_id: int) -> bool:
    """Whether somebody looks after a drive now."""
    return any(
        each.person_id == person_id and each.state is TreasurerState.ACCEPTED
        for each in await tx.drives.treasurers(drive_id)
    )


def label_of(title: str) -> str:
    """How a drive's accounts begin: the word that says most, in six of A–Z and 0–9."""
    bare = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().upper()
    words = WORD.findall(bare.replace("'", ""))
    telling = [word for word in words if len(word) > 2 and word not in COMMON]
    return (telling or words or ["CHANGA"])[0][:LABEL_CHARS_MAX]


def typed_reference(text: str) -> str:
    """A reference as it is kept, from what somebody typed: any case, spaces, a missing dash."""
    bare = re.sub(r"[^A-Z0-9]", "", text.upper())
    return f"{bare[:-5]}-{bare[-5:]}"


async def _listed(tx: Tx, drive: Drive, *, limit: int) -> list[ShownGift]:
    if drive.shows is Shows.TOTALS:
        return []
    gifts = await tx.gifts.newest(drive.id, limit=limit)
    entries = await tx.drives.entries(drive.id, limit=limit)
    return shown(merged(gifts, entries), drive.shows)[:limit]


async def _givers(tx: Tx, totals: Totals, drive_id: str) -> int | None:
    if totals.mpesa_gifts > GIVERS_COUNTED_MAX:
        return None
    return await tx.gifts.givers(drive_id) + totals.cash_gifts


async def _last(tx: Tx, drive_id: str, giver_id: int) -> Gift | None:
    return None if giver_id == NOBODY else await tx.gifts.latest(drive_id, giver_id)


def _who(giver_id: int, on_behalf: str, intent_id: str) -> str:
    """The same for two gifts of one person, as far as we can tell; never a name."""
    if giver_id == NOBODY:
        return f"i:{intent_id}"
    return f"b:{intent_id}" if on_behalf else f"p:{giver_id}"
