"""Owns the judgement of a history: Safaricom's statement and the chats against our own books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import func, or_, select, text

from bot.core.settle import APART_HELD, SUCCESSES, stand
from mpesa.simulator.books import Row, RowKind
from mpesa.simulator.faults import ReplyFault
from mpesa.simulator.pushes import PushRecord
from storage.engine import Store
from storage.payment_rows import read_payment
from storage.records import FINAL, Evidence, Kind, Payment, Status, Word
from storage.schema import evidence as evidence_table
from storage.schema import inbox, notices, payments
from storage.tx import Tx
from tests.prove.histories.closely import judge_closely
from tests.prove.histories.diary import BORN
from tests.prove.histories.history import MOVED_TO, History, payment_at
from tests.prove.histories.process import Process
from tests.prove.histories.subjects import judge_subjects
from tests.prove.histories.truth import judge_people

__all__ = ["Verdict", "judge"]

UNTRUSTED_KEPT = 20
UNPAID = (Status.DECLINED, Status.REFUSED, Status.VOID)
AGAIN = "🔁"
AT_THE_GATE = (ReplyFault.THROTTLED, ReplyFault.SPIKE_ARREST)
AGAIN_WITHIN = timedelta(seconds=20)
BEING_TOLD = timedelta(seconds=10)
OUTAGE = ("⏳ M-Pesa is not answering me", "⏳ M-Pesa hainijibu")


@dataclass
class Verdict:
    """What was wrong, and which effects of the faults were really there."""

    violations: list[str] = field(default_factory=list)
    effects: Counter[str] = field(default_factory=Counter)
    payments: int = 0
    paid: int = 0
    lived: str = ""  # the fingerprint of the history, before what only the judge reads

    def must(self, holds: bool, invariant: str, *what: object) -> None:
        if not holds:
            self.violations.append(f"{invariant}: {' '.join(map(str, what))}")


@dataclass(frozen=True)
class _Books:
    """Everything of ours and theirs, side by side."""

    ours: dict[str, Payment]  # by push reference
    evidence: dict[str, list[Evidence]]  # by payment id
    theirs: dict[str, list[Row]]  # what was paid, by account reference
    told: dict[str, int]  # status notices, by payment id
    index: Callable[[str], list[str]]  # of Safaricom's id of a push, under each key
    moves: list[tuple[str, str, str]]  # payment, from, to


async def judge(history: History, process: Process) -> Verdict:
    """Hold the invariants against everything that happened."""
    verdict = Verdict(effects=Counter(history.effects))
    assert process.store is not None, "the last life is open"
    async with process.store.read() as tx:
        books = await _books(history, process.store, tx)
        await _told(history, process, tx, verdict)
        await _durable(history, tx, verdict)
        await judge_subjects(history, tx, books.ours, books.theirs, verdict)
        await judge_people(history, tx, books.ours, books.evidence, verdict)
        verdict.lived = history.fingerprint
        await judge_closely(history, process, tx, books.ours, books.evidence, books.theirs, verdict)
    verdict.payments = len(books.ours)
    for payment in books.ours.values():
        _one(history, books, payment, verdict)
    _money(history, books, verdict)
    for payment_id, before, after in books.moves:
        verdict.must(before != Status.PAID, "I5 monotone", payment_id, before, "->", after)
    _count_troubles(history, verdict)
    return verdict


async def _books(history: History, store: Store, tx: Tx) -> _Books:
    connection = tx.payments._connection
    rows = (await connection.execute(select(payments))).mappings()
    ours = {row["push_ref"]: read_payment(row) for row in rows}
    found = await tx.evidence.of([payment.id for payment in ours.values()])
    theirs: dict[str, list[Row]] = {}
    for row in history.safaricom.books.statement():
        if row.kind is RowKind.PAID:
            theirs.setdefault(row.account_reference, []).append(row)
    for ref in [each for each in ours if each.startswith(BORN)]:
        line = history.safaricom.books.row(ref.removeprefix(BORN))
        theirs[ref] = [] if line is None else [line]
    moves = (
        await connection.execute(
            text("SELECT payment_id, was, became, at_ms FROM proof_moves ORDER BY n")
        )
    ).all()
    for payment_id, was, became, at_ms in moves:
        history.note(f"moved {payment_id} {was} {became} {at_ms}")
    statuses = select(notices.c.payment_id).where(notices.c.kind == "status")
    told = Counter((await connection.execute(statuses)).scalars())
    return _Books(
        ours=ours,
        evidence=found,
        theirs=theirs,
        told=told,
        index=store.crypt.indexes,
        moves=[(m[0], m[1], m[2]) for m in moves],
    )


def _agreed(accepted: Sequence[PushRecord], evidence: Sequence[Evidence]) -> bool:
    """
    Whether Safaricom called a prompt paid that was still open, and a callback said so as well.

    A liar who knows both ids can then be told from Safaricom by its statement alone: SECURITY.md.
    """
    decided = [each.decided_at for each in accepted if each.decided_at is not None]
    early = any(
        each.kind is Kind.QUERY_PAID and each.at < at for each in evidence for at in decided
    )
    return early and any(each.kind in SUCCESSES for each in evidence)


def _one(history: History, books: _Books, payment: Payment, verdict: Verdict) -> None:
    rows = books.theirs.get(payment.push_ref, [])
    evidence = books.evidence.get(payment.id, [])
    kinds = {each.kind for each in evidence}
    pushes = [
        each
        for each in history.safaricom.pushes
        if each.order is not None and each.order.account_reference == payment.push_ref
    ]
    accepted = [each for each in pushes if each.accepted]
    verdict.must(len(accepted) <= 1, "I3 one push", payment.push_ref, len(accepted))
    paid = payment.status is Status.PAID
    verdict.paid += paid
    if paid and rows:
        right = payment.arrived_cents == rows[0].amount_cents
        verdict.must(right, "I10 amount", payment.push_ref, payment.credited_cents)
        # Somebody who knew both ids named a receipt, or an operator looked at a wrong line.
        lied_to = payment.receipt in history.witness.forged[payment.id]
        lied_to |= history.diary.wrong_about(payment.push_ref, "credit")
        true = payment.receipt in (None, rows[0].receipt) or lied_to
        verdict.must(true, "I9 cross-talk", payment.push_ref, payment.receipt)
    if paid and not rows:
        # Below the limit one channel's word is taken, and a liar or an open prompt may give it;
        # then Safaricom's no stands beside it, or nobody could be asked yet.
        small = payment.amount_kes <= payment.confirm_above_kes
        word = Kind.QUERY_PAID in kinds or (small and Kind.CALLBACK_PAID in kinds)
        # Safaricom can only be asked about an id that it gave us itself.
        unknown = Kind.ACCEPTED not in kinds and not payment.confirmed
        flagged = Word.CONTRADICTED in payment.words or unknown
        by_hand = history.diary.wrong_about(payment.push_ref, "credit")
        by_hand &= Kind.OPERATOR_PAID in kinds
        if (word and flagged) or by_hand:
            verdict.effects["credited wrongly, and flagged"] += 1
        else:
            both = payment.id in history.lied_to and _agreed(accepted, evidence)
            verdict.must(both, "I1 phantom", payment.push_ref, payment.words, kinds)
            verdict.effects["credited by a lie and an early yes"] += 1
    if rows and not paid:
        in_a_queue = payment.pending_at is not None
        in_a_queue |= history.diary.wrong_about(payment.push_ref, "void")
        verdict.must(in_a_queue, "I2 loss", payment.push_ref, payment.status)
        verdict.effects["paid, and left to a person"] += 1
    _own(history, books, payment, accepted, verdict)
    waits = payment.next_check_at is not None or payment.pending_at is not None
    verdict.must(payment.status in FINAL or waits, "I8 bounded", payment.push_ref, payment.status)
    again = stand(payment, sorted(evidence, key=lambda each: each.digest))
    same = (again.status, again.words, again.receipt, again.credited_cents) == (
        payment.status,
        payment.words,
        payment.receipt,
        payment.credited_cents,
    )
    verdict.must(same or payment.needs_settle, "I6 order-free", payment.push_ref, again)
    _count_effects(payment, kinds, rows, verdict)
    _count_histories(history, payment, evidence, pushes, verdict)


def _own(
    history: History,
    books: _Books,
    payment: Payment,
    accepted: Sequence[PushRecord],
    verdict: Verdict,
) -> None:
    """What belongs to a payment: Safaricom's id of its own push, and a message about it."""
    ids = [each.checkout_request_id for each in accepted if each.checkout_request_id is not None]
    if ids and payment.checkout_index is not None:
        named = {ids[0]} | history.witness.forged[payment.id]
        own = any(payment.checkout_index in books.index(each) for each in named)
        verdict.must(own, "I9 cross-talk", payment.push_ref, "has another's id")
    if payment.push_ref.removeprefix(BORN) in history.diary.by_hand:
        return  # nobody asked for it here: what it is for shows it
    verdict.must(books.told.get(payment.id, 0) == 1, "I7 told", payment.push_ref, "has no message")


