"""
Ask: someone's wish becomes an intent and a payment, if the limits allow, in one commit.

The payment is `created` then, which means: certainly not sent. `send.py` goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from bot.core.attempts import Beside, beside
from bot.core.limits import (
    OPEN_FOR,
    PAGE_COUNTS_FOR,
    SAME_AMOUNT_WITHIN,
    UNKNOWN_LINE_FOR,
    WIDER_TIMES,
    LimitSettings,
    Refusal,
    RefusalReason,
    check,
    check_page,
)
from bot.core.merchants import is_appointed
from bot.core.outage import Outages
from bot.core.ports import Clock, Ids
from bot.core.restored import restored
from bot.core.settle import status_notice
from mpesa.phones import mask
from storage.engine import Store
from storage.errors import NotKept
from storage.records import (
    AGAIN,
    NOBODY,
    Intent,
    IntentKind,
    Payment,
    Status,
    Whisper,
)
from storage.tx import Tx

__all__ = [
    "AskRequest",
    "AskSettings",
    "Asked",
    "Asking",
    "Guard",
    "PageAsk",
    "Refusal",
    "RefusalReason",
]

log = logging.getLogger(__name__)

REFERENCE_TRIES = 8
ROOM_BYTES = 64 * 2**20
"""Kept free of new payments on the disk of the database: for callbacks and last words."""

IN_HAND_FOR = timedelta(seconds=20)
"""How long others leave a new payment to the process that made it; `sweep` makes it longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAsk:
    """Where somebody without Telegram asks: nobody knows who they are, so this is counted."""

    address: str  # the client's, as far as proxies can be believed; a /64 for IPv6
    page: str  # the page's subject


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRequest:
    """Someone wants an amount paid from a phone."""

    asked_by: int
    chat_id: int
    thread_id: int | None
    reply_to: int | None
    private: bool
    language: str
    amount_kes: int
    phone: str  # 2547…
    note: str
    ask_key: str  # the same key twice is one payment
    update_id: int | None
    kind: IntentKind = IntentKind.DIRECT
    subject: str | None = None  # what it is for: "d:<drive>", "i:<invoice>"
    label: str = "PAY"  # how the account on the prompt begins; at most six of A–Z 0–9
    account: str = ""  # whose money it becomes: a name from [[mpesa.accounts]]; "" is [mpesa]
    treasurer: bool = False  # looks after the group's drive that this is for: asks more phones
    page: PageAsk | None = None  # asked for on a public page, by NOBODY: other limits count
    whisper: Whisper | None = None  # where they may be told how it goes, until its last word
    also: Callable[[Tx, Intent], Awaitable[None]] | None = None
    """Writes what else is known of a new intent, in the commit that opens it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A payment was made, or had been made by these very words before (`again`)."""

    payment: Payment
    again: bool


