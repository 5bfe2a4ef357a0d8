"""Owns what Safaricom says about a finished push: result codes and their two wordings."""

from dataclasses import dataclass

PAID = "0"
PROCESSING = "4999"


@dataclass(frozen=True)
class Outcome:
    """One result: its code, and the words for it in the callback and in a query."""

    code: str
    callback_text: str
    query_text: str

    @property
    def json_code(self) -> int | str:
        """The code as callbacks carry it: a number, or text for codes with letters."""
        return int(self.code) if self.code.isdecimal() else self.code


_WORDS = {
    PAID: "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "2": "Declined due to limit rule: less than the minimum transaction amount.",
    "3": "Declined due to limit rule: greater than the maximum transaction amount.",
    "4": "Declined due to limit rule: would exceed daily transfer limit.",
    "8": "Declined due to limit rule: would exceed the maximum balance.",
    "11": "The DebitParty is in an invalid state.",
    "17": "Rule limited.",
    "26": "System busy. Traffic blocking condition in place.",
    "1001": "Unable to lock subscriber, a transaction is already in process for the current"
    " subscriber.",
    "1019": "Transaction has expired.",
    "1025": "An error occurred while sending a push request.",
    "1031": "Request cancelled by user",
    "1032": "Request cancelled by user",
    "1036": "SMSC ACK timeout.",
    "1037": "DS timeout user cannot be reached.",
    "2001": "The initiator information is invalid.",
    "2006": "Declined due to account rule: The account status does not allow this transaction.",
    "2028": "The request is not permitted according to product assignment.",
    "2040": "Debit Party customer type (Unregistered or Registered Customer) can't be supported"
    " by the service.",
    "8006": "The security credential is locked.",
    "9999": "An error occurred while sending a push request.",
    "E3008": "The user has a bad debt contract.",
    "SFC_IC0003": "The operator does not exist.",
}


def outcome(code: str, *, seen: bool = True) -> Outcome:
    """The outcome of that code; an unlisted code gets words of its own, as at Safaricom.

    A prompt that was seen and ignored (`seen`) is 1037 like a phone that is off: only the
    callback's words differ, and the query words it as a phone that could not be reached.
    """
    words = _WORDS.get(code, "The transaction could not be completed.")
    if code == "1037" and seen:
        return Outcome(code, "No response from user.", words)
    return Outcome(code, words, words)


def failure_codes() -> frozenset[str]:
    """Every listed code that says "not paid"."""
    return frozenset(_WORDS) - {PAID}
