"""Owns the script of what goes wrong at Safaricom: which request, and how."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

MOST_SCRIPTED = 10_000
"""Scripted faults kept per endpoint: a bound, far beyond any test."""


class Endpoint(StrEnum):
    """Daraja's addresses, and what it posts to ours about payments by hand (`C2B`)."""

    TOKEN = "token"  # noqa: S105 - an address's name, not a secret
    PUSH = "push"
    QUERY = "query"
    STATUS = "status"
    REVERSAL = "reversal"
    PULL = "pull"
    REGISTER = "register"
    C2B = "c2b"


class ReplyFault(StrEnum):
    """What becomes of the HTTP reply.

    The first seven refuse the request before anything is done. The others do the work first, so
    that a push is accepted and the phone is asked whatever the caller sees.
    """

    THROTTLED = "throttled"
    BUSY = "busy"
    SPIKE_ARREST = "spike-arrest"
    QUOTA = "quota"
    HTML_503 = "html-503"
    TOKEN_EXPIRED = "token-expired"  # noqa: S105 - a fault's name, not a secret
    HUNG_UP = "hung-up"
    LOST = "lost"
    SERVER_ERROR = "server-error"
    UNREADABLE = "unreadable"
    WITHOUT_IDS = "without-ids"


class CallbackFault(StrEnum):
    """What becomes of a callback, of a later result, or of the word about a payment by hand."""

    NEVER = "never"
    TWICE = "twice"
    BEFORE_REPLY = "before-reply"
    """A push's only."""
    TIMEOUT = "timeout"
    """A later result's only: posted to the QueueTimeOutURL, and nothing is done."""


class PendingAnswer(StrEnum):
    """How a query answers while the push is undecided."""

    PROCESSING = "processing"
    """HTTP 200, ResultCode "4999"."""
    ERROR_500 = "error-500"
    """HTTP 500, errorCode 500.001.1001."""
    ERROR_200 = "error-200"
    """HTTP 200, errorCode 500.001.1001, empty message."""
    INVALID_ID = "invalid-id"
    """HTTP 400, errorCode 400.002.02."""
    ZERO = "zero"
    """HTTP 200, ResultCode "0" although nobody has paid yet."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one request; nothing, unless said.

    `slow_s` delays the reply, after the work is done. `callback`, `callback_late_s` and, while the
    push is undecided, `pending` are for pushes. On a query, `pending` is that query's answer
    whatever the truth is (Safaricom was seen to flap so), but ZERO only while undecided. `callback`
    and `callback_late_s` also serve for what is posted after a status question or a reversal, and,
    at the endpoint `C2B`, about a payment by hand.
    """

    slow_s: float = 0.0
    reply: ReplyFault | None = None
    callback: CallbackFault | None = None
    callback_late_s: float = 0.0
    pending: PendingAnswer | None = None


NO_FAULT = Fault()

BY_AMOUNT = {
    4401: Fault(reply=ReplyFault.TOKEN_EXPIRED),
    4429: Fault(reply=ReplyFault.THROTTLED),
    4502: Fault(reply=ReplyFault.BUSY),
    4503: Fault(reply=ReplyFault.HTML_503),
    4504: Fault(reply=ReplyFault.SERVER_ERROR),
    4505: Fault(reply=ReplyFault.LOST),
    4506: Fault(slow_s=10.0),
    4601: Fault(callback=CallbackFault.BEFORE_REPLY),
    4602: Fault(callback=CallbackFault.TWICE),
    4603: Fault(callback_late_s=180.0),
    4604: Fault(callback=CallbackFault.NEVER),
    4611: Fault(pending=PendingAnswer.ERROR_500),
    4612: Fault(pending=PendingAnswer.ERROR_200),
    4613: Fault(pending=PendingAnswer.INVALID_ID),
    4614: Fault(pending=PendingAnswer.ZERO),
}
"""Amounts that go wrong by themselves, in whole shillings."""


class FaultScript:
    """Which request gets which fault.

    A push is asked in this order, and the first that has an answer decides: scripted for the next
    request, set for the phone, set for the amount, the amounts of `BY_AMOUNT`, set for always.
    """

    def __init__(self, *, magic_amounts: bool) -> None:
        self._magic_amounts = magic_amounts
        self._next: dict[Endpoint, deque[Fault]] = {}
        self._always: dict[Endpoint, Fault] = {}
        self._by_phone: dict[str, Fault] = {}
        self._by_amount: dict[int, Fault] = {}
        self._token_expired_for: set[tuple[str, int]] = set()
        self.clear()

    def clear(self) -> None:
        """Forget everything that was set; the amounts of `BY_AMOUNT` stay."""
        self._next = {endpoint: deque(maxlen=MOST_SCRIPTED) for endpoint in Endpoint}
        self._always = dict.fromkeys(Endpoint, NO_FAULT)
        self._by_phone = {}
        self._by_amount = {}
        self._token_expired_for = set()

    def next_token(self, fault: Fault, *, times: int = 1) -> None:
        """Give the fault to the next requests for a token."""
        self.next(Endpoint.TOKEN, fault, times=times)

    def next_push(self, fault: Fault, *, times: int = 1) -> None:
        """Give the fault to the next pushes."""
        self.next(Endpoint.PUSH, fault, times=times)

    def next_query(self, fault: Fault, *, times: int = 1) -> None:
        """Give the fault to the next queries."""
        self.next(Endpoint.QUERY, fault, times=times)

    def next(self, endpoint: Endpoint, fault: Fault, *, times: int = 1) -> None:
        """Give the fault to the next requests at that address."""
        if not 1 <= times <= MOST_SCRIPTED:
            raise ValueError(f"times must be 1 to {MOST_SCRIPTED}")
        self._next[endpoint].extend([fault] * times)

    def always(self, endpoint: Endpoint, fault: Fault) -> None:
        """Give the fault to every request there that no other rule decides."""
        self._always[endpoint] = fault

    def for_phone(self, phone: str, fault: Fault) -> None:
        """Give the fault to every push to that phone."""
        self._by_phone[phone] = fault

    def for_amount(self, amount_kes: int, fault: Fault) -> None:
        """Give the fault to every push of that amount."""
        self._by_amount[amount_kes] = fault

    def take(self, endpoint: Endpoint) -> Fault:
        """The fault of the request that has just come in at that address."""
        queue = self._next[endpoint]
        return queue.popleft() if queue else self._always[endpoint]

    def take_for_push(self, phone: str, amount_kes: int) -> Fault:
        """The fault of a push that has just come in for that phone and amount."""
        if self._next[Endpoint.PUSH]:
            return self.take(Endpoint.PUSH)
        fault = self._by_phone.get(phone) or self._by_amount.get(amount_kes)
        if fault is None and self._magic_amounts:
            fault = BY_AMOUNT.get(amount_kes)
        if fault is None:
            return self._always[Endpoint.PUSH]
        if fault.reply is ReplyFault.TOKEN_EXPIRED:
            return self._expire_once(fault, (phone, amount_kes))
        return fault

    def _expire_once(self, fault: Fault, key: tuple[str, int]) -> Fault:
        # A client is meant to come back with a new token, and then to be served.
        if key in self._token_expired_for:
            self._token_expired_for.remove(key)
            return NO_FAULT
        self._token_expired_for.add(key)
        return fault
