"""SECURITY.md names a test for each threat, and every test that it names exists."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| (`tests/.+`) \|$", PAGE, re.MULTILINE)
NAMED = [name for _, cell in ROWS for name in re.findall(r"`(tests/[^`]+)`", cell)]


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("named", NAMED)
def test_a_named_test_exists(named: str) -> None:
    path, _, name = named.partition("::")

    assert name.startswith("test_")
    assert name in names_in(path)


@pytest.mark.parametrize(
    "threat",
    [
        "forged callback",
        "X-Forwarded-For",
        "replayed",
        "nuisance",
        "misleads the payer",
        "Telegram webhook",
        "markup",
        "secrets",
        "personal data",
        "SQL injection",
        "oversize",
        "slow clients",
        "weaknesses in libraries",
        "libraries exchanged",
        "fill the disk",
        "sent out",
        "open a drive",
        "spreadsheets",
        "one merchant",
        "backups",
        "kept too long",
        "container",
        "by hand",
        "reversal",
        "starve callbacks",
    ],
)
def test_a_threat_has_a_row(threat: str) -> None:
    assert sum(threat in row for row, _ in ROWS) == 1


def test_the_keys_that_the_page_names_exist() -> None:
    from bot.config_keys import Config

    tables = "|".join(Config.model_fields)
    for table, key in re.findall(rf"`({tables})\.([a-z_]+)`", PAGE):
        assert key in Config.model_fields[table].annotation.model_fields  # type: ignore[union-attr]  # a Section


def test_nobody_has_to_ask_for_the_limits_of_the_server() -> None:
    from bot.web.server import CONNECTIONS_MAX, KEEPALIVE_S, serving

    taken = inspect.signature(serving).parameters
    assert taken["connections_max"].default == CONNECTIONS_MAX
    assert taken["keepalive_s"].default == KEEPALIVE_S


def test_the_numbers_that_the_page_promises_are_those_of_the_code() -> None:
    from bot.core.hear import CALLBACKS_KEPT, UNTRUSTED_KEPT
    from bot.web.guard import BODY_BYTES_MAX, BODY_TIMEOUT_S
    from bot.web.server import CONNECTIONS_MAX, KEEPALIVE_S
    from storage.evidence import ORPHANS_MAX, ORPHANS_PER_PAYMENT

    words = " ".join(PAGE.split())
    assert f"{BODY_BYTES_MAX // 1024} KiB at most" in words
    assert f"read within {BODY_TIMEOUT_S:g} seconds" in words
    assert f"a head has {KEEPALIVE_S:g} seconds; {CONNECTIONS_MAX} connections" in words
    assert f"{UNTRUSTED_KEPT} untrusted and {CALLBACKS_KEPT + 4} trusted callbacks" in words
    assert (
        f"{ORPHANS_PER_PAYMENT} for each payment that we do not have, and {ORPHANS_MAX:,}" in words
    )
