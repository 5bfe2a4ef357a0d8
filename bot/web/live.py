"""Live: pages that change while they are looked at, by server-sent events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.web.rendering import PAGE_HEADERS
from bot.web.seats import Seats

__all__ = ["Live", "Scene"]

log = logging.getLogger(__name__)

EVERY_S = 2.0
HEARTBEAT_S = 15.0
LIFE_S = 600.0  # a browser comes back by itself; who has gone without a word is found out
WRITE_WITHIN_S = 5.0
STREAMS_MAX = 200
STREAMS_PER_ADDRESS = 12  # a family, or a phone company's single address, has several phones


Draw = Callable[[Any], Mapping[str, str]]
"""The parts of a page as HTML, by the names of their events."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What viewers are shown: a value to compare by, and whether nothing more will come."""

    value: Any
    over: bool = False


class Live:
    """All viewers of all pages. The store is asked once for a page, however many look at it."""

    def __init__(
        self,
        *,
        every_s: float = EVERY_S,
        heartbeat_s: float = HEARTBEAT_S,
        life_s: float = LIFE_S,
        streams_max: int = STREAMS_MAX,
        per_address: int = STREAMS_PER_ADDRESS,
    ) -> None:
        self._every_s = every_s
        self._heartbeat_s = heartbeat_s
        self._life_s = life_s
        self._seats = Seats(total=streams_max, per_address=per_address)
        self._channels: dict[str, _Channel] = {}
        self._closed = asyncio.Event()

    @property
    def viewers(self) -> int:
        return self._seats.taken

    def close(self) -> None:
        """End every stream: we are stopping."""
        self._closed.set()
        for channel in self._channels.values():
            channel.wake()

    async def show(
        self,
        request: web.Request,
        *,
        address: str,
        key: str,
        load: Callable[[], Awaitable[Scene | None]],
        draw: Draw,
        look: str,
    ) -> web.StreamResponse:
        """
        Send what *draw* makes of the scene, whenever it changes, until the viewer goes.

        It is drawn once for all who have the same *look* (a language, say).

        *load* is asked by one task for all who look at *key*; None ends the stream. Raises NoSeat.
        """
        with self._seats.seat(address):
            stream = web.StreamResponse(
                headers={**PAGE_HEADERS, "Content-Type": "text/event-stream", "Server": "lipabot"}
            )
            stream.headers["X-Accel-Buffering"] = "no"  # a proxy that buffers shows nothing live
            await stream.prepare(request)
            channel = self._channels.get(key)
            if channel is None:
                channel = self._channels[key] = _Channel(load, self._every_s, self._closed)
            channel.enter()
            # A browser that goes away, or takes nothing any more, ends the stream: no news.
            try:
                with suppress(ConnectionError, TimeoutError):
                    await self._tell(stream, channel, lambda: channel.drawn(look, draw))
            finally:
                if channel.leave() and self._channels.get(key) is channel:
                    del self._channels[key]
            return stream

    async def _tell(
        self, stream: web.StreamResponse, channel: _Channel, draw: Callable[[], bytes]
    ) -> None:
        loop = asyncio.get_running_loop()
        over_at, seen = loop.time() + self._life_s, 0
        while not self._closed.is_set() and loop.time() < over_at:
            if not await channel.changed(seen, within_s=self._heartbeat_s):
                await self._write(stream, b": still here\n\n")
                continue
            seen, scene = channel.version, channel.scene
            if scene is None or self._closed.is_set():
                return
            await self._write(stream, draw())
            if scene.over:
                await self._write(stream, _event("over", ""))
                return

    @staticmethod
    async def _write(stream: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(WRITE_WITHIN_S):
            await stream.write(data)


class _Channel:
    """One page that is looked at, and the task that looks at it for everybody."""

    def __init__(
        self, load: Callable[[], Awaitable[Scene | None]], every_s: float, closed: asyncio.Event
    ) -> None:
        self._load = load
        self._every_s = every_s
        self._closed = closed
        self._viewers = 0
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.scene: Scene | None = None
        self.version = 0
        self._drawn: dict[str, bytes] = {}

    def enter(self) -> None:
        self._viewers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._look())

    def leave(self) -> bool:
        """One viewer less; True if that was the last."""
        self._viewers -= 1
        if self._viewers or self._task is None:
            return not self._viewers
        self._task.cancel()
        return True

    def drawn(self, look: str, draw: Draw) -> bytes:
        assert self.scene is not None, "there is something to draw"
        if look not in self._drawn:
            parts = draw(self.scene.value)
            self._drawn[look] = b"".join(_event(name, html) for name, html in parts.items())
        return self._drawn[look]

    def wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def changed(self, seen: int, *, within_s: float) -> bool:
        """Whether there is more than version *seen*, waited for at most so long."""
        if self.version == seen and not self._closed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._news.wait()
        return self.version != seen or self._closed.is_set()

    async def _look(self) -> None:
        while not self._closed.is_set():
            try:
                scene = await self._load()
            except Exception as exc:
                # The next look may find the store well again; the page keeps what it shows.
                log.warning("live.look_failed why=%s", type(exc).__name__)
            else:
                if self.version == 0 or scene != self.scene:
                    self.scene, self.version = scene, self.version + 1
                    self._drawn.clear()
                    self.wake()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._closed.wait()


def _event(name: str, html: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
