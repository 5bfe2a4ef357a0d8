"""The table of result codes of Safaricom's services for the organisation: status, reversal."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mpesa.results import look_up

__all__ = ["OrgMeaning", "OrgResult", "look_up_org"]


class OrgMeaning(StrEnum):
    """What a result comes down to for whoever runs the business."""

    DONE = "done"
    NOT_FOUND = "not-found"
    ALREADY_REVERSED = "already-reversed"
    NOT_ALLOWED = "not-allowed"
    BAD_CREDENTIAL = "bad-credential"
    NO_BALANCE = "no-balance"
    INACTIVE = "inactive"
    BUSY = "busy"
    BAD_REQUEST = "bad-request"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgResult:
    """One code, decided. `code` is "" where it may not be shown."""

    code: str
    meaning: OrgMeaning
    advice: str

    @property
    def done(self) -> bool:
        """Safaricom did what was asked."""
        return self.meaning is OrgMeaning.DONE


_ROWS: Final = (
    ("0", OrgMeaning.DONE, "Done."),
    ("R000001", OrgMeaning.ALREADY_REVERSED, "This payment has been reversed before."),
    ("R000002", OrgMeaning.NOT_FOUND, "Safaricom does not know this receipt."),
    ("2033", OrgMeaning.NOT_FOUND, "Safaricom does not know this receipt."),
    ("1", OrgMeaning.NO_BALANCE, "The account of the business does not hold so much."),
    ("11", OrgMeaning.INACTIVE, "One of the two accounts is not active."),
    ("2006", OrgMeaning.INACTIVE, "One of the two accounts is not active."),
    ("21", OrgMeaning.NOT_ALLOWED, "The initiator lacks the role for this in the M-PESA portal."),
    ("2028", OrgMeaning.NOT_ALLOWED, "Safaricom does not allow this for the short code."),
    ("25", OrgMeaning.BAD_REQUEST, "Safaricom does not accept a field of the request."),
    ("SFC_IC0003", OrgMeaning.BAD_REQUEST, "Safaricom does not know the short code or initiator."),
    # Here, unlike in a push, 2001 is about our own password; it ends after 90 days.
    (
        "2001",
        OrgMeaning.BAD_CREDENTIAL,
        "Initiator, its password or the certificate is wrong; the password ends after 90 days.",
    ),
    ("8006", OrgMeaning.BAD_CREDENTIAL, "The initiator's password is locked in the M-PESA portal."),
    ("26", OrgMeaning.BUSY, "M-PESA is busy."),
)
_BY_CODE: Final = {code: (meaning, advice) for code, meaning, advice in _ROWS}


def look_up_org(code: object) -> OrgResult:
    """Read a ResultCode as it came out of JSON, a number or a text. Never raises."""
    written = look_up(code).code  # what may be shown, as text, whatever it was
    meaning, advice = _BY_CODE.get(
        written.upper(), (OrgMeaning.UNLISTED, "A code that Safaricom does not document.")
    )
    if meaning is OrgMeaning.DONE and code != "0" and not isinstance(code, int):
        meaning, advice = OrgMeaning.UNLISTED, "A code that resembles 0 and is not 0."
    return OrgResult(code=written, meaning=meaning, advice=advice)
