"""
Health: how the bot is, in one look, and what operators are told of it: changes, and only those.

What is wrong is remembered in the database, so that a restart, or another process, neither says
it again nor forgets to say that it is over. A rule that cannot say (nothing was paid for an hour)
leaves things as they were said to be.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from bot.core.latencies import Latency
from bot.core.limits import LimitSettings
from bot.core.people import close
from bot.core.ports import Clock
from bot.core.reach import Sight, sight
from bot.core.restored import lift_in, restored
from bot.core.settle import BAD_CREDENTIALS
from bot.core.skew import SKEW_BAD_S, SKEW_GOOD_S, Skew, skew_written
from bot.core.unanswered import no_answers
from storage.engine import Store
from storage.health import CALLBACKS, Recent, Waiting
from storage.records import Closing, Kind, NewNotice, NoticeKind, Reply
from storage.tx import Tx

__all__ = ["Change", "Health", "Machine", "Snapshot", "Told", "Trouble", "judge"]

log = logging.getLogger(__name__)

STATE = "health"
"""Under this name of the shared values stands what operators were told is wrong."""

LATELY = timedelta(minutes=10)
TRIED_EVERY = timedelta(hours=1)
RATIO_WITHIN = timedelta(hours=1)
RATIO_AMONG, FOUND_BAD = 10, 2
RATIO_BAD, RATIO_GOOD = 0.20, 0.10
OUTBOX_BAD_S, OUTBOX_GOOD_S = 300.0, 60.0
INBOX_BAD_S, INBOX_GOOD_S = 120.0, 20.0
CHECKS_BAD_S, CHECKS_GOOD_S = 180.0, 60.0
LINES_BAD, LINES_GOOD = 5, 3
DISK_BAD_BYTES, DISK_GOOD_BYTES = 512 * 2**20, 1024 * 2**20

QUERIES = (Kind.QUERY_PAID, Kind.QUERY_FAILED)


class Trouble(StrEnum):
    """What can be wrong with the whole; each has a sentence, and a page in docs/alerts.md."""

    UNREACHABLE = "unreachable"  # our own address does not lead to us
    NO_CALLBACKS = "no-callbacks"  # queries find money, and nobody called
    PAID_BY_POLL = "paid-by-poll"  # more than a fifth was found by asking
    OUTBOX_LATE = "outbox-late"
    INBOX_LATE = "inbox-late"
    TOKEN_REFUSED = "token-refused"  # noqa: S105 -- a word, not a secret
    BUDGET_SPENT = "budget-spent"  # more is to be asked than may be asked
    LINES_PAUSED = "lines-paused"
    DISK_LOW = "disk-low"
    RESTORED = "restored"  # nothing is asked of anybody
    NO_ANSWERS = "no-answers"  # pushes get no reply: hardly anybody is asked
    CLOCK_OFF = "clock-off"  # Safaricom refuses what is dated wrongly


class Machine(Protocol):
    """What only the machine knows."""

    def free_bytes(self) -> int | None:
        """On the disk of the database; None where that is another machine's."""
        ...

    def last_backup_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """By which way the last words of a while came."""

    by_callback: int = 0
    by_query: int = 0  # and by no callback
    paid_by_query: int = 0  # of those, money


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How things are at one instant."""

    at: datetime
    database_ms: float
    waiting: Waiting
    lately: Told
    within_the_hour: Told
    token_refused: bool | None  # None: nobody has asked for one lately
    no_answers: bool | None = None  # None: too few pushes to say
    skew: timedelta | None = None  # of Safaricom's clock from ours, or from another process's
    lines_paused: int
    instances: int
    free_bytes: int | None
    last_backup_at: datetime | None
    restored_as_of: datetime | None
    sight: Sight | None = None  # None: nobody looks at our own address
    latencies: Mapping[str, Latency] = field(default_factory=dict)  # of this process
    wrong: Mapping[Trouble, datetime] = field(default_factory=dict)  # as operators were told

    def age_s(self, since: datetime | None) -> float:
        """Seconds since then; none where nothing waits."""
        return 0.0 if since is None else max(0.0, (self.at - since).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something went wrong, or is well again."""

    trouble: Trouble
    over: bool
    since: datetime  # when it began
    snapshot: Snapshot


Say = Callable[[Change, str | None], str]
"""The words of a change, in the language that an operator chose (None: not known); HTML."""


