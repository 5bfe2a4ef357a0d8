"""Tests that every sentence can be said, in every language, whatever is filled into it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from markupsafe import Markup

from bot.chat.ledgers import GOES_OUT
from bot.playground.entities import parse_html
from bot.texts import (
    LANGUAGES,
    BadCatalogue,
    Texts,
    blanks,
    clean,
    ensure_agreement,
    kes,
    money,
    plain,
)

TEXTS = Texts.load()
KEYS = sorted(TEXTS.keys)
BOT = Path(__file__).parents[2] / "bot"

HOSTILE = "<b>&\"'</i>{amount}\u202e\u200b\n<script>"
SAME_IN_ALL_LANGUAGES = {
    *("payment.facts", "kind.paybill", "kind.till", "note", "paper.method.mpesa"),
    *("drive.line", "drive.line.hidden", "drive.trail.line"),
    *("appoint.line", "invoice.head", "invoice.item", "invoice.items", "list.line"),
}
LINES_MAX = 10

# What `Pen.say` fills in by itself.
PEN_VALUES = {"account", "amount", "collector", "pay", "phone"}
# What `Quill.say` fills in by itself.
QUILL_VALUES = {
    *("label", "customer", "merchant", "total", "paid", "left", "asked"),
    *("waiting", "unknown", "excess", "due"),
}
KEY_TAKERS = {"say", "Failure", "Unclear"}


def template(language: str, key: str) -> str:
    """The sentence with its blanks left in."""
    names = {name: Markup("{" + name + "}") for name in ALL_BLANKS}
    return TEXTS.say(language, key, **names)


def all_blanks() -> frozenset[str]:
    parts = (BOT / "locales" / "en").glob("*.po")
    source = "".join(part.read_text("utf-8") for part in parts)
    return frozenset(re.findall(r"\{([a-z_]+)\}", source))


ALL_BLANKS = all_blanks()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_telegram_html_of_a_few_lines(language: str) -> None:
    def is_right(said: str) -> bool:
        shown = parse_html(said).text.strip()
        return bool(shown) and said.count("\n") < LINES_MAX and "<script>" not in said

    said = {key: TEXTS.say(language, key, **dict.fromkeys(ALL_BLANKS, HOSTILE)) for key in KEYS}

    assert {key: each for key, each in said.items() if not is_right(each)} == {}


def test_every_sentence_is_translated_with_the_same_blanks() -> None:
    both = {key: (template("en", key), template("sw", key)) for key in KEYS}

    assert {key: pair for key, pair in both.items() if blanks(pair[0]) != blanks(pair[1])} == {}
    assert {key for key, (en, sw) in both.items() if en == sw} <= SAME_IN_ALL_LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_paid_sentences_carry_the_mark_that_programs_read(language: str) -> None:
    marked = {key for key in KEYS if "✅" in template(language, key)}

    assert marked == {"paid.private", "paid.group", "ring.paid", "ring.late"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_that_no_money_has_left_is_said_only_where_safaricom_said_no(language: str) -> None:
    phrase = {"en": "No money has left", "sw": "haijakatwa"}[language]
    saying = {key for key in KEYS if phrase in template(language, key)}

    assert saying
    assert all(key.startswith("declined.") for key in saying)
    assert not saying & {"declined.unlisted", "declined.duplicate"}


def reasons() -> list[str]:
    return [key for key in KEYS if key.startswith(("declined.", "void.", "why.", "check."))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_fits_into_an_alert(language: str) -> None:
    longest = {
        "amount": "KES 250,000",
        "phone": "0712***678",
        "collector": "Harambee ya Mama Akinyi Self Help Group",
        "pay": "/pay@a_rather_long_name_of_a_bot",
    }

    said = {key: plain(TEXTS.say(language, key, **longest)) for key in reasons()}
    assert {key: each for key, each in said.items() if len(each) > 200} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_became_of_a_reminder_fits_into_an_alert_with_what_may_be_paid(language: str) -> None:
    maybe = TEXTS.say(language, "invoice.unknown", unknown="KES 100,000,000.50")
    said = [plain(f"{TEXTS.say(language, f'reminded.{each}')} {maybe}") for each in GOES_OUT]

    assert [each for each in said if len(each) > 200] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_of_buttons_are_short(language: str) -> None:
    for key in KEYS:
        if key.startswith("button."):
            said = plain(TEXTS.say(language, key, kind="Paybill", amount="KES 2,500"))
            assert len(said) <= 24, key


def test_an_unknown_language_is_answered_in_english() -> None:
    assert TEXTS.say("fr", "why.nothing") == TEXTS.say("en", "why.nothing")


def test_what_people_write_is_escaped_and_kept_on_one_line() -> None:
    said = TEXTS.say("en", "note", note="<b>Tom & Jerry</b>\nsecond\u202eline\u200b")

    assert said == "📝 &lt;b&gt;Tom &amp; Jerry&lt;/b&gt; secondline"


def test_what_is_marked_as_html_already_is_left_alone() -> None:
    assert TEXTS.say("en", "note", note=Markup("<code>X</code>")) == "📝 <code>X</code>"


def test_a_long_name_is_cut_at_64_characters() -> None:
    said = clean("x" * 100)

    assert len(said) == 64
    assert said.endswith("…")


def test_names_keep_their_own_letters() -> None:
    assert clean("Wanjikũ Ng’ang’a 🎉 محمد") == "Wanjikũ Ng’ang’a 🎉 محمد"


@pytest.mark.parametrize(
    ("cents", "said"),
    [(5000, "KES 50"), (150_000, "KES 1,500"), (150_050, "KES 1,500.50"), (0, "KES 0")],
)
def test_money_is_said_with_cents_only_where_there_are_any(cents: int, said: str) -> None:
    assert money(cents) == said


def test_whole_shillings_are_said_as_money() -> None:
    assert kes(250_000) == "KES 250,000"


def test_dates_are_in_east_africa_time_and_in_the_readers_language() -> None:
    at = datetime(2026, 8, 23, 18, 5, tzinfo=UTC)

    assert TEXTS.when("en", at) == "23 Aug 2026 21:05"
    assert TEXTS.when("sw", at) == "23 Ago 2026 21:05"


@pytest.mark.parametrize(
    ("after", "english", "swahili"),
    [
        (timedelta(minutes=3), "21:08", "21:08"),
        (timedelta(minutes=3, seconds=1), "21:09", "21:09"),
        (timedelta(hours=3), "00:05 tomorrow", "kesho 00:05"),
        (timedelta(hours=24), "21:05 tomorrow", "kesho 21:05"),
        (timedelta(hours=48), "25 Nov 2026 21:05", "25 Nov 2026 21:05"),
    ],
)
def test_a_time_to_come_is_named_as_people_name_it(
    after: timedelta, english: str, swahili: str
) -> None:
    now = datetime(2026, 11, 23, 18, 5, tzinfo=UTC)

    assert TEXTS.until("en", now + after, now=now) == english
    assert TEXTS.until("sw", now + after, now=now) == swahili


@pytest.mark.parametrize(
    "swahili",
    [
        {"a": "Habari {name}"},
        {"a": "Habari {name}", "b": "Kwaheri", "c": "Ziada"},
        {"a": "Habari", "b": "Kwaheri"},
        {"a": "Habari {name}", "b": ""},
    ],
    ids=["a sentence is missing", "one too many", "a blank is missing", "an empty one"],
)
def test_catalogues_that_do_not_agree_are_found_at_start(swahili: dict[str, str]) -> None:
    with pytest.raises(BadCatalogue):
        ensure_agreement({"en": {"a": "Hello {name}", "b": "Goodbye"}, "sw": swahili})


TEMPLATE_KEY = re.compile(r"""say\(\s*["']([a-z-]+\.[a-z.-]+|practice)["']""")


def in_templates() -> set[str]:
    """The sentences that the public pages name themselves."""
    templates = (BOT / "web" / "templates").glob("*.html")
    return {key for each in templates for key in TEMPLATE_KEY.findall(each.read_text("utf-8"))}


def test_every_sentence_of_a_page_exists() -> None:
    assert in_templates() - set(KEYS) == set()


def test_every_sentence_is_used_somewhere() -> None:
    constants = in_templates()
    patterns: list[re.Pattern[str]] = []
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                constants.add(node.value)
            elif isinstance(node, ast.JoinedStr) and (pattern := key_pattern(node)) is not None:
                patterns.append(pattern)

    unused = {
        key
        for key in KEYS
        if key not in constants and not any(each.fullmatch(key) for each in patterns)
    }

    assert not unused


def test_every_sentence_that_is_used_exists() -> None:
    missing = {
        f"{path.relative_to(BOT)}:{call.lineno} {wanted.pattern}"
        for path, call, wanted in used()
        if not any(wanted.fullmatch(key) for key in KEYS)
    }

    assert not missing


def test_every_sentence_is_given_what_its_blanks_ask_for() -> None:
    lacking = set()
    for path, call, wanted in used():
        if called(call) != "say" or any(each.arg is None for each in call.keywords):
            continue
        given = {each.arg for each in call.keywords}
        if receiver(call) == "pen" or path.name == "pens.py":
            given |= PEN_VALUES
        if receiver(call) == "quill" or path.name == "invoice_cards.py":
            given |= QUILL_VALUES
        for key in filter(wanted.fullmatch, KEYS):
            if short := blanks(template("en", key)) - given:
                lacking.add(f"{path.relative_to(BOT)}:{call.lineno} {key} {sorted(short)}")

    assert not lacking


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(BOT.rglob("*.py")):
        if "playground" not in path.parts:
            yield path, ast.parse(path.read_text("utf-8"))


def used() -> Iterator[tuple[Path, ast.Call, re.Pattern[str]]]:
    """Every call that names a sentence, with the names it may mean."""
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) in KEY_TAKERS:
                for wanted in wanted_keys(node):
                    yield path, node, wanted


def wanted_keys(call: ast.Call) -> Iterator[re.Pattern[str]]:
    for arg in call.args:
        choices = [arg.body, arg.orelse] if isinstance(arg, ast.IfExp) else [arg]
        for choice in choices:
            if isinstance(choice, ast.Constant) and isinstance(choice.value, str):
                # The language comes before the key in `Texts.say`, and is not one.
                if choice.value not in LANGUAGES and choice.value.isascii():
                    yield re.compile(re.escape(choice.value))
            elif isinstance(choice, ast.JoinedStr) and (pattern := key_pattern(choice)):
                yield pattern


def key_pattern(node: ast.JoinedStr) -> re.Pattern[str] | None:
    """`f"menu.{name}"` as a pattern of keys; None for other texts put together."""
    parts = [
        re.escape(str(each.value)) if isinstance(each, ast.Constant) else r"[a-z0-9_-]+"
        for each in node.values
    ]
    pattern = "".join(parts)
    return re.compile(pattern) if re.match(r"[a-z]+(\\-[a-z]+)*\\\.", pattern) else None


def called(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def receiver(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name)):
            return name
        case _:
            return ""
