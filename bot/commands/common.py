"""Common: how every command finds its configuration, and how it ends when it cannot go on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from bot.config import Config

__all__ = [
    "BAD_CONFIG",
    "FAILED",
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
    from bot.config import ConfigError
    from storage.errors import StorageError

    try:
        act()
    except KeyboardInterrupt:
        sys.exit(130)
    except ConfigError as exc:
        stop(str(exc), BAD_CONFIG)
    except StorageError as exc:
        stop(str(exc), FAILED)
    except OSError as exc:
        stop(exc.strerror or str(exc) or type(exc).__name__, FAILED)


def stop(why: str, status: int) -> NoReturn:
    for line in why.splitlines():
        click.echo(f"lipabot: {line}", err=True)
    sys.exit(status)