def _money(history: History, books: _Books, verdict: Verdict) -> None:
    receipts = [each.receipt for each in books.ours.values() if each.status is Status.PAID]
    named = [each for each in receipts if each is not None]
    verdict.must(len(named) == len(set(named)), "I4 one credit per receipt", named)
    by_hand = set(history.diary.by_hand.values())
    for reference, rows in books.theirs.items():
        if reference in by_hand:
            continue  # no prompt of ours brought it; what statements tell of it is judged there
        verdict.must(reference in books.ours, "I2 loss", reference, "is not in our books")
        verdict.must(len(rows) == 1, "I3 one push", reference, "was paid twice")


async def _told(history: History, process: Process, tx: Tx, verdict: Verdict) -> None:
    """I7: nothing is owed any more, and each status message says how it ended."""
    connection = tx.payments._connection
    rows = (await connection.execute(select(notices))).mappings().all()
    columns = payments.c
    found = (
        await connection.execute(
            select(columns.id, columns.status, columns.words, columns.intent_id, columns.superseded)
        )
    ).all()
    shown_paid = {
        row.id: row.status == Status.PAID and Word.REVERSED not in (row.words or "")
        for row in found
    }
    settled = {row.intent_id for row in found if shown_paid[row.id]}
    again_pays_twice = {
        row.id
        for row in found
        if row.status in UNPAID and not row.superseded and row.intent_id in settled
    }
    lately = history.true_clock.now() - BEING_TOLD
    for row in rows:
        summary = (row["topic"] or "").startswith("day:")
        if summary and row["state"] in ("due", "sending") and row["created_at"] > lately:
            continue  # owed in the history's last seconds
        verdict.must(row["state"] in ("told", "dead"), "I7 told", row["key"], row["state"])
        if row["state"] == "dead":
            verdict.effects["could not be told, and written down"] += 1
        if row["kind"] != "status" or row["state"] != "told":
            continue
        last_word = row["told"] == row["wanted"]
        verdict.must(last_word, "I7 told", row["key"], "the last word is not told")
        if row["message_id"] is None and row["chat_id"] == MOVED_TO:
            continue  # it was told in the group that became another; its messages stay there
        message = history.message(row["chat_id"], row["message_id"])
        if message is None:
            verdict.must(False, "I7 told", row["key"], "stands in no chat")
            continue
        paid = shown_paid[row["payment_id"]]
        verdict.must(("✅" in message.text) == paid, "I7 told", row["key"], message.text)
        if row["payment_id"] in again_pays_twice:
            offered = [each for each in message.labels if each.startswith(AGAIN)]
            verdict.must(not offered, "I3 one push", row["key"], "offers to pay twice", offered)
            verdict.effects["another attempt was paid"] += 1
    left = select(func.count()).where(or_(inbox.c.done_at.is_(None), inbox.c.quarantined))
    undone = (await connection.execute(left)).scalar_one()
    verdict.must(undone == 0, "I8 bounded", undone, "updates are not carried out")


