"""`lipabot replay` as an operator meets it: beside a running bot, its words and its exit status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.engine import open_store
from storage.records import Payment
from storage.tx import Tx
from tests.commands import fresh_lipabot, lipabot
from tests.fakes import add_payment
from tests.stores import KEY, TestClock
from tests.test_cli import runnable


async def a_payment_at(url: str) -> Payment:
    async with open_store(url, key=KEY, now=TestClock().now) as store:
        return await add_payment(store)


async def test_it_reads_beside_a_bot_that_holds_the_lock(tmp_path: Path, store_url: str) -> None:
    config = runnable(tmp_path, storage=store_url)
    async with open_store(store_url, key=KEY, now=TestClock().now) as store:
        await add_payment(store)

        done = fresh_lipabot("replay", "--config", str(config), folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "1 payments, 0 pieces of evidence, 0 differences; "
        "KES 0.00 credited, KES 0.00 by the evidence\n"
    )


async def test_it_names_a_difference_and_exits_with_one(tmp_path: Path, store_url: str) -> None:
    config = runnable(tmp_path, storage=store_url)
    payment = await a_payment_at(store_url)
    async with open_store(store_url, key=KEY, now=TestClock().now) as store:

        async def forge(tx: Tx) -> None:
            await tx.payments._connection.execute(
                text("UPDATE payments SET status = 'paid', credited_cents = 123456")
            )

        await store.write(forge)

    done = lipabot("replay", "--config", str(config), folder=tmp_path)

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        f"payment {payment.id}: status: stored paid, recomputed created",
        f"payment {payment.id}: credited_cents: stored 123456, recomputed nothing",
        "1 payments, 0 pieces of evidence, 2 differences; "
        "KES 1,234.56 credited, KES 0.00 by the evidence",
    ]


def test_without_a_database_there_is_one_line_and_no_new_file(tmp_path: Path) -> None:
    config = runnable(tmp_path, storage="sqlite:///nowhere.db")

    done = lipabot("replay", "--config", str(config), folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"lipabot: storage.url: there is no nowhere\.db\n", done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("content", [b"", b"Dear diary, this is no database. " * 50])
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.db").write_bytes(content)
    config = runnable(tmp_path, storage="sqlite:///other.db")

    done = lipabot("replay", "--config", str(config), folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("lipabot: storage.url: ")
    assert (tmp_path / "other.db").read_bytes() == content


def test_a_server_that_is_away_is_named_and_its_password_is_not(tmp_path: Path) -> None:
    url = "postgresql://lipabot:sesame-sesame@127.0.0.1:9/lipabot"

    done = lipabot("replay", "--config", str(runnable(tmp_path, storage=url)), folder=tmp_path)

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("lipabot: storage.url: ")
    assert "sesame" not in done.stdout + done.stderr
