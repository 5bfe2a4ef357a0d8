"""Letters: a notice becomes the message it stands for, from what is true at that moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import assert_never

from bot.chat import drive_letters, invoice_letters, invoice_papers
from bot.chat.cards import alarm_card, ring_card, status_card
from bot.chat.keyboards import Stationery
from bot.chat.pens import Card
from bot.chat.routes import BUTTON_RULES
from bot.core.core import Core
from bot.core.settle import RING_AFTER
from storage.records import (
    OPEN,
    Alarm,
    IntentKind,
    Keyboard,
    Notice,
    NoticeKind,
    OpenKind,
    PaymentView,
    Reply,
    Status,
)

__all__ = ["Letters", "MakeAbout"]

OPERATORS_LANGUAGE = "en"

PROGRESS = frozenset(OPEN) - {Status.UNSURE}
"""What may be whispered: nothing is decided, and nobody needs to keep the words."""

PRESS_GOOD_FOR = timedelta(seconds=12)
"""A whisper may answer a press for 15 s (Bot API), and takes a while to get there."""

MADE_SURE = frozenset({Alarm.CLAIMS_WAIT, Alarm.UNMATCHED})
"""Alarms that are told only while they are true; what others ring for may be over by then."""

NOW_FOR = timedelta(hours=1)
"""An alarm that is told within it says what is so."""

MakeAbout = Callable[[Core, Stationery, Notice], Awaitable[Reply | None]]
"""Makes a CARD or NEWS about one kind of subject."""


ABOUT: Mapping[str, MakeAbout] = MappingProxyType(
    {
        "d": drive_letters.make,
        "i": invoice_letters.about_invoice,
        "m": invoice_letters.about_merchant,
        "p": invoice_papers.about_payment,
    }
)
"""By what stands before the colon of a subject: drives, invoices, merchants, payments."""


@dataclass(frozen=True, slots=True)
class Letters:
    """Makes the message of a notice; reads the books anew each time, so it is never stale."""

    core: Core
    paper: Stationery
    about: Mapping[str, MakeAbout] = field(default_factory=lambda: ABOUT)
    """By what stands before the colon of a subject."""

    async def make(self, notice: Notice) -> Reply | None:
        """
        The message, its buttons ready, or None where there is nothing to make it from.

        Raises NotKept: its buttons could not be written down.
        """
        reply = await self._written(notice)
        return None if reply is None else await self.core.buttons.show(notice, reply, BUTTON_RULES)

    async def _written(self, notice: Notice) -> Reply | None:
        match notice.kind:
            case NoticeKind.SAY:
                # The group may have moved since the words were written down.
                said = notice.reply
                return None if said is None else replace(said, chat_id=notice.chat_id)
            case NoticeKind.STATUS | NoticeKind.RING:
                view = await self._view(notice)
                return None if view is None else await self._of_payment(notice, view)
            case NoticeKind.ALARM:
                return await self._alarm(notice)
            case NoticeKind.CARD | NoticeKind.NEWS:
                make = self.about.get((notice.subject or "").partition(":")[0])
                return None if make is None else await make(self.core, self.paper, notice)
            case unreachable:
                assert_never(unreachable)

    async def _alarm(self, notice: Notice) -> Reply | None:
        if notice.alarm is None:
            return None
        many = 0
        if notice.alarm is Alarm.CLAIMS_WAIT:
            many = await self.core.record.rows.claims.waiting()
            if not many:
                return None
        if notice.alarm is Alarm.UNMATCHED and not await self._books_differ():
            return None
        view = await self._view(notice)
        card = alarm_card(
            notice.alarm,
            view,
            self.paper,
            language=OPERATORS_LANGUAGE,
            many=many,
            rang_at=None if notice.alarm in MADE_SURE else self._if_long_ago(notice.made_at),
        )
        return Reply(chat_id=notice.chat_id, text=card.text, keyboard=card.keyboard)

    async def _books_differ(self) -> bool:
        """Whether anything is open of what that alarm rings for."""
        open_now = await self.core.record.rows.count_open()
        return any(many for kind, many in open_now.items() if kind is not OpenKind.ONLY_OURS)

    def _if_long_ago(self, at: datetime | None) -> datetime | None:
        """When it rang, where that is not now."""
        return None if at is None or at + NOW_FOR > self.core.clock.now() else at

    async def _view(self, notice: Notice) -> PaymentView | None:
        if notice.payment_id is None:
            return None
        return await self.core.books.view(notice.payment_id)

    async def _of_payment(self, notice: Notice, view: PaymentView) -> Reply:
        reply = self._about(notice, view)
        if view.intent.kind is not IntentKind.GIFT or notice.kind is not NoticeKind.STATUS:
            return reply
        dressed = await drive_letters.dressed(self.core, self.paper, view, reply)
        return self._whispered(notice, view, dressed, reply.keyboard) or dressed

    def _whispered(
        self, notice: Notice, view: PaymentView, dressed: Reply, keyboard: Keyboard | None
    ) -> Reply | None:
        """
        Progress where the group is, for the giver's eyes alone; None once it is time for private.

        Never a last word: a whisper may not arrive. Nor what lasts: later on an edit in private
        rings where a whisper is long out of sight.
        """
        whisper, payment = notice.whisper, view.payment
        if whisper is None or payment.status not in PROGRESS or payment.pending_at is not None:
            return None
        age = self.core.clock.now() - payment.created_at
        if age >= RING_AFTER:
            return None
        return replace(
            dressed,
            chat_id=whisper.chat_id,
            thread_id=whisper.thread_id,
            keyboard=keyboard,
            whisper_to=notice.chat_id,
            query_id=whisper.query_id if age < PRESS_GOOD_FOR else None,
        )

    def _about(self, notice: Notice, view: PaymentView) -> Reply:
        make = status_card if notice.kind is NoticeKind.STATUS else ring_card
        card: Card = make(view, self.paper, now=self.core.clock.now())
        intent = view.intent
        return Reply(
            chat_id=notice.chat_id,
            thread_id=intent.thread_id,
            reply_to=None if intent.private else intent.reply_to,
            text=card.text,
            keyboard=card.keyboard,
        )
