"""The papers agree with the code: commands, configuration keys, make targets, the README."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from bot.chat.routes import COMMANDS, Place, help_text
from bot.config_checks import is_unset
from bot.config_keys import Config, Section
from bot.texts import Texts

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "config.example.toml").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

NAMES = {command.name for command in COMMANDS}
COMMAND = re.compile(r"(?<![\w/.:>-])/([a-z]{2,32})\b(?!/)")


def fields() -> Iterator[tuple[str, Any]]:
    """Every key in dotted form, with its default."""
    for table, field in Config.model_fields.items():
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, Section)
        for key, inner in field.annotation.model_fields.items():
            yield f"{table}.{key}", inner.default


DEFAULTS = dict(fields())
# A key without a default stands there behind a "#".
SHOWN = {
    f"{table}.{key}": value
    for table, keys in tomllib.loads(
        re.sub(r"^#(?=[a-z_]+ = )", "", EXAMPLE, flags=re.MULTILINE)
    ).items()
    for key, value in keys.items()
}


def test_the_example_shows_every_key_and_no_other() -> None:
    assert set(SHOWN) == set(DEFAULTS)


def test_the_example_shows_the_tables_in_the_order_of_the_code() -> None:
    assert list(SHOWN) == list(DEFAULTS)


@pytest.mark.parametrize("key", DEFAULTS)
def test_the_example_shows_the_default(key: str) -> None:
    default, shown = DEFAULTS[key], SHOWN[key]
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None or (default is PydanticUndefined and key != "mpesa.shortcode"):
        assert is_unset(shown)
    elif default is not PydanticUndefined:
        assert shown == (list(default) if isinstance(default, tuple) else default)


def test_the_example_explains_every_key() -> None:
    lines = EXAMPLE.splitlines()
    silent = [
        line
        for above, line in pairwise(lines)
        if re.match(r"#?[a-z_]+ = ", line) and not above.startswith("# ")
    ]
    assert silent == []


def test_secrets_are_marked_as_such() -> None:
    secret = {
        key
        for table, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for key, inner in field.annotation.model_fields.items()
        if "SecretStr" in str(inner.annotation) and f"{table}.{key}" != "storage.url"
    }
    marked = set(re.findall(r"# Secret\..*\n(?:# .*\n)*#?([a-z_]+) = ", EXAMPLE))
    assert marked == secret


@pytest.mark.parametrize("language", ["en", "sw"])
def test_help_names_every_command_and_no_other(language: str) -> None:
    said = help_text(
        Texts.load(), language, Place.OPERATOR, collector="X", typed=lambda name: f"/{name}"
    )

    assert set(COMMAND.findall(re.sub(r"<[^>]*>", " ", said))) == NAMES


def commands_section() -> str:
    return README.partition("\n## The commands")[2].partition("\n## ")[0]


def test_the_readme_lists_every_command_and_no_other() -> None:
    listed = re.findall(r"^\| `/([a-z]+)", commands_section(), re.MULTILINE)
    assert sorted(listed) == sorted(NAMES)


def test_the_readme_names_no_command_that_there_is_not() -> None:
    spoken = re.findall(r"`/([a-z]+)(?:@\w+)?(?: [^`/]*)?`", README)
    assert set(spoken) - {"newbot", "setinline"} <= NAMES  # @BotFather's


def test_every_make_target_of_the_readme_exists_and_every_target_is_told() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    told = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(code_of(README))))

    assert told <= targets
    assert targets - told <= {"help"}


def code_of(markdown: str) -> Iterator[str]:
    """Fenced blocks and words in backticks."""
    yield from re.findall(r"^```\w*\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", markdown)


def test_every_configuration_key_of_the_readme_exists() -> None:
    tables = "|".join(Config.model_fields)
    told = set(re.findall(rf"`((?:{tables})\.[a-z_]+)`", README))
    variables = {
        name.lower().replace("__", ".") for name in re.findall(r"LIPABOT_([A-Z_]+)", README)
    }
    assert told | variables <= set(DEFAULTS)


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_constraints_pin_exactly_and_name_no_host() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.+!]+", line)] == []
    assert len(pins) > 30
