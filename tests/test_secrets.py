"""Secrets: which keys are some, that a file with one is private, and that nothing shows them."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app import running
from bot.chat.application import ChatSettings
from bot.config import Config, ConfigError, load_config
from bot.config_keys import Section
from bot.config_record import initiator_of
from bot.web.telegram import TelegramDoor
from mpesa.client import open_daraja
from mpesa.models import Account, Push
from mpesa.simulator.vault import vault
from storage.crypt import Crypt
from tests.stores import NOON

SECRETS = {
    "telegram.token": '"123456:AbCdEfGhIjKlMnOpQrStUvWxYz012345678"',
    "mpesa.consumer_key": '"consumer-key-value"',
    "mpesa.consumer_secret": '"consumer-secret-value"',
    "mpesa.passkey": '"passkey-value"',
    "mpesa.initiator_password": '"initiator-password-value"',
    "security.key": '"0123456789abcdef0123456789abcdef"',
    "security.previous_keys": '["fedcba9876543210fedcba9876543210"]',
    "storage.url": '"postgresql://me:database-pw@host/db"',
}
SOUND_SECRET = ("token", "secret", "key", "password", "passkey", "credential", "pin")


def keys() -> Iterator[tuple[str, str]]:
    """Every key of the configuration, with its type as written."""
    for table, field in Config.model_fields.items():
        section = field.annotation
        assert isinstance(section, type)
        assert issubclass(section, Section)
        for name, each in section.model_fields.items():
            yield f"{table}.{name}", str(each.annotation)


def test_exactly_these_keys_are_sealed() -> None:
    assert {key for key, kind in keys() if SecretStr.__name__ in kind} == set(SECRETS)


def test_no_key_that_sounds_like_a_secret_is_left_open() -> None:
    sounding = {key for key, _ in keys() if key.rpartition(".")[2].endswith(SOUND_SECRET)}

    assert sounding <= set(SECRETS) | {"security.previous_keys"}


@pytest.mark.parametrize("key", SECRETS)
def test_one_secret_is_enough_to_refuse_a_file_that_others_may_read(
    key: str, tmp_path: Path
) -> None:
    table, _, name = key.partition(".")
    path = tmp_path / "config.toml"
    path.write_text(f"[{table}]\n{name} = {SECRETS[key]}\n")
    path.chmod(0o644)

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert f"chmod 600 {path}" in str(caught.value)
    assert SECRETS[key].strip('"[]') not in str(caught.value)


def whole_config(tmp_path: Path) -> Config:
    certificate = tmp_path / "safaricom.cer"
    certificate.write_bytes(vault().certificate)
    tables: dict[str, list[str]] = {
        "mpesa": [
            'shortcode = "174379"',
            'initiator = "testapi"',
            f'certificate = "{certificate}"',
        ],
        "webhook": ['public_url = "https://pay.example.org"'],
    }
    for key, value in SECRETS.items():
        table, _, name = key.partition(".")
        if key != "storage.url":
            tables.setdefault(table, []).append(f"{name} = {value}")
    tables["storage"] = [f'url = "sqlite:///{tmp_path / "bot.db"}"']
    path = tmp_path / "config.toml"
    path.write_text("\n".join(f"[{name}]\n" + "\n".join(rows) for name, rows in tables.items()))
    path.chmod(0o600)
    return load_config(path)


async def test_nothing_we_make_of_the_secrets_shows_them(tmp_path: Path) -> None:
    config = whole_config(tmp_path)
    mpesa, token = config.mpesa, config.telegram.token.get_secret_value()
    account = Account(mpesa.shortcode, mpesa.passkey)
    crypt = Crypt("0123456789abcdef0123456789abcdef", ["fedcba9876543210fedcba9876543210"])

    async def take(_body: bytes) -> None: ...

    async with open_daraja(
        base_url="https://sandbox.safaricom.co.ke",
        consumer_key=mpesa.consumer_key,
        consumer_secret=mpesa.consumer_secret,
        account=account,
        now=lambda: NOON,
        initiator=initiator_of(config),
    ) as daraja:
        made = [
            *(config, config.telegram, mpesa, config.security, account, daraja, crypt),
            *(daraja.back_office, initiator_of(config)),
            ChatSettings(token=token, webhook_secret=token),
            TelegramDoor(token, take),
            Push("254712345678", 50, "PAY-7K2QX", "Payment", f"https://a.example.org/c/{token}"),
        ]
        shown = " ".join(f"{each!r} {each}" for each in made)

    assert not [secret for secret in config.secrets() if secret in shown]
    assert "254712345678" not in shown


async def test_a_start_that_fails_shows_no_secret(tmp_path: Path) -> None:
    config = whole_config(tmp_path)
    (tmp_path / "bot.db").write_bytes(b"no database at all, by no means" * 99)

    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, its words are looked at
        async with running(config):
            pass

    told = "".join(traceback.format_exception(caught.value))
    assert not [secret for secret in config.secrets() if secret in told]
