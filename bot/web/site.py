"""Site: what all public pages share, and what each request passes before and after."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.core.hear import NotKept
from bot.core.ports import Clock, Collector
from bot.web.forms import Forms, Signer
from bot.web.guard import BODY_TIMEOUT_S, Network, TooSlow, client_address
from bot.web.live import Live
from bot.web.rendering import Press, Reader
from bot.web.seats import Crowd, Gate, NoSeat, Rates, Seats, neighbourhood
from bot.web.wishes import ReadAmount
from storage.records import PaymentView

__all__ = ["Books", "Site"]

log = logging.getLogger(__name__)

AT_ONCE_MAX = 64
AT_ONCE_PER_ADDRESS = 16
READERS = 2  # of the four that the store has: whoever asks Safaricom needs one too
SENDINGS = 30
LOOKUPS = 30
WITHIN = timedelta(minutes=1)
RETRY_AFTER = {"Retry-After": "60"}


class Books(Protocol):
    """Payments to look at: `bot.core.books.Books`."""

    async def view(self, payment_id: str) -> PaymentView | None: ...


def _random_hex() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything a page is made with."""

    press: Press
    signer: Signer
    clock: Clock
    books: Books
    read_amount: ReadAmount
    collector_of: Callable[[str], Collector]  # by the account that a payment goes to
    trusted_proxies: Sequence[Network] = ()
    body_timeout_s: float = BODY_TIMEOUT_S
    live: Live = field(default_factory=Live)
    crowd: Crowd = field(default_factory=Crowd)
    reads: Gate = field(default_factory=lambda: Gate(READERS))
    seats: Seats = field(
        default_factory=lambda: Seats(total=AT_ONCE_MAX, per_address=AT_ONCE_PER_ADDRESS)
    )
    sendings: Rates = field(default_factory=lambda: Rates(count=SENDINGS, within=WITHIN))
    lookups: Rates = field(default_factory=lambda: Rates(count=LOOKUPS, within=WITHIN))
    random_hex: Callable[[], str] = _random_hex

    @property
    def forms(self) -> Forms:
        return Forms(
            signer=self.signer,
            clock=self.clock,
            public_url=self.press.public_url,
            random_hex=self.random_hex,
        )

    def address(self, request: web.Request) -> str:
        """Who asks, as limits count them."""
        return neighbourhood(client_address(request, self.trusted_proxies))

    def problem(
        self, reader: Reader, key: str, *, status: int, again: str | None = None
    ) -> web.Response:
        """A page that says one sentence, with a link to *again*."""
        headers = RETRY_AFTER if status in (429, 503) else {}
        return self.press.page(
            "problem.html", reader, status=status, headers=headers, key=key, again=again
        )

    def seated(self, handler: Handler) -> Handler:
        """*handler* for those who find a seat; a stream has seats of its own."""

        async def answer(request: web.Request) -> web.StreamResponse:
            with self.seats.seat(self.address(request)):
                return await handler(request)

        return self.guarded(answer)

    def guarded(self, handler: Handler) -> Handler:
        """*handler*, with a page for whatever goes wrong, and room made behind it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self.crowd.busy(request)
            try:
                return await self._answer(request, handler)
            finally:
                self.crowd.idle(request)

        return answer

    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        reader = Reader.of(request)
        try:
            return await handler(request)
        except NoSeat:
            response = self.problem(reader, "page.busy", status=503)
        except TooSlow:
            response = self.problem(reader, "page.failed", status=408)
        except NotKept as exc:
            log.warning("page.not_kept why=%s", type(exc).__name__)
            response = self.problem(reader, "page.failed", status=503)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:
            log.exception("page.failed route=%s", request.match_info.route.resource)
            response = self.problem(reader, "page.failed", status=500)
        response.force_close()
        return response
