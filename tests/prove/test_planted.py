"""Every planted bug still finds its place, and every promise and money file has one."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.prove.bug import Planted
from tests.prove.money_files import MONEY_FILES, NO_MONEY, in_folders
from tests.prove.mutants import QUIETLY, SOUND, planted
from tests.prove.planted import PLANTED, PROMISES
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


def unlisted(root: Path) -> list[str]:
    """Files of which nobody has said whether they handle money."""
    known = {*MONEY_FILES, *(each for files in NO_MONEY.values() for each in files)}
    return sorted(in_folders(root) - known)


def test_of_every_file_it_is_said_once_whether_it_handles_money() -> None:
    every = Counter((*MONEY_FILES, *(each for files in NO_MONEY.values() for each in files)))

    assert unlisted(ROOT) == []
    assert sorted(set(every) - in_folders(ROOT)) == [], "these are gone"
    assert [name for name, many in every.items() if many > 1] == []


def test_a_new_file_is_noticed(tmp_path: Path) -> None:
    for folder in ("bot/core", "bot/web", "mpesa/simulator", "storage"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "lottery.py").touch()

    new = ["bot/core/lottery.py", "bot/web/lottery.py", "storage/lottery.py"]
    assert unlisted(tmp_path) == new


def test_what_handles_no_money_has_no_bug_that_says_it_does() -> None:
    without = {each for files in NO_MONEY.values() for each in files}

    assert without & {bug.file for bug in PLANTED} == set()


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
