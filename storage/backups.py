"""
Backups of a SQLite database: one consistent copy while the bot runs, and how it is put back.

Every copy carries a mark of its own, sealed: whoever opens it as the live database, by whatever
way it came there, finds that its books end at the moment of the copy.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from storage.columns import instant
from storage.crypt import Crypt
from storage.errors import StorageError, WrongKey
from storage.journals import put_aside, put_aside_stray, stray_journal, sync
from storage.locks import only_process
from storage.migrations import HEAD
from storage.newest import NEWEST

__all__ = [
    "RESTORED_MARK",
    "Copied",
    "back_up",
    "key_file",
    "last_backup_file",
    "put_back",
    "read_mark",
    "written_mark",
]

RESTORED_MARK = "restored"
"""The name of the mark among the shared values."""

PART = ".part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """One copy, complete and on disk."""

    path: Path
    key_path: Path | None  # the key's copy; None where the key stands in the configuration
    size_bytes: int


def read_mark(value: bytes | None) -> datetime | None:
    """How far the books of a copy go; None where the mark was never there, or was taken away."""
    return datetime.fromisoformat(value.decode()) if value else None


def written_mark(as_of: datetime) -> bytes:
    return as_of.isoformat().encode()


def key_file(database: Path) -> Path:
    """Where the key of a SQLite database is, unless the configuration holds it."""
    return database.with_name(database.name + ".key")


def last_backup_file(database: Path) -> Path:
    """Its time of change says when the last complete backup was made."""
    return database.with_name(database.name + ".backed-up")


def back_up(
    database: Path,
    dest: Path,
    *,
    key: str | None,
    previous_keys: Sequence[str] = (),
    now: datetime,
) -> Copied:
    """
    Copy *database* to the new file *dest*, also while a bot writes to it.

    *key* is the configuration's; without one the key file is copied too. The copy is complete
    under its name or not there at all: it is made aside, checked, marked and renamed.

    Raises:
        StorageError: *dest* exists, or there is nothing to copy, or the copy is not sound.
        WrongKey: the key at hand does not open this database.
    """
    if not database.exists():
        raise StorageError(f"there is no {database}")
    if stray := stray_journal(database):
        raise StorageError(f"{stray} is not the journal of {database}: start the bot first")
    if dest.exists() or key_file(dest).exists():
        raise StorageError(f"{dest} is there already: name a new file")
    if key is None and not key_file(database).exists():
        raise WrongKey(f"there is no {key_file(database)}, and no security.key: which key is it?")
    crypt = Crypt(key or key_file(database).read_text().strip(), previous_keys)
    aside = dest.with_name(dest.name + PART)
    _private(aside)
    try:
        # In one step: a copy in pieces begins anew with every write of the bot.
        with _reading(database) as source, closing(sqlite3.connect(aside)) as copy:
            source.backup(copy)
        _make_whole(aside)
        _check(aside, crypt)
        # A copy of books that are themselves a copy goes no further than those.
        _mark(aside, crypt, _as_of(aside, crypt) or now)
        key_path = None
        if key is None:
            key_path = key_file(dest)
            _copy(key_file(database), key_path)
        sync(aside)
        aside.replace(dest)
        sync(dest.parent)
    except sqlite3.Error as exc:
        raise StorageError(f"the copy could not be made: {exc}") from exc
    finally:
        aside.unlink(missing_ok=True)
    _private(last_backup_file(database))
    os.utime(last_backup_file(database), (now.timestamp(), now.timestamp()))
    return Copied(path=dest, key_path=key_path, size_bytes=dest.stat().st_size)


def put_back(
    copy: Path,
    database: Path,
    *,
    key: str | None,
    previous_keys: Sequence[str] = (),
    now: datetime,
) -> Path | None:
    """
    Make *copy* the live database; what was there before is kept beside it, and its path returned.

    Whatever happens on the way, there is always a database under that name, the old one or the
    new one, and the new one is marked before it has the name.

    Raises:
        InUse: a bot is running on *database*.
        WrongKey: the key at hand does not open the copy.
        StorageError: it is no copy of ours, or of a newer Lipabot, or damaged.
    """
    if not copy.is_file():
        raise StorageError(f"there is no {copy}")
    beside = key_file(copy)
    if key is None and not beside.exists():
        raise WrongKey(f"there is no {beside}, and no security.key: which key is it?")
    crypt = Crypt(key or beside.read_text().strip(), previous_keys)
    with only_process(database):
        aside = database.with_name(database.name + PART)
        _private(aside)
        try:
            with _reading(copy) as source, closing(sqlite3.connect(aside)) as target:
                source.backup(target)
            _make_whole(aside)
            _check(aside, crypt)
            if _as_of(aside, crypt) is None:
                _mark(aside, crypt, min(now, _changed_at(copy, now), _newest(aside) or now))
            sync(aside)
            before = _kept(database, now)
            if key is None:
                _copy(beside, key_file(database))
            aside.replace(database)
            sync(database.parent)
        except sqlite3.Error as exc:
            raise StorageError(f"{copy} is no sound copy of a database: {exc}") from exc
        finally:
            aside.unlink(missing_ok=True)
    return before


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
    with closing(connection):
        yield connection


def _make_whole(path: Path) -> None:
    """One file, with nothing of it in a journal beside it."""
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")


def _check(path: Path, crypt: Crypt) -> None:
    with closing(sqlite3.connect(path)) as copy:
        [(verdict,)] = copy.execute("PRAGMA quick_check(1)").fetchall()
        if verdict != "ok":
            raise StorageError(f"the database is damaged: {verdict}")
        try:
            [(found,)] = copy.execute("SELECT version_num FROM alembic_version").fetchall()
            checks = "SELECT name, value FROM shared WHERE name LIKE 'key-check%'"
            keys = dict(copy.execute(checks).fetchall())
        except (sqlite3.Error, ValueError):
            raise StorageError("this is no database of Lipabot's") from None
    if found > HEAD:
        raise StorageError(f"it is of version {found}, newer than this Lipabot knows ({HEAD})")
    try:
        for sealed in keys.values():
            crypt.open(sealed)
    except WrongKey:
        raise WrongKey("the key at hand does not open this database: which one is it?") from None


def _as_of(path: Path, crypt: Crypt) -> datetime | None:
    with closing(sqlite3.connect(path)) as copy:
        rows = copy.execute("SELECT value FROM shared WHERE name = ?", (RESTORED_MARK,)).fetchall()
    return read_mark(crypt.open(rows[0][0])) if rows else None


def _mark(path: Path, crypt: Crypt, as_of: datetime) -> None:
    with closing(sqlite3.connect(path)) as copy, copy:
        copy.execute(
            "INSERT INTO shared (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (RESTORED_MARK, crypt.seal(written_mark(as_of))),
        )


def _newest(path: Path) -> datetime | None:
    # The time of a file says when it was copied last, which may be long after its books end.
    with closing(sqlite3.connect(path)) as copy:
        [(found,)] = copy.execute(NEWEST).fetchall()
    return instant(found)


def _changed_at(path: Path, now: datetime) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, now.tzinfo)


def _kept(database: Path, now: datetime) -> Path | None:
    """The old database under another name too, its journal moved there: nothing is thrown away."""
    # Even to look at the old one would play a journal of another into it.
    put_aside_stray(database, now)
    before = database.with_name(f"{database.name}.before-{now:%Y%m%d-%H%M%S}")
    if key_file(database).exists():
        os.link(key_file(database), key_file(before))
    if not database.exists():
        return None
    # Its journal into it first, so that it is whole even if we go no further than that.
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.link(database, before)
    # What is left of it would be played into the new one.
    put_aside(database, before)
    return before


def _private(path: Path) -> None:
    """An empty file that only its owner can read."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    path.chmod(0o600)


def _copy(source: Path, dest: Path) -> None:
    aside = dest.with_name(dest.name + PART)
    _private(aside)
    shutil.copyfile(source, aside)
    sync(aside)
    aside.replace(dest)
