"""Every planted bug still finds its place, and every promise and money file has one."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.prove.bug import Planted
from tests.prove.mutants import QUIETLY, SOUND, planted
from tests.prove.planted import MONEY_FILES, PLANTED, PROMISES
from tests.prove.runs import TestRuns

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_planted_bug_finds_its_place_once_and_is_python(bug: Planted) -> None:
    source = (ROOT / bug.file).read_text(encoding="utf-8")

    ast.parse(planted(source, bug))


def test_a_bug_without_its_place_is_refused() -> None:
    bug = Planted("gone", "I1", "x.py", (("never there", "now"),))
    with pytest.raises(AssertionError, match="gone"):
        planted("x = 1\n", bug)


def test_there_are_enough_of_each() -> None:
    assert len(PLANTED) >= 30
    assert set(PROMISES) - {bug.breaks for bug in PLANTED} == set()
    assert set(MONEY_FILES) - {bug.file for bug in PLANTED} == set()


def test_each_has_a_name_of_its_own() -> None:
    assert [name for name, many in Counter(bug.name for bug in PLANTED).items() if many > 1] == []


def test_a_house_finds_all_that_its_tests_import_and_says_which_of_them_fails(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_it.py").write_text("def test_well(): pass\n\ndef test_ill(): assert False\n")
    every = sorted({name for names in SOUND.values() for name in names})
    runs = TestRuns(ROOT, every)
    try:
        found = runs.first_failure([*QUIETLY, str(tmp_path / "test_it.py")], within_s=60)
    finally:
        runs.close()

    assert found is not None
    assert found.endswith("test_it.py::test_ill")
