"""The mutation score of what decides: how many small wrongs in it the tests of settle notice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import pytest

from storage.records import Alarm, Kind, NoticeKind, Status, Word
from tests.prove.mutate import Mutant, mutants_of
from tests.prove.table import Row

__all__ = ["DECIDING", "EQUIVALENT", "every_mutant", "run", "score"]

ROOT = Path(__file__).parents[2]
DECIDING = ("settle", "went_back", "write_off")
"""What decides about money: settle, and the two modules of its own that it asks."""

SCORE_MIN = 0.95
ONE_MUTANT_S = 300
TOLD_EVERY = 50
SURVIVED, KILLED = 0, 1

TESTS = tuple(
    f"tests/core/test_{each}.py"
    for each in (
        "went_back",
        "write_offs",
        "settle",
        "settle_next",
        "settle_record",
        "settle_exhaustive",
    )
)

MEMBERS = {
    enum.__name__: [member.name for member in enum]
    for enum in (Alarm, Kind, NoticeKind, Status, Word)
}

_LAID_OUT = "how a record is laid out, and that its fields are named, decides nothing"

_NO_YES = "whoever asks takes None for no"

EQUIVALENT: dict[str, str] = {
    "settle.py Settle.__call__: max(default=payment.created_at) → None": (
        "of what nobody has told anything about, nothing is timed: the default is for the types"
    ),
    "settle.py Standing: dataclass(slots=True) → None": _LAID_OUT,
    "settle.py Standing: dataclass(kw_only=True) → None": _LAID_OUT,
    "settle.py Standing: True → False (2)": _LAID_OUT,
    "settle.py Standing: True → False (3)": _LAID_OUT,
    "settle.py _credits: case _ → gone": _NO_YES,
    "settle.py _credits: return False → None": _NO_YES,
    "settle.py _confirms: return False → None": _NO_YES,
    "went_back.py Part: dataclass(slots=True) → None": _LAID_OUT,
    "went_back.py Part: dataclass(kw_only=True) → None": _LAID_OUT,
    "went_back.py Part: True → False (2)": _LAID_OUT,
    "went_back.py Part: True → False (3)": _LAID_OUT,
}
"""Mutants that no test can tell from the original, and why."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A mutant, and the module that it is in."""

    module: str
    mutant: Mutant

    @property
    def name(self) -> str:
        return f"{self.module}.py {self.mutant.name}"

    def install(self) -> None:
        """Put the mutant where everybody who is imported from now on will find it."""
        path = _path(self.module)
        module = ModuleType(_dotted(self.module))
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        tree = self.mutant.of(path.read_text(encoding="utf-8"), MEMBERS)
        exec(compile(tree, str(path), "exec"), module.__dict__)


def _path(module: str) -> Path:
    return ROOT / f"bot/core/{module}.py"


def _dotted(module: str) -> str:
    return f"bot.core.{module}"


def every_mutant() -> list[Wrong]:
    return [
        Wrong(module, mutant)
        for module in DECIDING
        for mutant in mutants_of(_path(module).read_text(encoding="utf-8"), MEMBERS)
    ]


def _sets() -> bool:
    from tests.core.settle_rules import of_extension, of_set
    from tests.core.settle_space import LARGE, QUICK, SMALL, walk

    settle = import_module(_dotted("settle"))
    return not any(
        walk(space, payment, settle.stand, of_set, of_extension).breaches
        for space in QUICK
        for payment in (SMALL, LARGE)
    )


def _lives() -> bool:
    from tests.core.settle_life import LIFE, OPERATORS, live
    from tests.core.settle_space import LARGE, SMALL

    settle = import_module(_dotted("settle"))
    return not any(
        live(LIFE, payment, settle.Settle(operators=OPERATORS)).breaches
        for payment in (SMALL, LARGE)
    )


def _tests() -> bool:
    # In this very process: in another the mutant would not be there.
    quiet = (
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "-x",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-k",
        "not every_set and not silent",
    )
    return pytest.main([*quiet, *(str(ROOT / each) for each in TESTS)]) == pytest.ExitCode.OK


# What `make test` does to settle, and, of what it asks, first what notices most.
PROOFS: dict[str, tuple[Callable[[], bool], ...]] = dict.fromkeys(DECIDING, (_tests, _lives, _sets))
PROOFS["settle"] = (_lives, _sets, _tests)


