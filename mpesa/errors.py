"""
What can go wrong when we talk to Daraja, sorted by the one question that matters to money:
*could a prompt be on a phone right now?*

* MpesaError
  x NotSent            no     No push was accepted: nothing left us, or only a token was discussed.
    + Unreachable               No connection, or the token service did not answer as it should.
    + BadCredentials            Safaricom does not accept our keys for this service: configuration.
    + TooLate                   The time in which the push might leave had passed.
  x Refused            no     Safaricom answered, and the answer was no.
    + Throttled                 Too fast, or too busy: the same request is welcome later.
  x OutcomeUnknown     maybe  The push began to leave and no clear answer came. Never send again.
  x NoAnswer           -      A *query* taught us nothing. The payment is where it was.

No message and no field holds a phone, a token, a key, a callback address or a checkout id
(which ends in the payer's digits), so that any of these may be logged.
"""

from mpesa.results import Meaning


class MpesaError(Exception):
    """Base of all. `code` and `request_id` are Daraja's own, for the operator to quote; or ""."""

    def __init__(self, message: str, *, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


class NotSent(MpesaError):
    """No prompt can come of it. Sending again is safe."""


class Unreachable(NotSent):
    """DNS, a refused or silent port, TLS, or a token service that is down. Passes by itself."""


class BadCredentials(NotSent):
    """Keys, environment or product are wrong. Only the operator can mend it."""


class TooLate(NotSent):
    """The push was held up until it was no longer welcome, and did not leave."""


class Refused(MpesaError):
    """Safaricom declined the push before any prompt; `meaning` says why."""

    def __init__(
        self, message: str, *, meaning: Meaning, code: str = "", request_id: str = ""
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.meaning = meaning


class Throttled(Refused):
    """Declined for its timing alone. `retry_after_s` is Safaricom's wish, when it named one."""

    def __init__(
        self,
        message: str,
        *,
        meaning: Meaning = Meaning.BUSY,
        retry_after_s: float | None = None,
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, meaning=meaning, code=code, request_id=request_id)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(MpesaError):
    """A prompt may be on the phone. Wait for the callback and ask; do not send again."""


class NoAnswer(MpesaError):
    """The query told nothing about the payment, neither good nor bad."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.retry_after_s = retry_after_s
