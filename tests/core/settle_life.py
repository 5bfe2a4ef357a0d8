"""What follows from each set of evidence: that no payment falls silent, and none goes untold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from storage.hearing import Decision
from storage.records import FINAL, OPEN, Alarm, Evidence, Payment, Status, Word
from tests.core.settle_rules import QUERY_NO, sure
from tests.core.settle_space import BREACHES_MAX, F, Space, Tally, bits, facts_about, names, sets_of

__all__ = ["LIFE", "LIFE_FULL", "OPERATORS", "live"]

Settled = Callable[[Payment, Sequence[Evidence]], Decision]

OPERATORS = (900, 901)
NONE = F(0)

LIFE = Space(
    outer=((F.BEGUN,),),
    inner=(
        (NONE, F.ACCEPTED, F.REPLY_LOST, F.NOT_SENT),
        (NONE, F.PAID, F.LIMIT_HELD, F.PAID | F.PAID_AGAIN),
        (NONE, F.FAILED),
        (NONE, F.QUERY_YES_EARLY, F.QUERY_YES, F.QUERY_HELD),
        (NONE, F.QUERY_NO_LATER),
        (NONE, F.RECORD),
        (NONE, F.VOID, F.VOID_LAST),
        (NONE, F.CLAIM, F.CONTRADICTED),
        (NONE, F.LAPSED),
    ),
)
"""Lives that `make test` can afford to follow, from the push on."""

LIFE_FULL = Space(
    outer=((F.BEGUN,),),
    inner=(
        (NONE, F.ACCEPTED, F.REPLY_LOST, F.NOT_SENT, F.REFUSED, F.ACCEPTED | F.REPLY_LOST),
        (NONE, F.PAID, F.LIMIT_HELD, F.RECEIPT_HELD, F.PAID | F.PAID_AGAIN, F.BARE),
        (NONE, F.FAILED, F.FAILED_TOO),
        (NONE, F.QUERY_YES_EARLY, F.QUERY_YES, F.QUERY_HELD),
        (NONE, F.QUERY_NO, F.QUERY_NO_LATER),
        (NONE, F.RECORD, F.RECORD_OTHER),
        (NONE, F.VOID, F.VOID_LAST),
        (NONE, F.CLAIM),
        (NONE, F.CONTRADICTED),
        (NONE, F.LAPSED),
    ),
)


class Stored(NamedTuple):
    """What a row remembers of the way that it came, beyond its evidence."""

    checked: bool  # a check is on the timetable
    pending: bool  # it waits for a person


def live(space: Space, payment: Payment, settle: Settled) -> Tally:
    """
    Add fact after fact in every order, storing what `settle` says as the store would.

    Facts come from the push on; when each was told is its own affair.
    """
    told = {int(fact): evidence for fact, evidence in facts_about(payment).items()}
    sets = sorted(
        (outer | inner for outer in sets_of(space.outer) for inner in sets_of(space.inner)),
        key=lambda facts: (facts.bit_count(), facts),
    )
    inside = set(sets)
    # `send` puts the first check on the timetable together with *begun*.
    states: dict[int, set[Stored]] = defaultdict(set)
    rows: dict[tuple[int, Stored], Payment] = {}
    begun = int(F.BEGUN)
    tally = Tally(sets=len(sets))
    row, _ = _store(payment, settle(payment, [told[begun]]), Stored(True, False))
    states[begun].add(Stored(True, False))
    rows[begun, Stored(True, False)] = row
    for facts in sets:
        for more in told:
            after = facts | more
            if facts & more or after not in inside:
                continue
            evidence = [told[each] for each in bits(after)]
            for stored in states[facts]:
                tally.extensions += 1
                row = rows[facts, stored]
                decision = settle(row, evidence)
                now, kept = _store(row, decision, stored)
                wrong = _wrong(payment, row, now, decision, evidence, kept, after)
                if wrong is not None:
                    way = f"{names(facts)} {stored}, then {F(more).name}"
                    tally.breaches.append(f"{way}: {wrong}: {decision}")
                    if len(tally.breaches) > BREACHES_MAX:
                        return tally
                states[after].add(kept)
                rows[after, kept] = now
    return tally


def _store(row: Payment, decision: Decision, stored: Stored) -> tuple[Payment, Stored]:
    """As `storage.units` folds a decision into a row."""
    checked = (stored.checked or decision.next_check_at is not None) and not decision.check_over
    now = replace(
        row,
        status=decision.status,
        words=decision.words,
        reason=decision.reason,
        receipt=decision.receipt,
        credited_cents=decision.credited_cents,
        confirmed=decision.confirmed,
        pending_at=decision.pending_at,
    )
    return now, Stored(checked, decision.pending_at is not None)


def _wrong(
    payment: Payment,
    was: Payment,
    now: Payment,
    decision: Decision,
    evidence: Sequence[Evidence],
    kept: Stored,
    facts: int,
) -> str | None:
    """The promise that is broken, if one is."""
    heard_at = max(each.at for each in evidence)
    return (
        _silent(now, kept, facts)
        or _untimely(was, now, decision, heard_at, facts)
        or _untold(payment, was, now, decision, heard_at)
    )


def _untimely(
    was: Payment, now: Payment, decision: Decision, heard_at: datetime, facts: int
) -> str | None:
    """When Safaricom is asked next, and since when a person is waited for."""
    assert now.begun_at is not None, "lives begin with the push"
    expected = None
    if now.status is not was.status:
        success = facts & (F.PAID | F.PAID_AGAIN | F.LIMIT_HELD | F.RECEIPT_HELD | F.BARE)
        match now.status:
            case Status.PAID if not now.confirmed:
                # A query says 0 too early, so it is asked when the prompt's life is surely over.
                expected = max(heard_at, now.begun_at + timedelta(seconds=130))
            case Status.DECLINED if not facts & QUERY_NO:
                expected = max(heard_at, now.begun_at + timedelta(seconds=130))
            case Status.CONFIRMING if success:
                expected = heard_at
            case Status.CONFIRMING | Status.REVIEW:
                expected = max(heard_at, now.begun_at + timedelta(seconds=120))
    if decision.next_check_at != expected:
        return f"to be asked about at {expected}"
    if was.pending_at is None and now.pending_at not in (None, heard_at):
        return "it waits for a person since that was heard"
    by_person = facts & (F.VOID | F.VOID_LAST)
    if (
        not by_person
        and was.pending_at is not None
        and now.pending_at not in (None, was.pending_at)
    ):
        return "it waits for a person no longer than it did"
    return None


def _silent(now: Payment, kept: Stored, facts: int) -> str | None:
    looked = facts & F.VOID_LAST  # the first one comes before anybody claims anything
    match now.status:
        case Status.PAID:
            if not now.confirmed and not kept.checked:
                return "credited on one word, and never asked about"
            if now.confirmed and kept.checked:
                return "still asked about, and there is nothing left to ask"
            denied = Word.CONTRADICTED in now.words and not sure(facts)
            if denied and not kept.pending:
                return "credited on one word and denied, and no person is told"
            waits = kept.pending and not denied
            return "money came, and a person still waits for it" if waits else None
        case Status.LAPSED | Status.REVIEW if not kept.pending:
            return "no machine can decide it, and no person is told"
        case Status.LAPSED:
            return "lapsed, and still asked about" if kept.checked else None
        case Status.CONFIRMING | Status.REVIEW if not kept.checked:
            return "somebody said paid, and nobody asks"
        case status if status in OPEN and not (kept.checked or kept.pending):
            return "undecided, and silent for ever"
    if facts & F.CLAIM and not looked and not kept.pending:
        return "somebody claims to have paid, and nobody looks"
    if now.status is Status.DECLINED and not facts & QUERY_NO:
        return None if kept.checked else "only a callback said no, and nobody asks whether"
    if now.status in FINAL:
        if kept.checked:
            return "decided, and still asked about"
        if kept.pending and (looked or not facts & F.CLAIM):
            return "decided, and a person still waits for it"
    return None


def _untold(
    payment: Payment, was: Payment, now: Payment, decision: Decision, heard_at: datetime
) -> str | None:
    owed = {notice.key for notice in decision.notices}
    status_key, ring_key = f"status:{payment.id}", f"ring:{payment.id}:{now.status}"
    shown_was = (was.status, was.words, was.reason, was.receipt, was.pending_at is None)
    shown_now = (now.status, now.words, now.reason, now.receipt, now.pending_at is None)
    if shown_was != shown_now and status_key not in owed:
        return "the message in the chat is old"
    if shown_was == shown_now and owed:
        return "nothing new, and yet something is said"
    last_word = now.status in (*FINAL, Status.LAPSED) and now.status is not was.status
    assert payment.begun_at is not None, "lives begin with the push"
    slow = heard_at > payment.begun_at + timedelta(seconds=120)
    rings = last_word and (slow or Word.LATE in now.words)
    if rings != (ring_key in owed):
        return "a late last word must ring, and nothing else may"
    news = {Alarm.CONTRADICTED: Word.CONTRADICTED, Alarm.TWICE: Word.TWICE}
    expected = {alarm for alarm, word in news.items() if word in now.words - was.words}
    # Of a credit that is denied they are told already: it is contradicted.
    undecided = now.status is not Status.PAID
    if now.pending_at is not None and was.pending_at is None and undecided:
        expected.add(Alarm.PENDING)
    alarms = {(each.alarm, each.chat_id) for each in decision.notices if each.alarm is not None}
    if alarms != {(alarm, operator) for alarm in expected for operator in OPERATORS}:
        return "operators are told of what is new, each of them, and of nothing else"
    return None
