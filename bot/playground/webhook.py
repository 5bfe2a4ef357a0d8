"""Owns delivery by webhook: one POST per update, in order, again until it is answered 2xx."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from bot.playground.changes import Changes
from bot.playground.errors import Json, bad_request
from bot.playground.updates import UpdateQueue

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name


@dataclass
class Webhook:
    """Where updates go; an empty url means nowhere, and then they are polled."""

    url: str = ""
    secret_token: str = ""
    max_connections: int = 40
    last_error: str = ""
    last_error_at: int = 0
    attempts: int = 0


def checked_webhook(url: str, secret_token: str, max_connections: int) -> Webhook:
    """A webhook that Telegram would take, plus plain http, as a local Bot API server allows.

    Raises ApiError 400.
    """
    if url and not url.startswith(("https://", "http://")):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if len(secret_token) > 256:
        raise bad_request("secret token is too long")
    if re.search(r"[^A-Za-z0-9_-]", secret_token):
        raise bad_request("secret token contains unallowed characters")
    if not 1 <= max_connections <= 100:
        raise bad_request("max_connections must be between 1 and 100")
    return Webhook(url, secret_token, max_connections)


class WebhookSender:
    """Sends the queue to the webhook while there is one; run `run()` as a task."""

    def __init__(
        self,
        queue: UpdateQueue,
        changes: Changes,
        clock: Callable[[], float],
        *,
        retry_s: float,
        timeout_s: float = 10,
    ) -> None:
        self.hook = Webhook()
        self._queue = queue
        self._changes = changes
        self._clock = clock
        self._retry_s = retry_s
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    def info(self) -> Json:
        """The WebhookInfo object."""
        body: Json = {
            "url": self.hook.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._queue.pending),
        }
        if self.hook.url:
            body["max_connections"] = self.hook.max_connections
        if self._queue.allowed:
            body["allowed_updates"] = self._queue.allowed
        if self.hook.last_error:
            body["last_error_date"] = self.hook.last_error_at
            body["last_error_message"] = self.hook.last_error
        return body

    async def run(self) -> None:
        """Deliver for ever; ends by cancellation."""
        async with aiohttp.ClientSession(timeout=self._timeout) as session:
            while True:
                if not self.hook.url or not self._queue.pending:
                    await self._changes.next()
                elif not await self._deliver(session):
                    await self._changes.next(self._retry_s)

    async def _deliver(self, session: aiohttp.ClientSession) -> bool:
        hook, update = self.hook, self._queue.pending[0]
        headers = {SECRET_HEADER: hook.secret_token} if hook.secret_token else {}
        hook.attempts += 1
        try:
            async with session.post(hook.url, json=update.body, headers=headers) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as problem:
            return self._failed(hook, f"Connection failed: {type(problem).__name__}")
        if not 200 <= status < 300:
            return self._failed(hook, f"Wrong response from the webhook: {status}")
        if update in self._queue.pending:
            self._queue.delivered(update)
        return True

    def _failed(self, hook: Webhook, reason: str) -> bool:
        hook.last_error, hook.last_error_at = reason, int(self._clock())
        self._changes.notify()
        return False
