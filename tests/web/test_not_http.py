"""What is no HTTP at all: one quiet line in the log, whatever was sent."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator

import pytest
from aiohttp import web

from bot.logs import configure
from bot.web.server import serving

NOT_HTTP = {
    "a line too long": b"POST /c/" + b"a254712345678" * 900 + b" HTTP/1.1\r\n\r\n",
    "another version": b"GET /254712345678 HTTP/9.9\r\n\r\n",
    "a length that is none": b"POST / HTTP/1.1\r\nContent-Length: 254712345678x\r\n\r\n",
    "a header with a gap": b"GET / HTTP/1.1\r\nHost: a\r\nA b: 254712345678\r\n\r\n",
    "a chunk that is none": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2547x\r\n",
    "no words": b"\x16\x03\x01 254712345678\r\n\r\n",
}


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = root.handlers, root.level, sys.excepthook
    configure("info", "text")
    yield
    root.handlers, sys.excepthook = handlers, hook
    root.setLevel(level)
    logging.captureWarnings(False)


async def broken(_request: web.Request) -> web.Response:
    raise ZeroDivisionError


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_it_is_told_in_one_line_that_quotes_nothing(
    sent: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(web.Application(), host="127.0.0.1", port=0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await reader.read(64)
        writer.close()

    told = capsys.readouterr().out
    assert b" 400 " in answer
    assert len(told.splitlines()) <= 1
    assert "Traceback" not in told
    assert "712345678" not in told


async def test_a_fault_of_our_own_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    app = web.Application()
    app.router.add_get("/", broken)
    async with serving(app, host="127.0.0.1", port=0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await reader.read(64)
        writer.close()

    told = capsys.readouterr().out
    assert b" 500 " in answer
    assert "ZeroDivisionError" in told
    assert "Traceback" in told
