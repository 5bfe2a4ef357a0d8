"""What every test may use, how many run at once, and the rule that CI skips nothing."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests import leaks
from tests.dialects import keep_dialects
from tests.inline import sqlite_inline
from tests.memory import in_memory
from tests.sparing import spare_clients
from tests.stores import (
    ENGINES,
    bounded_file,
    clock,
    databases,
    migrated_copy,
    migrated_file,
    migrated_server,
    open_a_store,
    postgres_server,
    store,
    store_url,
)

__all__ = [
    "bounded_file",
    "clock",
    "databases",
    "migrated_copy",
    "migrated_file",
    "migrated_server",
    "open_a_store",
    "postgres_server",
    "store",
    "store_url",
]

# Half of a test's time is waiting, for a process or a prompt, and that costs no core.
WORKERS_PER_CORE = 2
# No test is about the disk, and each of their thousand files is synchronised at every commit.
ROOM_BYTES = 2 * 2**30
# What is decided and said is the same whichever thread of ours the database is asked from.
INLINE = ("tests/chat/", "tests/core/", "tests/web/")
# What the core and the pages ask is asked of PostgreSQL once, by those that are marked so.
SPARING = ("tests/core/", "tests/web/")
# As many new objects, and rounds, before garbage is looked for: cycles are few, and memory is not.
SELDOM = (20_000, 20, 50)
LONG = ("tests/flows/", "tests/playground/", "tests/web/test_fuzz.py")


def pytest_configure(config: pytest.Config) -> None:
    _keep_files_in_memory()
    keep_dialects()
    spare_clients()
    config.pluginmanager.register(leaks)


def _keep_files_in_memory() -> None:
    """Where there is room, and nobody has said where else pytest shall keep them."""
    folder = in_memory(ROOM_BYTES)
    if folder is not None and "TMPDIR" not in os.environ:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Workers for folders; a file that somebody asks for by name runs here and now."""
    named = [Path(each.partition("::")[0]) for each in config.args]
    if all(each.is_file() for each in named):
        return 0
    return WORKERS_PER_CORE * len(os.sched_getaffinity(0))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--both-engines", action="store_true", help="every test with a store, on both engines"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which engines a test with a store lives on: both, unless another asks PostgreSQL the same."""
    definition = metafunc.definition
    chosen = [each.args[0] for each in definition.iter_markers("parametrize")]
    if "store_url" not in metafunc.fixturenames or "store_url" in chosen:
        return
    both = (
        not definition.nodeid.startswith(SPARING)
        or definition.get_closest_marker("both_engines") is not None
        or metafunc.config.getoption("both_engines")
    )
    metafunc.parametrize("store_url", ENGINES if both else ENGINES[:1], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Two workers of three begin with a share of the long modules: what comes last should be short,
    and while those wait, the others have work for the cores.
    """
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    long = [each for name, each in modules.items() if name.startswith(LONG)]
    short = [item for name, each in modules.items() if not name.startswith(LONG) for item in each]
    share = -(-len(items) // workers)
    items.clear()
    bearers = max(1, workers * 2 // 3)
    for worker in range(workers):
        borne = long[worker::bearers] if worker < bearers else []
        own = [item for module in borne for item in module]
        room = max(0, share - len(own))
        items += [*own, *short[:room]]
        del short[:room]
    items += short


def pytest_collection_finish() -> None:
    """
    What was collected is garbage to nobody: to look through it again and again takes a tenth of
    the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI=true a skipped test is a failed run: what is not run there is run nowhere."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI") != "true":
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"CI=true: {len(skipped)} skipped, and none may be", red=True)


@pytest.fixture(autouse=True)
def _database_without_a_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where a test is not about the storage, SQLite is asked in the thread of whoever asks."""
    with sqlite_inline() if request.node.nodeid.startswith(INLINE) else nullcontext():
        yield
