"""Owns Telegram in a history: the stand-in Bot API without HTTP, its troubles, and its people."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from telegram.error import NetworkError, TimedOut
from telegram.request import BaseRequest, RequestData

from bot.chat.holding import only_if_held
from bot.playground.botapi import BotApi
from bot.playground.errors import ApiError
from bot.playground.params import Params, Upload
from tests.prove.histories.life import Life
from tests.prove.histories.virtual import passes
from tests.prove.histories.witness import Sent, Witness, plain

__all__ = ["InlineRequest", "SeededTelegram"]

TROUBLES = ("flood", "error", "before", "after", "silent")
OK = 200
COURTESY = ("getme", "answercallbackquery")


class _Undone(NetworkError):
    """It broke off before Telegram had it."""


class SeededTelegram(BotApi):
    """Telegram that answers calls in the loop's own thread, badly for as long as it is noisy."""

    def __init__(self, *, clock: Callable[[], float], rng: random.Random, witness: Witness) -> None:
        super().__init__(clock=clock)
        self._rng = rng
        self.witness = witness
        self.noise = 0.0
        self.met: Counter[str] = Counter()

    async def answer(
        self, method: str, values: dict[str, Any], uploads: dict[str, Upload]
    ) -> tuple[int, bytes]:
        """One call. Raises NetworkError or TimedOut; the call may have been done all the same."""
        trouble = ""
        if method not in COURTESY and self._rng.random() < self.noise:
            trouble = self._rng.choice(TROUBLES)
            self.met[trouble] += 1
        if trouble == "flood":
            retry_s = self._rng.choice((1, 5, 40))
            raise_body = {
                "ok": False,
                "error_code": 429,
                "description": f"Too Many Requests: retry after {retry_s}",
                "parameters": {"retry_after": retry_s},
            }
            return 429, json.dumps(raise_body).encode()
        if trouble == "error":
            return 502, b"<html>Bad Gateway</html>"
        if trouble == "before":
            raise _Undone("connection reset")
        try:
            status, body = (
                200,
                {"ok": True, "result": await self._do(method, Params(values, uploads))},
            )
        except ApiError as refusal:
            status, body = refusal.code, refusal.body()
        if trouble == "after":
            raise NetworkError("connection reset")
        if trouble == "silent":
            await passes(15)
            raise TimedOut
        return status, json.dumps(body).encode()


class InlineRequest(BaseRequest):
    """python-telegram-bot's connection: every call is a step, and so is its answer."""

    def __init__(self, api: SeededTelegram, life: Life) -> None:
        self._api = api
        self._life = life

    @property
    def read_timeout(self) -> float:
        return 15.0

    async def initialize(self) -> None:
        """Nothing to open."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[int, bytes]:
        if "/file/bot" in url:
            return self._file(url)
        name = url.rpartition("/")[2].lower()
        values: dict[str, Any] = {} if request_data is None else request_data.json_parameters
        uploads: dict[str, Upload] = {}
        if request_data is not None and request_data.contains_files:
            for part, (file, content, kind) in request_data.multipart_data.items():
                assert isinstance(content, bytes), "our papers are made in memory"
                uploads[part] = Upload(file, content, kind)
        self._life.step(f"before {name}")
        only_if_held()
        sent = self._sending(name, values)
        try:
            status, body = await self._api.answer(name, values, uploads)
            self._life.step(f"after {name}")
        except _Undone:
            raise
        except BaseException:
            sent.cut = True
            self._api.witness.sends.append(sent)
            raise
        if status == OK:
            sent.cut = self._life.stalled_at_s >= sent.at_s > 0
            self._api.witness.sends.append(sent)
        return status, body

    def _sending(self, name: str, values: dict[str, Any]) -> Sent:
        at_s = asyncio.get_running_loop().time()
        marked = str(values.get("text") or values.get("caption") or "")
        # An edit makes no second message.
        chat_id = int(values.get("chat_id") or 0) if name.startswith("send") else 0
        return Sent(chat_id, plain(marked), at_s, self._life.number)

    def _file(self, url: str) -> tuple[int, bytes]:
        """What somebody dropped into a chat."""
        self._life.step("before a file")
        found = [each for each in self._api.world.files.values() if url.endswith(each.path)]
        self._life.step("after a file")
        return (200, found[0].content) if found else (404, b"{}")
