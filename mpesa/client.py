"""Talks to Daraja: a token, a push, a query. Holds no database and no opinion about money."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final

from pydantic import SecretStr, TypeAdapter

from mpesa import wire
from mpesa.back_office import BackOffice
from mpesa.errors import BadCredentials, NoAnswer, NotSent, OutcomeUnknown, TooLate, Unreachable
from mpesa.models import Accepted, Account, Initiator, Push, QueryAnswer, Token
from mpesa.tokens import TokenKeeper, TokenShelf
from mpesa.transport import Dated, Deadline, Lost, Took, Transport, open_transport
from mpesa.wire import TokenRefused

# Built once, and written in one go: a third of what an encoder of the json module takes.
_BODY: Final = TypeAdapter(dict[str, object])

_KINDS: Final = {wire.PUSH_PATH: "push", wire.QUERY_PATH: "query", wire.TOKEN_PATH: "token"}

_REFUSED_TWICE: Final = (
    "Safaricom refuses a token that it has just granted: the keys are for another environment,"
    " their app lacks the product M-PESA Express, or another program uses the same keys"
)


class Daraja:
    """One merchant's Daraja. Safe to share between tasks. Use `open_daraja`."""

    def __init__(
        self,
        transport: Transport,
        tokens: TokenKeeper,
        account: Account,
        now: Callable[[], datetime],
        *,
        initiator: Initiator | None = None,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._account = account
        self._now = now
        self.back_office = BackOffice(transport, tokens, account, initiator)

    async def ready(self) -> None:
        """
        See to it that a token is at hand.

        Raises:
            NotSent: none can be had.
        """
        await self._tokens.get()

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        """
        Ask Safaricom to prompt a phone for its PIN. Nothing leaves later than `leave_within_s`.

        It is sent once: a push has no idempotency key, so a second would be a second prompt. The
        one exception is a push that was turned away for its token, which surely did not pass.

        Raises:
            NotSent: no prompt will come; it is safe to try again.
            Refused: Safaricom said no, and why.
            OutcomeUnknown: the phone may be ringing; wait, and query.
        """
        deadline = Deadline(leave_within_s, self._now)
        outcome = await self._push_once(push, deadline)
        if isinstance(outcome, TokenRefused):
            outcome = await self._push_once(push, deadline)
        if isinstance(outcome, TokenRefused):
            raise BadCredentials(_REFUSED_TWICE, code=outcome.code, request_id=outcome.request_id)
        return outcome

    async def query(self, checkout_request_id: str) -> QueryAnswer:
        """
        Ask what became of a push that was accepted. Sent at most twice, the second time only
        after the token of the first was refused.

        Raises:
            NoAnswer: for any reason at all; the payment is where it was.
        """
        outcome = await self._query_once(checkout_request_id)
        if isinstance(outcome, TokenRefused):
            outcome = await self._query_once(checkout_request_id)
        if isinstance(outcome, TokenRefused):
            raise NoAnswer(_REFUSED_TWICE, code=outcome.code, request_id=outcome.request_id)
        return outcome

    async def _push_once(self, push: Push, deadline: Deadline) -> Accepted | TokenRefused:
        token = await self._token_before(deadline)
        body = wire.build_push(push, self._account, self._now())
        try:
            reply = await self._transport.post(
                wire.PUSH_PATH, _encoded(body), authorization=_bearer(token), deadline=deadline
            )
        except Lost as lost:
            raise OutcomeUnknown(str(lost)) from None
        outcome = wire.decipher_push(reply)
        if isinstance(outcome, TokenRefused):
            self._tokens.refuse(token)
        return outcome

    async def _query_once(self, checkout_request_id: str) -> QueryAnswer | TokenRefused:
        try:
            token = await self._tokens.get()
            body = wire.build_query(checkout_request_id, self._account, self._now())
            reply = await self._transport.post(
                wire.QUERY_PATH, _encoded(body), authorization=_bearer(token)
            )
        except Lost as lost:
            raise NoAnswer(str(lost)) from None
        except NotSent as exc:
            raise NoAnswer(str(exc), code=exc.code, request_id=exc.request_id) from exc
        outcome = wire.decipher_query(reply, checkout_request_id)
        if isinstance(outcome, TokenRefused):
            self._tokens.refuse(token)
        return outcome

    async def _token_before(self, deadline: Deadline) -> Token:
        token = self._tokens.at_hand()
        if token is not None:
            return token
        deadline.check()
        try:
            async with asyncio.timeout(deadline.left_s()):
                return await self._tokens.get()
        except TimeoutError:
            raise TooLate("no token came in time for the push to leave") from None


@asynccontextmanager
async def open_daraja(
    *,
    base_url: str,
    consumer_key: SecretStr,
    consumer_secret: SecretStr,
    account: Account,
    now: Callable[[], datetime],
    timeout_s: float = 30,
    shelf: TokenShelf | None = None,
    initiator: Initiator | None = None,
    took: Took | None = None,
    dated: Dated | None = None,
) -> AsyncIterator[Daraja]:
    """
    A `Daraja` at `base_url` (https://api.safaricom.co.ke, or the sandbox's), until the block ends.

    `now` gives aware time. `timeout_s` bounds each request whole. Nothing is sent at opening.
    With a `shelf`, processes that use the same keys share one token. An `initiator` is needed to
    ask for the status of transactions, and for reversals. `took` is told of every request that
    began to leave: "push", "query", "token" or "books", and the seconds until it ended. `dated`
    is told the date of every reply, by Safaricom's clock.
    """
    timed = None if took is None else partial(_timed, took)
    async with open_transport(base_url, timeout_s=timeout_s, took=timed, dated=dated) as transport:

        async def fetch() -> Token:
            asked_at = now()
            try:
                reply = await transport.get(
                    wire.TOKEN_PATH,
                    authorization=wire.basic_authorization(
                        consumer_key.get_secret_value(), consumer_secret.get_secret_value()
                    ),
                )
            except Lost as lost:
                raise Unreachable(f"no token: {lost}") from None
            return wire.decipher_token(reply, asked_at)

        tokens = TokenKeeper(fetch, now, shelf=shelf)
        try:
            yield Daraja(transport, tokens, account, now, initiator=initiator)
        finally:
            await tokens.aclose()


def _timed(took: Took, path: str, seconds: float) -> None:
    took(_KINDS.get(path, "books"), seconds)


def _encoded(body: dict[str, object]) -> bytes:
    return _BODY.dump_json(body)


def _bearer(token: Token) -> str:
    return f"Bearer {token.value}"
