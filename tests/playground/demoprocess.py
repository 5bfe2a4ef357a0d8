"""Owns `lipabot demo` in a process of its own, as tests start it, wait for it and stop it."""

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
from pathlib import Path
from typing import IO

__all__ = ["DemoProcess", "command", "environment", "free_port", "running_demo"]

ROOT = Path(__file__).parents[2]
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


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIPABOT_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def command(port: int, data: Path) -> list[str]:
    return [sys.executable, "-m", "bot", "demo", "--port", str(port), "--data", str(data)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_demo(folder: Path) -> Iterator[DemoProcess]:
    """The demo with its data in *folder*, from the line that tells its address on."""
    port = free_port()
    log = Path(os.environ.get("LOGS_OF_THE_SUITE", folder)) / f"demo-{port}-{folder.name}.log"
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
            first = _first_line(process.stdout)
            words.write(first)
            url = f"http://127.0.0.1:{port}"
            assert url in first, f"lipabot demo did not start: {first}"
            yield DemoProcess(url, log, process)
        finally:
            if process.poll() is None:
                process.kill()
            words.write(process.stdout.read())


def _first_line(stream: IO[str]) -> str:
    ready, _, _ = select.select([stream], [], [], START_WITHIN_S)
    return stream.readline() if ready else "nothing was said in time\n"
