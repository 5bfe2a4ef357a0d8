"""
Giving: a gift to a drive is an ordinary payment, with what is known of the giver beside it.

Who is shown, under which name and with which amount, is the giver's to choose, also later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from bot.core.ask import Asked, Asking, AskRequest, PageAsk
from bot.core.drive_views import takes_gifts
from bot.core.limits import Refusal, RefusalReason
from bot.core.people import close
from bot.core.ports import Clock
from bot.core.settle import status_notice
from storage.engine import Store
from storage.records import (
    NOBODY,
    Closing,
    Drive,
    DriveStatus,
    Gift,
    Intent,
    IntentKind,
    Shows,
    TreasurerState,
    Whisper,
)
from storage.tx import Tx

__all__ = ["GiveRequest", "Giving", "gift_refusal", "guard_gift", "is_treasurer"]


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
    told: Shows | None = None  # what a page said that everybody may see; None: nothing
    page: PageAsk | None = None  # asked for on a public page
    whisper: Whisper | None = None  # where in the group they may be told how it goes


class Giving:
    """Opens gifts, and shows them as their givers wish."""

    def __init__(
        self, *, store: Store, clock: Clock, asking: Asking, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._asking = asking
        self._wake = wake

    async def give(self, request: GiveRequest) -> Asked | Refusal:
        """
        A prompt for a gift. A Refusal, and an Asked with `again`, prompted nobody.

        Raises:
            LookupError: there is no such drive.
            NotKept: nothing was written, nothing is sent.
        """
        async with self._store.read() as tx:
            drive = await tx.drives.get(request.drive_id)
            if drive is None:
                raise LookupError(request.drive_id)
            # Telegram numbers groups below zero. In their private chat anybody opens a drive, and
            # nobody has let them look after it.
            of_a_group = drive.chat_id < 0
            treasurer = of_a_group and await is_treasurer(tx, drive.id, request.giver_id)

        async def also(tx: Tx, intent: Intent) -> None:
            last = await _last(tx, drive.id, request.giver_id)
            anonymous = last.anonymous if last and request.anonymous is None else request.anonymous
            hidden = last.hide_amount if last and request.hide_amount is None else None
            gift = Gift(
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
            # Locked by the guard: what it shows is what it shows until this is written.
            await tx.gifts.add(_as_told(gift, request.told, await tx.drives.get(drive.id)))

        answer = await self._asking.open(
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
                treasurer=treasurer,
                page=request.page,
                whisper=request.whisper,
                also=also,
            )
        )
        if isinstance(answer, Asked) and answer.again and request.page is not None:
            await self._hide_too(answer.payment.intent_id, request)
        return answer

    async def _hide_too(self, intent_id: str, request: GiveRequest) -> None:
        """
        The form of a page once more, with less to be seen: it is shown so from now on.

        More is shown to nobody: whoever was told that they are hidden stays it.
        """

        async def run(tx: Tx) -> None:
            # Locked: of two forms at one instant, neither takes back what the other hides.
            await tx.drives.lock(request.drive_id)
            known = await tx.gifts.get(intent_id)
            if known is None or known.giver_id != NOBODY:
                return
            less = replace(
                known,
                anonymous=known.anonymous or bool(request.anonymous),
                hide_amount=known.hide_amount or bool(request.hide_amount),
            )
            if less != known:
                await tx.gifts.change(less)
                await tx.touched.touch(f"d:{known.drive_id}")

        if request.anonymous or request.hide_amount:
            await self._store.write(run)
            self._wake()

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
            theirs = await tx.gifts.get(intent_id)
            if theirs is None:
                return None
            # Locked: what treasurers hide at this instant is not written over with what was.
            await tx.drives.lock(theirs.drive_id)
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


async def guard_gift(tx: Tx, request: AskRequest, now: datetime) -> RefusalReason | None:
    """Whether a drive takes a gift now; its row stays locked until the gift is written."""
    assert request.subject is not None, "a gift is for a drive"
    return gift_refusal(await tx.drives.lock(request.subject.removeprefix("d:")), now)


def gift_refusal(drive: Drive | None, now: datetime) -> RefusalReason | None:
    """Why a drive, as it is here, takes no gift."""
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


def _as_told(gift: Gift, told: Shows | None, drive: Drive | None) -> Gift:
    """As whoever looked at a page was told, also where the drive shows more by now."""
    if told is None or drive is None or drive.shows is told:
        return gift
    return replace(
        gift,
        anonymous=gift.anonymous or told is Shows.TOTALS,
        hide_amount=gift.hide_amount or told is not Shows.ALL,
    )


async def _last(tx: Tx, drive_id: str, giver_id: int) -> Gift | None:
    return None if giver_id == NOBODY else await tx.gifts.latest(drive_id, giver_id)


def _who(giver_id: int, on_behalf: str, intent_id: str) -> str:
    """The same for two gifts of one person, as far as we can tell; never a name."""
    if giver_id == NOBODY:
        return f"i:{intent_id}"
    return f"b:{intent_id}" if on_behalf else f"p:{giver_id}"
