"""
Send: from a `created` payment to a prompt on a phone, sent once.

Two commits, and between them the only bytes that matter:
1. `created -> asking`, evidence *begun*; the bytes leave within 20 s of it or not at all;
2. the reply, as evidence: accepted, refused, not sent, or lost.
Daraja has no idempotency key, so a push whose reply was lost is never sent again by a machine. One
that certainly reached no phone (nothing left, or it was throttled at the gate) may go again.
A process that dies leaves `created` (sent if young, else void) or `asking` (then *unsure*), and
`sweep` finds both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from bot.core.about import about
from bot.core.accounts import Accounts
from bot.core.ask import IN_HAND_FOR
from bot.core.attempts import PAID_MEANWHILE, Beside, beside
from bot.core.hear import ADDRESS
from bot.core.leaving import RETRY_AFTER_S, NotWanted, push_in_time
from bot.core.outage import UNHEARD, Outages
from bot.core.pace import pace_of
from bot.core.ports import Clock, Daraja
from bot.core.prompt_age import dated
from bot.core.restored import RESTORED, restored
from bot.core.settle import BAD_CREDENTIALS, Settle
from bot.core.skew import Skew
from mpesa.errors import BadCredentials, NotSent, OutcomeUnknown, Refused
from mpesa.models import Accepted, Push
from storage.engine import Store
from storage.errors import NotKept
from storage.hearing import Admitted, Outcome, Seen, Unit
from storage.records import (
    OPEN,
    Alarm,
    Evidence,
    Kind,
    NewNotice,
    Payment,
    Status,
)
from storage.tx import Tx

__all__ = ["SendSettings", "Sending"]

log = logging.getLogger(__name__)

SEND_WITHIN = timedelta(seconds=60)
LEASE = timedelta(seconds=90)
KEEP_TRIES = 6
KEEP_ACCEPTED_TRIES = 120
LONGEST_WAIT_S = 30.0
AT_ONCE = 1000
DESCRIPTION = "Payment"  # TransactionDesc, 1-13 characters; never free text of a stranger's


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSettings:
    """What sending needs from the configuration."""

    callback_base: str  # "https://pay.example.org"
    first_check_after_s: float
    pushes_per_second: float


class Sending:
    """Sends the pushes of payments: each may reach its phone once."""

    def __init__(
        self,
        *,
        store: Store,
        daraja: Daraja,
        accounts: Mapping[str, Daraja] | None = None,
        settle: Settle,
        clock: Clock,
        settings: SendSettings,
        background: Callable[[Coroutine[Any, Any, None]], None],
        wake: Callable[[], None],
        outages: Outages | None = None,
        skew: Skew | None = None,
    ) -> None:
        self._store = store
        self._accounts = Accounts(daraja, accounts)
        self._settle = settle
        self._clock = clock
        self._settings = settings
        self._background = background
        self._wake = wake
        self._outages = outages or Outages(clock)
        self._skew = skew or Skew(clock)
        self._first_check = timedelta(seconds=settings.first_check_after_s)
        self._pace = pace_of(store, clock, "pushes", per_second=settings.pushes_per_second)
        self._in_hand: set[str] = set()

    def start(self, payment_id: str) -> None:
        """Send the push of a `created` payment in the background, once."""
        if payment_id not in self._in_hand:
            self._in_hand.add(payment_id)
            self._background(self._send_and_let_go(payment_id))

    async def _send_and_let_go(self, payment_id: str) -> None:
        try:
            with about(payment_id):
                await self.send(payment_id)
        finally:
            self._in_hand.discard(payment_id)

    async def send(self, payment_id: str) -> None:
        """Commits 2 and 3 of one payment, with the push between them."""
        try:
            await self._pace.turn()
        except NotKept:
            return  # as if it could not be begun: `sweep` finds it
        try:
            known = await self._payment_and_phone(payment_id)
            if not isinstance(known, str):
                await self._token(self._accounts.of(known[0].account))
                if known[0].retried:  # a token may take long enough for another one to be paid
                    known = await self._payment_and_phone(payment_id)
            if isinstance(known, str):
                await self._never_began(payment_id, reason=known)
                return
            phone = known[1]
        except NotKept:
            # The books cannot be read. `sweep` sends it while it is young, or says that it did not.
            return
        except Exception as exc:
            if not isinstance(exc, NotSent):
                log.exception("push.not_begun id=%s", payment_id)
            await self._never_began(payment_id, reason=_why_not_sent(exc))
            return
        outcome = await self._begin_asking(payment_id)
        if outcome is None or not outcome.fresh or outcome.payment is None:
            return
        payment = outcome.payment
        if payment.status is not Status.ASKING:
            self._wake()
            return
        await self._push(payment, phone)

    async def _token(self, daraja: Daraja) -> None:
        """Have a token before anything is begun; one retry, for nothing has left yet."""
        try:
            await daraja.ready()
        except BadCredentials:
            raise
        except NotSent:
            await self._clock.sleep(RETRY_AFTER_S)
            await daraja.ready()

    async def _payment_and_phone(self, payment_id: str) -> tuple[Payment, str] | str:
        """
        Read before anything is begun, so that nothing but the push can fail after it.

        Else why nothing may leave. Where the books came from a backup it may have been sent, and
        paid, after that was made; and another attempt may have been paid while this one waited.
        """
        async with self._store.read() as tx:
            if await restored(tx) is not None:
                return RESTORED
            payment = await tx.payments.get(payment_id)
            assert payment is not None, "whoever starts it has seen it"
            if payment.retried and beside(await tx.attempts.others(payment)) is Beside.COUNTS:
                return PAID_MEANWHILE
            return payment, await tx.lines.phone(payment.line_id)

    async def _never_began(self, payment_id: str, *, reason: str) -> None:
        now = self._clock.now()

        def admit(payment: Payment, _seen: Seen) -> Admitted:
            if payment.status is not Status.CREATED:
                return Admitted()  # another process had a token, and has sent it
            return Admitted(evidence=(_evidence(payment_id, Kind.NOT_SENT, now, reason=reason),))

        await self._keep(Unit(payment_id=payment_id, admit=admit))

    async def _begin_asking(self, payment_id: str) -> Outcome | None:
        now = self._clock.now()

        def admit(payment: Payment, _seen: Seen) -> Admitted:
            if payment.status is not Status.CREATED:
                return Admitted()
            # Of one from a clock that was set back since, nobody knows how old it is.
            if abs(now - payment.created_at) > SEND_WITHIN:
                return Admitted(
                    evidence=(_evidence(payment_id, Kind.NOT_SENT, now, reason="too-late"),)
                )
            return Admitted(
                evidence=(_evidence(payment_id, Kind.BEGUN, now),),
                changes={
                    "begun_at": now,
                    "lease_until": now + LEASE,
                    "holder": self._store.holder.number,
                    "next_check_at": now + self._first_check,
                },
            )

        try:
            return await self._store.submit(Unit(payment_id=payment_id, admit=admit), self._settle)
        except NotKept:
            # Nothing has left: `sweep` sends it while it is young, or says that it did not.
            return None

    async def _push(self, payment: Payment, phone: str) -> None:
        push = Push(
            phone=phone,
            amount_kes=payment.amount_kes,
            reference=payment.push_ref,
            description=DESCRIPTION,
            callback_url=self.callback_url(payment.id),
        )
        outage = self._outages.of(payment.account)
        began_at, number = self._clock.now(), outage.begins()
        try:
            accepted = await push_in_time(
                push,
                payment,
                daraja=self._accounts.of(payment.account),
                clock=self._clock,
                why_not=partial(self._why_not, payment),
            )
        except NotSent as exc:
            await self._record(payment.id, Kind.NOT_SENT, reason=_why_not_sent(exc))
        except Refused as exc:
            log.warning("push.refused id=%s code=%s", payment.id, exc.code)
            outage.answered(number)
            await self._record(payment.id, Kind.REFUSED, reason=exc.meaning.value)
        except OutcomeUnknown as exc:
            log.warning("push.unknown id=%s why=%s", payment.id, exc)
            # A process that was stopped meanwhile has learnt nothing about Safaricom.
            was_there = abs(self._clock.now() - began_at) < SEND_WITHIN
            if was_there:
                outage.lost(number)
            reason = UNHEARD if was_there else "stood-still"
            await self._record(payment.id, Kind.REPLY_LOST, reason=reason)
        except asyncio.CancelledError:
            # We are being stopped with the bytes under way. The next start would find out by
            # the lease; saying it now saves the payer the wait.
            await asyncio.shield(self._record(payment.id, Kind.REPLY_LOST, reason="crashed"))
            raise
        except Exception:
            log.exception("push.failed id=%s", payment.id)
            await self._record(payment.id, Kind.REPLY_LOST, reason="failed")
        else:
            outage.answered(number)
            await self._accepted(payment.id, accepted)

    async def _why_not(self, payment: Payment) -> str | None:
        """Why a push that has waited may not leave after all."""
        if not payment.retried:
            return None
        try:
            known = await self._payment_and_phone(payment.id)
        except Exception as exc:
            if not isinstance(exc, NotKept):
                log.exception("push.not_looked_at id=%s", payment.id)
            return "unreachable"  # what the others brought cannot be read, and nothing rang
        return known if isinstance(known, str) else None

    async def _accepted(self, payment_id: str, accepted: Accepted) -> None:
        now, theirs = self._clock.now(), dated(self._skew.theirs())

        def admit(payment: Payment, seen: Seen) -> Admitted:
            evidence = [replace(_evidence(payment_id, Kind.ACCEPTED, now), source=theirs)]
            notices: tuple[NewNotice, ...] = ()
            merchant = payment.merchant_request_id
            other_checkout = payment.checkout_index not in (None, seen.checkout_index)
            taken = seen.checkout_holder not in (None, payment_id)
            other_ids = other_checkout or merchant not in (None, accepted.merchant_request_id)
            if other_ids or taken:
                # A callback that we trusted named other ids. It uncredits nothing: a person looks.
                evidence.append(_evidence(payment_id, Kind.CONTRADICTED, now))
                notices = self._settle.alarm(Alarm.CONTRADICTED, payment_id)
            adopts = not taken and payment.checkout_index != seen.checkout_index
            changes: dict[str, object] = {
                "merchant_request_id": accepted.merchant_request_id,
                "lease_until": None,
            }
            if payment.status in OPEN and payment.next_check_at is not None:
                # It may have been put off while there was no id to ask by.
                begun_at = payment.begun_at or payment.created_at
                changes["next_check_at"] = min(
                    payment.next_check_at, max(now, begun_at + self._first_check)
                )
            return Admitted(
                evidence=tuple(evidence),
                changes=changes,
                checkout_id=accepted.checkout_request_id if adopts else None,
                notices=notices,
            )

        await self._keep(
            Unit(payment_id=payment_id, admit=admit, checkout_id=accepted.checkout_request_id),
            # The lease would find the payment, but nobody would find its id again.
            tries=KEEP_ACCEPTED_TRIES,
        )

    async def _record(self, payment_id: str, kind: Kind, *, reason: str) -> None:
        now = self._clock.now()

        def admit(_payment: Payment, _seen: Seen) -> Admitted:
            return Admitted(
                evidence=(_evidence(payment_id, kind, now, reason=reason),),
                changes={"lease_until": None},
            )

        await self._keep(Unit(payment_id=payment_id, admit=admit))

    async def _keep(self, unit: Unit, *, tries: int = KEEP_TRIES) -> None:
        """Write down what the push brought; if the store stays away, the lease finds it."""
        for attempt in range(tries):
            try:
                outcome = await self._store.submit(unit, self._settle)
            except NotKept:
                await self._clock.sleep(min(2.0**attempt / 4, LONGEST_WAIT_S))
                continue
            if outcome.payment is not None:
                log.info("payment.asked id=%s status=%s", unit.payment_id, outcome.payment.status)
            self._wake()
            return
        log.error("payment.reply_not_kept id=%s", unit.payment_id)

    async def sweep(self, *, starting: bool = False) -> None:
        """
        Payments that a stopped process, or a full disk, left half asked.

        *starting*: nobody else is at work on this database, so whatever is `asking` was cut off.
        """
        now = self._clock.now()
        async with self._store.read() as tx:
            if not await tx.payments.unsent(limit=1):
                return
            cut_off = await tx.payments.cut_off(now=now, limit=AT_ONCE, anyway=starting)

        async def claim(tx: Tx) -> list[Payment]:
            return await tx.payments.claim_unsent(
                now=now, lease=IN_HAND_FOR, limit=AT_ONCE, anyway=starting
            )

        for payment in await self._store.write(claim):
            self.start(payment.id)
        for payment in cut_off:
            if payment.id not in self._in_hand:
                await self._cut_off(payment)

    async def _cut_off(self, found: Payment) -> None:
        """Whoever asked is gone: the phone may have rung."""
        now = self._clock.now()

        def admit(payment: Payment, _seen: Seen) -> Admitted:
            if payment.status is not Status.ASKING or payment.lease_until != found.lease_until:
                return Admitted()  # its asker came back in time, or another process was faster
            lost = _evidence(payment.id, Kind.REPLY_LOST, now, reason="crashed")
            return Admitted(evidence=(lost,), changes={"lease_until": None})

        await self._keep(Unit(payment_id=found.id, admit=admit))

    def callback_url(self, payment_id: str) -> str:
        """Where Safaricom tells about this payment. Secret: its signature is all that guards it."""
        mac = self._store.crypt.sign(ADDRESS, payment_id)
        return f"{self._settings.callback_base}/c/{payment_id}.{mac}"


def _evidence(payment_id: str, kind: Kind, now: datetime, *, reason: str | None = None) -> Evidence:
    digest = sha256(f"{kind}:{reason}".encode()).hexdigest()
    return Evidence(payment_id=payment_id, kind=kind, at=now, reason=reason, digest=digest)


def _why_not_sent(exc: Exception) -> str:
    if isinstance(exc, NotWanted):
        return str(exc)
    return BAD_CREDENTIALS if isinstance(exc, BadCredentials) else "unreachable"
