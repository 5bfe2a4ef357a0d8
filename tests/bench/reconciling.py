"""Reconciling: what `lipabot reconcile` of so many lines takes, all of them payments of ours.

`python -m tests.bench.reconciling 50000`. Each line is a payment that a callback alone credited,
with the account of its prompt: the dearest of plain lines, for the books confirm every one.
"""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bot.core.ports import REFERENCE_LETTERS
from mpesa.simulator import EAT
from storage.engine import open_store
from storage.records import Kind, Payment, Status
from tests.fakes import add_payment
from tests.stores import NOON, TestClock

__all__ = ["main"]

KEY: Final = "0" * 32
A_SECOND: Final = 50  # payments
HEADING: Final = (
    "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,"
    "Other Party Info,A/C No."
)
CONFIG: Final = """
[telegram]
token = "123456:made-up-token"
operators = [900]
[mpesa]
consumer_key = "made-up-key"
consumer_secret = "made-up-secret"
shortcode = "174379"
passkey = "made-up-passkey"
[webhook]
public_url = "https://pay.example.org"
[storage]
url = "{url}"
[security]
key = "{key}"
"""


def _receipt(number: int) -> str:
    return f"UKN{number:07d}"


def _account(number: int) -> str:
    """An account of a prompt; each number's is another."""
    letters = ""
    for _ in range(5):
        number, place = divmod(number, len(REFERENCE_LETTERS))
        letters += REFERENCE_LETTERS[place]
    return f"PAY-{letters}"


def _statement(path: Path, count: int, amount_kes: int) -> None:
    with path.open("w") as file:
        file.write(f"Time Period:,From,23-11-2026 00:00:00,To,31-12-2026 23:59:59\n{HEADING}\n")
        for number in range(count):
            at = (NOON + timedelta(seconds=number // A_SECOND)).astimezone(EAT)
            file.write(
                f"{_receipt(number)},{at:%d-%m-%Y %H:%M:%S},Pay Bill Online from 25471****678,"
                f"Completed,{amount_kes}.00,,25471****678,{_account(number)}\n"
            )


async def _first(url: str) -> None:
    """The payment that all others are copies of."""

    def credited(payment: Payment) -> Payment:
        return replace(
            payment,
            begun_at=NOON,
            status=Status.PAID,
            credited_cents=payment.amount_kes * 100,
            paid_at=NOON,
            receipt="UKZ0000000",
        )

    async with open_store(url, key=KEY, now=TestClock().now) as store:
        await add_payment(store, change=credited)


def _copies(template: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        later = {
            name: template[name] + number * 1_000_000 // A_SECOND
            for name in ("created_at", "begun_at", "paid_at")
        }
        yield (
            template
            | later
            | {
                "id": f"{number + 2:032x}",
                "push_ref": _account(number),
                "ask_key": f"bench:{number}",
                "receipt": _receipt(number),
            }
        )


def _fill(database: Path, count: int) -> int:
    """Copies with the receipts and callbacks that credited them; returns their amount in KES."""
    with closing(sqlite3.connect(database)) as books, books:
        books.row_factory = sqlite3.Row
        template = dict(books.execute("SELECT * FROM payments").fetchone())
        names = ", ".join(template)
        places = ", ".join(f":{name}" for name in template)
        books.executemany(
            f"INSERT INTO payments ({names}) VALUES ({places})",
            _copies(template, count),
        )
        books.execute("DELETE FROM payments WHERE id = ?", [template["id"]])
        books.execute(
            "INSERT INTO receipts (receipt, payment_id, at)"
            " SELECT receipt, id, paid_at FROM payments"
        )
        books.execute(
            "INSERT INTO evidence"
            " (payment_id, kind, at, receipt, amount_cents, paid_at, held, digest)"
            " SELECT id, ?, paid_at, receipt, amount_kes * 100, paid_at, 0, id || id FROM payments",
            [Kind.CALLBACK_PAID.value],
        )
        return int(template["amount_kes"])


def main(count: int) -> None:
    """Measure it once, and again for the same file, which changes nothing."""
    with tempfile.TemporaryDirectory(prefix="lipabot-bench-") as folder:
        database, config = Path(folder, "bot.db"), Path(folder, "config.toml")
        statement = Path(folder, "statement.csv")
        url = f"sqlite:///{database}"
        asyncio.run(_first(url))
        _statement(statement, count, _fill(database, count))
        config.touch(mode=0o600)
        config.write_text(CONFIG.format(url=url, key=KEY))
        words = ("reconcile", str(statement), "--config", str(config))
        spent_s = 0.0
        for _ in range(2):
            began_s = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-m", "bot", *words], capture_output=True, text=True, check=False
            )
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu_s, spent_s = used.ru_utime + used.ru_stime - spent_s, used.ru_utime + used.ru_stime
            print(
                f"{count:,} lines: exit {done.returncode}, {cpu_s:.1f} s of CPU, "
                f"{time.monotonic() - began_s:.0f} s, at most {used.ru_maxrss / 1024:.0f} MiB"
            )
            print(done.stdout, end="")


if __name__ == "__main__":
    main(int(sys.argv[1]))
