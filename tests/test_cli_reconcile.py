"""`lipabot reconcile` as an operator meets it: its words, its exit status, and when it waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from storage.engine import open_store
from storage.records import Status
from storage.tx import Tx
from tests.commands import fresh_lipabot, lipabot
from tests.fakes import a_payment, an_intent
from tests.stores import NOON, TestClock
from tests.test_cli import runnable

KEY = "0" * 32  # of the configuration that `runnable` writes
HEADING = (
    "Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,"
    "Balance,Balance Confirmed,Reason Type,Other Party Info,Linked Transaction ID,A/C No.,Currency"
)


def statement(folder: Path, *rows: tuple[str, str, str], more: str = "") -> Path:
    """A day's statement with rows of (receipt, shillings, account)."""
    lines = [
        "Time Period:,From,23-11-2026 00:00:00,To,23-11-2026 23:59:59",
        HEADING,
        *(
            f"{receipt},23-11-2026 12:01:00,23-11-2026 12:01:00,Pay Bill from 25471****678 - ASHA "
            f"Acc. {account},Completed,{kes},,1.0,true,Pay Utility,25471****678,,{account},KES"
            for receipt, kes, account in rows
        ),
    ]
    path = folder / "statement.csv"
    path.write_text("\n".join([*lines, more]))
    return path


async def asked(url: str) -> None:
    """One payment that was asked for at noon in Nairobi, of which nothing was heard."""

    async def run(tx: Tx) -> None:
        line = await tx.lines.lock("254712345678")
        await tx.payments.add_intent(replace(an_intent(), by_hand_ref="LIPA-7K2QX"))
        await tx.payments.add(
            replace(
                a_payment(line_id=line.id),
                push_ref="PAY-7K2QX",
                begun_at=NOON,
                status=Status.UNSURE,
            )
        )

    async with open_store(url, key=KEY, now=TestClock().now) as store:
        await store.write(run)


async def test_it_credits_by_reference_and_says_what_is_open(
    tmp_path: Path, store_url: str
) -> None:
    config = runnable(tmp_path, storage=store_url)
    await asked(store_url)
    path = statement(
        tmp_path,
        ("UKN1AAAA01", "50.0", "pay 7k2qx"),
        ("UKN1AAAA02", "50.0", "LIPA-7K2QX"),
        ("UKN1AAAA03", "70.0", "rent"),
    )

    first, again = (
        lipabot("reconcile", str(path), "--config", str(config), folder=tmp_path) for _ in range(2)
    )

    assert (first.returncode, again.returncode) == (1, 1)
    assert first.stdout.splitlines() == [
        "3 lines, 3 payments, KES 170.00 in; 0 not completed, 0 unreadable",
        "2 matched, of which 3 receipts are new to us",
        "open: 1 only Safaricom's: no payment here has this receipt or account",
        "operators: say whose these are",
    ]
    assert "of which 0 receipts are new" in again.stdout
    replayed = lipabot("replay", "--config", str(config), folder=tmp_path)
    assert "KES 100.00 credited, KES 100.00 by the evidence" in replayed.stdout


async def test_it_exits_with_nought_when_nothing_is_open(tmp_path: Path, store_url: str) -> None:
    config = runnable(tmp_path, storage=store_url)
    await asked(store_url)
    path = statement(tmp_path, ("UKN1AAAA01", "50.0", "PAY-7K2QX"))

    done = fresh_lipabot("reconcile", str(path), "--config", str(config), folder=tmp_path)

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing is open")


async def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, store_url: str) -> None:
    config = runnable(tmp_path, storage=store_url)
    path = statement(tmp_path, more="########,x,x,x,Completed,1,,,,,,,,KES")

    done = lipabot("reconcile", str(path), "--config", str(config), folder=tmp_path)

    assert done.returncode == 1
    assert any(line.startswith("line 3: ") for line in done.stdout.splitlines())


async def test_what_is_no_statement_ends_in_one_line(tmp_path: Path) -> None:
    config = runnable(tmp_path, storage=f"sqlite:///{tmp_path / 'bot.db'}")
    path = tmp_path / "x.pdf"
    path.write_bytes(b"%PDF-1.7")

    done = lipabot("reconcile", str(path), "--config", str(config), folder=tmp_path)

    assert done.returncode == 1
    assert "PDF" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


async def test_beside_a_bot_on_sqlite_it_says_what_to_do_instead(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    config = runnable(tmp_path, storage=url)
    path = statement(tmp_path)
    async with open_store(url, key=KEY, now=TestClock().now):
        done = lipabot("reconcile", str(path), "--config", str(config), folder=tmp_path)

    assert done.returncode == 1
    assert "stop it first, or drop the file into the operators' chat" in done.stderr
