"""Books: `lipabot migrate | backup | restore | export`: the database kept, copied and read out."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from bot.commands.common import (
    FAILED,
    OwnersFile,
    config_option,
    configured,
    sqlite_file,
    stop,
    until_done,
    with_words,
)

if TYPE_CHECKING:
    from bot.config import Config
    from storage.engine import Store

__all__ = ["backup", "export", "migrate", "restore"]

PAUSED = (
    "No prompt is sent until the gap is reconciled, and nobody is reminded: compare the M-PESA Org "
    "portal from then on with these books, and then run: lipabot restore --reconciled"
)
MINUTE = click.DateTime(formats=["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"])


def _keys(config: Config) -> tuple[str | None, Sequence[str]]:
    security = config.security
    return (
        None if security.key is None else security.key.get_secret_value(),
        [each.get_secret_value() for each in security.previous_keys],
    )


def _opened(config: Config) -> AbstractAsyncContextManager[Store]:
    from bot.clock import SystemClock
    from storage.engine import open_store

    key, previous = _keys(config)
    return open_store(
        config.storage.url.get_secret_value(),
        now=SystemClock().now,
        key=key,
        previous_keys=previous,
        server_time=True,
    )


@click.command()
@config_option
def migrate(path: Path) -> None:
    """
    Bring the database to the tables of this version.

    `lipabot run` does it too, at its start. On SQLite the bot must be stopped.
    """
    config = configured(path)

    async def migrated() -> None:
        from storage.migrations import HEAD
        from storage.reading import version_at

        url, file = config.storage.url.get_secret_value(), sqlite_file(config)
        before = None if file is not None and not file.exists() else await version_at(url)
        if before != HEAD:
            async with _opened(config):
                pass
        click.echo(
            f"The database is at version {HEAD} already."
            if before == HEAD
            else f"The database went from version {before or 'none'} to {HEAD}."
        )

    until_done(migrated())


@click.command()
@config_option
@click.argument("dest", type=click.Path())
def backup(path: Path, dest: str) -> None:
    """
    Copy the database to the new file DEST (or into the folder DEST), also while the bot runs.

    The key without which nobody can read it is put beside it, as DEST.key. Keep both, and keep
    them private: together they hold every phone number.
    """
    if dest.endswith(os.sep) and not Path(dest).is_dir():
        stop(f"there is no folder {dest}: make it first (mkdir -p {dest})", FAILED)
    config = configured(path)
    with_words(lambda: _back_up(config, Path(dest)))


def _back_up(config: Config, dest: Path) -> None:
    from bot.clock import SystemClock
    from storage.backups import back_up

    now = SystemClock().now()
    file = sqlite_file(config)
    if dest.is_dir():
        dest = dest / f"lipabot-{now:%Y%m%d-%H%M%S}.{'db' if file else 'dump'}"
    if file is None:
        _pg_dump(config, dest)
        return
    key, previous = _keys(config)
    copied = back_up(file, dest, key=key, previous_keys=previous, now=now)
    click.echo(f"{copied.path}: {copied.size_bytes:,} bytes, checked")
    if copied.key_path is not None:
        click.echo(f"{copied.key_path}: its key. Without it nobody can read the copy")
    else:
        click.echo("Its key is security.key of the configuration: keep that too")


def _pg_dump(config: Config, dest: Path) -> None:
    """PostgreSQL has its own tool for it; the password goes by the environment, not the list of
    processes."""
    program = shutil.which("pg_dump")
    if program is None:
        stop(
            "PostgreSQL is copied by its own pg_dump, which is not here. Install it "
            "(apt install postgresql-client), or run it where it is:\n"
            "pg_dump --format=custom --file=lipabot.dump <the database>",
            FAILED,
        )
    if dest.exists():
        stop(f"{dest} is there already: name a new file", FAILED)
    done = subprocess.run(  # noqa: S603 -- the program that PATH names, and no shell
        [program, "--format=custom", f"--file={dest}", "--no-password"],
        env={**os.environ, **_pg_environment(config)},
        umask=0o077,
        check=False,
    )
    if done.returncode != 0:
        dest.unlink(missing_ok=True)
        stop("pg_dump failed: its own words stand above", FAILED)
    click.echo(f"{dest}: {dest.stat().st_size:,} bytes")
    click.echo("Its key is security.key of the configuration: keep that too")


def _pg_environment(config: Config) -> dict[str, str]:
    from sqlalchemy.engine import make_url

    url = make_url(config.storage.url.get_secret_value())
    values = {
        "PGHOST": url.host or url.query.get("host"),
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    return {name: str(value) for name, value in values.items() if value}


@click.command()
@config_option
@click.argument("src", type=click.Path(path_type=Path), required=False)
@click.option("--reconciled", is_flag=True, help="The gap is reconciled: send prompts again.")
@click.option(
    "--mark",
    is_flag=True,
    help="The database was restored by other means (pg_restore): send no prompts.",
)
@click.option(
    "--as-of",
    type=MINUTE,
    help="With --mark: when the copy was begun, in East Africa. Else the newest in it counts.",
)
def restore(
    path: Path, src: Path | None, reconciled: bool, mark: bool, as_of: datetime | None
) -> None:
    """
    Put the copy SRC back as the live database. The bot must be stopped.

    Whoever paid since the copy was made is not in it, so no prompt is sent until a person has
    reconciled the gap. The database that was there is kept beside it.
    """
    if [src is not None, reconciled, mark].count(True) != 1:
        raise click.UsageError("say one of: SRC, --reconciled, --mark")
    if as_of is not None and not mark:
        raise click.UsageError("--as-of goes with --mark: other copies say it themselves")
    config = configured(path)
    if reconciled:
        until_done(_lifted(config))
    elif mark:
        until_done(_marked(config, as_of))
    elif src is not None:
        with_words(lambda: _put_back(config, src))


def _put_back(config: Config, src: Path) -> None:
    from bot.clock import SystemClock
    from storage.backups import put_back

    file = sqlite_file(config)
    if file is None:
        stop(
            "PostgreSQL is restored by its own tool. Stop every lipabot, and then:\n"
            "pg_restore --clean --if-exists --dbname=<the database> <the dump>\n"
            "lipabot restore --mark",
            FAILED,
        )
    key, previous = _keys(config)
    before = put_back(src, file, key=key, previous_keys=previous, now=SystemClock().now())
    if before is not None:
        click.echo(f"{before}: what was there before; nothing of it is thrown away")
    click.echo(f"{file}: restored from {src}")
    click.echo(PAUSED)


async def _marked(config: Config, said: datetime | None) -> None:
    from bot.clock import SystemClock
    from bot.core.restored import end_of_books, mark
    from bot.texts import EAT

    now = SystemClock().now()
    as_of = None if said is None else said.replace(tzinfo=EAT).astimezone(now.tzinfo)
    if as_of is not None and as_of > now:
        stop("--as-of has not come yet: say when the copy was begun", FAILED)
    async with _opened(config) as store:
        end = as_of or await end_of_books(store)
        if end is None:
            stop(
                "these books hold nothing that says how far they go, and nothing is marked. Say "
                "when the copy was begun: lipabot restore --mark --as-of 'YYYY-MM-DD HH:MM'",
                FAILED,
            )
        end = await mark(store, as_of=min(now, end))
    click.echo(
        f"These books go as far as {end.astimezone(EAT):%d %b %Y %H:%M} EAT. If the copy was begun "
        "before that, run this again with --as-of."
    )
    click.echo(PAUSED)


async def _lifted(config: Config) -> None:
    from bot.core.restored import lift
    from bot.texts import EAT

    async with _opened(config) as store:
        as_of = await lift(store)
    if as_of is None:
        click.echo("Nothing was paused.")
    else:
        click.echo(
            f"These books went as far as {as_of.astimezone(EAT):%d %b %Y %H:%M} EAT. "
            "Prompts are sent again."
        )


DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@config_option
@click.option("--month", metavar="YYYY-MM", help="All of this month.")
@click.option("--from", "first", type=DAY, help="The first day, instead of a month.")
@click.option("--to", "last", type=DAY, help="The last day.")
@click.option("--output", type=OwnersFile(), default="-", help="Or a file, for you alone to read.")
@click.option(
    "--whole-numbers",
    is_flag=True,
    help="Phone numbers unmasked. It is written down; on SQLite the bot must be stopped.",
)
def export(
    path: Path,
    month: str | None,
    first: datetime | None,
    last: datetime | None,
    output: IO[str],
    whole_numbers: bool,
) -> None:
    """Every payment asked for in a period, as CSV. Days are those of East Africa."""
    from bot.commands.exporting import Period, exported

    period = Period.of(month, first, last)
    config = configured(path)
    until_done(exported(config, period, output, _opened(config) if whole_numbers else None))