async def _durable(history: History, tx: Tx, verdict: Verdict) -> None:
    """I11: whatever we answered 200 to is kept (of untrusted bodies, the first twenty)."""
    query = select(evidence_table.c.payment_id, evidence_table.c.digest, evidence_table.c.kind)
    kept: dict[str, set[str]] = {}
    untrusted: Counter[str] = Counter()
    for payment_id, digest, kind in await tx.payments._connection.execute(query):
        kept.setdefault(payment_id, set()).add(digest)
        untrusted[payment_id] += kind == Kind.UNTRUSTED
    for path, body, status in history.posted:
        payment_id = payment_at(path)
        if status == 200 and untrusted[payment_id] < UNTRUSTED_KEPT:
            there = sha256(body).hexdigest() in kept.get(payment_id, ())
            verdict.must(there, "I11 ack means durable", payment_id)
    for count in untrusted.values():
        verdict.must(count <= UNTRUSTED_KEPT, "I12 bounded evidence", count)


def _count_effects(
    payment: Payment, kinds: set[Kind], rows: Sequence[Row], verdict: Verdict
) -> None:
    paid = payment.status is Status.PAID
    seen = {
        "lost reply, found by callback": paid
        and {Kind.REPLY_LOST, Kind.CALLBACK_PAID} <= kinds
        and Kind.ACCEPTED not in kinds,
        "lost callback, found by query": paid
        and Kind.QUERY_PAID in kinds
        and Kind.CALLBACK_PAID not in kinds,
        "credited by callback, confirmed by query": paid
        and {Kind.QUERY_PAID, Kind.CALLBACK_PAID} <= kinds,
        "late success": Word.LATE in payment.words,
        "contradicted": Word.CONTRADICTED in payment.words,
        "untrusted body kept": Kind.UNTRUSTED in kinds,
        "nothing left": payment.status is Status.VOID,
        "refused": payment.status is Status.REFUSED,
        "declined": payment.status is Status.DECLINED,
        "lapsed": payment.status is Status.LAPSED,
        "unsure to the end": payment.status is Status.UNSURE,
        "review": payment.status is Status.REVIEW,
        "confirming": payment.status is Status.CONFIRMING,
        "above the limit, credited by two": paid and payment.amount_kes > payment.confirm_above_kes,
        "reply lost": Kind.REPLY_LOST in kinds,
        "said paid and failed": paid and bool(kinds & {Kind.CALLBACK_FAILED, Kind.QUERY_FAILED}),
        "tried again": payment.superseded,
    }
    for name, there in seen.items():
        verdict.effects[name] += there


