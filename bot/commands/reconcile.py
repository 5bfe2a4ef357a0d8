"""`lipabot reconcile FILE`: the portal's statement against our books, from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bot.commands.common import FAILED, config_option, configured, stop, until_done

__all__ = ["reconcile"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
def reconcile(file: Path, path: Path) -> None:
    """
    Hold the M-PESA Org portal's statement (CSV or Excel) against our books.

    Exit 0 when nothing is open, 1 when something is: operators then say whose it is. Running it
    again changes nothing.
    """
    from bot.reconciling import reconcile as reconcile_file
    from bot.reconciling import shown

    config = configured(path)
    size = file.stat().st_size

    async def reconciled() -> None:
        from mpesa.statement import BadStatement

        with click.progressbar(length=size, label="Reading", file=sys.stderr) as bar:
            try:
                found = await reconcile_file(config, file, bar.update)
            except BadStatement as exc:
                stop(f"{file}: {exc}", FAILED)
        for line in shown(found):
            click.echo(line)
        if not found.clean:
            sys.exit(FAILED)

    until_done(reconciled())
