"""Drive papers: a drive's books as CSV, XLSX or PDF, and the code that leads to it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from bot.chat.asides import answered_in_time, aside_reply, door, invite, leads_in_private
from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.drive_cards import link_of
from bot.chat.keyboards import Stationery
from bot.chat.treasury import actor, refusing
from bot.core.drive_acts import Answer
from bot.core.promises import gave_by, given_to
from bot.core.treasury import Statement
from bot.documents.drive import DrivePapers, drive_csv, drive_pdf, drive_xlsx, pledges_csv
from bot.documents.entries import Audience, Entry, Pledge, Unmatched
from bot.documents.qr import qr_png
from bot.documents.receipt import Method
from bot.documents.statement import Statement as Paper
from bot.documents.words import Words
from bot.texts import EAT, plain
from storage.records import (
    Button,
    Deed,
    Document,
    Drive,
    EntryKind,
    GiftRow,
    Keyboard,
    PledgeState,
    Reply,
    Shows,
    Word,
)
from storage.records import Entry as Journaled
from storage.records import Pledge as Promise

__all__ = ["closing_paper", "code_sent", "export", "exported", "which"]

Row = TypeVar("Row")
FORMATS = ("csv", "xlsx", "pdf")
METHODS = {
    EntryKind.CASH: Method.CASH,
    EntryKind.CORRECTION: Method.CORRECTION,
    EntryKind.RETURNED: Method.REVERSAL,
    EntryKind.WENT_BACK: Method.CORRECTION,
    EntryKind.KEPT: Method.CORRECTION,
}
NAMED_WORDS = (Word.LATE, Word.TWICE, Word.OTHER_AMOUNT, Word.CONTRADICTED)


async def export(turn: Turn) -> None:
    """`/export`: the books of what one looks after, in private."""
    here = None if turn.private else turn.chat_id
    found = await turn.core.drives.of_treasurer(turn.person.id, chat_id=here)
    if not found:
        await turn.answer(turn.say("manage.none", command=f"/newdrive@{turn.username}"))
        return
    if not leads_in_private(turn):
        await invite(turn, turn.say("manage.invite"), "hello", once_as="manage")
        return
    replies = [_which(turn, each) for each in found]
    await turn.core.post.say(turn.closing(*replies))


async def which(press: DeedPress) -> Toast:
    """ "Export": in which format."""
    turn = press.turn
    drive = await turn.core.drives.get(press.deed.subject)
    theirs = drive is not None and (
        turn.is_operator or await turn.core.drives.treasury.is_treasurer(drive.id, turn.person.id)
    )
    if drive is None or not theirs:
        return refusing(turn, Answer.NOT_YOURS)
    await turn.core.post.say(turn.closing(_which(turn, drive)))
    return Toast()


async def exported(press: DeedPress) -> Toast:
    """The file, with whole numbers, to the treasurer alone; the look is kept in the audit."""
    turn, wanted = press.turn, press.deed.argument
    statement = await turn.core.drives.treasury.statement(press.deed.subject, actor(turn))
    if statement is None or wanted not in FORMATS:
        return refusing(turn, Answer.NOT_YOURS)
    # Before the work: Telegram waits fifteen seconds for an answer, and a long PDF may take more.
    await answered_in_time(press, plain(turn.say("drive.export.making")))
    text = turn.say("drive.export.ready", title=statement.drive.title)
    try:
        files = await _files(
            statement, wanted, Audience.KEEPERS, turn.paper, turn.language, turn.core.clock.now()
        )
    except ValueError:
        await turn.core.post.say(
            turn.closing(aside_reply(turn, turn.say("drive.export.too-large")))
        )
        return Toast(given=True)
    replies = [Reply(chat_id=turn.person.id, text=text, document=each) for each in files]
    await turn.core.post.say(turn.closing(*replies))
    return Toast(given=True)


async def code_sent(press: DeedPress) -> Toast:
    """The link as a code to be scanned."""
    turn = press.turn
    drive = await turn.core.drives.get(press.deed.subject)
    if drive is None:
        return turn.toast("toast.old")
    if not leads_in_private(turn):
        return door(turn, f"d_{drive.code}")
    png = await asyncio.to_thread(qr_png, link_of(drive, turn.paper))
    document = Document(filename=f"{drive.label}.png", content=png)
    text = turn.say("drive.qr", title=drive.title)
    reply = Reply(chat_id=turn.person.id, text=text, document=document)
    await turn.core.post.say(turn.closing(reply))
    return Toast()


async def closing_paper(statement: Statement, paper: Stationery, now: datetime) -> Document | None:
    """The statement that a group gets at the end, hiding what the drive hides; or none."""
    drive = statement.drive
    try:
        [made] = await _files(statement, "pdf", Audience.GROUP, paper, drive.language, now)
    except ValueError:
        return None  # larger than a message may carry: the treasurers can export it
    return made


def _which(turn: Turn, drive: Drive) -> Reply:
    keys = tuple(
        Button(
            label=each.upper(),
            does=Deed(action="d.file", subject=drive.id, argument=each),
        )
        for each in FORMATS
    )
    text = plain(turn.say("drive.export.which"))
    return aside_reply(
        turn, f"{text}\n{turn.say('drive.statement', title=drive.title)}", Keyboard(rows=(keys,))
    )


async def _files(
    statement: Statement,
    wanted: str,
    audience: Audience,
    paper: Stationery,
    language: str,
    now: datetime,
) -> list[Document]:
    """
    The papers of one format; a CSV holds one table, so pledges are a file of their own.

    Raises ValueError: one is larger than a message may carry.
    """
    words = Words(paper.texts, language)
    name = statement.drive.label
    with tempfile.TemporaryDirectory(prefix="lipabot-") as folder:
        path = Path(folder) / f"{name}.{wanted}"
        papers = _papers(statement, audience, paper, words, now)
        paths = [path]
        if wanted == "csv":
            await drive_csv(path, papers, words)
            if statement.pledges:
                paths.append(Path(folder) / f"{name}-pledges.csv")
                await pledges_csv(paths[-1], papers, words)
        elif wanted == "xlsx":
            await drive_xlsx(path, papers, words)
        else:
            await drive_pdf(path, papers, words)
        contents = [await asyncio.to_thread(each.read_bytes) for each in paths]
        return [
            Document(filename=each.name, content=content)
            for each, content in zip(paths, contents, strict=True)
        ]


def _papers(
    statement: Statement,
    audience: Audience,
    paper: Stationery,
    words: Words,
    now: datetime,
) -> DrivePapers:
    drive = statement.drive
    keepers = audience is Audience.KEEPERS
    return DrivePapers(
        statement=Paper(
            title=drive.title,
            collector=paper.collector.name,
            since=drive.opened_at.astimezone(EAT).date(),
            audience=audience,
            made_at=now,
            people=statement.people,
            target_cents=None if drive.target_kes is None else drive.target_kes * 100,
            practice=paper.collector.practice,
        ),
        contributions=_streamed(_entries(statement, words, keepers=keepers)),
        # Whoever promised was told that the group sees no more than the sum of all promises.
        pledges=_streamed(_pledges(statement) if keepers else ()),
        unmatched=_streamed(_unmatched(statement, words) if keepers else ()),
    )


def _entries(statement: Statement, words: Words, *, keepers: bool) -> Iterator[Entry]:
    """Oldest first: what M-Pesa took back of a gift is a row of its own day."""
    drive, rows = statement.drive, list[Entry]()
    for row in statement.rows:
        entry = _entry(row, statement, words)
        if drive.shows is not Shows.ALL and not keepers:
            hides_name = entry.anonymous or drive.shows is Shows.TOTALS
            entry = entry._replace(hide_amount=True, anonymous=hides_name)
        rows.append(entry)
        for part in statement.went_back.get(row.payment_id or "", ()):
            back = entry._replace(amount_cents=-part.cents, method=Method.REVERSAL)
            if part.cents:
                rows.append(back._replace(at=max(part.at, row.at)))
    return iter(sorted(rows, key=lambda each: each.at))


def _entry(row: GiftRow, statement: Statement, words: Words) -> Entry:
    drive, own = statement.drive, row.entry
    name = f"{row.on_behalf} ({row.name})" if row.on_behalf else row.name
    if own is not None:
        return Entry(
            at=row.at,
            receipt="",
            name=name,
            phone="",
            amount_cents=row.cents,
            method=METHODS[own.kind],
            what_for=drive.title,
            recorded_by=own.by_name,
            note=_note(own, words),
            anonymous=row.anonymous,
            hide_amount=row.hide_amount,
        )
    named = [each for each in NAMED_WORDS if each in row.words]
    return Entry(
        at=row.at,
        receipt=row.receipt or "",
        name=name,
        phone=statement.phones.get(row.line_id or 0, row.phone_mask),
        amount_cents=row.cents + row.reversed_cents,
        method=Method.BY_HAND if Word.BY_HAND in row.words else Method.MPESA,
        what_for=drive.title,
        account=drive.reference,
        note=", ".join(words.say(f"drive.note.{each}") for each in named),
        anonymous=row.anonymous,
        hide_amount=row.hide_amount,
    )


def _note(own: Journaled, words: Words) -> str:
    if own.kind is not EntryKind.WENT_BACK:
        return own.reason
    return words.say("drive.note.once" if own.cents > 0 else "drive.note.untold")


def _pledges(statement: Statement) -> Iterator[Pledge]:
    promised: dict[int, list[Promise]] = {}
    for each in statement.pledges:
        promised.setdefault(each.person_id, []).append(each)
    gave, paid = gave_by(statement.rows), dict[str, int]()
    for giver, theirs in promised.items():
        paid |= given_to(theirs, gave.get(giver, ()))
    for pledge in statement.pledges:
        if pledge.state is PledgeState.WITHDRAWN:
            continue
        yield Pledge(
            at=pledge.created_at,
            name=pledge.name,
            phone="",
            promised_cents=pledge.amount_kes * 100,
            paid_cents=paid[pledge.id],
            due_on=pledge.due_at.astimezone(EAT).date(),
        )


def _unmatched(statement: Statement, words: Words) -> Iterator[Unmatched]:
    for payment in statement.undecided:
        yield Unmatched(
            at=payment.created_at,
            receipt=payment.receipt or "",
            name="",
            phone=payment.phone_mask,
            amount_cents=payment.amount_kes * 100,
            account=payment.push_ref,
            why=words.say("drive.note.undecided"),
        )


async def _streamed(rows: Iterable[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row