def _judge(mutant: Wrong) -> int:
    """In a child process: which proof, counted from 1, notices the mutant; 0 when none does."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    signal.alarm(ONE_MUTANT_S)
    try:
        mutant.install()
        for number, proof in enumerate(PROOFS[mutant.module], 1):
            try:
                if not proof():
                    return number
            except Exception:
                return number
    except Exception:
        return 1
    return SURVIVED


def _fates(mutants: Sequence[Wrong], jobs: int) -> Iterator[tuple[Wrong, bool]]:
    """Each mutant and whether it was killed, by forked children that share our imports."""
    children: dict[int, Wrong] = {}
    waiting = list(reversed(mutants))
    while waiting or children:
        while waiting and len(children) < jobs:
            mutant = waiting.pop()
            pid = os.fork()
            if pid == 0:
                os._exit(_judge(mutant))
            children[pid] = mutant
        pid, status = os.waitpid(-1, 0)
        if pid in children:
            # A child that ran out of time was ended by its alarm: that is noticed, too.
            yield children.pop(pid), os.waitstatus_to_exitcode(status) != SURVIVED


def _warm_up() -> None:
    """Import what is heavy once, but nothing that imports what is mutated."""
    for name in ("hypothesis.strategies", "tests.conftest", "tests.fakes", "tests.stores"):
        import_module(name)

    imported = sys.modules.keys() & set(map(_dotted, DECIDING))
    assert not imported, "a child could not put its mutant in place"


def run(*, jobs: int = 2, share: float = 1.0, seed: int = 1) -> list[Row]:
    """As `score`, in a process of its own: other proofs have imported settle in this one."""
    words = ("-m", __name__, "--jobs", jobs, "--share", share, "--seed", seed, "--json")
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    *told, rows = done.stdout.splitlines()
    print(*told, sep="\n", flush=True)
    return [
        Row(**{**found, "seeds": found["seeds"] and tuple(found["seeds"])})
        for found in json.loads(rows)
    ]


def score(
    *,
    jobs: int = 2,
    share: float = 1.0,
    seed: int = 1,
    say: Callable[[str], None] = print,
) -> list[Row]:
    """
    Mutants of what decides, against its tests. Undeclared survivors are told by name.

    Less than the whole *share*: as many, drawn with *seed*.
    """
    _warm_up()
    every = every_mutant()
    gone = EQUIVALENT.keys() - {mutant.name for mutant in every}
    assert not gone, f"declared equivalent, and no longer there: {gone}"
    every = [mutant for mutant in every if mutant.name not in EQUIVALENT]
    drawn = every
    if share < 1:
        drawn = random.Random(seed).sample(every, max(1, round(share * len(every))))
    rows = []
    for module in DECIDING:
        mutants = [each for each in drawn if each.module == module]
        if not mutants:
            continue
        began_s = time.perf_counter()
        undeclared = _survivors(mutants, jobs, say)
        score = 1 - len(undeclared) / len(mutants)
        there_are = sum(each.module == module for each in every)
        declared = sum(name.startswith(f"{module}.py ") for name in EQUIVALENT)
        rows.append(
            Row(
                what=f"{module}.py, mutation score",
                many=len(mutants),
                unit="mutants",
                violations=len(undeclared) if score < SCORE_MIN else 0,
                seconds=time.perf_counter() - began_s,
                note=f"{score:.1%} of these killed, of {there_are} that there are; "
                f"{declared} more declared equivalent",
                seeds=None if share >= 1 else (seed, seed),
            )
        )
    return rows


def _survivors(mutants: Sequence[Wrong], jobs: int, say: Callable[[str], None]) -> list[str]:
    undeclared: list[str] = []
    for done, (mutant, killed) in enumerate(_fates(mutants, jobs), 1):
        if done % TOLD_EVERY == 0:
            click.echo(f"  {done} of {len(mutants)} mutants, {len(undeclared)} survive", err=True)
        if not killed:
            undeclared.append(mutant.name)
            say(f"survives: {mutant.name}")
    return undeclared


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--share", type=click.FloatRange(0, 1), default=1.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The last line is the rows, as JSON.")
def main(jobs: int, share: float, seed: int, as_json: bool) -> None:
    """Mutate, judge, and print the scores."""
    rows = score(jobs=jobs, share=share, seed=seed, say=click.echo)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows]))
    else:
        for row in rows:
            click.echo(f"{row.what}: {row.many} {row.unit}, {row.note}, {row.seconds:.0f} s")
    sys.exit(any(row.violations for row in rows))


if __name__ == "__main__":
    main()
