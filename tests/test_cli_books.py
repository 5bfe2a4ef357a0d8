"""`lipabot migrate | backup | restore | export`, as an operator meets them beside a bot."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.commands.common import OwnersFile
from storage.engine import Store, open_store
from storage.migrations import HEAD
from storage.schema import looks
from tests.commands import fresh_lipabot, lipabot
from tests.fakes import add_payment
from tests.stores import TestClock
from tests.test_cli import runnable

CONFIGURED = "0" * 32  # the key that `runnable` writes


def opened(url: str) -> AbstractAsyncContextManager[Store]:
    return open_store(url, key=CONFIGURED, now=TestClock().now)


def test_a_backup_into_a_folder_that_is_not_there_says_so_and_writes_nothing(
    tmp_path: Path,
) -> None:
    config = str(runnable(tmp_path, storage=f"sqlite:///{tmp_path / 'bot.db'}"))

    refused = lipabot("backup", "--config", config, "copies/", folder=tmp_path)

    assert refused.returncode == 1
    assert "there is no folder copies/: make it first (mkdir -p copies/)" in refused.stderr
    assert not (tmp_path / "copies").exists()


async def test_backup_and_restore_beside_and_after_a_running_bot(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    config = str(runnable(tmp_path, storage=url))
    async with opened(url) as store:
        await add_payment(store, 1)
        copied = fresh_lipabot("backup", "--config", config, "copy.db", folder=tmp_path)
        await add_payment(store, 2)
        refused = lipabot("restore", "--config", config, "copy.db", folder=tmp_path)

    assert (copied.returncode, copied.stderr) == (0, "")
    assert "copy.db" in copied.stdout
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert refused.returncode == 1
    assert "is in use by another lipabot" in refused.stderr

    restored = fresh_lipabot("restore", "--config", config, "copy.db", folder=tmp_path)
    lifted = lipabot("restore", "--config", config, "--reconciled", folder=tmp_path)
    again = lipabot("restore", "--config", config, "--reconciled", folder=tmp_path)

    assert restored.returncode == 0
    assert "No prompt is sent until the gap is reconciled" in restored.stdout
    assert "Prompts are sent again" in lifted.stdout
    assert again.stdout == "Nothing was paused.\n"
    with closing(sqlite3.connect(tmp_path / "bot.db")) as books:
        assert books.execute("SELECT count(*) FROM payments").fetchall() == [(1,)]


def test_restore_wants_one_thing(tmp_path: Path) -> None:
    for words in ((), ("copy.db", "--reconciled"), ("--mark", "--reconciled")):
        done = lipabot("restore", *words, folder=tmp_path)

        assert done.returncode == 2
        assert "say one of" in done.stderr


@pytest.mark.postgres
@pytest.mark.parametrize(
    "words",
    ["restore --mark", "restore --reconciled", "replay", "migrate", "export --month 2026-11"],
)
def test_a_database_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, migrated_server: str, words: str
) -> None:
    url = f"{migrated_server.removesuffix('postgres')}nowhere"
    config = str(runnable(tmp_path, storage=url))

    refused = lipabot(*words.split(), "--config", config, folder=tmp_path)

    assert refused.returncode == 1
    [line] = refused.stderr.splitlines()
    assert line.startswith("lipabot: storage.url: ")
    assert 'database "nowhere" does not exist' in line


@pytest.mark.postgres
async def test_postgres_is_dumped_by_its_own_tool_and_marked_by_hand(
    tmp_path: Path, migrated_server: str
) -> None:
    url = f"{migrated_server.removesuffix('postgres')}lipabot_template"
    config = str(runnable(tmp_path, storage=url))

    dumped = lipabot("backup", "--config", config, "copy.dump", folder=tmp_path)
    restored = lipabot("restore", "--config", config, "copy.dump", folder=tmp_path)

    assert (dumped.returncode, dumped.stderr) == (0, "")
    assert (tmp_path / "copy.dump").read_bytes().startswith(b"PGDMP")
    assert stat.S_IMODE((tmp_path / "copy.dump").stat().st_mode) == 0o600
    assert restored.returncode == 1
    assert "lipabot restore --mark" in restored.stderr


async def test_a_marked_server_sends_nothing_until_it_is_lifted(
    tmp_path: Path, store_url: str
) -> None:
    config = str(runnable(tmp_path, storage=store_url))
    async with opened(store_url) as store:
        await add_payment(store, 1)  # the newest in this dump: 23 Nov, 12:00 in Nairobi

    marked = lipabot("restore", "--config", config, "--mark", folder=tmp_path)
    lifted = lipabot("restore", "--config", config, "--reconciled", folder=tmp_path)

    assert "as far as 23 Nov 2026 11:55 EAT" in marked.stdout
    assert "No prompt is sent" in marked.stdout
    assert "as far as 23 Nov 2026 11:55 EAT. Prompts are sent again" in lifted.stdout


async def test_whoever_knows_when_the_dump_was_begun_says_so(
    tmp_path: Path, store_url: str
) -> None:
    config = str(runnable(tmp_path, storage=store_url))

    def restore(*words: str) -> tuple[int, str]:
        done = lipabot("restore", "--config", config, *words, folder=tmp_path)
        return done.returncode, done.stdout + done.stderr

    empty = restore("--mark")
    late = restore("--mark", "--as-of", "2999-01-01 00:00")
    alone = restore("--reconciled", "--as-of", "2026-11-23 00:30")
    marked = restore("--mark", "--as-of", "2026-11-23 00:30")
    again = restore("--mark", "--as-of", "2026-11-23 09:00")

    assert (empty[0], "nothing is marked" in empty[1]) == (1, True)
    assert (late[0], "has not come yet" in late[1]) == (1, True)
    assert (alone[0], "--as-of goes with --mark" in alone[1]) == (2, True)
    for code, words in (marked, again):
        assert (code, "as far as 23 Nov 2026 00:30 EAT" in words) == (0, True)


async def test_migrate_says_what_it_did_and_leaves_a_running_bot_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    config = str(runnable(tmp_path, storage=url))

    first = fresh_lipabot("migrate", "--config", config, folder=tmp_path)
    second = lipabot("migrate", "--config", config, folder=tmp_path)
    with closing(sqlite3.connect(tmp_path / "bot.db")) as books, books:
        books.execute("UPDATE alembic_version SET version_num = '0000'")
    with (tmp_path / "bot.db.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = lipabot("migrate", "--config", config, folder=tmp_path)

    assert first.stdout == f"The database went from version none to {HEAD}.\n"
    assert second.stdout == f"The database is at version {HEAD} already.\n"
    assert refused.returncode == 1
    assert "is in use by another lipabot" in refused.stderr


async def test_export_streams_a_period_masked_and_beside_a_running_bot(
    tmp_path: Path, store_url: str
) -> None:
    config = str(runnable(tmp_path, storage=store_url))
    async with opened(store_url) as store:
        for number, day in ((1, 30), (2, 1), (3, 15), (4, 30)):
            month = 10 if number == 1 else 11
            # 20:59 and 21:01 UTC are on two days in Nairobi.
            at = datetime(2026, month, day, 20, 59, tzinfo=UTC)
            await add_payment(store, number, at=at)
        late = datetime(2026, 11, 30, 21, 1, tzinfo=UTC)
        await add_payment(store, 5, at=late)

        done = lipabot("export", "--config", config, "--month", "2026-11", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["asked_at"] for row in rows] == [
        "2026-11-01 23:59:00",
        "2026-11-15 23:59:00",
        "2026-11-30 23:59:00",
    ]
    assert {row["phone"] for row in rows} == {"0712***678"}
    assert "712345678" not in done.stdout


async def test_whole_numbers_are_written_down_before_they_leave(
    tmp_path: Path, store_url: str
) -> None:
    config = str(runnable(tmp_path, storage=store_url))
    async with opened(store_url) as store:
        await add_payment(store, 1)

    done = fresh_lipabot(
        *("export", "--config", config, "--from", "2026-11-01", "--to", "2026-11-30"),
        *("--whole-numbers", "--output", "out.csv"),
        folder=tmp_path,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert mode_of(tmp_path / "out.csv") == 0o600
    [row] = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))
    assert row["phone"] == "+254712345678"
    async with opened(store_url) as store, store.read() as tx:
        found = await tx.payments._connection.execute(
            select(looks.c.by, looks.c.what, looks.c.payment_id)
        )
        assert found.all() == [(0, "export", "2026-11-01..2026-11-30")]


@pytest.fixture
def _open_to_all() -> Iterator[None]:
    """A shell that keeps no file from anybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_open_to_all")
