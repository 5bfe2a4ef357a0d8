"""Talks to Daraja about the organisation's own books: status, reversal, payments by hand, lists."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal, TypeVar

from pydantic import TypeAdapter

from mpesa import org_wire, wire
from mpesa.bodies import BODY_BYTES_MAX
from mpesa.errors import BadCredentials, NoAnswer, NotSent, OutcomeUnknown
from mpesa.models import Account, Ack, Initiator, PulledPage, ResultUrls, check_url
from mpesa.tokens import TokenKeeper
from mpesa.transport import Lost, Transport
from mpesa.wire import Reply, TokenRefused

__all__ = ["BackOffice"]

_BODY: Final = TypeAdapter(dict[str, object])
_REFUSED_TWICE: Final = (
    "Safaricom refuses a token that it has just granted: the app of these keys lacks this product,"
    " or another program uses the same keys"
)

T = TypeVar("T")


class BackOffice:
    """
    The services beside payments, for one merchant. Shares connections and the token with pushes.

    Results of `ask_status` and `reverse` come later, at the addresses given with them.
    """

    def __init__(
        self,
        transport: Transport,
        tokens: TokenKeeper,
        account: Account,
        initiator: Initiator | None,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._account = account
        self._initiator = initiator

    async def ask_status(self, receipt: str, urls: ResultUrls) -> Ack:
        """
        Ask what became of the transaction with that receipt. Harmless, however often it is asked.

        Raises:
            ValueError: no initiator was given.
            NotSent, Refused, OutcomeUnknown: as for a push.
        """
        body = org_wire.build_status_question(receipt, self._account, self._who(), urls)
        return await self._order(org_wire.STATUS_PATH, body)

    async def reverse(
        self, receipt: str, amount_kes: int, urls: ResultUrls, *, remarks: str
    ) -> Ack:
        """
        Give a payment back. It moves money, and is sent once.

        Raises:
            ValueError: no initiator was given, or a field is wrong.
            NotSent, Refused: it does not happen.
            OutcomeUnknown: it may happen; ask for the receipt's status before any other step.
        """
        body = org_wire.build_reversal(
            receipt, amount_kes, self._account, self._who(), urls, remarks=remarks
        )
        return await self._order(org_wire.REVERSAL_PATH, body)

    async def register_urls(
        self, version: Literal["v1", "v2"], *, confirmation_url: str, validation_url: str
    ) -> Ack:
        """
        Say where payments by hand are told. In production it counts once: to change an address, the
        old one is first deleted in the portal.

        Raises: as `ask_status`.
        """
        check_url("confirmation_url", confirmation_url)
        check_url("validation_url", validation_url)
        body = org_wire.build_registration(
            self._account, confirmation_url=confirmation_url, validation_url=validation_url
        )
        return await self._order(org_wire.REGISTER_PATHS[version], body)

    async def register_pull(self, *, nominated_number: str, callback_url: str) -> Ack:
        """Open the list of payments, once. Raises: as `ask_status`."""
        check_url("callback_url", callback_url)
        body = org_wire.build_pull_registration(
            self._account, nominated_number=nominated_number, callback_url=callback_url
        )
        return await self._order(org_wire.PULL_REGISTER_PATH, body)

    async def pull(self, *, since: datetime, until: datetime, offset: int = 0) -> PulledPage:
        """
        One page of the payments between two aware moments, of the last 48 hours.

        Go on with `offset` + `size` until a page is empty.

        Raises:
            NoAnswer: for any reason at all.
        """
        body = org_wire.build_pull(self._account, since=since, until=until, offset=offset)
        try:
            outcome = await self._twice(
                org_wire.PULL_PATH,
                body,
                org_wire.decipher_pull,
                bytes_max=org_wire.PULLED_BYTES_MAX,
            )
        except Lost as lost:
            raise NoAnswer(str(lost)) from None
        except NotSent as exc:
            raise NoAnswer(str(exc), code=exc.code, request_id=exc.request_id) from exc
        if isinstance(outcome, TokenRefused):
            raise NoAnswer(_REFUSED_TWICE, code=outcome.code, request_id=outcome.request_id)
        return outcome

    async def _order(self, path: str, body: Mapping[str, object]) -> Ack:
        try:
            outcome = await self._twice(path, body, wire.decipher_ack, bytes_max=BODY_BYTES_MAX)
        except Lost as lost:
            raise OutcomeUnknown(str(lost)) from None
        if isinstance(outcome, TokenRefused):
            raise BadCredentials(_REFUSED_TWICE, code=outcome.code, request_id=outcome.request_id)
        return outcome

    async def _twice(
        self,
        path: str,
        body: Mapping[str, object],
        decipher: Callable[[Reply], T | TokenRefused],
        *,
        bytes_max: int,
    ) -> T | TokenRefused:
        """Once; and once more only after the first was turned away for its token."""
        outcome = await self._once(path, body, decipher, bytes_max=bytes_max)
        if isinstance(outcome, TokenRefused):
            outcome = await self._once(path, body, decipher, bytes_max=bytes_max)
        return outcome

    async def _once(
        self,
        path: str,
        body: Mapping[str, object],
        decipher: Callable[[Reply], T | TokenRefused],
        *,
        bytes_max: int,
    ) -> T | TokenRefused:
        token = await self._tokens.get()
        reply = await self._transport.post(
            path,
            _BODY.dump_json(dict(body)),
            authorization=f"Bearer {token.value}",
            bytes_max=bytes_max,
        )
        outcome = decipher(reply)
        if isinstance(outcome, TokenRefused):
            self._tokens.refuse(token)
        return outcome

    def _who(self) -> Initiator:
        if self._initiator is None:
            raise ValueError("no initiator is configured")
        return self._initiator
