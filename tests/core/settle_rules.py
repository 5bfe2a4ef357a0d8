"""What must hold of every standing: said from the promises, not from the code of settle."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from bot.core.settle import Standing
from storage.records import Payment, Status, Word
from tests.core.settle_space import SMALL, TOLD_AFTER, F, facts_about, first

__all__ = ["NO", "YES", "grounds", "of_extension", "of_set"]

# Neighbours ask the same questions; millions of sets must not fill the memory with answers.
remembered = lru_cache(maxsize=2**15)

# Plain numbers: these are added and compared a million times.
SUCCESS = int(F.PAID | F.PAID_AGAIN | F.LIMIT_HELD | F.RECEIPT_HELD | F.BARE)
FREE_SUCCESS = int(F.PAID | F.PAID_AGAIN)
THE_RECORD = int(F.RECORD | F.RECORD_OTHER)
HELD_RECORD = int(F.RECORD_HELD)
A_PERSON = int(F.OPERATOR | F.RULED)
QUERY_YES = int(F.QUERY_YES_EARLY | F.QUERY_YES)
CALLBACK_NO = int(F.FAILED | F.FAILED_TOO)
QUERY_NO = int(F.QUERY_NO | F.QUERY_NO_LATER)
NEVER_CAME = int(F.REFUSED | F.NOT_SENT)
WRITTEN_OFF = int(F.VOID | F.VOID_LAST)
OTHER_IDS = int(F.CONTRADICTED)
HELD_QUERY = int(F.QUERY_HELD)
NOISE = int(F.UNTRUSTED | F.CLAIM | F.PROPOSED | F.APART)
MOVED = int(F.MOVED | F.MOVED_OTHER | F.MOVED_RULED)
SURE = THE_RECORD | A_PERSON | int(F.QUERY_YES)
YES = SUCCESS | QUERY_YES | HELD_QUERY | THE_RECORD | HELD_RECORD | A_PERSON
NO = CALLBACK_NO | QUERY_NO | NEVER_CAME

RECEIPTS = {
    F.PAID: "UKN1ABCDEF",
    F.PAID_AGAIN: "UKN2ABCDEF",
    F.LIMIT_HELD: "UKN8ABCDEF",
    F.RECORD: "UKN1ABCDEF",
    F.RECORD_OTHER: "UKN7ABCDEF",
    F.RECORD_HELD: "UKN5ABCDEF",
    F.OPERATOR: "UKN6ABCDEF",
    F.RULED: "UKN1ABCDEF",
}
GONE = {F.MOVED: "UKN1ABCDEF", F.MOVED_OTHER: "UKN7ABCDEF", F.MOVED_RULED: "UKN6ABCDEF"}
PAID_AFTER_S = {
    **{F.PAID: 28, F.PAID_AGAIN: 33, F.LIMIT_HELD: 27},
    **{F.RECORD: 28, F.RECORD_OTHER: 29, F.RECORD_HELD: 26},
}
# Less than was asked for, in the word of these.
SHORT_CENTS = {F.RECORD_OTHER: 950, F.RULED: 450}
REASONS = {fact: evidence.reason for fact, evidence in facts_about(SMALL).items()}
# A person and a machine may hear "paid" of one payment; whose word on the amount is the best?
BEST_WITNESS = (THE_RECORD, A_PERSON, FREE_SUCCESS, QUERY_YES)
UNDECIDED_YES = (Status.CONFIRMING, Status.REVIEW)


@remembered
def grounds(facts: int, small: bool) -> int:
    """Those of *facts* that prove that money came. Nothing else may ever credit."""
    good = facts & (THE_RECORD | A_PERSON | F.QUERY_YES)
    if small:
        good |= facts & (FREE_SUCCESS | QUERY_YES)
    if facts & SUCCESS:
        good |= facts & QUERY_YES
    return int(good)


def sure(facts: int) -> int:
    """Those of *facts* that are more than one word about a prompt that may have been open."""
    return facts & (SURE | (QUERY_YES if facts & SUCCESS else 0))


def of_set(payment: Payment, facts: int, found: Standing) -> str | None:
    """The promise that *found* breaks, if it breaks one."""
    begun_at = payment.begun_at
    assert begun_at is not None, "times are counted from the push"
    proof = grounds(facts, payment.amount_kes <= payment.confirm_above_kes)
    if (found.status is Status.PAID) != bool(proof):
        return "credited without grounds" if proof == 0 else "grounds, and no credit"
    if proof:
        return _of_credit(payment, facts, proof, found, begun_at)
    return _of_rest(facts, found, begun_at)


def _of_credit(
    payment: Payment, facts: int, proof: int, found: Standing, begun_at: datetime
) -> str | None:
    asked_cents = payment.amount_kes * 100
    cents = asked_cents - SHORT_CENTS.get(_witness(facts, proof), 0)
    back = cents if facts & F.REVERSED else 0
    if (found.credited_cents, found.reversed_cents) != (cents - back, back):
        return "another amount than the best witness named, less what went back"
    if found.words != _words(facts, proof):
        return "the words beside the credit are not these"
    if found.receipt != _receipt(facts, proof):
        return "not the receipt that the best witness named"
    if found.decided_at != begun_at + TOLD_AFTER[first(proof)]:
        return "it was not decided when the first proof came"
    if found.paid_at != _paid_at(facts, proof, begun_at):
        return "not paid when it was said to be"
    if found.confirmed != bool(sure(facts)):
        return "confirmed is more than one word about a prompt that was open, and nothing less"
    return None if found.reason is None else "a credit needs no reason"


@remembered
def _words(facts: int, proof: int) -> frozenset[Word]:
    """Only of a credit; *proof* is what it stands on."""
    words = set()
    gave_up = facts & (NO | WRITTEN_OFF | F.LAPSED)
    if gave_up and TOLD_AFTER[first(gave_up)] < TOLD_AFTER[first(facts & YES)]:
        words.add(Word.LATE)
    if _witness(facts, proof) in SHORT_CENTS:
        words.add(Word.OTHER_AMOUNT)
    if len(_told_receipts(facts)) > 1:
        words.add(Word.TWICE)
    if not facts & (F.BEGUN | F.ACCEPTED):
        words.add(Word.BY_HAND)
    all_gone = all(_is_gone(facts, each) for each in F(proof))
    if all_gone or facts & (NO | WRITTEN_OFF | OTHER_IDS):
        words.add(Word.CONTRADICTED)
    if facts & F.REVERSED:
        words.add(Word.REVERSED)
    return frozenset(words)


def _is_gone(facts: int, each: F) -> bool:
    """Whether the receipt that it names is another payment's."""
    return any(facts & moved and GONE[moved] == RECEIPTS.get(each) for moved in GONE)


