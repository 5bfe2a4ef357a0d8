"""Owns every identifier Safaricom hands out: seeded, unique, and in the shapes seen in the wild."""

import base64
import hashlib
from datetime import datetime, timedelta

from mpesa.simulator.clock import EAT

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_RECEIPT_TAILS = 36**7
# Prime to 36, so that counting with this step visits every tail once before repeating one.
_RECEIPT_STEP = 2_718_281_831
_YEAR_OF_LETTER_A = 2006


def placeholder_receipt(at: datetime) -> str:
    """What stands in place of a receipt where there is none: its day (EAT), and zeros."""
    local = at.astimezone(EAT)
    year = chr(ord("A") + (local.year - _YEAR_OF_LETTER_A) % 26)
    return f"{year}{chr(ord('A') + local.month - 1)}{_ALPHABET[local.day]}0000000"


class Ids:
    """One seeded source of ids: the same seed and the same calls give the same ids."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._issued = 0
        self._receipts = 0
        self._last_checkout: datetime | None = None
        self._receipt_offset = int.from_bytes(self._hash("receipts")[:8])

    def token(self) -> str:
        """An access token: 28 opaque letters and digits."""
        return base64.b64encode(self._next("token")[:21], altchars=b"Zz").decode()

    def request(self) -> str:
        """A MerchantRequestID or an error's requestId: hex groups, then a long tail."""
        digits = self._next("request").hex()
        tail = f"{digits[12:24]}{self._issued:06d}"
        return f"{digits[:4]}-{digits[4:8]}-{digits[8:12]}-{tail}"

    def checkout(self, phone: str, at: datetime) -> str:
        """A CheckoutRequestID: EAT stamp, milliseconds unpadded, the phone's last nine digits.

        No millisecond is used twice, so that ids stay unique while a manual clock stands still.
        """
        moment = at.astimezone(EAT).replace(microsecond=at.microsecond // 1000 * 1000)
        if self._last_checkout is not None:
            moment = max(moment, self._last_checkout + timedelta(milliseconds=1))
        self._last_checkout = moment
        return f"ws_CO_{moment:%d%m%Y%H%M%S}{moment.microsecond // 1000}{phone[-9:]}"

    def receipt(self, at: datetime) -> str:
        """A receipt of ten characters; the first three tell year, month and day (EAT)."""
        local = at.astimezone(EAT)
        year = chr(ord("A") + (local.year - _YEAR_OF_LETTER_A) % 26)
        month = chr(ord("A") + local.month - 1)
        rest = (self._receipt_offset + self._receipts * _RECEIPT_STEP) % _RECEIPT_TAILS
        self._receipts += 1
        tail = ""
        for _ in range(7):
            rest, digit = divmod(rest, 36)
            tail = _ALPHABET[digit] + tail
        return f"{year}{month}{_ALPHABET[local.day]}{tail}"

    def conversation(self, at: datetime) -> str:
        """A ConversationID: the day (EAT), then twenty hex digits."""
        return f"AG_{at.astimezone(EAT):%Y%m%d}_{self._next('conversation').hex()[:20]}"

    def _next(self, kind: str) -> bytes:
        self._issued += 1
        return self._hash(f"{kind}:{self._issued}")

    def _hash(self, text: str) -> bytes:
        return hashlib.sha256(f"{self._seed}:{text}".encode()).digest()
