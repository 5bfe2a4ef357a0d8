"""
Statements: the portal's export against our books, line by line.

Lines are handed to the record in chunks, so a file of any length needs the same memory. What
disagrees is kept as open, to be assigned or dismissed by a person; reading the file again changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from bot.core.ports import Collector
from bot.core.record import Record, Taken
from mpesa.statement import BadRow, BadStatement, Nature, Statement, StatementRow
from storage.records import NewRecordRow, OpenKind, RowKind, Source

__all__ = ["BadStatement", "Progress", "Reconciled", "reconcile_statement"]

CHUNK = 1000
BAD_LINES_KEPT = 20
ACCOUNTS = {"paybill": "utility", "till": "merchant"}
COUNTED = (Nature.PAYMENT, Nature.REVERSAL, Nature.OTHER_IN)

Progress = Callable[[int], None]
"""Told how much of the file was read since it was told last, in bytes; about right."""


@dataclass(slots=True)
class Reconciled:
    """What a statement came to. `open_now` counts what waits for a person, from any source."""

    lines: int = 0
    payments: int = 0
    paid_cents: int = 0
    incomplete: int = 0
    taken: Taken = field(default_factory=Taken)
    only_ours: int = 0
    covered: bool = True  # the file says for which time it is complete
    bad: list[BadRow] = field(default_factory=list)
    bad_lines: int = 0
    open_now: dict[OpenKind, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing is open, every line could be read, and every row was placed."""
        nothing_left = not self.bad_lines and not self.taken.left
        return nothing_left and not sum(self.open_now.values())


async def reconcile_statement(
    record: Record, statement: Statement, collector: Collector, progress: Progress
) -> Reconciled:
    """
    Take every line of an open statement, then look for what is only ours.

    Raises:
        BadStatement: it is of another short code or account, or breaks off.
        NotKept: the store failed; run it again.
    """
    _check_head(statement, collector)
    done, span = Reconciled(), _Span()
    chunk: list[NewRecordRow] = []
    for seen, line in enumerate(_counted(statement, progress), 1):
        done.lines = seen
        row = _row(line, done)
        if row is not None:
            assert row.at is not None, "every line has its time"
            span.add(row.at)
            chunk.append(row)
        if len(chunk) >= CHUNK:
            done.taken.add(await record.take(chunk))
            chunk = []
    done.taken.add(await record.take(chunk))
    head = statement.head
    since, until = head.since or span.first, head.until or span.last
    done.covered = head.since is not None and head.until is not None
    if until is not None and head.reported_at is not None:
        # Exported at noon, a day's statement says nothing of its afternoon.
        until = min(until, head.reported_at)
    if since is not None and until is not None:
        # Without a stated period only the time between its first and last line is covered.
        done.only_ours = await record.only_ours(since=since, until=until)
    done.open_now = await record.count_open()
    return done


@dataclass(slots=True)
class _Span:
    """From the first to the last line, whatever their order."""

    first: datetime | None = None
    last: datetime | None = None

    def add(self, at: datetime) -> None:
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)


def _counted(statement: Statement, progress: Progress) -> Iterator[StatementRow | BadRow]:
    told = 0
    for number, line in enumerate(statement, 1):
        yield line
        if number % CHUNK == 0:
            progress(statement.bytes_read - told)
            told = statement.bytes_read
    progress(statement.bytes_read - told)


def _check_head(statement: Statement, collector: Collector) -> None:
    head = statement.head
    if head.short_code and head.short_code != collector.number:
        raise BadStatement(
            f"this statement is of short code {head.short_code}, and this bot's is "
            f"{collector.number}"
        )
    wanted = ACCOUNTS[collector.kind]
    if head.account and wanted not in head.account.casefold():
        raise BadStatement(
            f"this statement is of the account “{head.account}”: export the "
            f"{wanted.capitalize()} Account, where payments arrive"
        )


def _row(line: StatementRow | BadRow, done: Reconciled) -> NewRecordRow | None:
    """The row of the record that a line makes, if it makes one."""
    if isinstance(line, BadRow):
        done.bad_lines += 1
        if len(done.bad) < BAD_LINES_KEPT:
            done.bad.append(line)
        return None
    if not line.completed:
        done.incomplete += 1
        return None
    if line.nature not in COUNTED:
        return None
    back = line.nature is Nature.REVERSAL
    if not back:
        done.payments += 1
        done.paid_cents += line.paid_in_cents
    return NewRecordRow(
        receipt=line.receipt,
        amount_cents=line.withdrawn_cents if back else line.paid_in_cents,
        at=line.completed_at,
        source=Source.PORTAL,
        kind=RowKind.REVERSAL if back else RowKind.PAID,
        reference=line.account_reference,
        payer=line.other_party,
        linked=line.linked_receipt,
    )
