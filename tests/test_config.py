"""The configuration: what is taken, what is refused by its exact name, and what is never said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import pytest

from bot.config import Config, ConfigError, load_config
from bot.config_record import initiator_of
from mpesa.simulator.vault import vault

GOOD = """
[telegram]
token = "123456:AbCdEfGhIjKlMnOpQrStUvWxYz012345678"
operators = [900]
[mpesa]
consumer_key = "consumer-key-value"
consumer_secret = "consumer-secret-value"
shortcode = "174379"
passkey = "passkey-value"
[webhook]
public_url = "https://pay.example.org"
"""
KEY = "0123456789abcdef" * 4


class WriteConfig(Protocol):
    """Writes a private config.toml: the good one, with words replaced and lines added."""

    def __call__(self, *replaced: tuple[str, str], more: str = "", mode: int = 0o600) -> Path: ...


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LIPABOT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    def write(*replaced: tuple[str, str], more: str = "", mode: int = 0o600) -> Path:
        text = GOOD
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "config.toml"
        path.write_text(text + more)
        path.chmod(mode)
        return path

    return write


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value).splitlines()


def test_a_good_file_is_read_with_defaults(write_config: WriteConfig) -> None:
    config = load_config(write_config())

    assert config.telegram.operators == (900,)
    assert config.telegram.mode == "polling"
    assert config.polling.check_after_s == (25, 60, 130, 300, 900, 3600, 21600, 86400)
    assert config.storage.url.get_secret_value() == "sqlite:///lipabot.db"
    assert not config.takes_real_money


def test_the_environment_wins_over_the_file(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIPABOT_MPESA__SHORTCODE", "600000")
    monkeypatch.setenv("LIPABOT_TELEGRAM__OPERATORS", "[1, 2]")
    monkeypatch.setenv("lipabot_logs__format", "json")

    config = load_config(write_config())

    assert config.mpesa.shortcode == "600000"
    assert config.mpesa.passkey.get_secret_value() == "passkey-value"
    assert config.telegram.operators == (1, 2)
    assert config.logs.format == "json"


def test_a_config_made_in_code_takes_nothing_from_outside(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = load_config(write_config()).model_dump()
    monkeypatch.setenv("LIPABOT_WEBHOOK__PORT", "1")

    assert Config.model_validate(given).webhook.port == 8080


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ("token =", "tokem =", "telegram.token", "is missing"),
        ("token =", "tokem =", "telegram.tokem", "did you mean token?"),
        ("123456:AbC", "AbC", "telegram.token", "@BotFather"),
        ("123456:AbCdEfGhIjKlMnOpQrStUvWxYz012345678", "…", "telegram.token", "example"),
        ("[900]", "900", "telegram.operators", "must be a list"),
        ("[900]", "[-5]", "telegram.operators.0", "greater than 0"),
        ("passkey-value", " ", "mpesa.passkey", "blank"),
        ("passkey-value", "<passkey>", "mpesa.passkey", "example"),
        ("consumer-key-value", "CHANGE ME", "mpesa.consumer_key", "example"),
        ('"174379"', "174379", "mpesa.shortcode", "in quotes"),
        ("174379", "1743", "mpesa.shortcode", "5 to 7 digits"),
        ("174379", "17437x", "mpesa.shortcode", "5 to 7 digits"),
        ("pay.example.org", "mpesa.example.org", "webhook.public_url", '"mpesa"'),
        ("pay.example.org", "example.org/M-PESA", "webhook.public_url", '"m-pesa"'),
        ("pay.example.org", "executive.example.org", "webhook.public_url", '"exe'),
        ("pay.example.org", "example.org/?a=1", "webhook.public_url", "before any ?"),
        ("pay.example.org", "example.org /x", "webhook.public_url", "spaces"),
        ("pay.example.org", "me:pw@example.org", "webhook.public_url", "password"),
        ("https://pay", "ftp://pay", "webhook.public_url", "http"),
        ("https://pay.example.org", "https://", "webhook.public_url", "name a host"),
        ("https://pay.example.org", "https://[::1", "webhook.public_url", "no URL"),
        ("https://pay.example.org", "https://päy.example.org", "webhook.public_url", "ASCII"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(
    write_config: WriteConfig, old: str, new: str, key: str, what: str
) -> None:
    [line] = [line for line in problems(write_config((old, new))) if line.startswith(f"{key}:")]

    assert what in line


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("[polling]\ncheck_after_s = []", "polling.check_after_s"),
        ("[polling]\ncheck_after_s = [60, 25]", "polling.check_after_s"),
        ("[polling]\ncheck_after_s = [25, 25]", "polling.check_after_s"),
        ("[polling]\ncheck_after_s = [0, 25]", "polling.check_after_s.0"),
        ("[polling]\ncheck_after_s = [25, 999999]", "polling.check_after_s.1"),
        ("[polling]\nqueries_per_minute = 0", "polling.queries_per_minute"),
        ("[polling]\nqueries_per_minute = inf", "polling.queries_per_minute"),
        ("[limits]\nincomplete_before_pause = 5", "limits.incomplete_before_pause"),
        ("[limits]\npause_h = -1", "limits.pause_h"),
        ('[storage]\nurl = "mysql://host/db"', "storage.url"),
        ('[storage]\nurl = "sqlite://"', "storage.url"),
        ('[storage]\nurl = "nonsense"', "storage.url"),
        ('[storage]\nurl = "postgresql://host/db"', "security.key"),
        ('[security]\nkey = "too short"', "security.key"),
        ('[security]\nprevious_keys = ["short"]', "security.previous_keys.0"),
        ('[logs]\nlevel = "loud"', "logs.level"),
        ("[security]\nconfirm_above_kes = 2_147_483_648", "security.confirm_above_kes"),
        ("[security]\nunconfirmed_total_kes = 2_147_483_648", "security.unconfirmed_total_kes"),
        ("[security]\ntwo_people_above_kes = 2_147_483_648", "security.two_people_above_kes"),
        ("[limits]\npause_h = 1e12", "limits.pause_h"),
        (
            "[limits]\nstrangers_per_person_per_hour = 9_223_372_036_854_775_808",
            "limits.strangers_per_person_per_hour",
        ),
        ("[privacy]\nraw_bodies_months = 1_000_000", "privacy.raw_bodies_months"),
        ("[games]\nchess = 1", "games"),
        ("[storage]\nurl = 3", "storage.url"),
    ],
)
def test_a_bad_line_is_refused_by_its_name(write_config: WriteConfig, more: str, key: str) -> None:
    assert [line.partition(":")[0] for line in problems(write_config(more=more))] == [key]


def test_the_largest_that_is_taken_fits_where_it_is_kept(write_config: WriteConfig) -> None:
    most = load_config(write_config(more="[security]\nconfirm_above_kes = 1_000_000_000"))

    assert most.security.confirm_above_kes < 2**31


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('base_url = "http://sandbox.safaricom.co.ke"', "mpesa.base_url"),
        ('base_url = "sandbox.safaricom.co.ke"', "mpesa.base_url"),
        ('transaction_type = "till"', "mpesa.till_number"),
        ('transaction_type = "buygoods"', "mpesa.transaction_type"),
        ('till_number = "123456"', "mpesa.till_number"),
        ('business_name = "two\\nlines"', "mpesa.business_name"),
    ],
)
def test_a_bad_mpesa_line_is_refused_by_its_name(
    write_config: WriteConfig, line: str, key: str
) -> None:
    path = write_config(("[mpesa]", f"[mpesa]\n{line}"))

    assert [line.partition(":")[0] for line in problems(path)] == [key]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('api_url = "http://bots.example.org"', "telegram.api_url"),
        ('mode = "webhook"', "webhook.public_url"),
        ('mode = "pigeon"', "telegram.mode"),
        ("messages_per_second = 0", "telegram.messages_per_second"),
    ],
)
def test_a_bad_telegram_line_is_refused_by_its_name(
    write_config: WriteConfig, line: str, key: str
) -> None:
    path = write_config(("[telegram]", f"[telegram]\n{line}"), ("https://pay", "http://pay"))

    assert [line.partition(":")[0] for line in problems(path)] == [key]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8081", "http://[::1]:1", "http://botapi:8081", "http://10.1.2.3"]
)
def test_a_bot_api_server_nearby_needs_no_https(write_config: WriteConfig, url: str) -> None:
    config = load_config(write_config(("[telegram]", f'[telegram]\napi_url = "{url}/"')))

    assert config.telegram.api_url == url


def test_production_takes_real_money_and_needs_https(write_config: WriteConfig) -> None:
    live = ("[mpesa]", '[mpesa]\nbase_url = "https://api.safaricom.co.ke/"')

    assert load_config(write_config(live)).takes_real_money
    [line] = problems(write_config(live, ("https://pay", "http://pay")))
    assert line.startswith("webhook.public_url: must be https")


def test_a_till_is_taken_with_its_number(write_config: WriteConfig) -> None:
    till = '[mpesa]\ntransaction_type = "till"\ntill_number = "123456"'

    assert load_config(write_config(("[mpesa]", till))).mpesa.till_number == "123456"


def test_addresses_are_put_in_one_form(write_config: WriteConfig) -> None:
    path = write_config(
        ("https://pay.example.org", "https://Pay.Example.org:8443/Bot/"),
        ("[webhook]", '[webhook]\ntrusted_proxies = ["10.1.2.3/8", "::1"]'),
    )

    webhook = load_config(path).webhook

    assert webhook.public_url == "https://pay.example.org:8443/Bot"
    assert webhook.trusted_proxies == ("10.0.0.0/8", "::1/128")


def test_callers_are_networks_or_safaricoms_own(write_config: WriteConfig) -> None:
    lines = '[webhook]\nhost = "0.0.0.0"\nallow_from = ["safaricom", "198.51.100.7/24"]'

    webhook = load_config(write_config(("[webhook]", lines))).webhook

    assert webhook.allow_from == ("safaricom", "198.51.100.0/24")
    assert len(webhook.callers) == 13
    assert {"196.201.214.200", "198.51.100.0/24"} <= set(webhook.callers)


@pytest.mark.parametrize("value", ["Safaricom", "196.201.214", "*", "pay.example.org", ""])
def test_a_caller_that_is_no_network_is_refused_by_its_key(
    write_config: WriteConfig, value: str
) -> None:
    lines = f'[webhook]\ntrusted_proxies = ["127.0.0.1"]\nallow_from = ["{value}"]'

    [line] = problems(write_config(("[webhook]", lines)))

    assert line.startswith("webhook.allow_from.0: must be")


@pytest.mark.parametrize(
    ("more", "fits"),
    [
        ("", False),
        ('host = "::1"', False),
        ('trusted_proxies = ["127.0.0.1"]', True),
        ('host = "0.0.0.0"', True),
    ],
)
def test_callers_need_a_way_to_be_seen(write_config: WriteConfig, more: str, fits: bool) -> None:
    path = write_config(("[webhook]", f'[webhook]\nallow_from = ["safaricom"]\n{more}'))

    if fits:
        load_config(path)
    else:
        [line] = problems(path)
        assert line.startswith("webhook.allow_from: webhook.host is this machine")


def test_every_problem_is_told_at_once(write_config: WriteConfig) -> None:
    path = write_config(("174379", "x"), ("[900]", "[0]"), more="[logs]\nlevel = 1")

    keys = [line.partition(":")[0] for line in problems(path)]

    assert keys == ["telegram.operators.0", "mpesa.shortcode", "logs.level"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_with_secrets_that_others_may_read_is_refused(
    write_config: WriteConfig, mode: int
) -> None:
    path = write_config(mode=mode)

    assert problems(path) == [f"{path}: holds secrets and others may read it: chmod 600 {path}"]


def test_a_file_without_secrets_may_be_read_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[webhook]\npublic_url = "https://pay.example.org"\n')
    path.chmod(0o644)
    monkeypatch.setenv("LIPABOT_TELEGRAM__TOKEN", "123456:AbCdEfGhIjKlMnOp")
    for key in ("CONSUMER_KEY", "CONSUMER_SECRET", "PASSKEY"):
        monkeypatch.setenv(f"LIPABOT_MPESA__{key}", "a value")
    monkeypatch.setenv("LIPABOT_MPESA__SHORTCODE", "174379")

    assert load_config(path).mpesa.shortcode == "174379"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("LIPABOT_GAMES__CHESS", "s3cret", "LIPABOT_GAMES__CHESS: names no key of ours"),
        ("LIPABOT_TELEGRAM", '{"tok', "LIPABOT_TELEGRAM: names no key of ours"),
        ("LIPABOT_TELEGRAM__TOKE", "s3cret", "telegram.toke: is no key of ours"),
        ("LIPABOT_TELEGRAM__OPERATORS", "[s3cret", "telegram.operators: LIPABOT_TELEGRAM__OPER"),
        ("LIPABOT_TELEGRAM__OPERATORS", "900", "telegram.operators: must be a list"),
    ],
)
def test_a_bad_variable_is_refused_by_its_name(
    write_config: WriteConfig,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    told: str,
) -> None:
    monkeypatch.setenv(name, value)

    lines = problems(write_config())

    assert any(line.startswith(told) for line in lines)
    assert not any("s3cret" in line for line in lines)


@pytest.mark.parametrize("text", [b"[telegram", b"\xff\xfe", b"token"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text)

    [line] = problems(path)

    assert line.startswith(f"{path}: is not")


def test_a_missing_file_is_told_what_to_copy(tmp_path: Path) -> None:
    [line] = problems(tmp_path / "nowhere.toml")
    assert "copy config.example.toml" in line
    [line] = problems(tmp_path)
    assert "cannot be read" in line


def test_no_problem_repeats_a_value(write_config: WriteConfig) -> None:
    path = write_config(
        ("123456:AbC", "s3cret-one"),
        ("passkey-value", "s3cret-two\\u0000"),
        ("consumer_key", "consumer_kee"),
        ("consumer-key-value", "s3cret-three"),
        ('"174379"', '"s3cret-four"'),
        more='[storage]\nurl = "mysql://me:s3cret-five@host/db"\n[security]\nkey = "s3cret-six"',
    )

    assert "s3cret" not in "".join(problems(path))


def test_a_config_shows_no_secret(write_config: WriteConfig) -> None:
    path = write_config(
        more=f'[storage]\nurl = "postgresql://me:database-pw@host/db"\n[security]\nkey = "{KEY}"'
    )

    config = load_config(path)

    shown = f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"
    assert set(config.secrets()) == {
        "123456:AbCdEfGhIjKlMnOpQrStUvWxYz012345678",
        "consumer-key-value",
        "consumer-secret-value",
        "passkey-value",
        "database-pw",
        KEY,
    }
    assert not [secret for secret in config.secrets() if secret in shown]


def test_a_config_is_frozen(write_config: WriteConfig) -> None:
    config = load_config(write_config())

    with pytest.raises(ValueError, match="frozen"):
        setattr(config.mpesa, "shortcode", "600000")  # noqa: B010 - mypy would refuse a plain one


RECORD = """
initiator = "testapi"
initiator_password = "a-password-of-theirs"
certificate = "{certificate}"
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "safaricom.cer"
    path.write_bytes(vault().certificate)
    return path