@pytest.mark.parametrize("before", [None, 0o644], ids=["new", "everybody's"])
def test_what_is_exported_is_its_owners_from_the_first_byte_on(
    tmp_path: Path, before: int | None
) -> None:
    out = tmp_path / "out.csv"
    if before is not None:
        out.write_text("of last month, and longer")
        out.chmod(before)

    with OwnersFile().convert(str(out), None, None) as file:
        assert (mode_of(out), out.read_text()) == (0o600, "")
        file.write("+254712345678")

    assert (mode_of(out), out.read_text()) == (0o600, "+254712345678")


def test_what_is_no_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o622)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with OwnersFile().convert(str(pipe), None, None) as file:
        file.write("+254712345678")

    assert (os.read(reader, 100), mode_of(pipe)) == (b"+254712345678", 0o622)
    os.close(reader)


@pytest.mark.parametrize(
    ("output", "status", "said"),
    [("-", 0, ""), (".", 2, "Is a directory"), ("/dev/full", 1, "No space left on device")],
)
async def test_an_export_says_where_it_cannot_be_written(
    tmp_path: Path, output: str, status: int, said: str
) -> None:
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    config = str(runnable(tmp_path, storage=url))
    async with opened(url):
        pass

    done = lipabot(
        *("export", "--config", config, "--month", "2026-11", "--output", output), folder=tmp_path
    )

    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("asked_at,") is (output == "-")


async def test_whole_numbers_are_not_taken_past_a_running_bot(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    config = str(runnable(tmp_path, storage=url))
    async with opened(url):
        done = lipabot(
            *("export", "--config", config, "--month", "2026-11", "--whole-numbers"),
            folder=tmp_path,
        )

    assert done.returncode == 1
    assert "is in use by another lipabot" in done.stderr
    assert "phone" not in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--month", "November"),
        ("--from", "2026-11-02", "--to", "2026-11-01"),
        ("--month", "2026-11", "--from", "2026-11-01"),
    ],
)
def test_a_period_that_is_none_is_refused_in_one_sentence(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = lipabot("export", *words, folder=tmp_path)

    assert done.returncode == 2
    assert "--month" in done.stderr.splitlines()[-1]


def test_a_database_that_is_not_there_ends_in_one_line(tmp_path: Path) -> None:
    done = lipabot("backup", "--config", str(runnable(tmp_path)), "copy.db", folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "lipabot: there is no bot.db\n"
