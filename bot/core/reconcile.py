"""
Reconcile: go and ask Safaricom about payments that are silent or not yet sure.

Questions are few (the sandbox allows five a minute), so they are spent by priority, and only an
answer that names our id is an answer: a 429, a 5xx or a page of HTML costs no check. What was
heard goes to the same settle as everything else. After the last check, or 48 hours, we stop
asking: *lapsed*, for a person. A late truth still counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from bot.core.about import about
from bot.core.accounts import Accounts
from bot.core.apart import counts_apart
from bot.core.check_times import (
    LAPSE_AFTER,
    begun,
    call_in_time,
    can_ask,
    needs_person,
    pending_from,
    seldom,
)
from bot.core.clock_steps import ClockSteps
from bot.core.pace import pace_of
from bot.core.ports import Clock, Daraja
from bot.core.prompt_age import asked_at as aged
from bot.core.settle import APART_HELD, IDS_HELD, Settle, status_notice
from bot.core.skew import Skew
from mpesa.errors import NoAnswer
from mpesa.models import QueryAnswer
from storage.engine import Store
from storage.errors import NotKept
from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    FINAL,
    OPEN,
    Alarm,
    Evidence,
    Kind,
    NewNotice,
    Payment,
)
from storage.tx import Tx

__all__ = ["CheckNow", "Reconcile", "ReconcileSettings"]

log = logging.getLogger(__name__)

NOT_YET_TO_LAPSE = 3
USER_CHECK_EVERY = timedelta(seconds=30)
CLAIMED_FOR = timedelta(seconds=120)
SETTLE_CLAIMED_FOR = timedelta(seconds=25)
CHECKED: dict[str, object] = {"check_until": None, "check_holder": None, "user_check_at": None}
"""What changes in a payment whose turn of being asked about is over."""

AT_ONCE = 8
NO_ANSWER_WAIT_S = (15, 30, 60, 120, 300, 900, 3600)
SETTLE_TRIES = 5


class CheckNow(StrEnum):
    """What became of a person's "check now"."""

    ASKED = "asked"
    TOO_SOON = "too-soon"
    DECIDED = "decided"
    CANNOT = "cannot"  # Safaricom never told us an id to ask by


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSettings:
    """The `[polling]` of the configuration."""

    check_after_s: Sequence[float]
    queries_per_minute: float


