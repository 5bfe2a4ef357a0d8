"""
Statements: made as CSV, Excel or PDF for any period, and `/report` as a picture.

A statement may have a million rows: it is written to disk a page at a time, with its progress in
one message, and sent from there. It is not in the outbox, which keeps small things: if the
process stops meanwhile, the message says how far it came, and the button is pressed again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from telegram import InputFile
from telegram.error import BadRequest, RetryAfter, TelegramError

from bot.chat.context import DeedPress, Desk, Toast, Turn
from bot.chat.invoices import today_of
from bot.chat.lanes import retry_after_s
from bot.chat.parse_period import FIRST_DAY
from bot.core.eat import at_eat
from bot.core.statements import BackRow, CashRow, PaymentRow, Scope, Whose
from bot.documents import statement as papers
from bot.documents.entries import Entry
from bot.documents.packing import pack
from bot.documents.receipt import Method
from bot.documents.words import Words
from storage.records import NewNotice, NoticeKind, Word

__all__ = ["deliver", "entries_of", "make", "report"]

log = logging.getLogger(__name__)

FLOOD_TRIES = 5
PROGRESS_EVERY = timedelta(seconds=3)
SEND_WITHIN_S = 300.0
REPORT_DAYS = 30

Write = Callable[..., Awaitable[object]]
WRITERS: dict[str, Write] = {
    "csv": papers.statement_csv,
    "xlsx": papers.statement_xlsx,
    "pdf": papers.statement_pdf,
}


async def make(press: DeedPress) -> Toast:
    """A format was pressed: it is made beside the chat, which need not wait."""
    turn = press.turn
    kind, whose, since, until, about = press.deed.argument.split(":")
    desk = turn.core.statement_desk
    choice = await desk.choice(turn.person, Whose(whose), about)
    if choice is None:
        return turn.toast("toast.old")  # what this person may see has changed since
    scope = await desk.scope(
        turn.person,
        choice,
        at_eat(date.fromordinal(int(since))),
        at_eat(date.fromordinal(int(until) + 1)),
    )
    await desk.looked(turn.person.id, choice)
    job = _Job(turn.desk, turn.chat_id, turn.language, kind, scope, choice.title)
    turn.desk.beside(deliver(job))
    return turn.toast("toast.making")


async def report(turn: Turn) -> None:
    """`/report`: the takings of the last thirty days, drawn when their turn comes."""
    whose = (await turn.core.statement_desk.own(turn.person)).whose
    if whose is Whose.PERSON:
        await turn.answer(turn.say("merchant.not-you", collector=turn.core.collector.name))
        return
    until = today_of(turn)
    since = until - timedelta(days=REPORT_DAYS - 1)
    picture = NewNotice(
        key=f"m:{turn.person.id}:report:{turn.update_id}",
        kind=NoticeKind.NEWS,
        chat_id=turn.chat_id,
        subject=f"m:{turn.person.id}",
        topic=f"report:{whose}:{since.toordinal()}:{until.toordinal()}",
    )
    await turn.core.post.say(turn.closing_with(picture))


@dataclass
class _Job:
    """One statement on its way."""

    desk: Desk
    chat_id: int
    language: str
    kind: str
    scope: Scope
    title: str
    message_id: int | None = None
    told_at: datetime | None = field(default=None)

    def say(self, key: str, **values: object) -> str:
        return self.desk.texts.say(self.language, key, **values)

    async def progress(self, rows: int) -> None:
        """Tell how far it is, not too often; that it cannot be told stops nothing."""
        now = self.desk.core.clock.now()
        if self.told_at is not None and now - self.told_at < PROGRESS_EVERY:
            return
        self.told_at = now
        await self._show(self.say("statement.progress", rows=f"{rows:,}"))

    async def tell(self, text: str) -> None:
        """What it came to; that must arrive."""
        await self.patiently(lambda: self._show(text, last=True))

    async def patiently(self, send: Callable[[], Awaitable[object]]) -> None:
        """As soon as this chat may be written to again. Raises what the last try met."""
        for _ in range(FLOOD_TRIES):
            try:
                await send()
                return
            except RetryAfter as exc:
                await self.desk.core.clock.sleep(retry_after_s(exc))
        await send()

    async def _show(self, text: str, *, last: bool = False) -> None:
        try:
            if self.message_id is None:
                sent = await self.desk.bot.send_message(self.chat_id, text)
                self.message_id = sent.message_id
            else:
                await self.desk.bot.edit_message_text(
                    text, chat_id=self.chat_id, message_id=self.message_id
                )
        except RetryAfter as exc:
            log.info("statement.not_told why=%s", exc.message)
            if last:
                raise
        except BadRequest as exc:
            log.debug("statement.not_told why=%s", exc.message)
        except TelegramError as exc:
            log.info("statement.not_told why=%s", exc.message)


async def deliver(job: _Job) -> None:
    """Make the paper on disk and send it from there; whatever fails is said."""
    try:
        with TemporaryDirectory(prefix="lipabot-") as folder:
            await _deliver_from(job, Path(folder))
    except Exception:
        log.exception("statement.failed kind=%s", job.kind)
        await job.tell(job.say("statement.failed"))


async def _deliver_from(job: _Job, folder: Path) -> None:
    core, scope = job.desk.core, job.scope
    await job.progress(0)
    since, until = _day(scope.since), _day(scope.until) - timedelta(days=1)
    about = papers.Statement(
        title=job.title,
        collector=core.collector.name,
        since=None if since == FIRST_DAY else since,
        until=until,
        made_at=core.clock.now(),
        practice=core.collector.practice,
    )
    path = folder / f"statement-{since}-{until}.{job.kind}"
    words = Words(job.desk.texts, job.language)
    await WRITERS[job.kind](
        path, about, entries_of(core.statements.rows(scope)), words, progress=job.progress
    )
    packed = await asyncio.to_thread(pack, path)
    if not packed.fits:
        await job.tell(job.say("statement.too-large"))
        return

    async def send() -> None:
        with packed.path.open("rb") as file:
            await job.desk.bot.send_document(
                job.chat_id,
                InputFile(file, filename=packed.path.name, read_file_handle=False),
                caption=job.say("statement.caption", title=job.title),
                write_timeout=SEND_WITHIN_S,
                read_timeout=SEND_WITHIN_S,
            )

    await job.patiently(send)
    await job.tell(job.say("statement.done"))


async def entries_of(
    rows: AsyncIterator[PaymentRow | CashRow | BackRow],
) -> AsyncIterator[Entry]:
    """Rows as a paper shows them; their sum is net."""
    async for row in rows:
        if isinstance(row, CashRow):
            yield Entry(
                at=row.at,
                receipt="",
                name=row.name,
                phone="",
                amount_cents=row.cents,
                method=Method.CASH if row.is_cash else Method.CORRECTION,
                what_for=_label(row.number),
                note=row.why,
            )
        elif isinstance(row, BackRow):
            came = _entry(row.of)
            yield came._replace(at=row.at, amount_cents=row.cents, method=Method.REVERSAL)
        else:
            yield _entry(row)


def _entry(row: PaymentRow) -> Entry:
    words = row.words.split()
    return Entry(
        at=row.at,
        receipt=row.receipt,
        name=row.customer,
        phone=row.phone_mask,
        amount_cents=row.cents,
        method=Method.BY_HAND if Word.BY_HAND in words else Method.MPESA,
        what_for=_label(row.number),
        account=row.push_ref,
        note=" ".join(words),
    )


def _label(number: int | None) -> str:
    return "" if number is None else f"INV-{number:04d}"


def _day(at: datetime) -> date:
    # The first instant of a day in Nairobi is still the day before in UTC.
    return (at + timedelta(hours=3)).date()
