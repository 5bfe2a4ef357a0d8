"""A wire to PostgreSQL that is cut at a statement: before the server hears it, or after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, event

__all__ = ["Wire", "open_wire"]

CHUNK = 64 * 1024


class Wire:
    """Carries bytes both ways, and hears every statement and every COMMIT of the process."""

    def __init__(self) -> None:
        self.url = ""
        self.said: dict[str, None] = {}
        self.fell = False
        self._words: str | None = None
        self._after = False
        self._deaf = False
        self._ends: set[asyncio.StreamWriter] = set()

    def arm(self, words: str, *, after: bool) -> None:
        """Cut when this statement is next asked; *after* the server has done it."""
        self._words, self._after, self.fell = words, after, False

    def mend(self) -> None:
        self._words, self._deaf = None, False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what every engine of this process asks."""

        def statement(_connection: Any, _cursor: Any, words: str, *_: Any) -> None:
            self._hear(words)

        def commit(_connection: Any) -> None:
            self._hear("COMMIT")

        event.listen(Engine, "before_cursor_execute", statement)
        event.listen(Engine, "commit", commit)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", statement)
            event.remove(Engine, "commit", commit)

    def _hear(self, words: str) -> None:
        self.said[words] = None
        if words != self._words:
            return
        self._words, self.fell = None, True
        if self._after:
            self._deaf = True
        else:
            self._cut()

    def _cut(self) -> None:
        self._deaf = False
        for end in self._ends:
            end.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the bot's."""
        parts = urlsplit(self._server)
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        self._ends |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer, answers=True))
        finally:
            self._ends -= {writer, back}
            for end in (writer, back):
                end.close()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        with suppress(OSError):
            while chunk := await source.read(CHUNK):
                if answers and self._deaf:
                    self._cut()  # it is done, and nobody hears of it
                    return
                target.write(chunk)
                await target.drain()
        target.close()

    _server = ""


@asynccontextmanager
async def open_wire(server: str) -> AsyncIterator[Wire]:
    """A wire to the database at *server*; `wire.url` leads through it."""
    wire = Wire()
    wire._server = server
    listening = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    parts = urlsplit(server)
    wire.url = server.replace(parts.netloc, f"{parts.username}@127.0.0.1:{port}")
    try:
        with wire.listening():
            yield wire
    finally:
        listening.close()
        wire._cut()
