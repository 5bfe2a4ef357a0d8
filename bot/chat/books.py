"""
Books: `/verify`, `/unmatched` and a dropped statement: Safaricom's books, for operators.

Merchants have `/verify` too, and are shown less: `bot.chat.counter`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from telegram import Document
from telegram.error import TelegramError

from bot.chat import counter
from bot.chat.alarms import payment_facts
from bot.chat.answers import with_prompted
from bot.chat.context import Toast, Turn
from bot.chat.invoices import may_invoice
from bot.core.portal import BadStatement, Reconciled
from bot.core.record_desk import Known, Verified
from bot.core.rulings import Ruling
from bot.core.suggestions import Suggestion
from bot.texts import clean, money, plain
from storage.records import (
    Button,
    Deed,
    Draft,
    DraftKind,
    Keyboard,
    OpenDifference,
    Payment,
    RecordRow,
    Reply,
    RowKind,
)

__all__ = ["BooksAct", "dropped", "is_statement", "pressed", "typed", "unmatched", "verify"]

SHOWN = 5
RECEIPT_CHARS = 10
SUGGESTIONS_SHOWN = 3
DRAFT_LIFE = timedelta(minutes=30)
FILE_BYTES_MAX = 20_000_000  # more, Telegram hands to no bot (core.telegram.org/bots/api#getfile)
SUFFIXES = (".csv", ".xlsx", ".xls")
REASON_CHARS_MAX = 500


class BooksAct(StrEnum):
    """What a button below a difference does. Its subject is the difference, or a receipt."""

    LOOK = "bk-look"  # at a receipt, once more
    GIVE = "bk-give"  # it belongs to this payment: asks whether that is so
    YES = "bk-yes"
    OTHER = "bk-other"  # it belongs to another payment: which?
    NONE = "bk-none"  # it belongs to none of ours: why?


async def verify(turn: Turn) -> None:
    """ "The customer shows me this code": what it is, how much, when, and whose."""
    if not turn.is_operator and await may_invoice(turn) is None:
        return
    receipt = "".join(turn.words.split()).upper()
    if len(receipt) != RECEIPT_CHARS or not receipt.isascii() or not receipt.isalnum():
        await turn.answer(turn.say("verify.which", verify=turn.command("verify")))
        return
    if turn.is_operator:
        await turn.core.post.say(turn.closing(await _verified(turn, receipt)))
    else:
        await counter.show(turn, receipt)


async def _verified(turn: Turn, receipt: str) -> Reply:
    found = await turn.core.record.verify(receipt, by=turn.person.id)
    lines = [_known(turn, found)]
    if found.payment is None and found.row is not None and found.taken_off is None:
        lines += await _back(turn, found.row)
    buttons: list[Button] = []
    if found.payment is None:
        if found.difference is not None:
            buttons = _choices(turn, found.difference, found.suggestions)
        if found.asked:
            lines.append(turn.say("verify.asked"))
            buttons.append(_button(turn, BooksAct.LOOK, receipt, "button.bk-look"))
        elif not found.can_ask and found.known in (Known.CLAIMED, Known.UNKNOWN):
            lines.append(turn.say("verify.cannot-ask"))
    return turn.reply("\n".join(lines), _one_each(buttons))


def _known(turn: Turn, found: Verified) -> str:
    lines = [turn.say(f"code.{found.known}", receipt=found.receipt)]
    payment = found.payment
    if found.known is Known.OURS and payment is not None:
        lines.append(payment_facts(payment, turn.paper, language=turn.language))
        if payment.receipt not in (None, found.receipt):
            lines.append(turn.say("verify.not-counted", counts=payment.receipt))
        return "\n".join(lines)
    if found.row is not None:
        lines.append(_row(turn, found.row))
    if found.taken_off is not None:
        lines.append(turn.say("verify.taken-off"))
        lines.append(payment_facts(found.taken_off, turn.paper, language=turn.language))
    elif found.known is Known.REVERSAL and found.difference is not None:
        lines.append(turn.say("verify.of-which"))
    if found.known is Known.REVERSAL and payment is not None:
        lines.append(turn.say("verify.credited-by-it"))
        lines.append(payment_facts(payment, turn.paper, language=turn.language))
    return "\n".join(lines)


def _row(turn: Turn, row: RecordRow) -> str:
    return turn.say(
        "books.row",
        amount=money(row.amount_cents),
        when="–" if row.at is None else turn.paper.texts.when(turn.language, row.at),
        account=clean(row.reference) or "–",
        payer=clean(row.payer) or "–",
    )


async def _back(turn: Turn, row: RecordRow) -> list[str]:
    """What a reversal says that it takes back, or what went back of money that came in."""
    if row.kind is RowKind.REVERSAL:
        linked = row.linked
        return [] if linked is None else [turn.say("books.takes-back", receipt=linked)]
    return [
        turn.say(
            "books.went-back",
            amount=money(each.amount_cents),
            receipt=each.receipt,
            when="–" if each.at is None else turn.paper.texts.when(turn.language, each.at),
        )
        for each in await turn.core.record.rows.taking_back(row.receipt)
    ]


async def unmatched(turn: Turn) -> None:
    """What Safaricom's books and ours do not agree about, oldest first."""
    counts = await turn.core.record.rows.count_open()
    open_now = await turn.core.record.open_differences(limit=SHOWN)
    if not open_now:
        await turn.answer(turn.say("books.none"))
        return
    title = turn.say("books.title", total=sum(counts.values()), shown=len(open_now))
    replies = [turn.reply(title), *[await _difference(turn, each) for each in open_now]]
    await turn.core.post.say(turn.closing(*replies))


