"""Init: `lipabot init`: asks what there is to know, and writes the configuration."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import click

from bot.commands.common import FAILED, stop

__all__ = ["init"]

SANDBOX, PRODUCTION = "https://sandbox.safaricom.co.ke", "https://api.safaricom.co.ke"
SANDBOX_SHORTCODE = "174379"

Answers = dict[str, dict[str, Any]]


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config.toml"),
    show_default=True,
    help="The file to write.",
)
def init(path: Path) -> None:
    """
    Ask for everything that the bot needs, and write config.toml for its owner's eyes only.

    Secrets are not shown while you type or paste them. An existing file is only replaced after a
    yes, and only once the new one is complete.
    """
    if path.exists():
        click.confirm(f"{path} is there already. Replace it?", abort=True)
    try:
        write(path, _asked())
    except OSError as exc:
        stop(f"{path}: {exc.strerror}", FAILED)
    click.echo(f"{path} is written, and only you can read it.")
    click.echo(f"Next: lipabot doctor --config {path}")


def _asked() -> Answers:
    from bot.config_checks import (
        LineOfText,
        PublicUrl,
        Secret,
        Shortcode,
        StorageUrl,
        TelegramToken,
    )

    click.echo("Telegram: /newbot at @BotFather gives a token.")
    telegram = {
        "token": _ask("Bot token", TelegramToken, hidden=True),
        "operators": _operators(),
    }
    click.echo("M-Pesa: your app at developer.safaricom.co.ke has the keys.")
    real = click.prompt("Sandbox or production", type=click.Choice(["sandbox", "production"]))
    mpesa: dict[str, Any] = {"base_url": PRODUCTION if real == "production" else SANDBOX}
    mpesa["consumer_key"] = _ask("Consumer key", Secret, hidden=True)
    mpesa["consumer_secret"] = _ask("Consumer secret", Secret, hidden=True)
    kind = click.prompt("Paybill or till", type=click.Choice(["paybill", "till"]))
    store = "Paybill number" if kind == "paybill" else "Store number (not the till itself)"
    default = SANDBOX_SHORTCODE if real == "sandbox" else None
    mpesa["shortcode"] = _ask(store, Shortcode, default=default)
    mpesa["passkey"] = _ask("Passkey", Secret, hidden=True)
    mpesa["transaction_type"] = kind
    if kind == "till":
        mpesa["till_number"] = _ask("Till number", Shortcode)
    mpesa["business_name"] = _ask("Who is paid, as the chat says it", LineOfText, default="")
    click.echo("The address of this bot on the internet, which Safaricom calls.")
    answers: Answers = {
        "telegram": telegram,
        "mpesa": mpesa,
        "webhook": {"public_url": _ask("Public address (https://…)", PublicUrl)},
        "storage": {"url": _ask("Database", StorageUrl, default="sqlite:///lipabot.db")},
    }
    if answers["storage"]["url"].startswith("postgresql"):
        answers["security"] = {"key": secrets.token_hex(32)}
        click.echo("A security.key was made: keep a copy of it apart from the database.")
    return answers


def _ask(question: str, kind: Any, *, hidden: bool = False, default: str | None = None) -> str:
    """Ask until the answer is one that `lipabot run` would take; it is held to the same checks."""
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    while True:
        answer: str = click.prompt(
            question, hide_input=hidden, default=default, show_default=bool(default)
        ).strip()
        try:
            # The value that was checked may have been mended: a trailing slash, say.
            taken = adapter.validate_python(answer)
        except ValidationError as exc:
            click.echo(f"  It {_why(exc.errors(include_input=False)[0])}.")
        else:
            return answer if hidden or not isinstance(taken, str) else taken


def _why(error: Any) -> str:
    if error["type"] == "string_pattern_mismatch":
        return "must be 5 to 7 digits"
    said: str = error["msg"].removeprefix("Value error, ")
    return said[:1].lower() + said[1:]


def _operators() -> list[int]:
    """Telegram user ids, or none."""
    while True:
        answer = click.prompt(
            "Telegram user ids of those who run it (@userinfobot tells yours)", default=""
        )
        words = answer.replace(",", " ").split()
        if all(word.isascii() and word.isdecimal() and int(word) > 0 for word in words):
            return [int(word) for word in words]
        click.echo("  They are numbers, like 900 or 900, 901.")


def write(path: Path, answers: Answers) -> None:
    """
    Write the file aside, for its owner only, hold it to every check, and then give it its name.

    What another process reads under *path* is the old file or the new one, never half of one.
    """
    from bot.config import ConfigError, load_config

    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_toml(answers))
            file.flush()
            os.fsync(file.fileno())
        try:
            load_config(aside)
        except ConfigError as exc:
            stop(f"{exc}\nNothing was written.", FAILED)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _toml(answers: Answers) -> str:
    lines = ["# Written by lipabot init. config.example.toml explains every key there is."]
    for table, values in answers.items():
        lines += ["", f"[{table}]"]
        lines += [f"{key} = {_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    # JSON's strings and lists are TOML's too, but for one character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
