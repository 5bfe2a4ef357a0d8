"""`make check`: known vulnerabilities in what constraints.txt pins, where PyPI can be asked."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

__all__ = ["audit"]

ROOT = Path(__file__).parents[1]
# One question first: without an answer pip-audit would ask 80 times, and call none of it a failure.
PROBE = "https://pypi.org/pypi/aiohttp/json"
PROBE_TIMEOUT_S = 5.0
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "constraints.txt")),
    *("--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "15"),
)


def answers(probe: str) -> bool:
    """Whether PyPI tells from here what is known about a package."""
    try:
        with urllib.request.urlopen(probe, timeout=PROBE_TIMEOUT_S) as reply:
            return "vulnerabilities" in json.load(reply)
    except (OSError, ValueError):
        return False


def audit(probe: str = PROBE, command: Sequence[str] = COMMAND) -> int:
    """The exit status: not zero where something is known against a pinned version."""
    if not answers(probe):
        print("pip-audit: skipped, PyPI's vulnerability data cannot be reached from here")
        return 0
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(audit())
