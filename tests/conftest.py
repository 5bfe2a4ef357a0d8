"""What every test may use, and the rule that CI skips nothing."""

from __future__ import annotations

import os

import pytest

from tests.stores import clock, open_a_store, postgres_server, store

__all__ = ["clock", "open_a_store", "postgres_server", "store"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI=true a skipped test is a failed run: what is not run there is run nowhere."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI") != "true":
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"CI=true: {len(skipped)} skipped, and none may be", red=True)
