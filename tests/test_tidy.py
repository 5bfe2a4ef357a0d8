"""The house rules that a machine can keep: who imports whom, sizes, clocks, and whose numbers."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from mpesa.phones import redact

ROOT = Path(__file__).parents[1]
OURS = ("bot", "mpesa", "storage")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400


@dataclass(frozen=True)
class MayImport:
    """What a folder or a file may import, besides itself and Python's own library."""

    ours: frozenset[str]
    others: frozenset[str]


def may(ours: str = "", others: str = "") -> MayImport:
    return MayImport(frozenset(ours.split()), frozenset(others.split()))


EVERYTHING = may("bot mpesa storage", "click pydantic pydantic_core pydantic_settings sqlalchemy")
MPESA_VALUES = (
    "mpesa.async_results mpesa.c2b mpesa.errors mpesa.models mpesa.org_results mpesa.phones"
    " mpesa.results mpesa.statement"
)

# The direction reads off this table. The nearest row above a file counts.
TABLE = {
    "mpesa": may("", "aiohttp cryptography phonenumbers pydantic python_calamine xlsxwriter yarl"),
    "storage": may("", "aiosqlite alembic asyncpg cryptography sqlalchemy"),
    "bot/core": may(f"storage {MPESA_VALUES}"),
    "bot/chat": may("bot.core bot.texts bot.documents storage.records", "markupsafe telegram"),
    # jinja2, markupsafe: the public pages are templates, escaped unless they say otherwise.
    "bot/web": may(
        "bot.core bot.texts bot.documents mpesa.async_results mpesa.c2b"
        " mpesa.callbacks mpesa.errors storage.records",
        "aiohttp jinja2 markupsafe",
    ),
    "bot/web/telegram.py": may("bot.core bot.web", "aiohttp telegram"),
    "bot/documents": may(
        "bot.texts storage.records",
        "PIL babel fontTools fpdf markupsafe matplotlib segno xlsxwriter",
    ),
    "bot/playground": may("bot.app mpesa.simulator", "aiohttp jinja2 markupsafe"),
    "bot/__init__.py": may(),
    "bot/__main__.py": may("bot.cli"),
    "bot/app.py": EVERYTHING,
    "bot/building.py": EVERYTHING,
    "bot/cli.py": EVERYTHING,
    "bot/commands": EVERYTHING,
    "bot/commands/outside.py": may("bot mpesa", "aiohttp"),
    "bot/clock.py": may(),
    "bot/config.py": EVERYTHING,
    "bot/config_checks.py": EVERYTHING,
    "bot/config_keys.py": EVERYTHING,
    "bot/config_record.py": EVERYTHING,
    "bot/faults.py": EVERYTHING,
    "bot/reconciling.py": EVERYTHING,
    "bot/jobs.py": may("bot.core bot.chat.notices", "apscheduler"),
    "bot/machine.py": EVERYTHING,
    "bot/metrics.py": may("bot.core storage.hearing storage.records", "prometheus_client"),
    "bot/logs.py": may("bot.core.about mpesa.phones", "structlog"),
    "bot/texts.py": may("", "babel markupsafe"),
}