async def _difference(turn: Turn, one: OpenDifference) -> Reply:
    lines = [
        turn.say(
            f"difference.{one.kind}",
            receipt=one.receipt or "–",
            theirs="–" if one.theirs_cents is None else money(one.theirs_cents),
            ours="–" if one.ours_cents is None else money(one.ours_cents),
        )
    ]
    suggestions: Sequence[Suggestion] = ()
    if one.receipt is not None:
        row = await turn.core.record.rows.get(one.receipt)
        lines += [] if row is None else [_row(turn, row), *await _back(turn, row)]
        suggestions = await turn.core.record.rows.suggestions(one.receipt)
    view = None if one.payment_id is None else await turn.core.books.view(one.payment_id)
    if view is not None:
        lines.append(payment_facts(view.payment, turn.paper, language=turn.language))
    return turn.reply("\n".join(lines), _one_each(_choices(turn, one, suggestions)))


def _choices(turn: Turn, one: OpenDifference, suggestions: Sequence[Suggestion]) -> list[Button]:
    """Whose it may be, the likeliest first; one of them decides, after being asked once more."""
    buttons = [
        _button(
            turn,
            BooksAct.GIVE,
            str(one.id),
            "choice.bk-give",
            argument=each.payment.id,
            amount=money(each.payment.amount_kes * 100),
            phone=each.payment.phone_mask,
            account=each.payment.push_ref,
        )
        for each in suggestions[:SUGGESTIONS_SHOWN]
    ]
    if one.receipt is not None:
        buttons.append(_button(turn, BooksAct.OTHER, str(one.id), "button.bk-other"))
    return [*buttons, _button(turn, BooksAct.NONE, str(one.id), "button.bk-none")]


def _button(
    turn: Turn, act: BooksAct, subject: str, key: str, *, argument: str = "", **values: object
) -> Button:
    deed = Deed(action=act, subject=subject, argument=argument, owner=turn.person.id)
    return Button(label=plain(turn.say(key, **values)), does=deed)


def _one_each(buttons: Sequence[Button]) -> Keyboard | None:
    """Long labels: a row each."""
    return Keyboard(rows=tuple((each,) for each in buttons)) if buttons else None


# -- presses -----------------------------------------------------------------------------------


async def pressed(turn: Turn, deed: Deed) -> Toast:
    """A button below a difference, by the operator whom it was shown to."""
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    match BooksAct(deed.action):
        case BooksAct.LOOK:
            await turn.core.post.say(turn.closing(await _verified(turn, deed.subject)))
        case BooksAct.GIVE:
            await _ask_whether(turn, int(deed.subject), deed.argument)
        case BooksAct.YES:
            return await _assign(turn, int(deed.subject), deed.argument)
        case BooksAct.OTHER:
            await _ask_words(
                turn, DraftKind.BOOKS_TO, deed.subject, turn.say("books.which-payment")
            )
        case BooksAct.NONE:
            await _ask_words(turn, DraftKind.BOOKS_WHY, deed.subject, turn.say("books.why-none"))
    return Toast()


async def _ask_whether(turn: Turn, difference_id: int, payment_id: str) -> None:
    view = await turn.core.books.view(payment_id)
    assert view is not None, "buttons are shown about payments that we have"
    await turn.answer(*await _whether(turn, difference_id, view.payment))


