"""The audit of dependencies: skipped where nobody answers, red where something is known."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.audit import COMMAND, audit

ROOT = Path(__file__).parents[1]
VULNERABILITIES = b'{"vulnerabilities": []}'
NOBODY = "http://127.0.0.1:9/"


@contextmanager
def answering(body: bytes, *, times: int = 100) -> Iterator[str]:
    left = [200] * times

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(left.pop() if left else 503)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            serving.join()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"info": {}}'])
def test_what_does_not_answer_is_skipped_in_one_line(
    body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(body) as url:
        assert audit(url, ["no such command"]) == 0
    assert audit(NOBODY, ["no such command"]) == 0

    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert all(line.startswith("pip-audit: skipped") for line in said)


@pytest.mark.parametrize("status", [0, 1])
def test_what_answers_decides(status: int) -> None:
    with answering(VULNERABILITIES) as url:
        assert audit(url, [sys.executable, "-c", f"raise SystemExit({status})"]) == status


def test_an_audit_that_never_ends_or_loses_its_line_is_skipped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for_ever = [sys.executable, "-c", "import select; select.select([], [], [])"]
    with answering(VULNERABILITIES) as url:
        assert audit(url, for_ever, within_s=0.2) == 0
    with answering(VULNERABILITIES, times=1) as url:
        assert audit(url, [sys.executable, "-c", "raise SystemExit(1)"]) == 0

    said = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in said] == ["pip-audit: skipped"] * 2


def test_make_check_runs_it_and_lives_without_a_network() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    assert "-m tests.audit" in check

    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "http_proxy"), NOBODY)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.audit"],
        cwd=ROOT,
        env={**os.environ, **nowhere, "NO_PROXY": "", "no_proxy": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.count("\n")) == (0, 1)


def test_the_auditor_is_installed_and_audits_what_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(each.startswith("pip-audit") for each in project["optional-dependencies"]["dev"])
    assert str(ROOT / "constraints.txt") in COMMAND
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.search(r"^pip_audit==", pins, re.MULTILINE)