@remembered
def _told_receipts(facts: int) -> frozenset[str]:
    """Receipts that are this payment's: not those that another one holds."""
    return frozenset(
        receipt for fact, receipt in RECEIPTS.items() if facts & fact and not _is_gone(facts, fact)
    )


@remembered
def _witness(facts: int, proof: int) -> F:
    """
    Whose word on the amount, the receipt and the time counts: the earliest of the best kind, of
    those whose receipt is ours, if there are any. Before all of them a person's, who said which of
    two amounts of the books it is.
    """
    if proof & F.RULED and not _is_gone(facts, F.RULED):
        return F.RULED
    ours = sum(each for each in F(proof) if not _is_gone(facts, each)) or proof
    return next(first(ours & kind) for kind in BEST_WITNESS if ours & kind)


@remembered
def _receipt(facts: int, proof: int) -> str | None:
    said = RECEIPTS.get(_witness(facts, proof))
    told = _told_receipts(facts)
    return said if said in told else min(told, default=None)


@remembered
def _paid_at(facts: int, proof: int, begun_at: datetime) -> datetime:
    """As told by the witness; else the earliest told of ours; else when the witness was heard."""
    witness = _witness(facts, proof)
    told_s = PAID_AFTER_S.get(witness)
    if told_s is None:
        ours = (s for f, s in PAID_AFTER_S.items() if facts & f and not _is_gone(facts, f))
        told_s = min(ours, default=None)
    heard_after = TOLD_AFTER[witness] if told_s is None else timedelta(seconds=told_s)
    return begun_at + heard_after


