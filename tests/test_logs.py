"""Logs: what they say, and what they never say, in both formats."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.about import about
from bot.logs import Redactor, configure

PAYMENT = "019ab0712345678cdef0123456789abc"  # holds a run of digits like a phone's, by chance
MAC = "f" * 32
LINK = "Ab-_" * 10 + "Abc"  # as long as the longest: a receipt's
TOKEN = "123456:AbCdEfGhIjKlMnOpQrStUvWxYz0123456-_"
SECRETS = ["a passkey+with/signs=", "keykeykey", "key"]

log = logging.getLogger("bot.tests")


@pytest.fixture(params=["text", "json"], autouse=True)
def format(request: pytest.FixtureRequest) -> Iterator[Literal["text", "json"]]:
    root = logging.getLogger()
    handlers, level, hook = root.handlers, root.level, sys.excepthook
    configure("debug", request.param, SECRETS)
    yield request.param
    root.handlers, sys.excepthook = handlers, hook
    root.setLevel(level)
    logging.captureWarnings(False)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "secret",
    [
        "0712345678",
        "+254 712 345 678",
        "254712345678",
        "0110-000-333",
        TOKEN,
        f"https://api.telegram.org/bot{TOKEN}/getUpdates",
        "Bearer AbCdEfGhIj0123456789",
        "Basic ZGVtbzpkZW1v",
        f"/c/{PAYMENT}.{MAC}",
        f"{PAYMENT}.{MAC}",
        f"/c/probe/{PAYMENT}.{MAC}",
        f"/t/{PAYMENT}.{MAC}",
        f"https://pay.example.org/b/{MAC}",
        f"/d/{LINK[:12]}/p/{PAYMENT}.69239d80.{MAC}/live",
        f"https://pay.example.org/i/{LINK[:24]}/word",
        f"/r/{LINK}",
        f"X-Telegram-Bot-Api-Secret-Token: {MAC}",
        f"{{'secret_token': '{MAC}'}}",
        '"SecurityCredential": "c2VhbGVkIGJ5IHVz"',
        "ws_CO_23112026210512345712345678",
        "a passkey+with/signs=",
        "a%20passkey%2Bwith%2Fsigns%3D",
        "keykeykey",
        '"Password": "MTc0Mzc5YmZi"',
        "postgresql://me:hunter2hunter2@host/db",
    ],
)
def test_what_must_not_be_seen_is_hidden(capsys: pytest.CaptureFixture[str], secret: str) -> None:
    hidden = [
        "712345678", "712 345 678", "000-333", TOKEN, TOKEN[-20:], "AbCdEfGhIj0123456789",
        "ZGVtbzpkZW1v", MAC, "21051234", "passkey+", "passkey%2B", "keykeykey", "MTc0Mzc5YmZi",
        "hunter2", LINK[:12], "c2VhbGVk",
    ]  # fmt: skip

    log.info("before %s after", secret)
    log.info(f"in the words {secret} themselves")
    log.info("beside", extra={"more": {"deep": [secret]}})
    try:
        raise ValueError(f"about {secret}")
    except ValueError:
        log.exception("failed")

    text = said(capsys)
    assert text.count("before") == 1
    assert not [each for each in hidden if each in text.replace(PAYMENT, "")]


def test_our_own_words_survive(capsys: pytest.CaptureFixture[str]) -> None:
    log.info("payment.heard id=%s status=%s amount=%d", PAYMENT, "paid", 250_000)

    assert f"payment.heard id={PAYMENT} status=paid amount=250000" in said(capsys)


def test_which_page_it_was_survives(capsys: pytest.CaptureFixture[str]) -> None:
    log.info("page.failed route=/i/{code}/p/{address} and /static/page.css of /d/short")

    assert "route=/i/{code}/p/{address} and /static/page.css of /d/short" in said(capsys)


def test_a_number_that_is_a_phone_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    log.info("%s %d", {"phone": 254712345678}, 254712345678)

    text = said(capsys)
    assert "0712***678" in text
    assert "712345678" not in text


def test_a_line_cannot_be_forged(
    capsys: pytest.CaptureFixture[str], format: Literal["text", "json"]
) -> None:
    log.info("from %s", "a stranger\n2026-11-23T09:00:00Z [info] payment.paid\x1b[2J")

    text = said(capsys)
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_json_lines_are_json(
    capsys: pytest.CaptureFixture[str], format: Literal["text", "json"]
) -> None:
    if format == "text":
        return
    log.warning("payment.unsure id=%s", PAYMENT)

    line = json.loads(said(capsys))
    assert line["event"] == f"payment.unsure id={PAYMENT}"
    assert (line["level"], line["logger"]) == ("warning", "bot.tests")
    assert line["timestamp"].endswith("Z")


def test_libraries_that_chatter_about_secrets_are_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("httpx", "telegram.ext.Updater", "aiosqlite", "httpcore.http11", "sqlalchemy"):
        logging.getLogger(name).info("token and parameters")
        logging.getLogger(name).warning("trouble of %s", name)

    text = said(capsys)
    assert "token and parameters" not in text
    assert text.count("trouble of") == 5


def test_a_warning_goes_to_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("about 0712345678", stacklevel=1)

    assert "about 0712***678" in said(capsys)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: pytest's own log handlers and hooks are not in it."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_broken_log_call_shows_no_argument() -> None:
    done = run_python(
        "import logging\n"
        "from bot.logs import configure\n"
        "configure()\n"
        "logging.getLogger('bot.tests').info('amount %d', '0712345678')\n"
    )

    assert done.stderr == "a log line of bot.tests could not be written: TypeError\n"
    assert done.stdout == ""


def test_an_uncaught_exception_is_redacted_and_shows_no_variables() -> None:
    done = run_python(
        "from bot.logs import configure\n"
        "configure('info', 'text', ['passkey-value'])\n"
        "phone = '0712' + '345678'\n"
        "key = 'passkey' + '-value'\n"
        "raise RuntimeError(phone + ' ' + key)\n"
    )

    assert done.returncode == 1
    assert "RuntimeError: 0712***678 ***" in done.stdout
    assert "lipabot.crashed" in done.stdout
    assert done.stderr == ""


PREFIXES = st.sampled_from(["0", "254", "+254", "00254", "+254 "])
NUMBERS = st.from_regex(r"[17][0-9]{8}", fullmatch=True)


@given(prefix=PREFIXES, number=NUMBERS, around=st.text(alphabet="abc ,:;=()[]'\"/\n", max_size=5))
@settings(deadline=None, max_examples=200)
def test_no_way_of_writing_a_phone_gets_through(prefix: str, number: str, around: str) -> None:
    assert number not in Redactor().text(f"{around}{prefix}{number}{around}")


@given(st.text(), st.lists(st.text(max_size=20), max_size=3))
@settings(deadline=None, max_examples=200)
def test_redacting_never_fails(text: str, secrets: list[str]) -> None:
    redacted = Redactor(secrets).text(text)

    assert not [each for each in secrets if len(each) >= 6 and each != "***" and each in redacted]


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    went_on = tmp_path / "went on"
    program = (
        "import logging, pathlib, sys\n"
        "from bot.logs import configure\n"
        "configure('info', 'text')\n"
        "logging.getLogger('storage.writer').error('storage.not_kept')\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
    )
    with Path("/dev/full").open("w") as full:
        subprocess.run([sys.executable, "-c", program, went_on], stdout=full, stderr=full)

    assert went_on.exists()


def test_every_line_of_a_payments_work_names_it_whoever_logs(
    capsys: pytest.CaptureFixture[str], format: Literal["text", "json"]
) -> None:
    with about(PAYMENT):
        logging.getLogger("httpcore").warning("a library")
        log.warning("push.unknown")
    log.warning("afterwards")
    lines = said(capsys).splitlines()

    assert [PAYMENT in line for line in lines] == [True, True, False]
    if format == "json":
        assert [json.loads(line).get("payment") for line in lines] == [PAYMENT, PAYMENT, None]


async def test_two_payments_at_once_are_not_mixed_up(
    capsys: pytest.CaptureFixture[str], format: Literal["text", "json"]
) -> None:
    async def work(payment_id: str) -> None:
        with about(payment_id):
            await asyncio.sleep(0)
            log.warning("of %s", payment_id)

    await asyncio.gather(*(work(f"{number:032x}") for number in range(5)))

    lines = said(capsys).splitlines()
    if format == "json":
        found = [json.loads(line) for line in lines]
        assert all(line["event"] == f"of {line['payment']}" for line in found)
    assert len(lines) == 5


@given(words=st.text(max_size=40), more=st.dictionaries(st.text(max_size=5), st.text(max_size=20)))
@settings(max_examples=50)
def test_json_lines_stay_lines_of_json_whatever_is_logged(words: str, more: dict[str, str]) -> None:
    record = logging.LogRecord("bot.tests", logging.WARNING, "", 0, words, (), None)
    record.more = more
    root = logging.getLogger()
    configure("debug", "json", SECRETS)
    [handler] = root.handlers

    line = handler.format(record)

    assert "\n" not in line
    assert json.loads(line)["level"] == "warning"
