"""What every test may use, the logs of the whole suite, and the rule that CI skips nothing."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import pytest

from tests.stores import clock, migrated_server, open_a_store, postgres_server, store, store_url

__all__ = [
    "clock",
    "migrated_server",
    "open_a_store",
    "postgres_server",
    "store",
    "store_url",
]


LAST = "test_no_leaks.py"
OURS = ("bot", "mpesa", "storage")


def pytest_configure(config: pytest.Config) -> None:
    """Everything that our own code logs, at any level and before any redaction, into one file."""
    folder = Path(tempfile.mkdtemp(prefix="lipabot-logs-"))
    os.environ["LOGS_OF_THE_SUITE"] = str(folder)
    handler = logging.FileHandler(folder / "in-process.log")
    # The tests of the redaction log secrets on purpose, under a name of their own.
    handler.addFilter(lambda record: not record.name.startswith("bot.tests"))
    for name in OURS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    config.add_cleanup(handler.close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that reads the logs of all others comes last."""
    items.sort(key=lambda item: item.path.name == LAST)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI=true a skipped test is a failed run: what is not run there is run nowhere."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI") != "true":
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"CI=true: {len(skipped)} skipped, and none may be", red=True)