MODULES = sorted(path for folder in OURS for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# Safaricom's numbers have one meaning, in one place; the simulator, which *is* Safaricom, has them
# too, and the playground's people have such ids. Docstrings and comments are free.
CODE_TABLES = (
    *("mpesa/results.py", "mpesa/rejections.py", "mpesa/wire.py", "mpesa/simulator/"),
    *("mpesa/org_results.py", "mpesa/org_wire.py"),
    "bot/playground/",
)
RESULT_CODES = {
    *("1001", "1019", "1025", "1031", "1032", "1036", "1037", "1101", "1102"),
    *("2001", "2006", "2008", "2026", "2028", "2040", "4999", "8006", "9999", "100000100"),
    *("E3008", "SFC_IC0003"),
}
ERROR_CODE = re.compile(r"[45]\d\d\.\d{2,3}\.\d{2,4}")

# A number in an example is one of these, however it is spaced: nobody takes it for a customer's.
# (And two that are none: all digits, and a result code.)
MADE_UP = re.compile(
    r"(?:\+?254|0)?(?:712345678|712000\d{3}|722000\d{3}|733000\d{3}|700000\d{3}|708374149)"
    r"|0123456789|100000100"
)
SPACED = re.compile(r"(?<=\d)[ -](?=\d)")


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def broken(paths: Iterable[Path], wrong_in: Callable[[Path], object]) -> dict[str, object]:
    """The files in which something is wrong, and what: all of them at once."""
    return {where(path): found for path in paths if (found := wrong_in(path))}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module


def row_of(place: str) -> tuple[str, MayImport] | None:
    """The nearest row above *place*: its own, or its folder's."""
    while place:
        if place in TABLE:
            return place, TABLE[place]
        place = place.rpartition("/")[0]
    return None


def forbidden(place: str, tree: ast.AST) -> list[str]:
    """What the file at *place* imports and may not."""
    row = row_of(place)
    assert row is not None, f"{place} has no row in the import table"
    folder, rule = row
    own = folder.removesuffix(".py").replace("/", ".")

    def allowed(name: str) -> bool:
        top = name.partition(".")[0]
        if top in OURS:
            return any(f"{name}.".startswith(f"{known}.") for known in (own, *rule.ours))
        return top in sys.stdlib_module_names or top in rule.others

    return [name for name in imported(tree) if not allowed(name)]


def test_a_module_imports_only_what_its_row_allows() -> None:
    assert broken(MODULES, lambda path: forbidden(where(path), parsed(path))) == {}


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("bot/core/ask.py", "import telegram"),
        ("bot/core/ask.py", "from mpesa.client import Daraja"),
        ("bot/core/ask.py", "from sqlalchemy import select"),
        ("bot/core/ask.py", "from bot.chat import cards"),
        ("bot/chat/pay.py", "from mpesa.phones import mask"),
        ("bot/chat/pay.py", "from storage.engine import Store"),
        ("bot/chat/pay.py", "import aiohttp"),
        ("bot/web/callbacks.py", "import telegram"),
        ("bot/web/callbacks.py", "from bot.chat import pay"),
        ("bot/playground/page.py", "from storage.records import Payment"),
        ("storage/lines.py", "from mpesa.phones import mask"),
        ("mpesa/wire.py", "import storage"),
        ("bot/jobs.py", "import aiohttp"),
    ],
)
def test_the_import_table_catches_a_planted_import(place: str, line: str) -> None:
    assert forbidden(place, ast.parse(line)) != []


def test_a_folder_without_a_row_is_noticed() -> None:
    assert row_of("bot/games/chess.py") is None


def test_a_file_is_short() -> None:
    def lines_of(path: Path) -> int:
        return len(path.read_text(encoding="utf-8").splitlines())

    assert {
        where(path): lines for path in MODULES if (lines := lines_of(path)) > FILE_LINES_MAX
    } == {}


def test_every_function_is_short() -> None:
    def long_in(path: Path) -> list[str]:
        return [
            f"{node.name}: {lines} lines"
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
        ]

    assert broken([*MODULES, *TESTS], long_in) == {}


def test_a_file_says_first_what_it_owns() -> None:
    assert broken([*MODULES, *TESTS], lambda path: not ast.get_docstring(parsed(path))) == {}


def test_nothing_is_left_for_later() -> None:
    words = "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error"))
    later = re.compile(rf"\b(?:{words})\b")

    assert broken([*MODULES, *TESTS], lambda path: later.findall(path.read_text("utf-8"))) == {}


def test_a_silenced_check_says_why() -> None:
    def silent_in(path: Path) -> list[str]:
        text = path.read_bytes()
        if not re.search(rb"noqa|type:\s*ignore", text):
            return []
        return [
            token.string
            for token in tokenize.tokenize(iter(text.splitlines(keepends=True)).__next__)
            if token.type == tokenize.COMMENT
            and re.search(r"noqa|type:\s*ignore", token.string)
            and not re.search(r"(?:noqa:|ignore\[).*\s(?:--?|—|#)\s*\w+", token.string)
        ]

    assert broken([*MODULES, *TESTS], silent_in) == {}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with its dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def dotted(called: ast.expr) -> str:
    """`a.b.c`; what is neither a name nor a name's attribute is a `?`."""
    match called:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=owner, attr=name):
            return f"{dotted(owner)}.{name}"
        case _:
            return "?"


TAKES_SQL = {"text", "execute", "executemany", "executescript", "exec_driver_sql", "scalar"}


