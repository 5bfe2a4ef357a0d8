"""Owns the proof that `lipabot demo` starts, refuses and stops as a good program does."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.commands import environment
from tests.playground.demoprocess import START_WITHIN_S, command, running_demo

QUICKLY_S = 12.0  # it would be a minute if the open page were waited for


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_with_an_open_page_ends_quickly_and_well(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running_demo(tmp_path) as demo:
        page = http.client.HTTPConnection(urlsplit(demo.url).netloc, timeout=START_WITHIN_S)
        page.request("GET", "/events")
        stream = page.getresponse()
        assert stream.readline().startswith(b"event: ")

        before = time.monotonic()
        status = demo.stop(number)
        took_s = time.monotonic() - before
        page.close()

    assert status == 0
    assert took_s < QUICKLY_S
    assert demo.log.read_text().splitlines()[1:] == ["Stopping."]


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]

        done = subprocess.run(
            command(port, tmp_path),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=START_WITHIN_S,
            check=False,
        )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"lipabot: port {port} is taken; choose another with --port\n"
