"""`lipabot reconcile FILE`: opens the database and the file, and says what they came to."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

from bot.building import collector_of, finders_of
from bot.clock import SystemClock
from bot.config import Config
from bot.core.placing import Placing
from bot.core.portal import Progress, Reconciled, reconcile_statement
from bot.core.ports import Ids
from bot.core.record import Record
from bot.core.settle import Settle
from mpesa.statement import open_statement
from storage.engine import Store, open_store
from storage.errors import InUse
from storage.records import OpenKind

__all__ = ["reconcile", "shown"]

WORDS = {
    OpenKind.UNMATCHED: "only Safaricom's: no payment here has this receipt or account",
    OpenKind.ONLY_OURS: "only ours: credited, and not in Safaricom's books",
    OpenKind.AMOUNT_DIFFERS: "where the amount differs",
    OpenKind.TWICE: "a second receipt for one payment",
    OpenKind.REVIEW: "with the account of a prompt that it does not fit, or of another payment",
    OpenKind.REVERSAL: "gone back, of a payment that we do not know",
}


async def reconcile(config: Config, path: Path, progress: Progress) -> Reconciled:
    """
    Read the statement at *path* into the database of this configuration.

    Raises:
        BadStatement: it is none, or not of this short code.
        InUse: a bot runs on this SQLite file.
        StorageError, OSError
    """
    security = config.security
    try:
        async with open_store(
            config.storage.url.get_secret_value(),
            now=SystemClock().now,
            key=None if security.key is None else security.key.get_secret_value(),
            previous_keys=[each.get_secret_value() for each in security.previous_keys],
            server_time=True,
        ) as store:
            record = _record(config, store)
            # What the start has made stays: looking through it again and again costs a tenth.
            gc.collect()
            gc.freeze()
            with open_statement(path) as statement:
                return await reconcile_statement(record, statement, collector_of(config), progress)
    except InUse:
        raise InUse(
            "a bot is at work on this database: stop it first, or drop the file into the "
            "operators' chat"
        ) from None


def _record(config: Config, store: Store) -> Record:
    clock, settle = SystemClock(), Settle(operators=sorted(config.telegram.operators))
    ids = Ids(os.urandom)
    placing = Placing(
        store=store,
        settle=settle,
        clock=clock,
        ids=ids,
        finders=finders_of(ids, clock),
        confirm_above_kes=config.security.confirm_above_kes,
    )
    return Record(store=store, settle=settle, clock=clock, placing=placing, wake=lambda: None)


def shown(found: Reconciled) -> Iterator[str]:
    """What it came to, for the command line."""
    taken = found.taken
    yield (
        f"{found.lines:,} lines, {found.payments:,} payments, "
        f"KES {found.paid_cents / 100:,.2f} in; "
        f"{found.incomplete:,} not completed, {found.bad_lines:,} unreadable"
    )
    yield f"{taken.matched:,} matched, of which {taken.fresh:,} receipts are new to us"
    for kind, count in sorted(found.open_now.items()):
        yield f"open: {count:,} {WORDS[kind]}"
    if taken.left:
        yield f"{taken.left:,} could not be placed, for the database was busy: run it again"
    if not found.covered:
        yield "the file states no period: it is taken to cover its first to its last line"
    for bad in found.bad:
        yield f"line {bad.line}: {bad.why}"
    if found.bad_lines > len(found.bad):
        yield f"… and {found.bad_lines - len(found.bad):,} more lines"
    yield "nothing is open" if found.clean else "operators: say whose these are"
