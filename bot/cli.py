"""The command line: `lipabot run | demo | simulate | replay`, and what `bot/commands` adds."""

from __future__ import annotations

import asyncio
import importlib.metadata
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.commands.books import backup, export, migrate, restore
from bot.commands.common import FAILED, config_option, configured, until_done
from bot.commands.doctor import doctor
from bot.commands.init import init
from bot.commands.reconcile import reconcile

if TYPE_CHECKING:
    from bot.config import Config

# What a command needs is imported inside it: `--help` should not wait for a database driver.

__all__ = ["main"]

READY_WITHIN_S = 30.0


def _version() -> str:
    try:
        return importlib.metadata.version("lipabot")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_version(), prog_name="lipabot", message="%(prog)s %(version)s")
def main() -> None:
    """M-Pesa payments in a Telegram chat."""


for _command in (init, doctor, migrate, backup, restore, export, reconcile):
    main.add_command(_command)


@main.command()
@config_option
def run(path: Path) -> None:
    """Be the bot, until SIGTERM or Ctrl-C."""
    from bot.logs import configure

    config = configured(path)
    configure(config.logs.level, config.logs.format, config.secrets())
    from bot.app import run as run_bot

    until_done(run_bot(config))


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="Where the demo bot keeps its database.",
)
def demo(port: int, data: Path) -> None:
    """Show the whole bot on one page, with a made-up Telegram and a made-up Safaricom."""
    from bot.logs import configure
    from bot.playground.demo import demo as run_demo

    configure("warning", "text")
    until_done(run_demo(port=port, data_dir=data, start_bot=_demo_bot, echo=click.echo))


@asynccontextmanager
async def _demo_bot(
    *, api_url: str, mpesa_base_url: str, data_dir: Path, certificate: bytes
) -> AsyncIterator[None]:
    """The real bot, at work between the two stand-ins while the block runs."""
    from bot.app import running
    from bot.clock import SystemClock

    # The stand-ins forget everything when they stop, and so must the bot: its old messages and
    # receipts would be somebody else's in the new world. Earlier runs are left to look at.
    folder = data_dir / f"{SystemClock().now():%Y%m%d-%H%M%S}"
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    sealing = folder / "safaricom.cer"
    await asyncio.to_thread(sealing.write_bytes, certificate)
    config = _demo_config(api_url, mpesa_base_url, folder / "lipabot.db", sealing)
    async with running(config) as ready:
        async with asyncio.timeout(READY_WITHIN_S):
            await ready.wait()
        yield


def _demo_config(api_url: str, mpesa_base_url: str, database: Path, sealing: Path) -> Config:
    from bot.config import Config
    from bot.playground.botapi import TOKEN
    from bot.playground.demo import OPERATOR_ID
    from mpesa.simulator import SimulatorSettings

    daraja = SimulatorSettings()
    port = _free_port()
    return Config.model_validate(
        {
            "telegram": {"token": TOKEN, "api_url": api_url, "operators": [OPERATOR_ID]},
            "mpesa": {
                "base_url": mpesa_base_url,
                "consumer_key": daraja.consumer_key,
                "consumer_secret": daraja.consumer_secret,
                "shortcode": daraja.shortcode,
                "passkey": daraja.passkey,
                "business_name": "Mama Njeri Shop",
                "initiator": daraja.initiator,
                "initiator_password": daraja.initiator_password,
                "certificate": str(sealing),
                "pull": True,
                "pull_number": "254700000900",
                "c2b": daraja.c2b,
            },
            "webhook": {"public_url": f"http://127.0.0.1:{port}", "port": port},
            "storage": {"url": f"sqlite:///{database}"},
        }
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8090, show_default=True)
@click.option(
    "--answer-after",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="Seconds until a phone that acts by itself answers its prompt.",
)
@click.option(
    "--callback-delay",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    help="Seconds from an answer to its callback.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Makes ids and receipts.")
def simulate(host: str, port: int, answer_after: float, callback_delay: float, seed: int) -> None:
    """Stand in for Safaricom's Daraja, phones included. No money moves."""
    from mpesa.simulator import SimulatorSettings, serve

    settings = SimulatorSettings(answer_after_s=answer_after, callback_after_s=callback_delay)

    async def served() -> None:
        from bot.playground.demo import stop_signals

        def ready(base_url: str) -> None:
            click.echo(f"Safaricom's stand-in is at {base_url} (Ctrl-C stops it). In config.toml:")
            for name in ("shortcode", "consumer_key", "consumer_secret", "passkey"):
                click.echo(f'  mpesa.{name} = "{getattr(settings, name)}"')
            click.echo(f'  mpesa.base_url = "{base_url}"')

        async with stop_signals() as stop:
            await serve(host=host, port=port, stop=stop, ready=ready, settings=settings, seed=seed)

    until_done(served())


@main.command()
@config_option
def replay(path: Path) -> None:
    """
    Work every payment out again from its evidence; exit 1 if a stored one differs.

    Only reads, also while the bot runs.
    """
    config = configured(path)

    async def replayed() -> None:
        from bot.core.replay import replay
        from storage.reading import open_reader

        async with open_reader(config.storage.url.get_secret_value()) as reader:
            found = await replay(reader.every_payment(), lambda each: click.echo(str(each)))
        click.echo(
            f"{found.payments:,} payments, {found.evidence:,} pieces of evidence, "
            f"{found.differences:,} differences; KES {found.stored_cents / 100:,.2f} credited, "
            f"KES {found.recomputed_cents / 100:,.2f} by the evidence"
        )
        if found.differences:
            sys.exit(FAILED)

    until_done(replayed())
