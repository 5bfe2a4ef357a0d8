"""
The bot in a process that can be told where to die: `lipabot run`, and a SIGKILL at a named step.

Nothing in the bot knows of it. A step is the COMMIT of a transaction, recognised by what it
writes: SQLAlchemy reports every statement and every COMMIT of a process to whoever listens.
"""

from __future__ import annotations

import gc
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import aiosqlite  # noqa: F401 - loaded once, before anything is forked
import alembic.command  # noqa: F401 - as above
import anyio._backends._asyncio  # noqa: F401 - as above
import asyncpg  # noqa: F401 - as above
import httpcore  # noqa: F401 - as above
import sqlalchemy.dialects.postgresql.asyncpg
import sqlalchemy.dialects.sqlite.aiosqlite  # noqa: F401 - as above
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

import bot.app
import bot.logs  # noqa: F401 - as above
from bot.cli import main
from bot.texts import Texts

__all__ = ["ANYTHING", "WRITES", "Death", "arm", "be_the_bot"]

ANYTHING = "anything"

WRITES: Mapping[str, str] = MappingProxyType(
    {
        "the first tables": r"INSERT INTO alembic_version",
        "checks are free again": r"UPDATE payments SET .* WHERE payments\.check_holder IS NOT NULL",
        "updates are free again": r"UPDATE inbox SET .*inbox\.holder != ",
        "notices are due again": r"UPDATE notices SET .*resent=\? WHERE .*notices\.state",
        "what was cut off is unsure": r"INSERT INTO evidence .*'reply-lost'.*'crashed'",
        "an update is taken": r"INSERT INTO inbox",
        "a person is met": r"INSERT INTO people",
        "words are owed": r"INSERT INTO notices .*'say:",
        "a payment is opened": r"INSERT INTO payments",
        "a push is begun": r"INSERT INTO evidence .*'begun'",
        "a reply is kept": r"INSERT INTO evidence .*'(accepted|reply-lost)'",
        "a callback is kept": r"INSERT INTO evidence .*'callback-",
        "a check is claimed": r"UPDATE payments SET .*check_gen=\(payments\.check_gen \+",
        "an answer is kept": r"INSERT INTO evidence .*'query-",
        "a notice is claimed": r"UPDATE notices SET .*tries=\(notices\.tries \+ .*'sending'",
        "a notice is told": r"UPDATE notices SET .*told=",
        ANYTHING: r"INSERT|UPDATE|DELETE",
    }
)
"""What a transaction does, by the statements in it and what they write."""


@dataclass(frozen=True, slots=True)
class Death:
    """
    At the *nth* COMMIT of a transaction that writes *what*, before it or once it returned; or
    "within" the transaction, at the *nth* such statement itself.
    """

    when: Literal["before", "after", "within"]
    what: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.when} commit {self.nth}: {self.what}"


def be_the_bot(config: str, log: str, death: Death | None) -> None:
    """`lipabot run --config`, in a process forked for it."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(handle, standard)
    os.close(handle)
    os.chdir(os.path.dirname(config))
    if death is not None:
        arm(death)
    main(["run", "--config", config])


def arm(death: Death) -> None:
    """Die there, whatever engine it happens on."""
    wanted = re.compile(WRITES[death.what], re.DOTALL)
    seen = 0

    def count() -> bool:
        nonlocal seen
        seen += 1
        if seen == death.nth and death.when != "after":
            _die()
        return seen == death.nth

    @event.listens_for(Engine, "before_cursor_execute")
    def remember(
        connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool
    ) -> None:
        wrote = f"{statement} {values!r}"
        connection.info.setdefault("wrote", []).append(wrote)
        if death.when == "within" and wanted.search(wrote):
            count()

    @event.listens_for(Engine, "rollback")
    def rollback(connection: Any) -> None:
        if not connection.invalidated:  # one that was cut off has nothing to tell any more
            connection.info.pop("wrote", None)

    @event.listens_for(Engine, "commit")
    def commit(connection: Any) -> None:
        wrote = connection.info.pop("wrote", ())
        if death.when != "within" and any(wanted.search(each) for each in wrote):
            # Marked in the pool's own record of the connection, which sees it again after COMMIT.
            connection.info["dies"] = count()

    # The first that is heard of a connection once COMMIT returned: nobody has been answered yet.
    @event.listens_for(Pool, "checkin")
    def checkin(_connection: Any, record: Any) -> None:
        if record is not None and record.info.get("dies"):
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# Whoever is forked from here has all this already, and shares its memory.
Texts.load()
gc.collect()
gc.freeze()