def with_record(text: str) -> tuple[str, str]:
    return ("[webhook]", f"{text}\n[webhook]")


def test_the_record_is_off_unless_it_is_set(write_config: WriteConfig) -> None:
    mpesa = load_config(write_config()).mpesa

    assert not mpesa.asks_status
    assert (mpesa.pull, mpesa.c2b, mpesa.reversals) == (False, "off", False)


def test_the_three_keys_of_the_initiator_make_a_credential(
    write_config: WriteConfig, certificate: Path
) -> None:
    config = load_config(
        write_config(with_record(RECORD.format(certificate=certificate)), ("[900]", "[900, 901]"))
    )
    initiator = initiator_of(config)

    assert config.mpesa.asks_status
    assert initiator is not None
    assert vault().opens(initiator.credential.get_secret_value()) == "a-password-of-theirs"
    assert "a-password-of-theirs" in config.secrets()
    assert "a-password-of-theirs" not in repr(config)


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ('initiator = "testapi"', "mpesa.initiator_password", "the three make one"),
        ('initiator = "testapi"', "mpesa.certificate", "the three make one"),
        ('initiator_password = "x"', "mpesa.initiator", "the three make one"),
        ('certificate = "{certificate}"', "mpesa.initiator", "the three make one"),
        ('initiator = "two words"', "mpesa.initiator", "API operator"),
        (
            RECORD.replace("{certificate}", "{certificate}.gone"),
            "mpesa.certificate",
            "cannot be read",
        ),
        (RECORD.replace("{certificate}", "{other}"), "mpesa.certificate", "no X.509 certificate"),
        ("pull = true", "mpesa.pull_number", "is required with mpesa.pull"),
        ('pull_number = "0712345678"', "mpesa.pull_number", "goes with mpesa.pull"),
        ('pull = true\npull_number = "12"', "mpesa.pull_number", "Kenyan mobile number"),
        ('c2b = "v3"', "mpesa.c2b", "'off', 'v1' or 'v2'"),
        ("reversals = true", "mpesa.reversals", "needs mpesa.initiator"),
        ("reversals = true", "mpesa.reversals", "two operators"),
    ],
)
def test_a_half_configured_record_is_refused_by_its_key(
    write_config: WriteConfig, certificate: Path, text: str, key: str, what: str
) -> None:
    other = certificate.with_name("other.cer")
    other.write_text("<html>sign in</html>")
    text = text.replace("{certificate}", str(certificate)).replace("{other}", str(other))

    lines = problems(write_config(with_record(text)))

    assert any(line.startswith(f"{key}: ") and what in line for line in lines), lines
    assert not any("a-password-of-theirs" in line for line in lines)


