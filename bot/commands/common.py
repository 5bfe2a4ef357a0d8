"""Common: how every command finds its configuration, and how it ends when it cannot go on."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from bot.config import Config

__all__ = [
    "BAD_CONFIG",
    "FAILED",
    "OwnersFile",
    "config_option",
    "configured",
    "sqlite_file",
    "stop",
    "until_done",
]

BAD_CONFIG = 2
FAILED = 1

config_option = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=Path("config.toml"),
    show_default=True,
    help="The configuration; config.example.toml explains every key.",
)


class OwnersFile(click.File):
    """A file to be written that only its owner may read, from its first byte on; "-" is stdout."""

    def __init__(self) -> None:
        super().__init__("w", encoding="utf-8", lazy=False)

    def convert(
        self,
        value: str | os.PathLike[str] | IO[Any],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> IO[Any]:
        if not isinstance(value, str) or value == "-":
            return super().convert(value, param, ctx)
        try:
            file = open(value, "w", encoding="utf-8", opener=_for_its_owner)  # noqa: SIM115 -- the command closes it
        except OSError as exc:
            self.fail(f"'{click.format_filename(value)}': {exc.strerror}", param, ctx)
        if ctx is not None:
            ctx.call_on_close(partial(_close, file))
        return file


def _for_its_owner(path: str, flags: int) -> int:
    """What was there may have been everybody's: by now it is empty, and then nobody else's."""
    handle = os.open(path, flags, 0o600)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        os.fchmod(handle, 0o600)
    return handle


def _close(file: IO[Any]) -> None:
    """The last of it is written only now: where there is no room for it, that is said."""
    try:
        file.close()
    except OSError as exc:
        stop(exc.strerror or str(exc), FAILED)


def configured(path: Path) -> Config:
    """The configuration at *path*; what is wrong with it ends the command, a line a problem."""
    from bot.config import ConfigError, load_config

    try:
        return load_config(path)
    except ConfigError as exc:
        stop(str(exc), BAD_CONFIG)


def sqlite_file(config: Config) -> Path | None:
    """The database's file, or None for PostgreSQL."""
    from sqlalchemy.engine import make_url

    url = make_url(config.storage.url.get_secret_value())
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def until_done(work: Coroutine[Any, Any, None]) -> None:
    """Run *work* to its end; what a person can mend ends in one line."""
    with_words(lambda: asyncio.run(work))


def with_words(act: Any) -> None:
    """Do *act*; what a person can mend ends in one line, and with a status that says so."""
    from sqlalchemy.exc import DBAPIError

    from bot.config import ConfigError
    from bot.faults import NotNow
    from storage.errors import StorageError

    try:
        act()
    except KeyboardInterrupt:
        sys.exit(130)
    except ConfigError as exc:
        stop(str(exc), BAD_CONFIG)
    except (NotNow, StorageError) as exc:
        stop(str(exc), FAILED)
    except DBAPIError as exc:
        stop(f"storage.url: {exc.orig}", FAILED)  # its own words, without the statement
    except OSError as exc:
        stop(exc.strerror or str(exc) or type(exc).__name__, FAILED)


def stop(why: str, status: int) -> NoReturn:
    for line in why.splitlines():
        click.echo(f"lipabot: {line}", err=True)
    sys.exit(status)
