"""Backups: whole while the bot writes, marked from the first, and nothing is thrown away."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from storage.backups import (
    RESTORED_MARK,
    back_up,
    key_file,
    last_backup_file,
    put_back,
    read_mark,
)
from storage.engine import open_store
from storage.errors import InUse, StorageError, WrongKey
from tests.fakes import add_payment
from tests.stores import KEY, NOON, TestClock

LATER = NOON + timedelta(days=1)


async def filled(database: Path, payments: int = 3, *, key: str | None = None) -> None:
    async with open_store(f"sqlite:///{database}", key=key, now=TestClock().now) as store:
        for number in range(payments):
            await add_payment(store, number + 1)


def names(folder: Path, prefix: str) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(prefix))


def count(database: Path) -> int:
    with closing(sqlite3.connect(database)) as books:
        [(found,)] = books.execute("SELECT count(*) FROM payments").fetchall()
    return int(found)


async def mark_of(database: Path, key: str | None = None) -> object:
    opened = open_store(f"sqlite:///{database}", key=key, now=TestClock().now)
    async with opened as store, store.read() as tx:
        return read_mark(await tx.shared.get(RESTORED_MARK))


async def test_a_copy_made_while_the_bot_writes_is_whole(tmp_path: Path) -> None:
    database = tmp_path / "bot.db"
    async with open_store(f"sqlite:///{database}", now=TestClock().now) as store:
        for number in range(1, 31):
            await add_payment(store, number)

        async def more() -> None:
            for number in range(31, 61):
                await add_payment(store, number)

        writing = asyncio.create_task(more())
        copied = await asyncio.to_thread(
            back_up, database, tmp_path / "copy.db", key=None, now=NOON
        )
        await writing

    assert 30 <= count(copied.path) <= 60
    assert names(tmp_path, "copy") == ["copy.db", "copy.db.key"]


async def test_copy_and_key_are_for_their_owner_only(tmp_path: Path) -> None:
    await filled(tmp_path / "bot.db")
    before = os.umask(0)
    try:
        copied = back_up(tmp_path / "bot.db", tmp_path / "copy.db", key=None, now=NOON)
    finally:
        os.umask(before)

    assert copied.key_path == tmp_path / "copy.db.key"
    for path in (copied.path, copied.key_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert last_backup_file(tmp_path / "bot.db").stat().st_mtime == NOON.timestamp()


async def test_with_a_key_in_the_configuration_none_is_copied(tmp_path: Path) -> None:
    await filled(tmp_path / "bot.db", key=KEY)

    copied = back_up(tmp_path / "bot.db", tmp_path / "copy.db", key=KEY, now=NOON)

    assert copied.key_path is None
    assert not key_file(copied.path).exists()


async def test_the_copy_says_how_far_it_goes_wherever_it_is_opened(tmp_path: Path) -> None:
    await filled(tmp_path / "bot.db", key=KEY)
    copied = back_up(tmp_path / "bot.db", tmp_path / "copy.db", key=KEY, now=NOON)

    assert await mark_of(copied.path, KEY) == NOON
    assert await mark_of(tmp_path / "bot.db", KEY) is None, "the live one is not marked"


async def test_a_copy_of_a_copy_goes_no_further_than_the_first(tmp_path: Path) -> None:
    await filled(tmp_path / "bot.db", key=KEY)
    first = back_up(tmp_path / "bot.db", tmp_path / "first.db", key=KEY, now=NOON)

    second = back_up(first.path, tmp_path / "second.db", key=KEY, now=LATER)

    assert await mark_of(second.path, KEY) == NOON


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    await filled(tmp_path / "bot.db")
    (tmp_path / "copy.db").write_text("mine")

    with pytest.raises(StorageError, match="is there already"):
        back_up(tmp_path / "bot.db", tmp_path / "copy.db", key=None, now=NOON)

    assert (tmp_path / "copy.db").read_text() == "mine"


async def test_another_key_makes_no_copy(tmp_path: Path) -> None:
    await filled(tmp_path / "bot.db", key=KEY)

    with pytest.raises(WrongKey):
        back_up(tmp_path / "bot.db", tmp_path / "copy.db", key="another key " * 4, now=NOON)

    assert not names(tmp_path, "copy")


def test_what_is_not_there_is_not_copied_nor_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no"):
        back_up(tmp_path / "bot.db", tmp_path / "copy.db", key=KEY, now=NOON)

    assert list(tmp_path.iterdir()) == []


async def test_putting_it_back_keeps_what_was_there(tmp_path: Path) -> None:
    database = tmp_path / "bot.db"
    await filled(database, 2)
    copied = back_up(database, tmp_path / "copy.db", key=None, now=NOON)
    async with open_store(f"sqlite:///{database}", now=TestClock().now) as store:
        await add_payment(store, 3)

    before = put_back(copied.path, database, key=None, now=LATER)

    assert before is not None
    assert (count(database), count(before)) == (2, 3)
    assert await mark_of(database) == NOON
    assert key_file(before).read_text() == key_file(database).read_text()
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


async def test_a_machine_that_has_nothing_gets_database_and_key(tmp_path: Path) -> None:
    await filled(tmp_path / "bot.db", 2)
    copied = back_up(tmp_path / "bot.db", tmp_path / "copy.db", key=None, now=NOON)
    new = tmp_path / "new" / "bot.db"
    new.parent.mkdir()

    assert put_back(copied.path, new, key=None, now=LATER) is None

    assert count(new) == 2
    assert await mark_of(new) == NOON


async def test_a_bare_copy_of_the_file_is_marked_too(tmp_path: Path) -> None:
    await filled(tmp_path / "bot.db", 1, key=KEY)
    bare = tmp_path / "bare.db"
    bare.write_bytes((tmp_path / "bot.db").read_bytes())
    os.utime(bare, (NOON.timestamp(), NOON.timestamp()))

    put_back(bare, tmp_path / "bot.db", key=KEY, now=LATER)

    assert await mark_of(tmp_path / "bot.db", KEY) == NOON


async def test_a_bare_copy_ends_with_the_newest_in_it_whenever_it_was_copied(
    tmp_path: Path,
) -> None:
    """`scp` gives a file the time of its own."""
    await filled(tmp_path / "bot.db", 1, key=KEY)
    bare = tmp_path / "bare.db"
    bare.write_bytes((tmp_path / "bot.db").read_bytes())
    os.utime(bare, (LATER.timestamp(), LATER.timestamp()))

    put_back(bare, tmp_path / "bot.db", key=KEY, now=LATER + timedelta(days=1))

    assert await mark_of(tmp_path / "bot.db", KEY) == NOON


def wal(database: Path) -> Path:
    return database.with_name(f"{database.name}-wal")


async def killed(database: Path, copy: Path, *, writes: int) -> bytes:
    """Books, and a copy of them; the journal that a kill left when more had been written."""
    async with open_store(f"sqlite:///{database}", key=KEY, now=TestClock().now) as store:
        for number in range(60):
            await add_payment(store, number)
        back_up(database, copy, key=KEY, now=NOON)
        for number in range(60, 90):
            await add_payment(store, number)
        with closing(sqlite3.connect(database)) as books:
            books.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await store.write(lambda tx: tx.shared.put("probe", b"a value that comes every hour"))
        for number in range(90, 90 + writes):
            await add_payment(store, number)
        return wal(database).read_bytes()


def sound(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as books:
        return books.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]


@pytest.mark.parametrize("writes", [0, 3])
@pytest.mark.parametrize("how", ["restore", "copy", "copy, then restore"])
async def test_a_journal_that_a_kill_left_is_not_played_into_the_copy(
    tmp_path: Path, how: str, writes: int
) -> None:
    database, copy = tmp_path / "bot.db", tmp_path / "copy.db"
    left = await killed(database, copy, writes=writes)
    database.unlink()
    wal(database).write_bytes(left)

    if how.startswith("copy"):
        shutil.copyfile(copy, database)
    if how.endswith("restore"):
        put_back(copy, database, key=KEY, now=LATER)

    assert await mark_of(database, KEY) == NOON
    assert sound(database)
    assert count(database) == 60
    [kept] = [name for name in names(tmp_path, "bot.db.") if name.endswith("-wal")]
    assert (tmp_path / kept).read_bytes() == left


async def test_a_copy_beside_a_journal_of_another_is_not_copied(tmp_path: Path) -> None:
    database, copy = tmp_path / "bot.db", tmp_path / "copy.db"
    left = await killed(database, copy, writes=3)
    shutil.copyfile(copy, database)
    wal(database).write_bytes(left)

    with pytest.raises(StorageError, match="not the journal"):
        back_up(database, tmp_path / "again.db", key=KEY, now=LATER)

    assert not (tmp_path / "again.db").exists()


async def test_a_journal_whose_database_is_gone_is_left_for_a_person(tmp_path: Path) -> None:
    database = tmp_path / "bot.db"
    left = await killed(database, tmp_path / "copy.db", writes=3)
    moved = database.rename(tmp_path / "elsewhere.db")
    wal(database).write_bytes(left)

    with pytest.raises(StorageError, match=r"bot\.db-wal is there"):
        await mark_of(database, KEY)

    moved.rename(database)
    assert await mark_of(database, KEY) is None
    assert count(database) == 93


async def test_the_key_of_a_database_that_was_moved_away_is_kept(tmp_path: Path) -> None:
    database = tmp_path / "bot.db"
    await filled(tmp_path / "other.db", 2)
    copied = back_up(tmp_path / "other.db", tmp_path / "copy.db", key=None, now=NOON)
    await filled(database, 1)
    key = key_file(database).read_text()
    database.rename(tmp_path / "elsewhere.db")

    put_back(copied.path, database, key=None, now=LATER)

    assert count(database) == 2
    [kept] = names(tmp_path, "bot.db.before-")
    assert (tmp_path / kept).read_text() == key


async def test_a_running_bot_is_not_pulled_the_rug_from_under(tmp_path: Path) -> None:
    database = tmp_path / "bot.db"
    await filled(database, 1, key=KEY)
    copied = back_up(database, tmp_path / "copy.db", key=KEY, now=NOON)

    async with open_store(f"sqlite:///{database}", key=KEY, now=TestClock().now) as store:
        with pytest.raises(InUse):
            put_back(copied.path, database, key=KEY, now=LATER)
        await add_payment(store, 2)

    assert count(database) == 2


@pytest.mark.parametrize("content", [b"", b"Dear diary, this is no database. " * 50])
async def test_what_is_no_backup_changes_nothing(tmp_path: Path, content: bytes) -> None:
    database = tmp_path / "bot.db"
    await filled(database, 1, key=KEY)
    (tmp_path / "other").write_bytes(content)

    with pytest.raises(StorageError):
        put_back(tmp_path / "other", database, key=KEY, now=LATER)

    assert count(database) == 1
    assert not names(tmp_path, "bot.db.part")


async def test_a_backup_of_a_newer_lipabot_is_refused(tmp_path: Path) -> None:
    database = tmp_path / "bot.db"
    await filled(database, 1, key=KEY)
    copied = back_up(database, tmp_path / "copy.db", key=KEY, now=NOON)
    with closing(sqlite3.connect(copied.path)) as copy, copy:
        copy.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StorageError, match="newer"):
        put_back(copied.path, database, key=KEY, now=LATER)
