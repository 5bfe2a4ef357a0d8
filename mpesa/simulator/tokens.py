"""Owns OAuth: one valid token at a time, each new one voiding the last."""

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta

from mpesa.simulator.answers import BASIC_WANTED, GRANT_WANTED, HttpAnswer, json_answer
from mpesa.simulator.clock import Clock
from mpesa.simulator.ids import Ids
from mpesa.simulator.settings import SimulatorSettings


class TokenDesk:
    """Hands out access tokens, and knows the one that counts."""

    def __init__(self, settings: SimulatorSettings, clock: Clock, ids: Ids) -> None:
        plain = f"{settings.consumer_key}:{settings.consumer_secret}"
        self._wanted = base64.b64encode(plain.encode()).decode()
        self._lifetime = timedelta(seconds=settings.token_lifetime_s)
        self._clock = clock
        self._ids = ids
        self._current: str | None = None
        self._expires_at = datetime.min.replace(tzinfo=clock.now().tzinfo)
        self.issued = 0

    def answer(self, query: Mapping[str, str], authorization: str) -> HttpAnswer:
        """Daraja's answer to a request for a token.

        Wrong keys get HTTP 400 with an empty body, as measured in August 2026.
        """
        if query.get("grant_type") != "client_credentials":
            return GRANT_WANTED.answer(self._ids.request())
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "basic":
            return BASIC_WANTED.answer(self._ids.request())
        if credentials.strip() != self._wanted:
            return HttpAnswer(400)
        self._current = self._ids.token()
        self._expires_at = self._clock.now() + self._lifetime
        self.issued += 1
        lifetime_s = str(int(self._lifetime.total_seconds()))
        return json_answer({"access_token": self._current, "expires_in": lifetime_s})

    def expire(self) -> None:
        """Let the present token count no more."""
        self._current = None

    def accepts(self, authorization: str) -> bool:
        """Whether the header carries the token that counts."""
        scheme, _, token = authorization.partition(" ")
        fresh = self._current is not None and self._clock.now() < self._expires_at
        return fresh and scheme.lower() == "bearer" and token.strip() == self._current