class Health:
    """Looks, and tells operators what changed."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        machine: Machine,
        operators: Sequence[int],
        limits: LimitSettings,
        say: Say,
        timer_s: Callable[[], float],
        wake: Callable[[], None],
        latencies: Callable[[], Mapping[str, Latency]] = dict,
        skew: Skew | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._machine = machine
        self._operators = operators
        self._limits = limits
        self._say = say
        self._timer_s = timer_s
        self._latencies = latencies
        self._wake = wake
        self._skew = skew or Skew(clock)

    async def look(self) -> Snapshot:
        """How things are now. Raises NotKept where the database cannot say."""
        now = self._clock.now()
        began_s = self._timer_s()
        async with self._store.read() as tx:
            waiting = await tx.health.waiting(now=now)
            database_ms = (self._timer_s() - began_s) * 1000
            recent = await tx.health.recent(since=now - RATIO_WITHIN)
            asked = {each.payment_id for each in recent if each.kind in QUERIES}
            called = await tx.health.called(asked)
            return Snapshot(
                at=now,
                database_ms=database_ms,
                waiting=waiting,
                lately=_told(recent, called, since=now - LATELY),
                within_the_hour=_told(recent, called, since=now - RATIO_WITHIN),
                token_refused=_token_refused(recent, since=now - LATELY),
                no_answers=no_answers(recent, since=now - LATELY),
                skew=await self._worst_skew(tx, now),
                lines_paused=await tx.health.lines_paused(
                    since=now - self._limits.pause,
                    incomplete=self._limits.incomplete_before_pause,
                    now=now,
                ),
                instances=await tx.health.instances(),
                free_bytes=self._machine.free_bytes(),
                last_backup_at=self._machine.last_backup_at(),
                restored_as_of=await restored(tx),
                sight=await sight(tx),
                latencies=self._latencies(),
                wrong=_read(await tx.shared.get(STATE)),
            )

    async def _worst_skew(self, tx: Tx, now: datetime) -> timedelta | None:
        ours = self._skew.seen()
        others = await skew_written(tx, true_now=now + (ours or timedelta()))
        return max((each for each in (ours, others) if each is not None), key=abs, default=None)

    async def watch(self) -> None:
        """Tell operators what changed since they were last told. A job."""
        await self._skew.write_down(self._store)
        snapshot = await self.look()
        async with self._store.read() as tx:
            missed = await self._missed(tx, snapshot.wrong, snapshot.at)
        if not missed and not _changes(snapshot, snapshot.wrong):
            return

        async def run(tx: Tx) -> list[Change]:
            # Read again: another process may have told it meanwhile.
            wrong = _read(await tx.shared.lock(STATE))
            changes = _changes(snapshot, wrong)
            for change in changes:
                await self._tell(tx, change)
                if change.over:
                    del wrong[change.trouble]
                else:
                    wrong[change.trouble] = change.since
            await self._tell_missed(tx, wrong, snapshot)
            await tx.shared.put(STATE, _written(wrong))
            return changes

        for change in await self._store.write(run):
            word = "over" if change.over else "begun"
            log.warning("health.%s trouble=%s", word, change.trouble)
        self._wake()

    async def lift(self, *, by: int, as_of: datetime, closing: Closing) -> bool:
        """
        An operator says that the gap since *as_of* is reconciled.

        False where nothing is paused (any more), or another gap is: a later restore has its own.
        """
        now = self._clock.now()

        async def run(tx: Tx) -> bool:
            if not await lift_in(tx, expected=as_of):
                return False
            await tx.payments.looked(by=by, payment_ids=[""], what="lift", at=now)
            await close(tx, closing, self._clock)
            return True

        lifted = await self._store.write(run)
        if lifted:
            log.warning("restored.lifted by=%d", by)
            self._wake()
        return lifted

    async def _tell(self, tx: Tx, change: Change) -> None:
        """A change, to each operator; that it is over only to those who could hear of it."""
        spared: set[str] = set()
        if change.over:
            spared = await tx.untold.forget(list(self._begun(change.trouble, change.since)))
        at = change.snapshot.at
        new = [
            NewNotice(
                key=_key(change.trouble, operator, at=at, over=change.over),
                kind=NoticeKind.SAY,
                chat_id=operator,
                reply=await self._words(tx, operator, change),
                topic="" if change.over else STATE,
            )
            for operator in self._operators
            if _key(change.trouble, operator, at=change.since) not in spared
        ]
        await tx.notices.owe(new, now=at)

    async def _missed(
        self, tx: Tx, wrong: Mapping[Trouble, datetime], now: datetime
    ) -> dict[str, tuple[Trouble, int]]:
        """What is wrong and could not be told to an operator who can be told things again."""
        keys = {
            key: (trouble, operator)
            for trouble, since in wrong.items()
            for key, operator in self._begun(trouble, since).items()
        }
        if not keys:
            return {}
        untold = await tx.untold.of(list(keys), tried_before=now - TRIED_EVERY)
        away = {keys[each][1] for each in untold}
        found = [await tx.people.get(each) for each in sorted(away)]
        here = {each.id for each in found if each is not None and each.reachable}
        return {key: keys[key] for key in untold if keys[key][1] in here}

    async def _tell_missed(
        self, tx: Tx, wrong: Mapping[Trouble, datetime], snapshot: Snapshot
    ) -> None:
        """In the words of now: those of then are not true any more."""
        for key, (trouble, operator) in (await self._missed(tx, wrong, snapshot.at)).items():
            change = Change(trouble=trouble, over=False, since=wrong[trouble], snapshot=snapshot)
            words = await self._words(tx, operator, change)
            await tx.untold.owe(key, words, now=snapshot.at)

    def _begun(self, trouble: Trouble, since: datetime) -> dict[str, int]:
        """The words that it began: their keys, and to whom."""
        return {_key(trouble, operator, at=since): operator for operator in self._operators}

    async def _words(self, tx: Tx, operator: int, change: Change) -> Reply:
        person = await tx.people.get(operator)
        text = self._say(change, None if person is None else person.language)
        return Reply(chat_id=operator, text=text)


def _key(trouble: Trouble, operator: int, *, at: datetime, over: bool = False) -> str:
    return f"health:{trouble}:{over:d}:{int(at.timestamp())}:{operator}"


def judge(trouble: Trouble, snapshot: Snapshot) -> bool | None:
    """Whether this is wrong; None where what is known does not say."""
    waiting, told, lately = snapshot.waiting, snapshot.within_the_hour, snapshot.lately
    match trouble:
        case Trouble.UNREACHABLE:
            # Nobody looks any more: what was told once is not kept up.
            return False if snapshot.sight is None else snapshot.sight.shut(snapshot.at)
        case Trouble.NO_CALLBACKS:
            if lately.by_callback:
                return False
            return True if lately.paid_by_query >= FOUND_BAD else None
        case Trouble.PAID_BY_POLL:
            among = told.by_callback + told.by_query
            if among < RATIO_AMONG or judge(Trouble.NO_CALLBACKS, snapshot):
                return None
            return _between(told.by_query / among, bad=RATIO_BAD, good=RATIO_GOOD)
        case Trouble.OUTBOX_LATE:
            age_s = snapshot.age_s(waiting.outbox_since)
            return _between(age_s, bad=OUTBOX_BAD_S, good=OUTBOX_GOOD_S)
        case Trouble.INBOX_LATE:
            age_s = snapshot.age_s(waiting.inbox_since)
            return _between(age_s, bad=INBOX_BAD_S, good=INBOX_GOOD_S)
        case Trouble.TOKEN_REFUSED:
            return snapshot.token_refused
        case Trouble.BUDGET_SPENT:
            age_s = snapshot.age_s(waiting.checks_late_since)
            return _between(age_s, bad=CHECKS_BAD_S, good=CHECKS_GOOD_S)
        case Trouble.LINES_PAUSED:
            return _between(snapshot.lines_paused, bad=LINES_BAD - 1, good=LINES_GOOD)
        case Trouble.DISK_LOW:
            free = snapshot.free_bytes
            return (
                None
                if free is None
                else _between(-free, bad=-DISK_BAD_BYTES, good=-DISK_GOOD_BYTES)
            )
        case Trouble.RESTORED:
            return snapshot.restored_as_of is not None
        case Trouble.NO_ANSWERS:
            return snapshot.no_answers
        case Trouble.CLOCK_OFF:
            if snapshot.skew is None:
                return None
            off_s = abs(snapshot.skew.total_seconds())
            return _between(off_s, bad=SKEW_BAD_S, good=SKEW_GOOD_S)


def _between(value: float, *, bad: float, good: float) -> bool | None:
    """Bad above *bad*, well below *good*: what hovers about one edge is not told for ever."""
    if value > bad:
        return True
    return False if value < good else None


def _changes(snapshot: Snapshot, wrong: Mapping[Trouble, datetime]) -> list[Change]:
    changes = []
    for trouble in Trouble:
        verdict = judge(trouble, snapshot)
        if verdict is not None and verdict != (trouble in wrong):
            since = wrong.get(trouble, snapshot.at)
            change = Change(trouble=trouble, over=not verdict, since=since, snapshot=snapshot)
            changes.append(change)
    return changes


def _told(recent: Sequence[Recent], called: set[str], *, since: datetime) -> Told:
    """Each payment counts once, by the callback if there was one, however late it came."""
    ours = [each for each in recent if each.at >= since]
    by_callback = {each.payment_id for each in ours if each.kind in CALLBACKS}
    found = {
        each.payment_id for each in ours if each.kind in QUERIES and each.payment_id not in called
    }
    paid = {each.payment_id for each in ours if each.kind is Kind.QUERY_PAID}
    return Told(by_callback=len(by_callback), by_query=len(found), paid_by_query=len(found & paid))


def _token_refused(recent: Sequence[Recent], *, since: datetime) -> bool | None:
    """By the newest push that needed one."""
    for each in recent:
        if each.kind is Kind.ACCEPTED:
            return False
        if each.kind is Kind.NOT_SENT and each.reason == BAD_CREDENTIALS:
            return True if each.at >= since else None
    return None


def _read(raw: bytes | None) -> dict[Trouble, datetime]:
    """What operators were told; a word of another version is left away."""
    told: dict[str, str] = json.loads(raw) if raw else {}
    known = {word.value: word for word in Trouble}
    return {
        known[word]: datetime.fromisoformat(since) for word, since in told.items() if word in known
    }


def _written(wrong: Mapping[Trouble, datetime]) -> bytes:
    return json.dumps({trouble.value: at.isoformat() for trouble, at in wrong.items()}).encode()