def pasted_sql(tree: ast.AST) -> list[str]:
    """Statements that are put together from pieces of text; a PRAGMA takes no parameters."""
    return [
        ast.unparse(call)
        for name, call in calls(tree)
        if name.rpartition(".")[2] in TAKES_SQL and call.args and _pasted(call.args[0])
    ]


def _pasted(first: ast.expr) -> bool:
    if isinstance(first, ast.JoinedStr):
        return not ast.unparse(first).startswith(("f'PRAGMA {", 'f"PRAGMA {'))
    if isinstance(first, ast.BinOp):
        return isinstance(first.op, ast.Add | ast.Mod)
    call = isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute)
    return call and first.func.attr in {"format", "join"}  # type: ignore[attr-defined]  # a call of one


# What makes a table takes no parameters, and no stranger's words.
def test_sql_is_never_pasted_together() -> None:
    asking = [
        path for path in MODULES if not where(path).startswith("storage/migrations/versions/")
    ]

    assert broken(asking, lambda path: pasted_sql(parsed(path))) == {}


@pytest.mark.parametrize(
    "line",
    [
        "text(f'SELECT {name}')",
        "text('SELECT ' + name)",
        "connection.execute('DELETE FROM x WHERE id = %s' % name)",
        "sqlalchemy.text('SELECT {}'.format(name))",
        "connection.exec_driver_sql(' '.join(words))",
    ],
)
def test_pasted_sql_would_be_noticed(line: str) -> None:
    assert pasted_sql(ast.parse(line)) != []


def test_the_clock_is_read_in_one_place() -> None:
    clocks = {"bot/clock.py", "mpesa/simulator/clock.py"}

    def read_in(path: Path) -> list[str]:
        return [
            name
            for name, _ in calls(parsed(path))
            if name.endswith(("datetime.now", "datetime.utcnow", "datetime.today", "date.today"))
            or name == "time.time"
        ]

    assert broken([path for path in MODULES if where(path) not in clocks], read_in) == {}


VIRTUAL = "tests/prove/histories/virtual.py"  # its loop waits for nothing


def test_no_test_sleeps_or_patches() -> None:
    def wrong_in(path: Path) -> list[str]:
        tree = parsed(path)
        return [
            *(name for name, _ in calls(tree) if name in {"time.sleep", "monkeypatch.setattr"}),
            *(
                ast.unparse(call)
                for name, call in calls(tree)
                if name == "asyncio.sleep"
                and ast.unparse(call.args[0]) != "0"
                and where(path) != VIRTUAL
            ),
            *(name for name in imported(tree) if name in {"unittest", "unittest.mock", "mock"}),
        ]

    assert broken(TESTS, wrong_in) == {}


def spoken(tree: ast.Module) -> Iterator[str]:
    """Every literal of the code itself; docstrings are words about it."""
    about = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in about:
            yield str(node.value)


def test_safaricoms_codes_stay_in_their_tables() -> None:
    def codes_in(path: Path) -> list[str]:
        return [
            text
            for text in spoken(parsed(path))
            if text in RESULT_CODES or ERROR_CODE.fullmatch(text)
        ]

    others = [path for path in MODULES if not where(path).startswith(CODE_TABLES)]
    assert broken(others, codes_in) == {}


@pytest.mark.parametrize("phone", ["0799123456", "+254 722 123 456", "254110987654"])
def test_a_whole_phone_number_would_be_noticed(phone: str) -> None:
    assert whole_phones(f"call {phone} now") != []


def whole_phones(text: str) -> list[str]:
    """Kenyan mobile numbers in *text* that somebody might own."""
    shown = MADE_UP.sub("", SPACED.sub("", text))
    hidden = redact(shown)
    return [line for line in shown.splitlines() if line not in hidden.splitlines()]


def test_no_whole_phone_number_is_in_the_source() -> None:
    none = re.compile(r"ws_CO_\w+|(?:\d+\.){3}\d+")

    assert broken(MODULES, lambda path: whole_phones(none.sub("", path.read_text("utf-8")))) == {}


def test_no_secret_or_database_is_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    wrong = re.compile(r"(^|/)(config\.toml|\.env)$|\.(db|key|pem|db-wal|db-shm)$")
    assert [name for name in listed.stdout.splitlines() if wrong.search(name)] == []