def _count_histories(
    history: History,
    payment: Payment,
    evidence: Sequence[Evidence],
    pushes: Sequence[PushRecord],
    verdict: Verdict,
) -> None:
    """Effects that show in when and how often things came, not in what they said."""
    came = {each.kind: each.at for each in evidence}
    heard = [status for path, _, status in history.posted if payment.id in path]
    bodies = Counter(
        body for path, body, status in history.posted if payment.id in path and status == 200
    )
    reasons = {each.reason for each in evidence if each.kind in (Kind.REPLY_LOST, Kind.NOT_SENT)}
    paid = payment.status is Status.PAID
    callback_at, accepted_at = came.get(Kind.CALLBACK_PAID), came.get(Kind.ACCEPTED)
    asked_at = next((each.seen_at for each in pushes if each.accepted), None)
    begun_at = payment.begun_at
    seen = {
        "callback refused with 503, and found all the same": paid and 503 in heard,
        "callback met nobody, and found all the same": paid and None in heard,
        "callback doubled, credited once": paid and any(n > 1 for n in bodies.values()),
        "callback before the reply": callback_at is not None
        and (accepted_at is None or callback_at < accepted_at),
        "died with the push under way": "crashed" in reasons,
        "too late to send": "too-late" in reasons,
        "Safaricom could not be reached": "unreachable" in reasons,
        "asked under a wrong clock": asked_at is not None
        and begun_at is not None
        and abs((asked_at - begun_at).total_seconds()) > 60,
        "waited for a person": payment.pending_at is not None,
        "its line counted apart": Kind.COUNTED_APART in came,
        "a yes waited beside its line": APART_HELD in {each.reason for each in evidence},
    }
    for name, there in seen.items():
        verdict.effects[name] += there


def _count_troubles(history: History, verdict: Verdict) -> None:
    for mood, count in history.disk.met.items():
        verdict.effects[f"database {mood}"] += count
    verdict.effects.update(history.ground.met)
    for trouble, count in history.telegram.met.items():
        verdict.effects[f"Telegram {trouble}"] += count
    _count_answers(history, verdict)
    whispered = sum(len(chat.whispers) for chat in history.telegram.world.chats.values())
    verdict.effects["told in a whisper"] += whispered


def _count_answers(history: History, verdict: Verdict) -> None:
    """What Safaricom's gate, and its silence, made of people's commands."""
    pushes = history.safaricom.pushes
    for number, push in enumerate(pushes):
        verdict.effects["throttled, and sent again"] += push.fault.reply in AT_THE_GATE and any(
            (later.phone, later.amount_kes) == (push.phone, push.amount_kes)
            and later.seen_at - push.seen_at < AGAIN_WITHIN
            for later in pushes[number + 1 :]
        )
    verdict.effects["turned away in an outage"] += sum(
        message.text.startswith(OUTAGE)
        for chat in history.telegram.world.chats.values()
        for message in [*chat.messages, *chat.whispers]
    )
