"""
Ways: how Safaricom's books come to us by themselves: status questions, the list, words of payments.

A status question is answered later, at an address of its own that only Safaricom was told; the
list is fetched with a wide overlap, since rows appear in it late; what is posted about payments by
hand is kept as a claim, and asked about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, zip_longest
from typing import Literal, Protocol

from bot.core.pace import pace_of
from bot.core.ports import BackOffice, Clock, Ids
from bot.core.record import Record
from bot.core.registering import Registered, Registering
from bot.core.reversal_ends import ReversalEnds, went_back
from bot.core.settle import Settle
from bot.core.status_answers import NOT_OURS, UNREADABLE, outcome_of, row_of
from bot.core.unread import UnreadShelf
from mpesa.async_results import AsyncResult, TransactionState
from mpesa.c2b import C2bPayment
from mpesa.errors import NoAnswer, NotSent, OutcomeUnknown, Refused
from mpesa.models import PulledRow, ResultUrls
from mpesa.org_results import OrgMeaning
from storage.asked import Rounds
from storage.engine import Store
from storage.records import (
    Alarm,
    AskedLater,
    NewRecordRow,
    QuestionKind,
    Source,
)
from storage.set_back import FAR_AHEAD
from storage.tx import Tx

__all__ = ["HAND", "RESULT", "TIMEOUT", "VALIDATION", "Answered", "Unread", "Ways", "WaysSettings"]

log = logging.getLogger(__name__)

RESULT, TIMEOUT, HAND, VALIDATION = "result", "timeout", "by-hand", "validation"
"""The purposes under which the addresses of the record are signed."""

PULL_REACHES = timedelta(hours=48)
PULL_OVERLAP = timedelta(hours=2)
PULLED_UNTIL = "pull:until"
PULL_ROWS_MAX = 200_000
PULL_EVERY = timedelta(minutes=30)
PULL_AGAIN_AFTER = timedelta(minutes=5)
PULLING = "pulling"
ASK_AFTER_S = (0, 600, 3600, 21_600, 86_400)
NOT_ASKED = "not-asked"
"""What became of a question that did not leave."""
CREDENTIAL = (OrgMeaning.BAD_CREDENTIAL, OrgMeaning.NOT_ALLOWED)
ROUNDS = Rounds(
    after=[timedelta(seconds=each) for each in ASK_AFTER_S],
    # A password that has ended, say, is no word about a receipt: it is asked about afterwards.
    spared=[NOT_ASKED, TransactionState.PENDING, *CREDENTIAL, OrgMeaning.BUSY],
    over=[OrgMeaning.DONE, NOT_OURS],
)
CLAIM_SETTLES_S = 120
"""The list and the callback come first: a claim by post is asked about only after this."""
CLAIMS_REACH = timedelta(days=14)
CREDITS_WAIT = timedelta(hours=24)
"""By then a question about the prompt, or the list, has confirmed a credit if ever they will."""
ASKED_AT_ONCE = 20
BODIES_MAX = 20


class Unread(Protocol):
    """A body that could not be read. `mpesa.bodies.Unreadable` is one."""

    @property
    def reason(self) -> str: ...


Answered = AsyncResult | Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysSettings:
    """The `[mpesa]` of the configuration, as far as the books are concerned."""

    public_base: str  # https://pay.example.org
    numbers: frozenset[str]  # the Paybill; or the till, and the store that it belongs to
    office: str = ""  # mpesa.base_url: which Safaricom has these numbers
    initiator: bool = False  # whether status questions can be asked
    pull: bool = False
    pull_number: str = ""
    c2b: Literal["v1", "v2"] | None = None
    questions_per_minute: float = 5


class Ways:
    """Asks for the books, and hears what is posted about them."""

    def __init__(
        self,
        *,
        store: Store,
        office: BackOffice,
        record: Record,
        settle: Settle,
        clock: Clock,
        ids: Ids,
        settings: WaysSettings,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._office = office
        self._record = record
        self._settle = settle
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._wake = wake
        self.unread = UnreadShelf(
            store=store, settle=settle, clock=clock, read=self.posted, wake=wake
        )
        self.reversal_ends = ReversalEnds(store=store, settle=settle, clock=clock)
        self._registering = Registering(
            store=store,
            clock=clock,
            settle=settle,
            wake=wake,
            account=" ".join([settings.office, *sorted(settings.numbers)]),
            address=self.hand_url(HAND),
        )
        self._pull_not_before = clock.now()
        self._budget = pace_of(
            store, clock, "statuses", per_second=settings.questions_per_minute / 60
        )

    @property
    def can_ask(self) -> bool:
        """Whether status questions are configured."""
        return self._settings.initiator

    def signed(self, purpose: str, what: str, mac: str) -> bool:
        """Whether *mac* is our signature; in constant time, looking nothing up."""
        return self._store.crypt.signed(purpose, what, mac)

    def urls(self, question_id: str) -> ResultUrls:
        """Where the answer to a question, and that there is none, is posted."""
        base, sign = self._settings.public_base, self._store.crypt.sign
        return ResultUrls(
            f"{base}/t/{question_id}.{sign(RESULT, question_id)}",
            f"{base}/t/{question_id}.{sign(TIMEOUT, question_id)}",
        )

    def hand_url(self, purpose: str) -> str:
        """The fixed secret address for payments by hand, or for their validation."""
        return f"{self._settings.public_base}/b/{self._store.crypt.sign(purpose, purpose)}"

    async def ask(self, receipt: str, *, by: int | None = None) -> bool:
        """
        Ask Safaricom about a receipt, now; False if it could not be asked.

        The answer comes by `heard`.
        """
        if not self._settings.initiator:
            return False
        now = self._clock.now()
        asked = AskedLater(
            id=self._ids.new(now),
            kind=QuestionKind.STATUS,
            receipt=receipt,
            payment_id=None,
            amount_cents=None,
            by=by,
            asked_at=now,
        )
        # Written first: the answer may come before the reply.
        await self._store.write(lambda tx: tx.record.ask(asked))
        try:
            await self._office.ask_status(receipt, self.urls(asked.id))
        except (NotSent, Refused) as exc:
            log.warning("record.not_asked why=%s code=%s", type(exc).__name__, exc.code)
            await self._store.write(
                lambda tx: tx.record.heard(asked.id, outcome=NOT_ASKED, now=self._clock.now())
            )
            return False
        except OutcomeUnknown:
            pass  # it may have been heard; asking again is harmless
        return True

    async def ask_due(self) -> None:
        """Ask about receipts that were only named, or posted, or called to us. A job."""
        if not self._settings.initiator:
            return
        now = self._clock.now()
        async with self._store.read() as tx:
            named = await tx.record.named_due(
                ROUNDS, now=now, since=now - CLAIMS_REACH, limit=ASKED_AT_ONCE
            )
            posted = await tx.record.posted_due(
                ROUNDS,
                now=now,
                before=now - timedelta(seconds=CLAIM_SETTLES_S),
                limit=ASKED_AT_ONCE,
            )
            unconfirmed = await tx.record.unconfirmed_due(
                ROUNDS, now=now, begun_before=now - CREDITS_WAIT, limit=ASKED_AT_ONCE
            )
        # In turns: whoever pastes many codes holds up no money that was told by post.
        in_turns = chain.from_iterable(zip_longest(posted, named))
        told = [each for each in in_turns if each is not None]
        due = list(dict.fromkeys([*told, *unconfirmed]))
        turns = await self._budget.take(len(due)) if due else 0
        for receipt in due[:turns]:
            await self.ask(receipt)

    async def heard(self, question_id: str, answer: Answered, *, timeout: bool) -> None:
        """
        Take in what was posted about a question; returns after COMMIT.

        Raises:
            NotKept: it could not be kept; answer 503.
        """
        asked = await self._store.write(lambda tx: self._count(tx, question_id))
        if asked is None:
            return
        outcome = "timeout" if timeout else UNREADABLE
        reversal, row = asked.kind is QuestionKind.REVERSAL, None
        if isinstance(answer, AsyncResult) and not timeout:
            if answer.more_coming:
                return
            outcome = answer.result.meaning.value
            ours = self._settings.numbers
            row = went_back(asked, answer) if reversal else row_of(asked, answer, ours)
            if row is not None:
                # The books first: if we stop here, Safaricom is asked again.
                await self._record.take([row])
            elif answer.result.done and not reversal:
                outcome = outcome_of(asked, answer, ours)
                if outcome == UNREADABLE:
                    await self._alarm(Alarm.UNREAD)
            if answer.result.meaning in CREDENTIAL:
                await self._alarm(Alarm.CREDENTIAL)
        if reversal:
            await self.reversal_ends.heard(asked, outcome, recorded=row is not None)
        else:
            now = self._clock.now()
            await self._store.write(
                lambda tx: tx.record.heard(question_id, outcome=outcome, now=now)
            )
        log.info("record.heard outcome=%s", outcome)
        self._wake()

    async def posted(self, payment: C2bPayment) -> None:
        """
        Keep the word about a payment by hand: a claim, whatever its amount.

        Raises:
            NotKept: it could not be kept; answer 503.
        """
        if payment.short_code not in self._settings.numbers:
            log.warning("record.other_short_code")
            return
        await self._record.claim(
            NewRecordRow(
                receipt=payment.receipt,
                amount_cents=payment.amount_cents,
                at=payment.paid_at,
                source=Source.C2B,
                reference=payment.account_reference,
                payer=payment.payer,
            )
        )

    async def pull_due(self) -> None:
        """Fetch the list every half hour, one process at a time. A job."""
        if not self._settings.pull:
            return
        now = self._clock.now()
        last = await self._pulled_until(now)
        if last is not None and now < last + PULL_EVERY:
            return
        if now < self._pull_not_before <= now + PULL_AGAIN_AFTER:
            return
        if not await self._store.presence.try_role(PULLING):
            return
        try:
            # If it fails, Safaricom is left alone for a while.
            self._pull_not_before = now + PULL_AGAIN_AFTER
            await self.pull()
        finally:
            await self._store.presence.leave_role(PULLING)

    async def pull(self) -> None:
        """Fetch the list, from two hours before where we were, 48 hours back at most."""
        now = self._clock.now()
        registered = await self._registering.once("pull", "pull", self._register_pull)
        if registered is Registered.UNHEARD:
            return
        last = await self._pulled_until(now)
        since = now - PULL_REACHES if last is None else max(last - PULL_OVERLAP, now - PULL_REACHES)
        offset = 0
        while offset < PULL_ROWS_MAX:
            try:
                page = await self._office.pull(since=since, until=now, offset=offset)
            except NoAnswer as exc:
                log.warning("record.not_pulled why=%s", exc)
                return
            if registered is Registered.MAYBE:
                # It is fetched all the same: they know of us, by another address.
                await self._registering.stands("pull", "pull")
                registered = Registered.YES
            if page.unreadable:
                log.error("record.unreadable rows=%d", page.unreadable)
                await self._alarm(Alarm.UNREAD)
            await self._record.take([_pulled(row) for row in page.rows])
            if page.size == 0:
                break
            offset += page.size
        # Only now: a list that we did not get to the end of is fetched again from where we were.
        written = now.isoformat().encode()
        await self._store.write(lambda tx: tx.shared.put(PULLED_UNTIL, written))
        log.info("record.pulled rows=%d", offset)

    async def _pulled_until(self, now: datetime) -> datetime | None:
        """Where we were; None too where that is what a clock says that was set back since."""
        async with self._store.read() as tx:
            written = await tx.shared.get(PULLED_UNTIL)
        until = None if written is None else datetime.fromisoformat(written.decode())
        return None if until is not None and until > now + FAR_AHEAD else until

    async def register(self) -> None:
        """Say once where payments by hand are told. A job, until it is done."""
        if self._settings.c2b is not None:
            what = f"c2b:{self._settings.c2b}"
            await self._registering.once("c2b", what, self._register_hand)

    async def _register_hand(self) -> None:
        assert self._settings.c2b is not None, "only then"
        await self._office.register_urls(
            self._settings.c2b,
            confirmation_url=self.hand_url(HAND),
            validation_url=self.hand_url(VALIDATION),
        )

    async def _register_pull(self) -> None:
        await self._office.register_pull(
            nominated_number=self._settings.pull_number, callback_url=self.hand_url(HAND)
        )

    async def _count(self, tx: Tx, question_id: str) -> AskedLater | None:
        """The question, if it is one of ours that may still be answered."""
        asked = await tx.record.question(question_id)
        if asked is None or asked.bodies >= BODIES_MAX:
            return None
        await tx.record.count_body(question_id)
        return asked

    async def _alarm(self, alarm: Alarm) -> None:
        now = self._clock.now()
        notices = self._settle.alarm(alarm, None, key=now.strftime("%Y%m%d%H"))
        await self._store.write(lambda tx: tx.notices.owe(notices, now=now))
        self._wake()


def _pulled(row: PulledRow) -> NewRecordRow:
    return NewRecordRow(
        receipt=row.receipt,
        amount_cents=row.amount_cents,
        at=row.paid_at,
        source=Source.PULL,
        reference=row.account_reference,
        payer=row.payer,
    )