def test_a_number_of_the_business_is_written_as_safaricom_wants_it(
    write_config: WriteConfig,
) -> None:
    text = 'pull = true\npull_number = "0712 345 678"'

    assert load_config(write_config(with_record(text))).mpesa.pull_number == "254712345678"


BRANCH = """
[[mpesa.accounts]]
name = "branch"
consumer_key = "branch-key-value"
consumer_secret = "branch-secret-value"
shortcode = "600001"
passkey = "branch-passkey-value"
"""


def test_further_accounts_have_their_own_keys_and_nobody_logs_them(
    write_config: WriteConfig,
) -> None:
    config = load_config(write_config(more=BRANCH))

    [branch] = config.mpesa.accounts
    assert (branch.name, branch.shortcode) == ("branch", "600001")
    assert branch.passkey.get_secret_value() == "branch-passkey-value"
    assert {"branch-key-value", "branch-secret-value", "branch-passkey-value"} <= set(
        config.secrets()
    )
    assert "branch-passkey-value" not in repr(config)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        (BRANCH + BRANCH, "mpesa.accounts"),
        (BRANCH.replace('"branch"', '"The Branch"'), "mpesa.accounts.0.name"),
        (BRANCH.replace('"600001"', '"6"'), "mpesa.accounts.0.shortcode"),
        (BRANCH + 'transaction_type = "till"\n', "mpesa.accounts.0.till_number"),
        (BRANCH + 'colour = "red"\n', "mpesa.accounts.0.colour"),
    ],
)
def test_a_wrong_account_is_refused_by_its_key(
    write_config: WriteConfig, more: str, key: str
) -> None:
    [line] = problems(write_config(more=more))

    assert line.startswith(f"{key}: ")


def test_the_secrets_of_an_account_are_nobody_elses_business(write_config: WriteConfig) -> None:
    path = write_config(
        ("123456:AbCdEfGhIjKlMnOpQrStUvWxYz012345678", "…"),
        ("consumer-key-value", "…"),
        ("consumer-secret-value", "…"),
        ("passkey-value", "…"),
        more=BRANCH,
        mode=0o644,
    )

    assert any("chmod 600" in line for line in problems(path))
