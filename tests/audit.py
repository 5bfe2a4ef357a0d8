"""`make check`: known vulnerabilities in what constraints.txt pins, where PyPI can be asked."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

__all__ = ["audit"]

ROOT = Path(__file__).parents[1]
# One question first: without an answer pip-audit would ask 80 times, and call none of it a failure.
PROBE = "https://pypi.org/pypi/aiohttp/json"
PROBE_TIMEOUT_S = 5.0
WITHIN_S = 180.0
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "constraints.txt")),
    *("--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "15"),
)


def answers(probe: str) -> bool:
    """Whether PyPI tells from here what is known about a package."""
    try:
        with urllib.request.urlopen(probe, timeout=PROBE_TIMEOUT_S) as reply:
            return "vulnerabilities" in json.load(reply)
    except urllib.error.HTTPError as refusal:
        refusal.close()  # it is the reply too
        return False
    except (OSError, ValueError):
        return False


def audit(
    probe: str = PROBE, command: Sequence[str] = COMMAND, *, within_s: float = WITHIN_S
) -> int:
    """The exit status: not zero where something is known against a pinned version."""
    if not answers(probe):
        return _skipped("PyPI's vulnerability data cannot be reached from here")
    try:
        status = subprocess.run(command, check=False, timeout=within_s).returncode
    except subprocess.TimeoutExpired:
        return _skipped(f"PyPI did not tell everything within {within_s:g} s")
    # It ends alike when something is known and when nobody answers any more.
    if status != 0 and not answers(probe):
        return _skipped("PyPI stopped answering")
    return status


def _skipped(why: str) -> int:
    print(f"pip-audit: skipped, {why}")
    return 0


if __name__ == "__main__":
    sys.exit(audit())
