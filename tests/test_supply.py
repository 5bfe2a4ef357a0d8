"""requirements.txt: every library that a server installs, and no file of it but those listed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LIST = (ROOT / "requirements.txt").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[\w.]+)(?: ; [^\\\n]+)? \\\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
LISTED = {entry["name"]: entry["version"] for entry in ENTRY.finditer(LIST)}
HASHED = "--require-hashes --requirement"
OURS = "--no-deps --no-build-isolation"


def needed(name: str, extras: frozenset[str], met: set[tuple[str, frozenset[str]]]) -> set[str]:
    """What *name* with these extras brings here, itself left out, however far down."""
    if (name, extras) in met:
        return set()
    met.add((name, extras))
    found = set()
    for line in requires(name) or []:
        want = Requirement(line)
        asked = [{"extra": extra} for extra in extras or {""}]
        if want.marker is None or any(want.marker.evaluate(each) for each in asked):
            below = canonicalize_name(want.name)
            found |= {below} | needed(below, frozenset(want.extras), met)
    return found


def test_it_is_nothing_but_pins_each_with_the_hashes_of_its_files() -> None:
    rest = ENTRY.sub("", LIST)
    assert [line for line in rest.splitlines() if not line.startswith("#")] == []
    assert len(LISTED) > 50


def test_it_pins_what_the_tests_pass_with() -> None:
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    tested = {canonicalize_name(name): version for name, version in pins.items()}
    assert LISTED.items() - tested.items() == set()


def test_nothing_that_a_server_runs_or_is_built_with_is_left_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = frozenset(project["optional-dependencies"]) - {"dev"}
    met: set[tuple[str, frozenset[str]]] = set()
    wanted = needed("lipabot", extras, met)
    wanted |= {"hatchling"} | needed("hatchling", frozenset(), met)
    assert wanted - LISTED.keys() == set()
    assert {"aiohttp", "asyncpg", "matplotlib", "yarl"} <= wanted


def pip(*words: str) -> subprocess.CompletedProcess[str]:
    """What pip says to these words; it reaches no network."""
    return subprocess.run(
        [sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False
    )


def test_pip_takes_it_whole_and_wants_every_hash() -> None:
    whole = str(ROOT / "requirements.txt")
    asked = pip("install", "--dry-run", "--no-index", *HASHED.split(), whole)
    assert asked.returncode == 0, asked.stderr
    assert "Would install" not in asked.stdout  # what is installed is what is listed


def test_pip_refuses_a_file_that_is_not_the_one_listed(tmp_path: Path) -> None:
    (tmp_path / f"segno-{LISTED['segno']}-py3-none-any.whl").write_bytes(
        b"not what its author published"
    )
    (entry,) = (entry for entry in ENTRY.finditer(LIST) if entry["name"] == "segno")
    one = tmp_path / "one.txt"
    one.write_text(entry[0], encoding="utf-8")
    here = ("--isolated", "--no-index", "--no-deps", "--find-links", str(tmp_path))
    asked = pip("download", *here, "--dest", str(tmp_path / "taken"), *HASHED.split(), str(one))
    assert asked.returncode != 0
    assert "DO NOT MATCH THE HASHES" in asked.stderr


@pytest.mark.parametrize(
    "page", ["deploy/Dockerfile", "docs/install.md", "docs/running.md", "Makefile"]
)
def test_every_way_to_install_goes_by_it(page: str) -> None:
    words = re.sub(r'[",]', "", (ROOT / page).read_text(encoding="utf-8"))
    hashed = re.search(rf"{HASHED} \S*requirements\.txt", words)
    assert hashed is not None
    if page != "Makefile":  # it installs ourselves editable, with the tools for the tests
        ours = words.find(OURS)
        assert ours > hashed.start()
        assert "--constraint" not in words[hashed.start() : ours]