def _of_rest(facts: int, found: Standing, begun_at: datetime) -> str | None:
    """Without proof."""
    status, said = _verdict(facts)
    if found.status is not status:
        return f"should be {status}"
    if found.credited_cents is not None or found.paid_at is not None or found.confirmed:
        return "money where there is no credit"
    decided_by = first(said) if said else None
    if found.decided_at != (None if decided_by is None else begun_at + TOLD_AFTER[decided_by]):
        return "it was not decided when that was first said"
    if found.reason != (None if decided_by is None else REASONS[decided_by]):
        return "not the reason that was given"
    if found.words != (frozenset({Word.CONTRADICTED}) if facts & OTHER_IDS else frozenset()):
        return "words that only a credit may have"
    receipt = min(_told_receipts(facts), default=None) if status in UNDECIDED_YES else None
    return None if found.receipt == receipt else "a receipt that proves nothing yet"


@remembered
def _verdict(facts: int) -> tuple[Status, int]:
    """Where it stands without proof, and the facts that say so."""
    said_yes = facts & YES
    written_off = facts & WRITTEN_OFF
    if written_off:
        # Only a person writes a yes off, and only one that was there already.
        last = max(TOLD_AFTER[each] for each in F(written_off))
        since = sum(each for each in F(said_yes) if TOLD_AFTER[each] > last)
        return (Status.REVIEW, since) if since else (Status.VOID, written_off)
    if said_yes:
        # A row that is held is in our account: a person says whose it is.
        return Status.REVIEW if facts & (NO | HELD_RECORD) else Status.CONFIRMING, said_yes
    ladder = (
        (CALLBACK_NO, Status.DECLINED),
        (QUERY_NO, Status.DECLINED),
        (int(F.REFUSED), Status.REFUSED),
        (int(F.NOT_SENT), Status.VOID),
        (int(F.LAPSED), Status.LAPSED),
        (int(F.ACCEPTED), Status.PROMPTED),
        (int(F.REPLY_LOST), Status.UNSURE),
        (int(F.BEGUN), Status.ASKING),
    )
    for said, status in ladder:
        if facts & said:
            return status, facts & said
    return Status.CREATED, 0


PAID = Status.PAID
LASTING = (Word.CONTRADICTED, Word.TWICE, Word.REVERSED)


def of_extension(facts: int, more: int, was: Standing, now: Standing) -> str | None:
    """The promise that learning *more* breaks, if it breaks one."""
    if more & NOISE:
        return None if was == now else "a body that nobody trusts, or a claim, moved it"
    if more & MOVED:
        return _of_moved(was, now)
    if was.status is Status.PAID:
        if now.status is not Status.PAID:
            return "a credit was undone by more evidence"
        corrects = THE_RECORD | A_PERSON | F.REVERSED
        if facts & MOVED:
            corrects |= YES  # the first word about it whose receipt is not another payment's
        if now.credited_cents != was.credited_cents and not more & corrects:
            return "the amount of a credit changed"
        if was.confirmed and not now.confirmed:
            return "a confirmed credit is not confirmed any more"
        if more & (NO | OTHER_IDS) and Word.CONTRADICTED not in now.words:
            return "a no beside a credit says nothing"
        if was.receipt is not None and now.receipt is None:
            return "a receipt was forgotten"
    by_person = more & WRITTEN_OFF
    if was.status in UNDECIDED_YES and not by_person and now.status not in (*UNDECIDED_YES, PAID):
        return "a yes was written off by a machine"
    if more & YES and now.status not in (*UNDECIDED_YES, PAID) and not facts & WRITTEN_OFF:
        return "a yes was not heard"
    lasting = LASTING if not facts & MOVED else (Word.REVERSED, Word.TWICE)
    if any(word in was.words and word not in now.words for word in lasting):
        return "a word was taken back"
    return None


def _of_moved(was: Standing, now: Standing) -> str | None:
    """That a receipt is another's changes whose word counts, and no status."""
    if (was.status, was.confirmed) != (now.status, now.confirmed):
        return "a receipt that is another's moved a status"
    if was.decided_at != now.decided_at:
        return "a receipt that is another's changed when it was decided"
    if Word.CONTRADICTED in was.words and Word.CONTRADICTED not in now.words:
        return "a word was taken back"
    return None
