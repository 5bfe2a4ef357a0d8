"""`make prove`: plants each bug in a copy of the house, and sees which proof notices it."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import click

from tests.prove.bug import Planted
from tests.prove.nearest import NEAREST
from tests.prove.planted import PLANTED
from tests.prove.runs import NEVER_ENDED, TestRuns
from tests.prove.table import Row

__all__ = ["CAUGHT", "Fate", "planted", "run"]

ROOT = Path(__file__).parents[2]
COPIED = ("bot", "mpesa", "storage", "tests", "README.md", "Makefile", "pyproject.toml")
COPIED_TOO = ("config.example.toml", "constraints.txt", "CHANGELOG.md", "LICENSE")
CAUGHT = Path(__file__).with_name("caught.json")
"""Which test caught each bug the last time: it is tried first, and any other only if it misses."""

QUIETLY = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider")
ON_SQLITE = ("-m", "not postgres and not browser")
ONE_TEST_S, ONE_FOLDER_S, HISTORIES_S = 120.0, 900.0, 3600.0

FOLDERS = {
    "mpesa": ("tests/mpesa", "tests/core"),
    "storage": ("tests/storage", "tests/core", "tests/chat"),
    "bot": ("tests/core", "tests/web", "tests/chat"),
}


OF_STORAGE = ("storage.engine", "storage.tx", "storage.backups")
OF_MPESA = ("mpesa.client", "mpesa.simulator", "mpesa.statement", "mpesa.back_office")
SOUND = {"bot": (*OF_MPESA, *OF_STORAGE), "storage": OF_MPESA, "mpesa": OF_STORAGE}
"""What is not changed by bugs in a folder: nothing of it imports that folder."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that may notice a bug: arguments of pytest, or (without any) the histories."""

    name: str
    words: tuple[str, ...]
    within_s: float


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one planted bug: the proof, and the test in it that noticed it."""

    bug: Planted
    proof: str | None
    test: str
    seconds: float


def planted(source: str, bug: Planted) -> str:
    """*source* with the bug in it."""
    for old, new in bug.edits:
        assert source.count(old) == 1, f"{bug.name}: {source.count(old)} places for {old!r}"
        source = source.replace(old, new)
    return source


def proofs_for(
    bug: Planted,
    caught: dict[str, str],
    *,
    histories: int = 0,
    near: bool = False,
    alone: bool = False,
) -> Iterator[Proof]:
    """
    What may notice it, the cheapest first; only tests that are *near* to it, or the histories
    *alone*, if so wished.
    """
    if alone:
        yield Proof("seeded histories", (), HISTORIES_S)
        return
    if (test := caught.get(bug.name, "")) and not test.startswith("seed"):
        yield Proof("the test that caught it before", (*QUIETLY, test), ONE_TEST_S)
    nearest = _nearest(bug.file)
    for each in nearest:  # by themselves: to collect them all takes longer than to run one
        yield Proof("the nearest tests", (*QUIETLY, *ON_SQLITE, each), ONE_FOLDER_S)
    if near:
        for each in nearest:
            yield Proof("the nearest tests", (*QUIETLY, "-m", "postgres", each), ONE_FOLDER_S)
        return
    folders = FOLDERS[bug.file.partition("/")[0]]
    for folder in folders:
        yield Proof(folder, (*QUIETLY, *ON_SQLITE, folder), ONE_FOLDER_S)
    only = (*QUIETLY, "-m", "postgres", *folders)
    yield Proof("the tests on PostgreSQL", only, ONE_FOLDER_S)
    yield Proof("whole bots", (*QUIETLY, "tests/flows", "tests/test_jobs.py"), 2 * ONE_FOLDER_S)
    if histories:
        yield Proof("seeded histories", (), HISTORIES_S)


def _nearest(file: str) -> list[str]:
    stem = Path(file).stem
    wanted = [f"*/test_{stem}.py", f"*/test_{stem.rstrip('s')}*.py"]
    for place, more in NEAREST.items():
        if file.startswith(place):
            wanted = [*more, *wanted]
    tests = ROOT / "tests"
    found = {each: None for glob in wanted for each in sorted(tests.glob(glob))}
    folders = ("core", "storage", "web", "chat", "mpesa", "tests")
    return [str(each.relative_to(ROOT)) for each in found if each.parent.name in folders]


@dataclass
class _House:
    """A copy of the house, in which a bug is planted and taken out again."""

    folder: Path
    runs: TestRuns | None = None
    changed: str = ""  # the folder in which the bugs are planted that the runs are for

    def __post_init__(self) -> None:
        for name in (*COPIED, *COPIED_TOO):
            found = ROOT / name
            if found.is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(found, self.folder / name, ignore=ignore)
            elif found.exists():
                shutil.copy2(found, self.folder / name)

    def close(self) -> None:
        if self.runs is not None:
            self.runs.close()

    @contextmanager
    def with_bug(self, bug: Planted) -> Iterator[None]:
        changed = bug.file.partition("/")[0]
        if changed != self.changed:
            self.close()
            self.runs, self.changed = TestRuns(self.folder, SOUND[changed]), changed
        place = self.folder / bug.file
        sound = place.read_text(encoding="utf-8")
        self._write(place, planted(sound, bug))
        try:
            yield
        finally:
            self._write(place, sound)

    def first_failure(self, proof: Proof, histories: int, seed: int) -> str | None:
        if proof.words:
            if self.runs is None:
                self.runs = TestRuns(self.folder)
            return self.runs.first_failure(proof.words, within_s=proof.within_s)
        words = ("histories", "--count", str(histories), "--seed", str(seed), "--jobs", "1")
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                [sys.executable, "-m", "tests.prove", *words],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(self.folder)},
                capture_output=True,
                text=True,
                timeout=proof.within_s,
                check=False,
            )
            broken = [line for line in done.stdout.splitlines() if line.startswith("  seed ")]
            if done.returncode == 0:
                return None
            return broken[0].strip() if broken else f"exit status {done.returncode}"
        return NEVER_ENDED

    @staticmethod
    def _write(place: Path, source: str) -> None:
        place.write_text(source, encoding="utf-8")
        # Compiled code is known by its source's second and size, and both may be as before.
        Path(importlib.util.cache_from_source(str(place))).unlink(missing_ok=True)


@dataclass
class _Search:
    """All the bugs, and what is known of each so far."""

    bugs: Sequence[Planted]
    histories: int
    seed: int
    say: Callable[[str], None]
    remember: bool
    near: bool
    alone: bool
    caught: dict[str, str]
    fates: list[Fate] = field(default_factory=list)

    def judge(self, house: _House, bug: Planted) -> None:
        began_s = time.perf_counter()
        proof, test = None, ""
        with house.with_bug(bug):
            for each in proofs_for(
                bug, self.caught, histories=self.histories, near=self.near, alone=self.alone
            ):
                found = house.first_failure(each, self.histories, self.seed)
                if found is not None:
                    proof, test = each.name, found
                    break
        fate = Fate(bug, proof, test, time.perf_counter() - began_s)
        self.fates.append(fate)
        how = f"{proof}: {test}" if proof else "NOT CAUGHT"
        self.say(f"{bug.breaks:4} {bug.file}: {bug.name}: {how} ({fate.seconds:.0f} s)")
        if proof and self.remember:
            self.caught[bug.name] = test
            CAUGHT.write_text(
                json.dumps(self.caught, indent=1, sort_keys=True, ensure_ascii=False) + "\n",
                encoding="utf-8",
            )

    def work_off(self, waiting: queue.SimpleQueue[Planted]) -> None:
        with tempfile.TemporaryDirectory(prefix="lipabot-planted-") as folder:
            house = _House(Path(folder))
            try:
                with suppress(queue.Empty):
                    while True:
                        self.judge(house, waiting.get_nowait())
            finally:
                house.close()

    def false_alarm(self) -> str | None:
        """The tests that noticed something, in a house without a bug: what fails there."""
        tests = {fate.test for fate in self.fates if "::" in fate.test}
        if not tests:
            return None
        with tempfile.TemporaryDirectory(prefix="lipabot-sound-") as folder:
            house = _House(Path(folder))
            try:
                again = Proof("the same", (*QUIETLY, *sorted(tests)), 2 * ONE_FOLDER_S)
                return house.first_failure(again, 0, self.seed)
            finally:
                house.close()


def run(
    *,
    jobs: int = 2,
    histories: int = 0,
    seed: int = 1,
    only: str = "",
    control: bool = True,
    remember: bool = False,
    near: bool = False,
    alone: bool = False,
    say: Callable[[str], None] = print,
) -> list[Row]:
    """
    Plant each bug (whose name or file holds *only*) and see what notices it; the rest are
    violations.

    *histories* seeded ones, from *seed* on, are the last proof; none if 0. With *near* only tests
    near to a bug are tried, and with *alone* nothing but the histories. The *control* is a
    house without a bug, in which none of the tests that noticed one may notice anything.
    """
    began_s = time.perf_counter()
    caught = json.loads(CAUGHT.read_text(encoding="utf-8")) if CAUGHT.exists() else {}
    bugs = [bug for bug in PLANTED if only in bug.name or only in bug.file]
    search = _Search(bugs, histories, seed, say, remember, near, alone, caught)
    waiting: queue.SimpleQueue[Planted] = queue.SimpleQueue()
    for bug in bugs:
        waiting.put(bug)
    workers = [threading.Thread(target=search.work_off, args=(waiting,)) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    fates = search.fates
    escaped = [fate.bug.name for fate in fates if fate.proof is None]
    lost = len(bugs) - len(fates)  # a worker that broke off
    alarmed = search.false_alarm() if control else None
    folders = Counter(_kind_of(fate) for fate in fates if fate.proof is not None)
    note = f"caught {len(fates) - len(escaped)}: " + ", ".join(
        f"{name} {many}" for name, many in sorted(folders.items())
    )
    if escaped:
        note += f"; escaped: {', '.join(escaped)}"
    if alarmed:
        note += f"; without a bug {alarmed} failed as well"
    return [
        Row(
            what="planted bugs",
            many=len(bugs),
            unit="bugs",
            violations=len(escaped) + lost + bool(alarmed),
            seconds=time.perf_counter() - began_s,
            note=note,
        )
    ]


def _kind_of(fate: Fate) -> str:
    """Where the test that noticed it stands: "tests/core"."""
    if "::" in fate.test:
        return str(Path(fate.test.partition("::")[0]).parent)
    return fate.proof or ""


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--histories", type=click.IntRange(0), default=0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--only", default="", help="Only the bugs whose name or file holds this.")
@click.option("--control/--no-control", default=True, show_default=True)
@click.option("--remember", is_flag=True, help="Keep which test caught which bug, for next time.")
@click.option("--near", is_flag=True, help="Try only the tests that are near to the bug.")
@click.option("--alone", is_flag=True, help="Try nothing but the histories: have they teeth?")
def main(
    jobs: int,
    histories: int,
    seed: int,
    only: str,
    control: bool,
    remember: bool,
    near: bool,
    alone: bool,
) -> None:
    """Plant every bug once and print what noticed it."""
    [row] = run(
        jobs=jobs,
        histories=histories,
        seed=seed,
        only=only,
        control=control,
        remember=remember,
        near=near,
        alone=alone,
        say=lambda line: click.echo(line),
    )
    click.echo(
        f"{row.many} {row.unit}, {row.violations} violations, {row.note}, {row.seconds:.0f} s"
    )
    sys.exit(row.violations > 0)


if __name__ == "__main__":
    main()