Guard = Callable[[Tx, AskRequest, datetime], Awaitable[RefusalReason | None]]
"""
Whether what a payment is for still takes one, looked at in the transaction that would open it.

It locks what it looks at (the row of a drive, of an invoice), so that the answer stays true.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSettings:
    """What asking needs from the configuration."""

    confirm_above_kes: int
    limits: LimitSettings
    operators: Collection[int]


class Asking:
    """Opens payments."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        settings: AskSettings,
        start: Callable[[str], None],
        wake: Callable[[], None],
        guards: Mapping[IntentKind, Guard] | None = None,
        outages: Outages | None = None,
        free_bytes: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._start = start
        self._wake = wake
        self._guards = guards or {}
        self._outages = outages or Outages(clock)
        self._free_bytes = free_bytes

    @property
    def operators(self) -> Collection[int]:
        """Who runs the bot."""
        return self._settings.operators

    async def open(self, request: AskRequest) -> Asked | Refusal:
        """
        Limits, intent, payment and status message in one commit; then send in the background.

        A Refusal, and an Asked with `again`, wrote nothing: the caller answers.
        """

        async def run(tx: Tx) -> Asked | Refusal:
            known = await tx.payments.by_ask_key(request.ask_key)
            if known is not None:
                return Asked(payment=known, again=True)
            return await self._open(tx, request, previous=None)

        return self._begin(await self._store.write(run))

    async def known(self, ask_key: str) -> Payment | None:
        """What was asked for under this key before."""
        async with self._store.read() as tx:
            return await tx.payments.by_ask_key(ask_key)

    async def again(
        self,
        payment_id: str,
        *,
        by: int,
        update_id: int | None,
        language: str,
        button: str | None = None,
    ) -> Asked | Refusal:
        """
        A fresh attempt at the same intent, on the same phone: "try again", "I saw no prompt".

        Each payment can be tried again once; a second press finds the attempt of the first.
        *button* is what was pressed: taken in this commit, or, when that is too late, refused.
        """

        async def run(tx: Tx) -> Asked | Refusal:
            previous = await tx.payments.lock(payment_id)
            assert previous is not None, "buttons are shown about payments that we have"
            known = await tx.payments.by_ask_key(AGAIN + payment_id)
            if known is not None:
                return Asked(payment=known, again=True)
            if beside(await tx.attempts.others(previous)) is Beside.COUNTS:
                return _refusal(previous, RefusalReason.DECIDED)
            if (refusal := self._may_repeat(previous)) is not None:
                return refusal
            now = self._clock.now()
            if button is not None and not await tx.buttons.take(button, by=by, now=now):
                return _refusal(previous, RefusalReason.STALE)
            intent = await tx.payments.intent(previous.intent_id)
            request = AskRequest(
                asked_by=by,
                chat_id=intent.chat_id,
                thread_id=intent.thread_id,
                reply_to=intent.reply_to,
                private=intent.private,
                language=language,
                amount_kes=previous.amount_kes,
                phone=await tx.lines.phone(previous.line_id),
                note=intent.note,
                ask_key=AGAIN + payment_id,
                update_id=update_id,
                kind=intent.kind,
                subject=previous.subject,
                label=previous.push_ref.rpartition("-")[0],
                account=previous.account,
            )
            answer = await self._open(tx, request, previous=previous)
            if button is not None and isinstance(answer, Refusal):
                await tx.buttons.put_back(button)
            return answer

        return self._begin(await self._store.write(run))

    def _may_repeat(self, previous: Payment) -> Refusal | None:
        now = self._clock.now()
        if previous.status in (Status.PAID, Status.CONFIRMING, Status.REVIEW):
            return _refusal(previous, RefusalReason.DECIDED)
        if previous.status in (Status.DECLINED, Status.REFUSED, Status.VOID):
            return None
        gone_at = (previous.begun_at or previous.created_at) + OPEN_FOR
        return _refusal(previous, RefusalReason.TOO_SOON, gone_at) if gone_at > now else None

    async def _open(
        self, tx: Tx, request: AskRequest, *, previous: Payment | None
    ) -> Asked | Refusal:
        now = self._clock.now()
        if request.page is not None:
            await tx.page_prompts.lock(address=request.page.address, page=request.page.page)
        guard = self._guards.get(request.kind)
        if guard is not None and (reason := await guard(tx, request, now)) is not None:
            return _no(request, reason)
        if await restored(tx) is not None:
            return _no(request, RefusalReason.RESTORED)
        if (free_bytes := self._free_bytes()) is not None and free_bytes < ROOM_BYTES:
            return _no(request, RefusalReason.NO_ROOM)
        line = await tx.lines.lock(request.phone)
        refusal = await self._limited(tx, request, line.id, now) or self._away(request)
        if refusal is not None:
            # Or whoever is refused again and again fills the disk with numbers of others.
            await tx.lines.drop_new(line)
            return refusal
        intent_id = await self._intent(tx, request, previous, now)
        payment = Payment(
            id=self._ids.new(now),
            intent_id=intent_id,
            line_id=line.id,
            phone_mask=mask(request.phone),
            amount_kes=request.amount_kes,
            push_ref=await self._reference(tx, partial(self._ids.push_reference, request.label)),
            ask_key=request.ask_key,
            confirm_above_kes=self._settings.confirm_above_kes,
            created_at=now,
            holder=self._store.holder.number,
            lease_until=now + IN_HAND_FOR,
            subject=request.subject,
            account=request.account,
        )
        await tx.payments.add(payment)
        if request.page is not None:
            await tx.page_prompts.add(payment, address=request.page.address, page=request.page.page)
        told = replace(status_notice(payment.id), chat_id=request.chat_id, whisper=request.whisper)
        notices = [told]
        if previous is not None:
            await tx.payments.supersede(previous.id)
            notices.append(status_notice(previous.id))
        await tx.notices.owe(notices, now=now)
        if request.update_id is not None:
            await tx.inbox.done(request.update_id, at=now)
        return Asked(payment=payment, again=False)

    async def _limited(
        self, tx: Tx, request: AskRequest, line_id: int, now: datetime
    ) -> Refusal | None:
        """The first limit that says no."""
        page = request.page
        hourly = await self._strangers_hourly(tx, request)
        facts = await tx.lines.facts(
            line_id,
            by=request.asked_by,
            amount_kes=request.amount_kes,
            now=now,
            prompt_life=OPEN_FOR,
            same_amount_within=SAME_AMOUNT_WITHIN,
            counted=hourly is not None,
        )
        of_line = check(
            facts,
            amount_kes=request.amount_kes,
            phone_mask=mask(request.phone),
            hourly=hourly,
            settings=self._settings.limits,
            now=now,
        )
        if page is None:
            return of_line
        page_facts = await tx.page_prompts.facts(
            line_id,
            address=page.address,
            page=page.page,
            since=now - PAGE_COUNTS_FOR,
            line_since=now - UNKNOWN_LINE_FOR,
        )
        return check_page(
            page_facts,
            of_line,
            amount_kes=request.amount_kes,
            phone_mask=mask(request.phone),
            settings=self._settings.limits,
            now=now,
        )

    def _away(self, request: AskRequest) -> Refusal | None:
        """Looked at last: it may be this very payment that finds out whether it is over."""
        until = self._outages.of(request.account).try_ask(request.ask_key)
        return None if until is None else _no(request, RefusalReason.OUTAGE, until)

    async def _strangers_hourly(self, tx: Tx, request: AskRequest) -> int | None:
        """How many phones of others whoever asks may ask in an hour; None: any number."""
        # All who ask on pages are one NOBODY: the limit of a person is not theirs.
        if request.asked_by == NOBODY or request.asked_by in self._settings.operators:
            return None
        hourly = self._settings.limits.strangers_per_person_per_hour
        # Anybody can make a group and open a drive in it: wider is not without end.
        if request.treasurer or is_appointed(await tx.merchants.get(request.asked_by)):
            return hourly * WIDER_TIMES
        return hourly

    async def _intent(
        self, tx: Tx, request: AskRequest, previous: Payment | None, now: datetime
    ) -> str:
        if previous is not None:
            return previous.intent_id
        intent = Intent(
            id=self._ids.new(now),
            kind=request.kind,
            asked_by=request.asked_by,
            chat_id=request.chat_id,
            thread_id=request.thread_id,
            reply_to=request.reply_to,
            private=request.private,
            language=request.language,
            amount_kes=request.amount_kes,
            note=request.note,
            by_hand_ref=await self._reference(tx, self._ids.by_hand_reference),
            created_at=now,
        )
        await tx.payments.add_intent(intent)
        if request.also is not None:
            await request.also(tx, intent)
        return intent.id

    async def _reference(self, tx: Tx, make: Callable[[], str]) -> str:
        for _ in range(REFERENCE_TRIES):
            reference = make()
            if not await tx.payments.reference_taken(reference):
                return reference
        raise NotKept("no free reference was found")

    def _begin(self, answer: Asked | Refusal) -> Asked | Refusal:
        if isinstance(answer, Asked) and not answer.again:
            log.info("payment.opened id=%s", answer.payment.id)
            self._wake()
            self._start(answer.payment.id)
        return answer


def _refusal(previous: Payment, reason: RefusalReason, until: datetime | None = None) -> Refusal:
    return Refusal(
        reason=reason,
        phone_mask=previous.phone_mask,
        amount_kes=previous.amount_kes,
        until=until,
    )


def _no(request: AskRequest, reason: RefusalReason, until: datetime | None = None) -> Refusal:
    return Refusal(
        reason=reason,
        phone_mask=mask(request.phone),
        amount_kes=request.amount_kes,
        until=until,
    )
