"""`make prove`: plants each bug in a copy of the house, and sees which proof notices it."""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tests.prove.planted import PLANTED, Planted
from tests.prove.table import Row

__all__ = ["Fate", "planted", "run"]

ROOT = Path(__file__).parents[2]
COPIED = ("bot", "mpesa", "storage", "tests", "README.md", "Makefile", "pyproject.toml")
COPIED_TOO = ("config.example.toml", "constraints.txt", "CHANGELOG.md", "LICENSE")
ONE_PROOF_S = 1200
CONTROL = Planted("no bug at all", "nothing", "bot/core/settle.py", ())
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that may notice a bug: a command, run in the copy."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one planted bug."""

    bug: Planted
    caught_by: str | None
    seconds: float


def _tests(name: str, *paths: str) -> Proof:
    words = ("-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *paths)
    return Proof(name, words)


# In order of cost. A proof that is about the folder of the bug goes first.
PROOFS = (
    _tests("every set of evidence", "tests/core/test_settle_exhaustive.py"),
    _tests("tests of settle", "tests/core/test_settle.py", "tests/core/test_diagram.py"),
    _tests("tests of mpesa", "tests/mpesa"),
    _tests("tests of storage", "tests/storage"),
    _tests("tests of core", "tests/core"),
    _tests("tests of web", "tests/web"),
    _tests("tests of chat", "tests/chat", "tests/test_jobs.py", "tests/test_cli_replay.py"),
    _tests("whole bots", "tests/flows"),
)
NEAREST = {
    "bot/core/settle.py": ("every set of evidence", "tests of settle"),
    "bot/core": ("tests of core", "tests of web", "tests of chat"),
    "bot/web": ("tests of web", "tests of core"),
    "storage": ("tests of storage", "tests of core"),
    "mpesa": ("tests of mpesa", "tests of core"),
}


def planted(source: str, bug: Planted) -> str:
    """*source* with the bug in it."""
    for old, new in bug.edits:
        assert source.count(old) == 1, f"{bug.name}: {source.count(old)} places for {old!r}"
        source = source.replace(old, new)
    return source


def _in_order(bug: Planted, proofs: Sequence[Proof]) -> list[Proof]:
    near: tuple[str, ...] = ()
    for place, names in NEAREST.items():
        if bug.file.startswith(place):
            near = names
            break
    first = [proof for name in near for proof in proofs if proof.name == name]
    return first + [proof for proof in proofs if proof not in first]


def _judge(bug: Planted, proofs: Sequence[Proof]) -> Fate:
    began_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="lipabot-planted-") as folder:
        house = Path(folder)
        _copy(house)
        if bug.edits:
            place = house / bug.file
            place.write_text(planted(place.read_text(encoding="utf-8"), bug), encoding="utf-8")
        for proof in _in_order(bug, proofs):
            noticed = _noticed(proof, house)
            if noticed is not None:
                return Fate(bug, f"{proof.name}: {noticed}", time.perf_counter() - began_s)
    return Fate(bug, None, time.perf_counter() - began_s)


def _copy(house: Path) -> None:
    for name in (*COPIED, *COPIED_TOO):
        found = ROOT / name
        if found.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(found, house / name, ignore=ignore)
        elif found.exists():
            shutil.copy2(found, house / name)


def _noticed(proof: Proof, house: Path) -> str | None:
    """What failed, or None. Python finds the copy first, whatever is installed."""
    try:
        done = subprocess.run(
            [sys.executable, *proof.words],
            cwd=house,
            env=_environment(house),
            capture_output=True,
            text=True,
            timeout=ONE_PROOF_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "it never ended"
    if done.returncode == 0:
        return None
    failed = FAILED.search(done.stdout)
    return failed.group(1) if failed else f"exit status {done.returncode}"


def _environment(house: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(house), "PYTHONDONTWRITEBYTECODE": "1"}


def _fates(
    bugs: Sequence[Planted], proofs: Sequence[Proof], jobs: int, say: Callable[[str], None]
) -> list[Fate]:
    waiting: queue.SimpleQueue[Planted] = queue.SimpleQueue()
    for bug in bugs:
        waiting.put(bug)
    fates: list[Fate] = []

    def work_off() -> None:
        while True:
            try:
                bug = waiting.get_nowait()
            except queue.Empty:
                return
            fate = _judge(bug, proofs)
            fates.append(fate)
            caught = fate.caught_by or "NOT CAUGHT"
            say(f"{bug.breaks:4} {bug.file}: {bug.name}: {caught} ({fate.seconds:.0f} s)")

    workers = [threading.Thread(target=work_off) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return fates


def run(
    *,
    jobs: int = 2,
    histories: int = 0,
    seed: int = 1,
    only: str = "",
    control: bool = True,
    say: Callable[[str], None] = print,
) -> list[Row]:
    """
    Plant each bug (whose name holds *only*) and see what notices it; the rest are violations.

    *histories* seeded ones, from *seed* on, are the last proof; none if 0. The *control* is a
    house without a bug, which nothing may notice.
    """
    began_s = time.perf_counter()
    proofs: tuple[Proof, ...] = PROOFS
    if histories:
        words = ("-m", "tests.prove", "histories", "--count", str(histories), "--seed", str(seed))
        proofs = (*PROOFS, Proof("seeded histories", words))
    bugs = [bug for bug in PLANTED if only in bug.name]
    fates = _fates(([CONTROL] if control else []) + bugs, proofs, jobs, say)
    escaped = [fate.bug.name for fate in fates if fate.bug is not CONTROL and not fate.caught_by]
    alarmed = [fate.caught_by for fate in fates if fate.bug is CONTROL and fate.caught_by]
    by_proof: dict[str, int] = {}
    for fate in fates:
        if fate.caught_by and fate.bug is not CONTROL:
            name = fate.caught_by.partition(":")[0]
            by_proof[name] = by_proof.get(name, 0) + 1
    note = ", ".join(f"{name} {many}" for name, many in sorted(by_proof.items()))
    if alarmed:
        note += f"; the control was noticed by {alarmed[0]}"
    return [
        Row(
            what="planted bugs",
            many=len(bugs),
            unit="bugs",
            violations=len(escaped) + len(alarmed),
            seconds=time.perf_counter() - began_s,
            note=f"caught by: {note}" + (f"; escaped: {', '.join(escaped)}" if escaped else ""),
        )
    ]


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--histories", type=click.IntRange(0), default=0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--only", default="", help="Only the bugs whose name holds this.")
@click.option("--control/--no-control", default=True, show_default=True)
def main(jobs: int, histories: int, seed: int, only: str, control: bool) -> None:
    """Plant every bug once and print what noticed it."""
    [row] = run(
        jobs=jobs, histories=histories, seed=seed, only=only, control=control, say=click.echo
    )
    click.echo(
        f"{row.many} {row.unit}, {row.violations} violations, {row.note}, {row.seconds:.0f} s"
    )
    sys.exit(row.violations > 0)


if __name__ == "__main__":
    main()
