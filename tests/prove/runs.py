"""
Runs of tests in a house of their own: one process imports the libraries, and forks for each run.

    python -m tests.prove.runs mpesa.client    # in the house; asked and answered in lines of JSON

To start Python and import what the tests import takes longer than most of them do.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TestRuns"]

LIBRARIES = (
    "aiohttp.web",
    "aiosqlite",
    "alembic.command",
    "apscheduler.schedulers.asyncio",
    "asyncpg",
    "babel",
    "cryptography.fernet",
    "hypothesis.strategies",
    "jinja2",
    "phonenumbers",
    "prometheus_client",
    "pytest",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.ext.asyncio",
    "structlog",
    "telegram.ext",
)
# pytest would rather import its plugins itself, to see more of their assertions.
QUIETLY = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s\[]+)", re.MULTILINE)
NOTHING_RAN = (0, 4, 5)  # pytest's: all well, no such test, no tests
NEVER_ENDED = "it never ended"


@dataclass
class TestRuns:
    """
    Runs tests of the house in *folder*; close it, or its process stays.

    *sound*: modules of the house that are imported once, for no run changes them.
    """

    folder: Path
    sound: Sequence[str] = ()

    __test__ = False

    def __post_init__(self) -> None:
        path = str(self.folder)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.prove.runs", *self.sound],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path, "PTB_TIMEDELTA": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def first_failure(self, words: Sequence[str], *, within_s: float) -> str | None:
        """The first test among *words* (arguments of pytest) that fails; None if all are well."""
        assert self._server.stdin is not None, "it is a pipe"
        assert self._server.stdout is not None, "it is a pipe"
        self._server.stdin.write(json.dumps([list(words), within_s]) + "\n")
        self._server.stdin.flush()
        found: str | None = json.loads(self._server.stdout.readline())
        return found

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin is not None, "it is a pipe"
        assert self._server.stdout is not None, "it is a pipe"
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


def _run(words: Sequence[str], within_s: float) -> str | None:
    with tempfile.TemporaryFile("w+") as said:
        pid = os.fork()
        if pid == 0:
            _be_a_run(words, said.fileno())
        status = _ended(pid, within_s)
        if status is None:
            return NEVER_ENDED
        if status in NOTHING_RAN:
            return None
        said.seek(0)
        failed = FAILED.search(said.read())
        return failed.group(1) if failed else f"exit status {status}"


def _be_a_run(words: Sequence[str], output: int) -> None:
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    import pytest

    status = 1
    try:
        status = int(pytest.main([*QUIETLY, *words]))
        sys.stdout.flush()
    finally:
        # Not through the interpreter's own end: a bug may have left threads that never end.
        os._exit(status)


def _ended(pid: int, within_s: float) -> int | None:
    """Its exit status; None if it had to be ended, with everything that it had started."""
    ending = os.pidfd_open(pid)
    try:
        ended, _, _ = select.select([ending], [], [], within_s)
    finally:
        os.close(ending)
    if ended:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def _serve() -> None:
    for name in (*LIBRARIES, *sys.argv[1:]):
        importlib.import_module(name)
    for line in sys.stdin:
        words, within_s = json.loads(line)
        print(json.dumps(_run(words, within_s)), flush=True)


if __name__ == "__main__":
    _serve()
