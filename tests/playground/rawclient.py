"""Owns the bare HTTP client of these tests and a clock that only a test moves."""

from __future__ import annotations

from typing import Any

import aiohttp

from bot.playground.botapi import BotApi

Answer = tuple[int, dict[str, Any]]


class HandClock:
    """Seconds since the epoch."""

    def __init__(self) -> None:
        self.now_s = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


class RawBot:
    """Calls Bot API methods with a JSON body and returns what came on the wire."""

    def __init__(self, api: BotApi, session: aiohttp.ClientSession) -> None:
        self.api = api
        self.session = session

    async def __call__(self, method: str, **params: Any) -> Answer:
        url = f"{self.api.base_url}{self.api.token}/{method}"
        async with self.session.post(url, json=params) as answer:
            return answer.status, await answer.json()

    async def ok(self, method: str, **params: Any) -> Any:
        """The result of a call that must go well."""
        status, body = await self(method, **params)
        assert status == 200, body
        return body["result"]

    async def refused(self, method: str, **params: Any) -> str:
        """The description of a call that must be refused."""
        status, body = await self(method, **params)
        assert not body["ok"], body
        assert status == body["error_code"]
        description = body["description"]
        assert isinstance(description, str)
        return description
