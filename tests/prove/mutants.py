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

# Besides those tests that are called like the file.
NEAREST = {
    "bot/core/settle.py": ("core/test_settle*", "core/test_waits_again.py"),
    "bot/core/leaving.py": (
        "core/test_attempts.py",
        "core/test_throttled.py",
        "core/test_troubles.py",
    ),
    "bot/core/prompt_age.py": ("core/test_prompt_age.py",),
    "bot/core/send.py": ("core/test_prompt_age.py", "core/test_ask.py", "core/test_troubles.py"),
    "bot/core/ask.py": ("core/test_limits_last.py",),
    "bot/core/limits.py": ("core/test_ask.py", "core/test_page_limits.py"),
    "bot/core/hear.py": ("core/test_liars.py",),
    "bot/core/check_times.py": ("core/test_reconcile.py",),
    "bot/core/people.py": ("core/test_ask.py", "core/test_reconcile.py"),
    "bot/core/post.py": ("chat/test_notices.py",),
    "bot/core/inbox.py": ("chat/test_inbox.py",),
    "bot/core/privacy.py": ("core/test_drives_at_once.py",),
    "bot/core/giving.py": (
        "core/test_drives_at_once.py",
        "core/test_drives.py",
        "core/test_page_limits.py",
    ),
    "bot/core/treasury.py": ("core/test_drives.py", "core/test_late_gifts.py"),
    "bot/core/drive_": ("core/test_treasury.py", "core/test_drives.py", "chat/test_drive*"),
    "bot/core/gift_reversals.py": ("core/test_gifts_reversed.py",),
    "storage/units.py": ("core/test_gifts_reversed.py",),
    "bot/chat/drive_letters.py": ("chat/test_closing.py",),
    "bot/core/promises.py": ("core/test_pledging.py",),
    "bot/core/by_hand.py": ("core/test_record.py", "core/test_drives.py"),
    "bot/core/bill": ("core/test_invoices.py", "core/test_invoice_properties.py"),
    "bot/core/billing.py": ("core/test_reminders.py",),
    "bot/core/cash_book.py": (
        "core/test_invoices.py",
        "core/test_excess.py",
        "core/test_invoice_p*",
    ),
    "bot/core/invoice": ("core/test_invoice*", "core/test_excess.py"),
    "bot/core/invoice_talk.py": ("core/test_privacy_invoices.py", "chat/test_merchant_gone.py"),
    "bot/core/statements.py": ("core/test_ledgers.py", "core/test_periods.py"),
    "bot/core/ledgers.py": ("core/test_ledgers.py", "core/test_periods.py"),
    "bot/core/went_back.py": ("core/test_periods.py", "core/test_settle*"),
    "bot/core/decisions.py": ("core/test_decided_amounts.py", "core/test_review.py"),
    "bot/core/named_late.py": ("core/test_named_accounts.py",),
    "bot/core/counter.py": ("core/test_named_accounts.py", "core/test_counter.py"),
    "bot/core/row_batches.py": ("core/test_named_accounts.py", "core/test_record.py"),
    "bot/core/placing.py": (
        "core/test_named_accounts.py",
        "core/test_record.py",
        "core/test_placed_once.py",
        "core/test_counter.py",
    ),
    "bot/core/reversal_rows.py": (
        "core/test_one_reversal.py",
        "core/test_placed_once.py",
        "core/test_gone_back.py",
    ),
    "bot/core/portal.py": ("core/test_record.py", "test_cli_reconcile.py"),
    "bot/core/re": ("core/test_record.py", "core/test_review.py", "web/test_record_posts.py"),
    "bot/core/review.py": ("core/test_decided_amounts.py",),
    "bot/core/record.py": (
        "core/test_record.py",
        "core/test_gone_back.py",
        "web/test_record_posts.py",
    ),
    "bot/core/rulings.py": (
        "core/test_record.py",
        "core/test_placed_once.py",
        "core/test_gone_back.py",
    ),
    "bot/core/told_rows.py": (
        "core/test_decided_amounts.py",
        "core/test_record.py",
        "core/test_placed_once.py",
        "core/test_typed_codes.py",
    ),
    "bot/core/ways.py": (
        "core/test_record.py",
        "core/test_listed_rows.py",
        "web/test_record_posts.py",
    ),
    "bot/core/status_answers.py": ("core/test_claims_asked.py", "web/test_record_posts.py"),
    "bot/core/claims_alarm.py": ("core/test_unnamed_claims.py",),
    "bot/core/replay.py": ("core/test_replay.py", "test_cli_replay.py"),
    "bot/web/callbacks.py": ("web/test_doors.py", "web/test_full_store.py"),
    "mpesa/": ("mpesa/test_mpesa_*",),
    "storage/crypt.py": ("core/test_at_rest.py", "core/test_rotation.py"),
    "storage/gifts.py": ("core/test_drives.py", "core/test_treasury.py"),
    "storage/drives.py": ("core/test_drives.py", "core/test_treasury.py"),
    "storage/privacy_drives.py": ("core/test_privacy.py", "core/test_delete_me.py"),
    "storage/pledges.py": ("core/test_pledging.py",),
    "storage/invoice": ("core/test_invoice*", "core/test_ledgers.py"),
    "storage/invoice_lists.py": ("core/test_customers_books.py",),
    "storage/statements.py": ("core/test_ledgers.py", "core/test_periods.py"),
    "storage/record.py": (
        "storage/test_record_rows.py",
        "core/test_named_accounts.py",
        "core/test_record.py",
    ),
    "storage/differences.py": ("core/test_record.py",),
    "storage/unnamed_claims.py": ("core/test_unnamed_claims.py",),
    "storage/owing.py": ("storage/test_notices.py", "chat/test_notices.py"),
    "storage/notice_returns.py": ("chat/test_operators_back.py",),
    "storage/notices.py": ("chat/test_operators_back.py",),
    "bot/core/health.py": ("chat/test_operators_back.py",),
    "bot/core/unanswered.py": ("core/test_health.py",),
    "bot/chat/letters.py": ("chat/test_operators_back.py",),
    "bot/chat/read_late.py": ("chat/test_carried_out_again.py",),
    "bot/chat/pay.py": ("chat/test_read_late.py",),
    "bot/chat/giving.py": ("chat/test_read_late.py",),
    "bot/chat/bills.py": ("chat/test_read_late.py",),
    "storage/notice_": ("storage/test_notices.py", "chat/test_notices.py"),
    "storage/lines.py": ("core/test_ask.py", "core/test_limits_last.py", "core/test_set_back.py"),
    "storage/inbox.py": ("chat/test_inbox.py",),
    "storage/": ("storage/test_store.py", "storage/test_batches.py", "storage/test_poison.py"),
}
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
    bug: Planted, caught: dict[str, str], *, histories: int = 0, near: bool = False
) -> Iterator[Proof]:
    """What may notice it, the cheapest first; only tests that are *near* to it, if so wished."""
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
    caught: dict[str, str]
    fates: list[Fate] = field(default_factory=list)

    def judge(self, house: _House, bug: Planted) -> None:
        began_s = time.perf_counter()
        proof, test = None, ""
        with house.with_bug(bug):
            for each in proofs_for(bug, self.caught, histories=self.histories, near=self.near):
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
    say: Callable[[str], None] = print,
) -> list[Row]:
    """
    Plant each bug (whose name or file holds *only*) and see what notices it; the rest are
    violations.

    *histories* seeded ones, from *seed* on, are the last proof; none if 0. With *near* only tests
    near to a bug are tried. The *control* is a
    house without a bug, in which none of the tests that noticed one may notice anything.
    """
    began_s = time.perf_counter()
    caught = json.loads(CAUGHT.read_text(encoding="utf-8")) if CAUGHT.exists() else {}
    bugs = [bug for bug in PLANTED if only in bug.name or only in bug.file]
    search = _Search(bugs, histories, seed, say, remember, near, caught)
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
def main(
    jobs: int, histories: int, seed: int, only: str, control: bool, remember: bool, near: bool
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
        say=lambda line: click.echo(line),
    )
    click.echo(
        f"{row.many} {row.unit}, {row.violations} violations, {row.note}, {row.seconds:.0f} s"
    )
    sys.exit(row.violations > 0)


if __name__ == "__main__":
    main()
