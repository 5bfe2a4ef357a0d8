"""Inside: what `lipabot doctor` looks at on this machine: the disk, the database, its key."""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from bot.commands.common import sqlite_file
from bot.commands.findings import Finding, Patient
from bot.config import Config
from storage.backups import key_file
from storage.crypt import Crypt
from storage.errors import StorageError
from storage.examining import Examined, examine
from storage.migrations import HEAD

__all__ = ["DISK_FREE_MIN_BYTES", "crypt_of", "database", "disk", "passing_crypt"]

DISK_FREE_MIN_BYTES = 512 * 1024 * 1024


def disk(patient: Patient) -> Finding:
    file = sqlite_file(patient.config)
    folder = Path() if file is None else file.parent
    while not folder.exists():
        folder = folder.parent
    free = patient.free_bytes(folder)
    megabytes = f"{free / 2**20:,.0f} MB"
    if free < DISK_FREE_MIN_BYTES:
        return Finding(
            False,
            f"only {megabytes} are free on the disk: when it is full, callbacks are turned away",
            "make room (journalctl --vacuum-size=200M, old backups), or a larger disk",
        )
    return Finding(True, f"{megabytes} are free on the disk")


async def database(patient: Patient) -> list[Finding]:
    config = patient.config
    file, url = sqlite_file(config), config.storage.url.get_secret_value()
    if file is not None and not file.exists():
        return [Finding(True, f"the database {file} will be made by the first `lipabot run`")]
    try:
        found = await examine(url, crypt=crypt_of(config), people_ids=config.telegram.operators)
    except (StorageError, DBAPIError, OSError) as exc:
        why = str(exc.orig) if isinstance(exc, DBAPIError) else str(exc)
        return [
            Finding(
                False,
                f"the database cannot be read: {why.splitlines()[0]}",
                "see that storage.url names it, and that whoever runs the bot may read and "
                "write it",
            )
        ]
    return [*_sound(found), *_key(config, found), *_operators(config, found)]


def crypt_of(config: Config) -> Crypt | None:
    """The key of the bot's database; None where there is none yet, or it was lost."""
    security, file = config.security, sqlite_file(config)
    previous = [each.get_secret_value() for each in security.previous_keys]
    if security.key is not None:
        return Crypt(security.key.get_secret_value(), previous)
    beside = None if file is None else key_file(file)
    if beside is None or not beside.exists():
        return None
    return Crypt(beside.read_text().strip(), previous)


def passing_crypt() -> Crypt:
    """A key of nobody's, for as long as a check takes."""
    return Crypt(secrets.token_hex(32))


def _sound(found: Examined) -> list[Finding]:
    if found.damage is not None:
        return [
            Finding(
                False,
                f"the database is damaged: {found.damage.splitlines()[0]}",
                "see that storage.url names the right file; if so, stop the bot, keep the file, "
                "and put the last good backup back: lipabot restore",
            )
        ]
    if found.version is not None and found.version > HEAD:
        return [
            Finding(
                False,
                f"a newer Lipabot wrote the database (version {found.version}, this one {HEAD})",
                "install that one again; a database never goes back",
            )
        ]
    if found.version != HEAD:
        return [Finding(True, "the database is of an older version: `lipabot run` brings it on")]
    return [Finding(True, f"the database is sound, at version {HEAD}")]


def _key(config: Config, found: Examined) -> list[Finding]:
    if found.version is None:
        return []
    if found.key_fits is False:
        return [
            Finding(
                False,
                "the key does not open the database: security.key is not the one it was "
                "written with",
                "put the old one into security.previous_keys, or the database's own .key file "
                "back beside it",
            )
        ]
    file = sqlite_file(config)
    if found.key_fits is None and config.security.key is None and file is not None:
        return [
            Finding(
                False,
                f"there is no {key_file(file)}, and no security.key: nobody can read the database",
                "put the key file back from the backup, beside the database",
            )
        ]
    return [Finding(True, "the key opens the database")]


def _operators(config: Config, found: Examined) -> list[Finding]:
    operators = config.telegram.operators
    if not operators:
        return [
            Finding(
                False,
                "telegram.operators is empty: nobody would be told when something needs a person",
                "put your Telegram user id there (@userinfobot tells it)",
            )
        ]
    silent = [each for each in operators if each not in found.reachable]
    if found.version is not None and silent:
        return [
            Finding(
                False,
                f"operator {', '.join(map(str, silent))} has not opened a chat with the bot, and "
                "cannot be told anything",
                "open the bot in Telegram from that account and press Start",
            )
        ]
    return [Finding(True, f"{len(operators)} operator(s) can be told what happens")]
