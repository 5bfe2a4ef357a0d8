"""Reads the configuration, file and environment, and refuses it naming the exact key."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

from bot.config_checks import MAKE_A_KEY, is_loopback, is_unset, password_in
from bot.config_keys import ENV_PREFIX, Config, Section
from bot.config_record import record_problems

__all__ = ["Config", "ConfigError", "load_config"]


class ConfigError(Exception):
    """
    The configuration cannot be used. One line a problem: the exact key, what is wrong, what to do.

    No line repeats a value.
    """


class _FromOutside(Config):
    """The same, where the environment wins over what is given (the file)."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)


def load_config(path: Path) -> Config:
    """
    Read the file at *path*, with the environment (`LIPABOT_TELEGRAM__TOKEN`, …) over it.

    Raises:
        ConfigError: naming every key that is wrong, all at once.
    """
    found, mode = _read(path)
    problems = [*_unknown_tables(found), *_unknown_variables(), *_open_to_others(path, found, mode)]
    known = {name: value for name, value in found.items() if name in Config.model_fields}
    try:
        config = _FromOutside(**known)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False, include_input=False)
        problems += [_line(each, path) for each in errors]
    except SettingsError:
        problems += list(_unreadable_variables())
    else:
        problems += _contradictions(config)
        if not problems:
            return config
    # Without `from None` a traceback would show the values that pydantic looked at.
    raise ConfigError("\n".join(problems)) from None


def _read(path: Path) -> tuple[dict[str, Any], int]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            return tomllib.load(file), mode
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file: copy config.example.toml and fill it in"
        ) from None
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path}: is not TOML: {exc}") from None


def _line(error: ErrorDetails, path: Path) -> str:
    """One problem as one line, without the value that caused it."""
    key = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "missing":
            variable = ENV_PREFIX + "__".join(str(part).upper() for part in error["loc"])
            what = f"is missing: set it in {path} or as {variable}"
        case "extra_forbidden":
            what = f"is no key of ours{_meant(error['loc'])}: remove it or mend its name"
        case "value_error":
            what = error["msg"].removeprefix("Value error, ")
        case "string_type":
            what = 'must be text in quotes, like "174379"'
        case "tuple_type":
            what = "must be a list, like [900]"
        case "string_pattern_mismatch":
            what = "must be 5 to 7 digits"
        case _:
            what = error["msg"][:1].lower() + error["msg"][1:]
    return f"{key}: {what}"


def _meant(loc: tuple[int | str, ...]) -> str:
    """A guess at the name that was meant, if one is near."""
    section = _section(str(loc[0]))
    near = difflib.get_close_matches(str(loc[-1]), section.model_fields, n=1) if section else []
    return f" (did you mean {near[0]}?)" if near else ""


def _section(table: str) -> type[Section] | None:
    field = Config.model_fields.get(table)
    kind = None if field is None else field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _unknown_tables(found: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: is no table of ours: remove it or mend its name"
        for name in found
        if name not in Config.model_fields
    ]


def _variables() -> Iterator[tuple[str, list[str]]]:
    """Our environment variables, and the keys they name."""
    for name in sorted(os.environ):
        if name.upper().startswith(ENV_PREFIX):
            yield name, name.lower().removeprefix(ENV_PREFIX.lower()).split("__")


def _unknown_variables() -> list[str]:
    """What pydantic-settings would pass over in silence: a table that there is not."""
    return [
        f"{name}: names no key of ours: write LIPABOT_<TABLE>__<KEY>"
        for name, keys in _variables()
        if keys[0] not in Config.model_fields or len(keys) < 2
    ]


def _unreadable_variables() -> Iterator[str]:
    """Lists come out of the environment as JSON; pydantic-settings only says that one did not."""
    for name, keys in _variables():
        section = _section(keys[0])
        field = None if section is None else section.model_fields.get(keys[-1])
        if field is not None and isinstance(field.default, tuple) and not _is_json(name):
            yield f"{'.'.join(keys)}: {name} must be a JSON list, like [900]"


def _is_json(variable: str) -> bool:
    try:
        json.loads(os.environ[variable])
    except ValueError:
        return False
    return True


def _open_to_others(path: Path, found: Mapping[str, Any], mode: int) -> list[str]:
    """A file with a secret in it is nobody else's business."""
    if mode & 0o077 == 0 or not any(chain(_secret_values(found), _account_secrets(found))):
        return []
    return [f"{path}: holds secrets and others may read it: chmod 600 {path}"]


def _secret_values(found: Mapping[str, Any]) -> Iterator[str]:
    for table, key in (
        ("telegram", "token"),
        ("mpesa", "consumer_key"),
        ("mpesa", "consumer_secret"),
        ("mpesa", "passkey"),
        ("mpesa", "initiator_password"),
        ("security", "key"),
        ("security", "previous_keys"),
        ("storage", "url"),
    ):
        values = found.get(table, {}).get(key) if isinstance(found.get(table), dict) else None
        for value in values if isinstance(values, list) else [values]:
            secret = password_in(value) if key == "url" and isinstance(value, str) else value
            if isinstance(secret, str) and not is_unset(secret):
                yield secret


def _account_secrets(found: Mapping[str, Any]) -> Iterator[str]:
    mpesa = found.get("mpesa")
    accounts = mpesa.get("accounts") if isinstance(mpesa, dict) else None
    for account in accounts if isinstance(accounts, list) else []:
        for key in ("consumer_key", "consumer_secret", "passkey"):
            secret = account.get(key) if isinstance(account, dict) else None
            if isinstance(secret, str) and not is_unset(secret):
                yield secret


def _contradictions(config: Config) -> list[str]:
    """What no single key can know."""
    problems = []
    https = config.webhook.public_url.startswith("https://")
    # A local Bot API server (spoken to by http) also calls http; Telegram itself does not.
    calls_https_only = config.telegram.api_url.startswith("https://")
    if config.telegram.mode == "webhook" and calls_https_only and not https:
        problems.append('webhook.public_url: must be https with telegram.mode "webhook"')
    elif config.takes_real_money and not https:
        problems.append("webhook.public_url: must be https: Safaricom's production asks for it")
    webhook = config.webhook
    hidden = is_loopback(webhook.host) and not webhook.trusted_proxies
    if hidden and any(not ip_network(each).is_loopback for each in webhook.callers):
        problems.append(
            "webhook.allow_from: webhook.host is this machine, so every callback comes from your "
            "proxy: name that one in webhook.trusted_proxies, or leave this empty"
        )
    problems += record_problems(config)
    storage = config.storage.url.get_secret_value()
    if storage.startswith("postgresql") and config.security.key is None:
        problems.append(f"security.key: is required with PostgreSQL: {MAKE_A_KEY}")
    return problems
