"""Owns the logs of the whole suite, every process's, and says what they hold that they must not."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from bot.playground.botapi import TOKEN
from mpesa.simulator import SimulatorSettings
from storage.crypt import Crypt
from tests.keys import KEY, SERVERS_KEY

__all__ = ["LEAKS", "found_in", "pytest_configure", "pytest_sessionfinish"]

FOLDER = "LOGS_OF_THE_SUITE"
OURS = ("bot", "mpesa", "storage")
TOLD = 20

_SETTINGS = SimulatorSettings()
_KEYS = (KEY, SERVERS_KEY)
_WEBHOOK_SECRETS = [Crypt(each).sign("telegram", "webhook") for each in _KEYS]


def _any_of(*secrets: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, secrets)))


LEAKS = {
    "a whole phone": re.compile(r"(?<![0-9A-Za-z.])(?:\+?254|0)[17]\d{8}(?![0-9A-Za-z])"),
    "a phone as people write it": re.compile(
        r"(?<![0-9A-Za-z.])(?:\+?254|0)(?!\d{9})[ -]?[17](?:[ -]?\d){8}(?![0-9A-Za-z])"
    ),
    "a checkout id": re.compile(r"ws_CO_\d"),
    "a callback address": re.compile(r"/c/(?:probe/)?[0-9a-f]{32}\.[0-9a-f]{32}"),
    "a result address": re.compile(r"/t/[0-9a-f]{32}\.[0-9a-f]{32}"),
    "the address for payments by hand": re.compile(r"/b/[0-9a-f]{32}"),
    "a progress address": re.compile(r"/p/[0-9a-f]{32}\.[0-9a-f]+\.[0-9a-f]{32}"),
    "a link to a page": re.compile(r"/(?:d/[\w-]{12}|i/[\w-]{24}|r/[\w-]{43})(?![\w-])"),
    "a bot token": _any_of(TOKEN),
    "a bearer token": re.compile(r"Bearer [A-Za-z0-9]{8}"),
    "the consumer secret": _any_of(_SETTINGS.consumer_secret),
    "the passkey": _any_of(_SETTINGS.passkey),
    "the initiator's password": _any_of(_SETTINGS.initiator_password),
    "a security key": _any_of(*_KEYS),
    "a security key that was made": re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])"),
    "a database's password": re.compile(r"://[^\s:/@]*:(?!\*\*\*@)[^\s@/]+@"),
    "the webhook's secret": _any_of(*_WEBHOOK_SECRETS),
    "a webhook's secret": re.compile(
        r"""secret[_-]token["']?\s*[:=]\s*["']?(?!\*\*\*)[\w-]""", re.IGNORECASE
    ),
}


def found_in(folder: Path) -> list[str]:
    """Every line of the logs in *folder* that holds a leak: `what, file: line`."""
    return [
        f"{what}, {path.name}: {line[:200]}"
        for path in sorted(folder.iterdir())
        for line in path.read_text(errors="replace").splitlines()
        for what, leak in LEAKS.items()
        if leak.search(line)
    ]


def pytest_configure(config: pytest.Config) -> None:
    """Everything that our own code logs, at any level and before any redaction, into one folder."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="lipabot-logs-")  # its workers inherit it
    name = f"in-process-{worker or 'alone'}.log"
    handler = logging.FileHandler(Path(os.environ[FOLDER]) / name, delay=True)
    # The tests of the redaction log secrets on purpose, under a name of their own.
    handler.addFilter(lambda record: not record.name.startswith("bot.tests"))
    for each in OURS:
        logger = logging.getLogger(each)
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    config.add_cleanup(handler.close)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """When every test of every process is over: a line too many is a failed run."""
    yield
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    folder = Path(os.environ[FOLDER])
    found = found_in(folder)
    if not found:
        shutil.rmtree(folder)
        return
    session.exitstatus = pytest.ExitCode.TESTS_FAILED
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line("")
        reporter.write_line(f"{len(found)} lines in {folder} tell what no log may:", red=True)
        for line in found[:TOLD]:
            reporter.write_line(line, red=True)