class Reconcile:
    """Asks about due payments, within the budget."""

    def __init__(
        self,
        *,
        store: Store,
        daraja: Daraja,
        accounts: Mapping[str, Daraja] | None = None,
        settle: Settle,
        clock: Clock,
        settings: ReconcileSettings,
        wake: Callable[[], None],
        skew: Skew | None = None,
    ) -> None:
        self._store = store
        self._accounts = Accounts(daraja, accounts)
        self._settle = settle
        self._clock = clock
        self._check_after = [timedelta(seconds=each) for each in settings.check_after_s]
        self._budget = pace_of(store, clock, "queries", per_second=settings.queries_per_minute / 60)
        self._wake = wake
        self._steps = ClockSteps(store=store, clock=clock)
        self._skew = skew or Skew(clock)

    async def check_now(self, payment_id: str, *, by: int, update_id: int | None) -> CheckNow:
        """A person wants to know now: to the front, at most once per payment in 30 s."""
        now = self._clock.now()

        async def run(tx: Tx) -> CheckNow:
            if update_id is not None:
                await tx.inbox.done(update_id, at=now)
            payment = await tx.payments.get(payment_id)
            assert payment is not None, "buttons are shown about payments that we have"
            if payment.status in FINAL:
                return CheckNow.DECIDED
            if payment.checkout_index is None:
                return CheckNow.CANNOT
            before = now - USER_CHECK_EVERY
            moved = await tx.payments.ask_user_check(payment_id, now=now, before=before)
            return CheckNow.ASKED if moved else CheckNow.TOO_SOON

        answer = await self._store.write(run)
        log.info("payment.check_now id=%s by=%d answer=%s", payment_id, by, answer)
        return answer

    async def start(self) -> None:
        """At start: what the process before us was asking about is asked again at once."""
        if self._store.exclusive:
            await self._store.write(lambda tx: tx.payments.release_checks())
        now = self._clock.now()
        await self._store.write(lambda tx: tx.payments.confirm_anew(now=now))
        await self._steps.start()
        await self._store.write(lambda tx: tx.payments.unsettled_anew())

    async def run_due(self) -> None:
        """Ask about what is due, as far as the budget goes. A job."""
        now = await self._steps.look()
        async with self._store.read() as tx:
            due = await tx.payments.due(now=now, limit=AT_ONCE)
            nameless = await tx.payments.due_without_id(now=now, limit=AT_ONCE)
            unseen = await tx.payments.any_unseen(now=now)
        if unseen:
            await self._store.write(lambda tx: tx.payments.check_unseen(now=now))
        askable = [payment for payment in due if can_ask(payment, now)]
        rest = {each.id: each for each in (*due, *nameless) if not can_ask(each, now)}
        turns = await self._budget.take(len(askable)) if askable else 0
        wanted = askable[:turns]
        if not wanted and not rest:
            return
        taken = await self._claim([each.id for each in wanted] + list(rest))
        to_ask = [payment for payment in taken if payment.id not in rest]
        if len(to_ask) < turns:
            await self._budget.give_back(turns - len(to_ask))
        # Together: one that always fails holds up no other.
        await asyncio.gather(
            *(self._without_asking(each) for each in taken if each.id in rest),
            *(self._ask(each) for each in to_ask),
        )

    async def settle_again(self) -> None:
        """
        Payments whose evidence could not be settled when it came. A job.

        Operators are told at the first try; after the last one it waits for a person.
        """
        now = self._clock.now()

        def admit(payment: Payment, _seen: Seen) -> Admitted:
            last = payment.settle_tries + 1 >= SETTLE_TRIES
            return Admitted(
                changes={"pending_at": payment.pending_at or now} if last else {},
                notices=self._settle.alarm(Alarm.NEEDS_SETTLE, payment.id),
            )

        async with self._store.read() as tx:
            if not await tx.payments.unsettled(limit=1, tries=SETTLE_TRIES):
                return

        async def claim(tx: Tx) -> list[str]:
            return await tx.payments.claim_unsettled(
                limit=AT_ONCE, tries=SETTLE_TRIES, now=now, lease=SETTLE_CLAIMED_FOR
            )

        for payment_id in await self._store.write(claim):
            await self._submit(Unit(payment_id=payment_id, admit=admit))

    async def _ask(self, payment: Payment) -> None:
        async with self._store.read() as tx:
            checkout_id = await tx.payments.checkout_id(payment.id)
        assert checkout_id is not None, "only payments with an id are asked about"
        asked_at = self._clock.now()
        with about(payment.id):
            try:
                answer = await self._accounts.of(payment.account).query(checkout_id)
            except NoAnswer as exc:
                await self._unanswered(payment, exc.retry_after_s)
                return
            await self._answered(payment, answer, asked_at)

    async def _claim(self, payment_ids: Sequence[str]) -> list[Payment]:
        """Lease the checks before asking, so that no other turn and no other process asks too."""
        now = self._clock.now()

        async def run(tx: Tx) -> list[Payment]:
            return await tx.payments.claim_checks(payment_ids, now=now, lease=CLAIMED_FOR)

        try:
            return await self._store.write(run)
        except NotKept:
            return []

    async def _answered(self, asked: Payment, answer: QueryAnswer, asked_at: datetime) -> None:
        now, theirs = self._clock.now(), self._skew.theirs()
        result = answer.result

        def admit(payment: Payment, seen: Seen) -> Admitted:
            put_at = aged(payment, seen.told, ours=asked_at, theirs=theirs)
            evidence: tuple[Evidence, ...] = ()
            not_yet = payment.not_yet
            # An answer has no amount. About an id that only a callback named, it may be of a
            # payment that a liar made elsewhere.
            large = payment.amount_kes > payment.confirm_above_kes
            hearsay = None if seen.accepted else IDS_HELD
            why = hearsay if large else None
            if why is None and counts_apart(payment, seen.told):
                why = APART_HELD
            held = result.paid and why is not None
            if held and why is not None:
                evidence = (_held_evidence(payment.id, why, put_at),)
            elif result.paid:
                evidence = (_query_evidence(payment.id, Kind.QUERY_PAID, hearsay, put_at),)
            elif result.final:
                reason = result.meaning.value
                evidence = (_query_evidence(payment.id, Kind.QUERY_FAILED, reason, asked_at),)
            else:
                not_yet += 1
            if payment.check_gen != asked.check_gen:
                # We were away too long, and another process has asked since: the timetable is
                # its own. What Safaricom said stays true.
                return Admitted(evidence=evidence)
            checks = payment.checks + 1
            changes: dict[str, object] = {
                "checks": checks,
                "not_yet": not_yet,
                "unanswered": 0,
                **CHECKED,
                "next_check_at": self._next_check(payment, checks, now),
            }
            if held:
                newly = payment.pending_at is None
                changes["pending_at"] = payment.pending_at or now
                return Admitted(
                    evidence=evidence,
                    changes=changes,
                    notices=self._pending(payment) if newly else (),
                )
            exhausted = checks >= len(self._check_after) and not_yet >= NOT_YET_TO_LAPSE
            if not evidence and payment.status in OPEN and exhausted:
                evidence = (_query_evidence(payment.id, Kind.LAPSED, None, now),)
            if not evidence and needs_person(payment, now):
                changes["pending_at"] = now
                return Admitted(changes=changes, notices=self._pending(payment))
            return Admitted(
                evidence=evidence,
                changes=changes,
                notices=() if evidence else self._still_checking(payment),
            )

        log.info("payment.checked id=%s meaning=%s", asked.id, result.meaning)
        await self._submit(Unit(payment_id=asked.id, admit=admit))

    async def _unanswered(self, asked: Payment, retry_after_s: float | None) -> None:
        now = self._clock.now()

        def admit(payment: Payment, _seen: Seen) -> Admitted:
            if payment.check_gen != asked.check_gen:
                return Admitted()
            place = min(payment.unanswered, len(NO_ANSWER_WAIT_S) - 1)
            wait = max(timedelta(seconds=NO_ANSWER_WAIT_S[place]), seldom(payment, now))
            next_at = call_in_time(payment, now + wait, now)
            changes: dict[str, object] = {
                "unanswered": payment.unanswered + 1,
                **CHECKED,
                "next_check_at": max(next_at, now + timedelta(seconds=retry_after_s or 0)),
            }
            if needs_person(payment, now):
                changes["pending_at"] = now
                return Admitted(changes=changes, notices=self._pending(payment))
            return Admitted(changes=changes, notices=self._still_checking(payment))

        await self._submit(Unit(payment_id=asked.id, admit=admit))

    def _still_checking(self, payment: Payment) -> tuple[NewNotice, ...]:
        """Say that we are looking: on the first look, and whenever a person asked for it."""
        first = payment.not_yet == 0 and payment.unanswered == 0
        if payment.status in OPEN and (first or payment.user_check_at is not None):
            return (status_notice(payment.id),)
        return ()

    async def _without_asking(self, asked: Payment) -> None:
        """What is due but cannot be, or need not be, asked."""
        now = self._clock.now()

        def admit(payment: Payment, _seen: Seen) -> Admitted:
            if payment.check_gen != asked.check_gen:
                return Admitted()
            if payment.checkout_index is not None and asked.checkout_index is None:
                # Its id has come since: it is as due as it was, and can be asked about.
                return Admitted(changes={"check_until": None, "check_holder": None})
            begun_at = begun(payment, now)
            if payment.status in FINAL:
                return Admitted(changes={**CHECKED, "next_check_at": None})
            newly = payment.pending_at is None
            if now >= begun_at + LAPSE_AFTER:
                evidence: tuple[Evidence, ...] = ()
                if payment.status in OPEN:
                    evidence = (_query_evidence(payment.id, Kind.LAPSED, None, now),)
                return Admitted(
                    evidence=evidence,
                    changes={
                        **CHECKED,
                        "next_check_at": None,
                        "pending_at": payment.pending_at or now,
                    },
                    notices=self._pending(payment) if newly else (),
                )
            called_at = pending_from(payment, now)
            if now < called_at:
                return Admitted(changes={**CHECKED, "next_check_at": called_at})
            return Admitted(
                changes={
                    **CHECKED,
                    "next_check_at": begun_at + LAPSE_AFTER,
                    "pending_at": payment.pending_at or now,
                },
                notices=self._pending(payment) if newly else (),
            )

        await self._submit(Unit(payment_id=asked.id, admit=admit))

    def _pending(self, payment: Payment) -> tuple[NewNotice, ...]:
        return (status_notice(payment.id), *self._settle.pending_alarm(payment))

    async def _submit(self, unit: Unit) -> None:
        try:
            outcome = await self._store.submit(unit, self._settle)
        except NotKept:
            # The lease that `_claim` took runs out, and the check comes round again.
            return
        if outcome.moved:
            assert outcome.payment is not None, "it moved"
            log.info(
                "payment.heard id=%s status=%s via=query", unit.payment_id, outcome.payment.status
            )
        self._wake()

    def _next_check(self, payment: Payment, checks: int, now: datetime) -> datetime:
        """The next of the configured times, or, where they are used up, an hour on or later."""
        begun_at = begun(payment, now)
        later = (begun_at + after for after in self._check_after[checks:])
        otherwise = now + max(timedelta(hours=1), seldom(payment, now))
        next_at = next((each for each in later if each > now), otherwise)
        return call_in_time(payment, next_at, now)


def _held_evidence(payment_id: str, reason: str, at: datetime) -> Evidence:
    """A yes that credits nothing; said again, it says nothing more."""
    return Evidence(
        payment_id=payment_id,
        kind=Kind.QUERY_PAID,
        at=at,
        reason=reason,
        held=True,
        digest=sha256(f"{Kind.QUERY_PAID}:{reason}".encode()).hexdigest(),
        source="query",
    )


def _query_evidence(payment_id: str, kind: Kind, reason: str | None, at: datetime) -> Evidence:
    # When a query was asked that said "paid" matters to settle: each time is a fact of its own,
    # and an answer may be as old as its question.
    when = at.isoformat() if kind is Kind.QUERY_PAID else ""
    return Evidence(
        payment_id=payment_id,
        kind=kind,
        at=at,
        reason=reason,
        digest=sha256(f"{kind}:{reason}:{when}".encode()).hexdigest(),
        source="query",
    )
