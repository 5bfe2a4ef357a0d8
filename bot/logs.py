"""What is written to standard output, and what never is: phone numbers, tokens, keys, addresses."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import IO, Final, Literal
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, WrappedLogger

from bot.core.about import payment_at_hand
from mpesa.phones import redact as redact_phones

__all__ = ["Redactor", "configure"]

HIDDEN: Final = "***"
SECRET_CHARS_MIN: Final = 6  # a shorter "secret" would blank out ordinary words

# Their chatter holds tokens, in addresses (httpx) and headers (httpcore), and data (aiosqlite).
QUIET: Final = (
    *("aiohttp", "aiosqlite", "apscheduler", "asyncio", "httpcore", "httpx", "sqlalchemy"),
    *("tzlocal", "telegram"),
)

_TOKEN: Final = re.compile(r"(?<![0-9])[0-9]{3,}:[A-Za-z0-9_-]{30,}")
_AUTHORIZATION: Final = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_PASSWORD: Final = re.compile(
    r"""((?:Password|SecurityCredential|secret[_-]token)["']?\s*[:=]\s*["']?)[^"',\s}]+""",
    re.IGNORECASE,
)
_URL_PASSWORD: Final = re.compile(r"(://[^\s:/@]*:)[^\s@/]+(?=@)")
_ADDRESS: Final = re.compile(
    r"(/c/[^\s.\"']*)\.[^\s\"'?&)>]+|\b([0-9a-f]{32})(?:\.[0-9a-f]{1,16})?\.[0-9a-f]{32}\b"
)
# Whoever has one of these may post there, or read the page.
_LINK: Final = re.compile(r"(/[bdir]/)[A-Za-z0-9_-]{12,}")
_OUR_ID: Final = re.compile(r"(?<![0-9A-Za-z])([0-9a-f]{32})(?![0-9A-Za-z])")


class Redactor:
    """
    Hides in texts what no log may show; a structlog processor, and the last before rendering.

    Our payment ids stay readable: 32 hex digits may look like a phone number somewhere inside.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spelt = {
            spelling
            for secret in secrets
            if len(secret) >= SECRET_CHARS_MIN
            for spelling in (secret, quote(secret, safe=""), repr(secret)[1:-1])
        }
        # The longest first: one secret may be part of another.
        ordered = sorted(spelt, key=lambda each: (-len(each), each))
        self._secrets = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self._value(value) for key, value in event.items()}

    def text(self, text: str) -> str:
        """*text* without what must not be seen."""
        if self._secrets is not None:
            text = self._secrets.sub(HIDDEN, text)
        text = _ADDRESS.sub(rf"\1\2.{HIDDEN}", text)
        text = _LINK.sub(rf"\1{HIDDEN}", text)
        text = _TOKEN.sub(HIDDEN, text)
        text = _AUTHORIZATION.sub(rf"\1 {HIDDEN}", text)
        text = _URL_PASSWORD.sub(rf"\1{HIDDEN}", text)
        text = _PASSWORD.sub(rf"\1{HIDDEN}", text)
        # Every second piece is an id of ours.
        pieces = _OUR_ID.split(text)
        pieces[::2] = [redact_phones(piece) for piece in pieces[::2]]
        return "".join(pieces)

    def _value(self, value: object) -> object:
        match value:
            case None | bool():
                return value
            case str():
                return self.text(value)
            case int() | float():
                shown = self.text(str(value))
                return value if shown == str(value) else shown
            case Mapping():
                return {str(self._value(key)): self._value(each) for key, each in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._value(each) for each in value]
            case _:
                return self.text(repr(value))


class _Handler(logging.StreamHandler[IO[str]]):
    """Writes to whatever standard output is at the time of writing."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        # The default would print the arguments, as they are, to standard error.
        kind = sys.exc_info()[0]
        name = "error" if kind is None else kind.__name__
        # On a full disk, or with nobody at the end of the pipe, this cannot be written either;
        # whoever logs has better to do than to fail for it.
        with suppress(OSError, ValueError):
            sys.stderr.write(f"a log line of {record.name} could not be written: {name}\n")


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    format: Literal["text", "json"] = "text",
    secrets: Iterable[str] = (),
) -> None:
    """
    Set up all logging of this process, ours and the libraries', with *secrets* hidden.

    Uncaught exceptions go the same way: a traceback quotes addresses and bodies.
    """
    redactor = Redactor(secrets)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            _about,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _trace,
            redactor,
            _one_line,
            _renderer(format),
        ],
    )
    handler = _Handler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def _renderer(format: Literal["text", "json"]) -> Callable[..., str | bytes]:
    if format == "json":
        return structlog.processors.JSONRenderer(serializer=json.dumps, ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=False, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )


def _about(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The payment that the work at hand is about: libraries do not know it, and we may forget."""
    payment_id = payment_at_hand()
    if payment_id is not None:
        event.setdefault("payment", payment_id)
    return event


def _trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The traceback as text, without local variables, so that it can be redacted."""
    return structlog.processors.format_exc_info(_logger, _method, event)


def _one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Nobody forges a line of ours by sending a line break."""
    said = str(event.get("event", ""))
    event["event"] = "".join(char if char.isprintable() else repr(char)[1:-1] for char in said)
    return event


def _log_uncaught(
    kind: type[BaseException], exc: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("bot").critical("lipabot.crashed", exc_info=(kind, exc, trace))
