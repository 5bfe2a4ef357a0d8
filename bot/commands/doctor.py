"""Doctor: `lipabot doctor`: what is wrong with the set-up, and how to mend it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bot.commands.common import FAILED, config_option, until_done

__all__ = ["doctor"]


@click.command()
@config_option
@click.option(
    "--push",
    metavar="PHONE",
    help="Ask this phone for KES 1, after a yes: the only test of the passkey.",
)
def doctor(path: Path, push: str | None) -> None:
    """
    Look at everything that the bot needs, and say how to mend what is wrong.

    Exit 1 if anything is. Also beside a running bot, which it leaves alone.
    """
    until_done(_examined(path, push))


async def _examined(path: Path, push: str | None) -> None:
    from bot.clock import SystemClock
    from bot.commands.findings import Finding, Patient
    from bot.commands.inside import database, disk
    from bot.commands.outside import outside, push_one_shilling
    from bot.config import ConfigError, load_config

    bad = 0

    def tell(found: Finding) -> None:
        nonlocal bad
        bad += not found.good
        click.echo(f"{'✔' if found.good else '✖'} {found.what}")
        if found.cure:
            click.echo(f"    → {found.cure}")

    try:
        config = load_config(path)
    except ConfigError as exc:
        for line in str(exc).splitlines():
            what, _, cure = line.partition(": ")
            tell(Finding(False, what, cure))
        click.echo("The rest can be looked at once the configuration can be read.")
        sys.exit(FAILED)
    tell(Finding(True, f"{path} can be read, and by nobody else"))
    patient = Patient(config, SystemClock().now)
    async for found in outside(patient):
        tell(found)
    for found in [disk(patient), *await database(patient)]:
        tell(found)
    if push is not None:
        phone = _phone(push)
        real = "real money" if config.takes_real_money else "the sandbox: no money stays"
        click.confirm(f"Ask {push} for KES 1 now ({real})?", abort=True)
        tell(await push_one_shilling(patient, phone))
        click.echo("    Cancel it on the phone, or pay the shilling.")
    click.echo("All is well." if not bad else f"{bad} thing(s) to mend.")
    if bad:
        sys.exit(FAILED)


def _phone(written: str) -> str:
    from mpesa.phones import BadPhone, read_phone

    try:
        return read_phone(written)
    except BadPhone as exc:
        raise click.BadParameter(f"{exc}", param_hint="--push") from None
