"""`lipabot init`: asks until each answer is good, and writes the file whole, private, or not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.config import load_config

TOKEN = "123456:made-up-token"
SANDBOX = (
    *(TOKEN, "900, 901", "sandbox", "made-up-key", "made-up-secret", "paybill", ""),
    *("made-up-passkey", "Mama Njeri Shop", "https://pay.example.org/", ""),
)
SECRETS = (TOKEN, "made-up-key", "made-up-secret", "made-up-passkey")


def asked(path: Path, *answers: str) -> Result:
    words = ["init", "--config", str(path)]
    return CliRunner().invoke(main, words, input="\n".join(answers) + "\n")


def test_what_it_writes_is_what_the_bot_reads(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"

    done = asked(path, *SANDBOX)

    assert done.exit_code == 0, done.output
    config = load_config(path)
    assert config.telegram.operators == (900, 901)
    assert config.mpesa.base_url == "https://sandbox.safaricom.co.ke"
    assert config.mpesa.shortcode == "174379"
    assert config.mpesa.business_name == "Mama Njeri Shop"
    assert config.mpesa.passkey.get_secret_value() == "made-up-passkey"
    assert config.webhook.public_url == "https://pay.example.org"
    assert config.storage.url.get_secret_value() == "sqlite:///lipabot.db"


def test_secrets_are_not_shown_and_the_file_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    before = os.umask(0)
    try:
        done = asked(path, *SANDBOX)
    finally:
        os.umask(before)

    assert not [secret for secret in SECRETS if secret in done.output]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]


def test_a_till_on_production_with_postgres_gets_a_key_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"

    done = asked(
        path,
        *(TOKEN, "", "production", "made-up-key", "made-up-secret", "till", "123456"),
        *("made-up-passkey", "654321", "", "https://pay.example.org"),
        "postgresql://lipabot:sesame@127.0.0.1/lipabot",
    )

    assert done.exit_code == 0, done.output
    config = load_config(path)
    assert (config.mpesa.shortcode, config.mpesa.till_number) == ("123456", "654321")
    assert config.takes_real_money
    assert config.security.key is not None
    assert len(config.security.key.get_secret_value()) == 64


@pytest.mark.parametrize(
    ("place", "wrong", "why"),
    [
        (0, "no token", "is no bot token"),
        (1, "amina", "They are numbers"),
        (3, "…", "still holds a blank or an example"),
        (6, "12", "must be 5 to 7 digits"),
        (9, "https://mpesa.example.org", 'holds "mpesa"'),
        (9, "pay.example.org", "must begin with http"),
        (10, "mysql://x/y", "must begin with sqlite:/// or postgresql://"),
    ],
)
def test_a_bad_answer_is_asked_again_with_why(
    tmp_path: Path, place: int, wrong: str, why: str
) -> None:
    path = tmp_path / "config.toml"

    done = asked(path, *SANDBOX[:place], wrong, *SANDBOX[place:])

    assert done.exit_code == 0, done.output
    assert why in done.output
    assert load_config(path).telegram.operators == (900, 901)


def test_an_existing_file_is_replaced_only_after_a_yes(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("mine")

    refused = asked(path, "n", *SANDBOX)
    kept = path.read_text()
    agreed = asked(path, "y", *SANDBOX)

    assert refused.exit_code == 1
    assert kept == "mine"
    assert agreed.exit_code == 0
    assert load_config(path).mpesa.shortcode == "174379"


def test_giving_up_half_way_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("mine")

    done = asked(path, "y", *SANDBOX[:5])

    assert done.exit_code == 1
    assert path.read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]


def test_quotes_and_backslashes_in_a_secret_survive(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    odd = 'a"b\\c\x7f’d#e'

    done = asked(path, *SANDBOX[:7], odd, *SANDBOX[8:])

    assert done.exit_code == 0, done.output
    assert load_config(path).mpesa.passkey.get_secret_value() == odd
