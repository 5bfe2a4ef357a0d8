"""Owns the judgement of what bystanders saw: pushes on the wire, wishes, twins, and who is left."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from mpesa.simulator.books import Row
from storage.records import FINAL, Alarm, Evidence, Kind, Payment, Status, Word
from storage.schema import inbox, notices
from storage.tx import Tx
from tests.prove.histories.diary import BORN
from tests.prove.histories.history import MOVED_TO, OPERATOR, SECOND_OPERATOR, History
from tests.prove.histories.process import Process
from tests.prove.histories.saying import Verdict
from tests.prove.histories.witness import plain

__all__ = ["judge_closely"]

UNDECIDED_AT_MOST = timedelta(hours=50)  # 48, and a clock that is an hour wrong
EDITED_TO_KES = 55
RECEIPT = re.compile(r"\b[A-Z][A-Z0-9]{9}\b")
LOOKED_FOR, AMOUNT = "🔎", re.compile(r"KES [1-9][\d,]*")
MINUTE = re.compile(r"\d+ \w+ \d{4} \d\d:\d\d")
SAYS_NO = (Kind.CALLBACK_FAILED, Kind.QUERY_FAILED)


async def judge_closely(
    history: History,
    process: Process,
    tx: Tx,
    ours: dict[str, Payment],
    evidence: dict[str, list[Evidence]],
    theirs: dict[str, list[Row]],
    verdict: Verdict,
) -> None:
    """Everything that books alone do not show."""
    for reference, more in history.witness.again().items():
        verdict.must(more == 0, "I3 one push", reference, "left again, where one may be on a phone")
    _wished(history, ours, verdict)
    _drawn_once(history, ours, theirs, verdict)
    for payment in ours.values():
        told = evidence.get(payment.id, [])
        _decided_in_time(history, payment, verdict)
        _two_people(history, payment, told, verdict)
        said_no = any(each.kind in SAYS_NO for each in told)
        declined = payment.status is Status.DECLINED
        verdict.must(said_no or not declined, "I2 loss", payment.push_ref, "nobody said no")
    rows = (await tx.payments._connection.execute(select(notices))).mappings().all()
    _no_twins(history, verdict)
    _dead(rows, verdict)
    _alarmed(history, ours, rows, verdict)
    await _as_it_is(history, process, tx, rows, verdict)
    await _taken(history, tx, verdict)


def _wished(history: History, ours: dict[str, Payment], verdict: Verdict) -> None:
    """What was written is what was asked for, of whom, and for what."""
    asked = {each.ask_key: each for each in ours.values()}
    pushed = {each.order.account_reference: each for each in history.safaricom.pushes if each.order}
    written = {f"m:{wish.chat_id}:{wish.message_id}" for wish in history.witness.wishes}
    unasked = [key for key in asked if key.startswith("m:") and key not in written]
    verdict.must(not unasked, "I3 one push", "nobody wrote that", unasked)
    for wish in history.witness.wishes:
        payment = asked.get(f"m:{wish.chat_id}:{wish.message_id}")
        if payment is None:
            continue
        about = payment.push_ref, wish
        right = payment.amount_kes in (wish.amount_kes, EDITED_TO_KES)
        verdict.must(right, "I1 phantom", "another amount than was wanted", *about)
        for_drive = (payment.subject or "").startswith("d:")
        verdict.must(for_drive == wish.for_drive, "I10 sums", "for something else", *about)
        push = pushed.get(payment.push_ref)
        if push is not None and payment.amount_kes != EDITED_TO_KES:
            verdict.must(push.phone == wish.phone, "I9 cross-talk", "another's phone", *about)
        verdict.effects["a command was carried out"] += 1


def _drawn_once(
    history: History, ours: dict[str, Payment], theirs: dict[str, list[Row]], verdict: Verdict
) -> None:
    """No line of the books is credited to two payments; never to its prompt and by itself."""
    wrong = any(not each.right for each in history.diary.ruled)
    counts = [
        each
        for each in ours.values()
        if each.status is Status.PAID and (each.arrived_cents or 0) > each.reversed_cents
    ]
    for reference, rows in theirs.items():
        if reference.startswith(BORN):
            continue
        for row in rows:
            by = {
                each.push_ref
                for each in counts
                if each.receipt == row.receipt
                or each.push_ref in (row.account_reference, BORN + row.receipt)
            }
            verdict.must(len(by) <= 1 or wrong, "I4 one credit per receipt", row.receipt, by)
            both = {row.account_reference, BORN + row.receipt} <= by
            verdict.must(not both, "I4 one credit per receipt", row.receipt, "and its prompt")


def _decided_in_time(history: History, payment: Payment, verdict: Verdict) -> None:
    """I8 and I2: what nobody could decide for two days waits for a person."""
    old = history.true_clock.now() - payment.created_at > UNDECIDED_AT_MOST
    done = payment.status in FINAL or payment.pending_at is not None
    verdict.must(done or not old, "I8 bounded", payment.push_ref, payment.status, "for two days")


def _two_people(
    history: History, payment: Payment, evidence: Sequence[Evidence], verdict: Verdict
) -> None:
    """So much money takes two operators."""
    if payment.amount_kes <= history.settings.config.security.two_people_above_kes:
        return
    for each in evidence:
        if each.kind is Kind.OPERATOR_PAID:
            by = {
                ruled.by
                for ruled in history.diary.ruled
                if (ruled.what, ruled.code) == ("credit", each.receipt)
            }
            verdict.must(len(by) > 1, "I1 phantom", payment.push_ref, "credited by one alone", by)


def _no_twins(history: History, verdict: Verdict) -> None:
    """What names a receipt stands once in a chat, unless its sender could not know."""
    for chat in history.telegram.world.chats.values():
        seen: Counter[str] = Counter(
            message.text
            for message in chat.from_bot
            if "✅" in message.text and RECEIPT.search(message.text)
        )
        for words, many in seen.items():
            if many > 1:
                may = history.witness.excused(chat.id, words)
                verdict.effects["a message came twice"] += 1
                verdict.must(many - 1 <= may, "I7 twins", chat.id, words, many, may)


def _dead(rows: Sequence[Any], verdict: Verdict) -> None:
    """Everybody can be told again: what is about money was told."""
    for row in rows:
        if row["state"] == "dead":
            about = row["payment_id"] or row["subject"]
            verdict.must(not about, "I7 told", row["key"], "was never told", row["why"])
        elif row["kind"] == "status" and row["message_id"] is None:
            moved = row["chat_id"] == MOVED_TO
            verdict.must(moved, "I7 told", row["key"], "stands nowhere")


def _alarmed(
    history: History, ours: dict[str, Payment], rows: Sequence[Any], verdict: Verdict
) -> None:
    """Operators were told of what needs them."""
    rung = {(row["payment_id"], row["chat_id"]) for row in rows if row["alarm"] is not None}
    named = {(row["payment_id"], row["alarm"]) for row in rows if row["alarm"] is not None}
    for payment in ours.values():
        if Word.CONTRADICTED in payment.words:
            there = (payment.id, Alarm.CONTRADICTED) in named
            verdict.must(
                there, "I7 told", payment.push_ref, "contradicted, and no alarm", payment.words
            )
        if payment.pending_at is not None:
            for operator in (OPERATOR, SECOND_OPERATOR):
                there = (payment.id, operator) in rung
                verdict.must(
                    there, "I7 told", payment.push_ref, payment.status, "waits, and no alarm"
                )


async def _as_it_is(
    history: History, process: Process, tx: Tx, rows: Sequence[Any], verdict: Verdict
) -> None:
    """What stands in a chat is what would be written there now."""
    assert process.letters is not None, "the last life is at work"
    for row in rows:
        if row["kind"] not in ("status", "card") or row["state"] != "told":
            continue
        if row["kind"] == "card" and not await _still_read(tx, row):
            continue
        message = history.message(row["chat_id"], row["message_id"])
        reply = await process.life.begin(
            process.letters._written(tx.notices._read(row, stale=False))
        )
        if message is None or reply is None:
            continue
        right, stands = (_gist(row["kind"], text) for text in (plain(reply.text), message.text))
        verdict.must(stands == right, "I7 told", row["key"], stands, "is not", right)


def _gist(kind: str, text: str) -> str:
    """
    What must be true of it for ever: how a payment ended, or all the sums of a card.

    Not its minute, which a statement may set right long after a wrong clock; nor what may be done
    just now, that something is late, or is being looked for.
    """
    if kind == "status":
        return MINUTE.sub("then", text.partition("\n")[0])
    lines = [each for each in text.splitlines() if not each.startswith(LOOKED_FOR)]
    return " ".join(sorted(set(AMOUNT.findall(" ".join(lines)))))


async def _still_read(tx: Tx, row: Any) -> bool:
    """
    Who said that an invoice is not theirs is told no more of it; which gifts the card of a drive
    names is a matter of their times (its total is judged beside its journal).
    """
    what, _, subject_id = row["subject"].partition(":")
    if what != "i":
        return False
    invoice = await tx.invoices.get(subject_id)
    assert invoice is not None, "it has a card"
    return row["chat_id"] in {invoice.merchant_id, *await tx.invoices.readers(subject_id)}


async def _taken(history: History, tx: Tx, verdict: Verdict) -> None:
    """What Telegram was told that we have, we have."""
    kept = set((await tx.payments._connection.execute(select(inbox.c.update_id))).scalars())
    queue = history.telegram.updates
    waits = {each.id for each in queue.pending}
    lost = {each.id for each in queue.sent} - kept - waits
    verdict.must(not lost, "I11 ack means durable", "updates", lost)
