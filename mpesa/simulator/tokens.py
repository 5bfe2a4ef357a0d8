"""Owns OAuth: one valid token at a time for each app, each new one voiding the last."""

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
        self._wanted = {
            base64.b64encode(f"{each.consumer_key}:{each.consumer_secret}".encode()).decode(): each
            for each in settings.merchants
        }
        self._lifetime = timedelta(seconds=settings.token_lifetime_s)
        self._clock = clock
        self._ids = ids
        self._current: dict[str, tuple[str, datetime]] = {}  # by shortcode
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
        merchant = self._wanted.get(credentials.strip())
        if merchant is None:
            return HttpAnswer(400)
        token = self._ids.token()
        self._current[merchant.shortcode] = token, self._clock.now() + self._lifetime
        self.issued += 1
        lifetime_s = str(int(self._lifetime.total_seconds()))
        return json_answer({"access_token": token, "expires_in": lifetime_s})

    def expire(self) -> None:
        """Let the present tokens count no more."""
        self._current.clear()

    def accepts(self, authorization: str) -> bool:
        """Whether the header carries a token that counts."""
        return self.owner(authorization) is not None

    def owner(self, authorization: str) -> str | None:
        """The shortcode of the app whose token the header carries; None if none counts."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        for shortcode, (token, expires_at) in self._current.items():
            if given.strip() == token and self._clock.now() < expires_at:
                return shortcode
        return None