async def _whether(turn: Turn, difference_id: int, payment: Payment) -> tuple[str, Keyboard | None]:
    row = await turn.core.record.rows.row_of(difference_id)
    goes_back = row is not None and row.kind is RowKind.REVERSAL
    lines = [turn.say("books.sure-back" if goes_back else "books.sure")]
    lines += [] if row is None else await _back(turn, row)
    lines.append(payment_facts(payment, turn.paper, language=turn.language))
    yes = _button(turn, BooksAct.YES, str(difference_id), "button.rv-yes", argument=payment.id)
    return "\n".join(lines), _one_each([yes])


async def _assign(turn: Turn, difference_id: int, payment_id: str) -> Toast:
    ruling = await turn.core.record.assign(
        difference_id, to=payment_id, by=turn.person.id, why=plain(turn.say("books.by-button"))
    )
    text, said = await _became(turn, difference_id, ruling)
    await turn.answer(said)
    return Toast(plain(text))


async def _became(turn: Turn, difference_id: int, ruling: Ruling) -> tuple[str, str]:
    """What became of it in a sentence, and the same with the payment that stands against it."""
    row = await turn.core.record.rows.row_of(difference_id)
    receipt = "" if row is None else row.receipt
    text = turn.say(f"ruled.{ruling}", receipt=receipt)
    counted = ruling in (Ruling.COUNTED, Ruling.TWICE)
    return text, await with_prompted(turn, text, receipt) if counted else text


async def _ask_words(turn: Turn, kind: DraftKind, subject: str, question: str) -> None:
    draft = Draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        kind=kind,
        data=subject,
        expires_at=turn.core.clock.now() + DRAFT_LIFE,
    )
    reply = turn.reply(question, Keyboard(force_reply=plain(turn.say("books.placeholder"))))
    await turn.core.people.keep_draft(draft, turn.closing(reply))


async def typed(turn: Turn, draft: Draft) -> None:
    """The answer: which payment it belongs to, or why it belongs to none."""
    if not turn.is_operator:
        await turn.answer(turn.say("toast.not-yours"))
        return
    difference_id = int(draft.data)
    if draft.kind is DraftKind.BOOKS_WHY:
        ruling = await turn.core.record.dismiss(
            difference_id, by=turn.person.id, why=turn.words[:REASON_CHARS_MAX]
        )
        await _close_draft(turn, turn.reply((await _became(turn, difference_id, ruling))[1]))
        return
    wanted = "".join(turn.words.split()).upper()
    view = await turn.core.books.find(wanted)
    if view is None:
        await turn.answer(turn.say("review.not-found", wanted=wanted))
        return
    await _close_draft(turn, turn.reply(*await _whether(turn, difference_id, view.payment)))


async def _close_draft(turn: Turn, reply: Reply) -> None:
    await turn.core.people.drop_draft(
        chat_id=turn.chat_id, person_id=turn.person.id, closing=turn.closing(reply)
    )


# -- a statement that is dropped into the chat ------------------------------------------------


def is_statement(turn: Turn, document: Document) -> bool:
    """Whether this is for us: an operator's, in private, with the name of a statement."""
    name = (document.file_name or "").lower()
    return turn.private and turn.is_operator and name.endswith(SUFFIXES)


async def dropped(turn: Turn, document: Document) -> None:
    """
    Read the portal's statement; what it came to is the answer.

    A crash in between replays it: reading it twice changes nothing.
    """
    if (document.file_size or 0) > FILE_BYTES_MAX:
        await turn.answer(turn.say("portal.too-large"))
        return
    with tempfile.TemporaryDirectory(prefix="lipabot-statement-") as folder:
        suffix = Path(document.file_name or "").suffix.lower()
        path = Path(folder) / f"statement{suffix}"
        try:
            file = await turn.desk.bot.get_file(document.file_id)
            await file.download_to_drive(path)
        except TelegramError:
            await turn.answer(turn.say("portal.not-fetched"))
            return
        try:
            done = await turn.core.record.reconcile(path)
        except BadStatement as exc:
            await turn.answer(turn.say("portal.bad", why=str(exc)))
            return
    await turn.answer(_came_to(turn, done))


def _came_to(turn: Turn, done: Reconciled) -> str:
    lines = [
        turn.say(
            "portal.done",
            lines=done.lines,
            payments=done.payments,
            amount=money(done.paid_cents),
            matched=done.taken.matched,
            fresh=done.taken.fresh,
        )
    ]
    lines += [
        turn.say(f"open.{kind}", count=count) for kind, count in sorted(done.open_now.items())
    ]
    if done.bad_lines:
        first = done.bad[0]
        lines.append(
            turn.say("portal.bad-lines", count=done.bad_lines, line=first.line, why=first.why)
        )
    if not done.covered:
        lines.append(turn.say("portal.no-period"))
    lines.append(turn.say("portal.clean" if done.clean else "portal.look"))
    return "\n".join(lines)
