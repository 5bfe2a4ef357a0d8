"""
Owns `lipabot demo` in a process of its own, as tests start it, wait for it and stop it.

Where the page is looked at, and not how the demo starts and ends, it is forked from a process that
has imported everything.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

import bot.playground.demo  # noqa: F401 - loaded once, before anything is forked
from tests.commands import be_the_command, environment
from tests.flows.forks import context

__all__ = ["DemoProcess", "command", "forked_demo", "free_port", "running_demo"]

START_WITHIN_S = 90.0
STOP_WITHIN_S = 15.0


@dataclass(frozen=True)
class DemoProcess:
    """A demo whose page is up; *log* is where its words go in the end."""

    url: str
    log: Path
    process: subprocess.Popen[str]

    def stop(self, number: signal.Signals) -> int:
        """Send the signal; the exit status, which must come in time."""
        self.process.send_signal(number)
        return self.process.wait(timeout=STOP_WITHIN_S)


def command(port: int, data: Path) -> list[str]:
    return [sys.executable, "-m", "bot", *_words(port, data)]


def _words(port: int, data: Path) -> tuple[str, ...]:
    return ("demo", "--port", str(port), "--data", str(data))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_demo(folder: Path) -> Iterator[DemoProcess]:
    """The demo with its data in *folder*, from the line that tells its address on."""
    port = free_port()
    log = _log(folder, port)
    with (
        log.open("w") as words,
        subprocess.Popen(
            command(port, folder / "data"),
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            words.write(first := _first_line(process.stdout))
            yield DemoProcess(_address(first, port), log, process)
        finally:
            if process.poll() is None:
                process.kill()
            words.write(process.stdout.read())


@contextmanager
def forked_demo(folder: Path) -> Iterator[str]:
    """The address of the page of a demo with its data in *folder*; it is killed in the end."""
    port = free_port()
    heard, said = context.Pipe(duplex=False)
    process = context.Process(
        target=_be_the_demo,
        args=(said, _words(port, folder / "data"), str(folder), environment()),
    )
    process.start()
    said.close()
    with _log(folder, port).open("w") as words, open(heard.fileno(), closefd=False) as stream:
        try:
            words.write(first := _first_line(stream))
            yield _address(first, port)
        finally:
            process.kill()
            process.join()
            process.close()
            words.write(stream.read())
            heard.close()


def _be_the_demo(
    said: Connection, words: tuple[str, ...], folder: str, variables: dict[str, str]
) -> None:
    for standard in (1, 2):
        os.dup2(said.fileno(), standard)
    said.close()
    be_the_command(words, folder, variables)


def _log(folder: Path, port: int) -> Path:
    return Path(os.environ.get("LOGS_OF_THE_SUITE", folder)) / f"demo-{port}-{folder.name}.log"


def _address(first: str, port: int) -> str:
    url = f"http://127.0.0.1:{port}"
    assert url in first, f"lipabot demo did not start: {first}"
    return url


def _first_line(stream: IO[str]) -> str:
    ready, _, _ = select.select([stream], [], [], START_WITHIN_S)
    return stream.readline() if ready else "nothing was said in time\n"
