"""The mutation score of settle: how many small wrongs in it the tests of settle notice."""

from __future__ import annotations

import ast
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import pytest

from storage.records import Alarm, Kind, NoticeKind, Status, Word
from tests.prove.mutate import Mutant, mutants_of
from tests.prove.table import Row

__all__ = ["EQUIVALENT", "SETTLE", "every_mutant", "run", "score"]

ROOT = Path(__file__).parents[2]
SETTLE = ROOT / "bot/core/settle.py"
MODULE = "bot.core.settle"
SCORE_MIN = 0.95
ONE_MUTANT_S = 300
TOLD_EVERY = 50
SURVIVED, KILLED = 0, 1

TESTS = tuple(
    f"tests/core/test_settle{each}.py" for each in ("", "_next", "_record", "_exhaustive")
)

MEMBERS = {
    enum.__name__: [member.name for member in enum]
    for enum in (Alarm, Kind, NoticeKind, Status, Word)
}

EQUIVALENT: dict[str, str] = {
    "Settle.__call__: max(default=payment.created_at) → None": (
        "of what nobody has told anything about, nothing is timed: the default is for the types"
    ),
}
"""Mutants that no test can tell from the original, and why."""


def every_mutant() -> list[Mutant]:
    return list(mutants_of(SETTLE.read_text(encoding="utf-8"), MEMBERS))


def _install(tree: ast.Module) -> None:
    """Put the mutant where everybody who is imported from now on will find it."""
    module = ModuleType(MODULE)
    module.__file__ = str(SETTLE)
    sys.modules[MODULE] = module
    exec(compile(tree, str(SETTLE), "exec"), module.__dict__)


def _sets() -> bool:
    from tests.core.settle_rules import of_extension, of_set
    from tests.core.settle_space import LARGE, QUICK, SMALL, walk

    settle = sys.modules[MODULE]
    return not any(
        walk(space, payment, settle.stand, of_set, of_extension).breaches
        for space in QUICK
        for payment in (SMALL, LARGE)
    )


def _lives() -> bool:
    from tests.core.settle_life import LIFE, OPERATORS, live
    from tests.core.settle_space import LARGE, SMALL

    settle = sys.modules[MODULE]
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


# What `make test` does to settle, the quickest first.
PROOFS: tuple[Callable[[], bool], ...] = (_lives, _sets, _tests)


def _judge(mutant: Mutant) -> int:
    """In a child process: which proof, counted from 1, notices the mutant; 0 when none does."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    signal.alarm(ONE_MUTANT_S)
    try:
        _install(mutant.of(SETTLE.read_text(encoding="utf-8"), MEMBERS))
        for number, proof in enumerate(PROOFS, 1):
            try:
                if not proof():
                    return number
            except Exception:
                return number
    except Exception:
        return 1
    return SURVIVED


def _fates(mutants: Sequence[Mutant], jobs: int) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant and whether it was killed, by forked children that share our imports."""
    children: dict[int, Mutant] = {}
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
    """Import what is heavy once, but nothing that imports settle."""
    for name in ("hypothesis.strategies", "tests.conftest", "tests.fakes", "tests.stores"):
        import_module(name)

    assert MODULE not in sys.modules, "a child could not put its mutant in place"


def run(*, jobs: int = 2, share: float = 1.0, seed: int = 1) -> list[Row]:
    """As `score`, in a process of its own: in this one other proofs have imported settle."""
    words = ("-m", __name__, "--jobs", jobs, "--share", share, "--seed", seed, "--json")
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    *told, row = done.stdout.splitlines()
    print(*told, sep="\n", flush=True)
    found = json.loads(row)
    return [Row(**{**found, "seeds": found["seeds"] and tuple(found["seeds"])})]


def score(
    *,
    jobs: int = 2,
    share: float = 1.0,
    seed: int = 1,
    say: Callable[[str], None] = print,
) -> list[Row]:
    """
    Mutants of settle against its tests. Undeclared survivors are told by name.

    Less than the whole *share*: as many, drawn with *seed*.
    """
    began_s = time.perf_counter()
    _warm_up()
    every = [mutant for mutant in every_mutant() if mutant.name not in EQUIVALENT]
    mutants = every
    if share < 1:
        mutants = random.Random(seed).sample(every, max(1, round(share * len(every))))
    undeclared: list[str] = []
    for done, (mutant, killed) in enumerate(_fates(mutants, jobs), 1):
        if done % TOLD_EVERY == 0:
            click.echo(f"  {done} of {len(mutants)} mutants, {len(undeclared)} survive", err=True)
        if not killed:
            undeclared.append(mutant.name)
            say(f"settle.py survives: {mutant.name}")
    score = 1 - len(undeclared) / len(mutants)
    return [
        Row(
            what="settle.py, mutation score",
            many=len(mutants),
            unit="mutants",
            violations=len(undeclared) if score < SCORE_MIN else 0,
            seconds=time.perf_counter() - began_s,
            note=f"{score:.1%} of these killed, of {len(every)} that there are; "
            f"{len(EQUIVALENT)} more declared equivalent",
            seeds=None if share >= 1 else (seed, seed),
        )
    ]


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--share", type=click.FloatRange(0, 1), default=1.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The last line is the row, as JSON.")
def main(jobs: int, share: float, seed: int, as_json: bool) -> None:
    """Mutate, judge, and print the score."""
    [row] = score(jobs=jobs, share=share, seed=seed, say=click.echo)
    told = f"{row.many} {row.unit}, {row.note}, {row.seconds:.0f} s"
    click.echo(json.dumps(asdict(row)) if as_json else told)
    sys.exit(row.violations > 0)


if __name__ == "__main__":
    main()
