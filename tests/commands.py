"""
Commands of the command line as their user meets them: words, what is printed, an exit status.

Each runs in a process of its own. Most are forked from one that has imported everything, for the
imports cost more than the command; that a command imports what it needs by itself is seen where a
test starts it afresh.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import alembic.command  # noqa: F401 - loaded once, before anything is forked
import asyncpg  # noqa: F401 - as above
import sqlalchemy.dialects.postgresql.asyncpg
import sqlalchemy.dialects.sqlite.aiosqlite  # noqa: F401 - as above

import storage.backups
import storage.reading  # noqa: F401 - as above
from tests.flows.forks import context

__all__ = ["WITHIN_S", "be_the_command", "environment", "fresh_lipabot", "lipabot"]

WITHIN_S = 60


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIPABOT_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[1])}


def lipabot(*words: str, folder: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """`python -m bot` with these words, forked; *typed* is what it may read."""
    with tempfile.TemporaryDirectory() as aside:
        out, err = Path(aside, "out"), Path(aside, "err")
        Path(aside, "in").write_text(typed)
        process = context.Process(
            target=_be_the_command, args=(words, str(folder), environment(), aside)
        )
        process.start()
        process.join(WITHIN_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(words, WITHIN_S, out.read_text(), err.read_text())
        status = process.exitcode
        process.close()
        return subprocess.CompletedProcess(words, status, out.read_text(), err.read_text())


def fresh_lipabot(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The same, in an interpreter that knows nothing yet."""
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def _be_the_command(
    words: tuple[str, ...], folder: str, variables: Mapping[str, str], aside: str
) -> None:
    """What a shell does for it, in a process forked for it."""
    for standard, name, mode in (
        (0, "in", os.O_RDONLY),
        (1, "out", os.O_WRONLY | os.O_CREAT),
        (2, "err", os.O_WRONLY | os.O_CREAT),
    ):
        handle = os.open(Path(aside, name), mode, 0o600)
        os.dup2(handle, standard)
        os.close(handle)
    # What is here now reads from nowhere.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open as long as the process lives
    be_the_command(words, folder, variables)


def be_the_command(words: tuple[str, ...], folder: str, variables: Mapping[str, str]) -> None:
    """`python -m bot` with these words, in this process."""
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv = ["bot", *words]
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
