"""Kenyan mobile numbers: read as people write them, masked, and found in text to be hidden."""

import hashlib
import re
import unicodedata
from enum import StrEnum
from typing import Final

import phonenumbers


class PhoneProblem(StrEnum):
    """Why a text is not a number that can pay; each has its own sentence in the chat."""

    EMPTY = "empty"
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    LANDLINE = "landline"
    FOREIGN = "foreign"
    NOT_A_NUMBER = "not-a-number"
    NOT_MOBILE = "not-mobile"


class BadPhone(ValueError):
    """A text that is no Kenyan mobile number. Does not repeat the text."""

    def __init__(self, reason: PhoneProblem) -> None:
        super().__init__(reason.value)
        self.reason = reason


# The last word on what Daraja takes. The library's metadata may lag behind: Safaricom opens
# ranges under 01 (0118, 0140, 0180 in August 2026) before anybody's table knows them.
_CANONICAL: Final = re.compile(r"254[17][0-9]{8}")
_NATIONAL_DIGITS: Final = 9
_TEXT_CHARS_MAX: Final = 64
_DRESSING: Final = frozenset(" -.()/\u2010\u2011\u2012\u2013\u2014\u2212")
_PLUSES: Final = frozenset("+\uff0b")


def read_phone(text: str) -> str:
    """
    Read one number as Kenyans write it; returns twelve digits, 2547… or 2541….

    Takes 0712…, 712…, 254…, +254…, 00254…, 000254…, a stray zero as in +254 (0)712…, spaces,
    dashes, dots, brackets, invisible marks from a copied contact, and any script's digits.
    A prefix does not prove a network (numbers are ported), so none is refused for it.

    Raises:
        BadPhone: with the reason. Nothing is guessed: a letter O is not a zero.
    """
    digits, abroad = _digits(text)
    if not abroad and _CANONICAL.fullmatch(digits):
        return digits
    try:
        parsed = phonenumbers.parse(f"+{digits}" if abroad else digits, "KE")
    except phonenumbers.NumberParseException as exc:
        raise BadPhone(_unparsed(digits, abroad=abroad)) from exc
    if parsed.country_code != 254:
        # 00712345678 is a slip of the finger in Nairobi before it is a number in Russia.
        foreign = abroad == "+" or phonenumbers.is_valid_number(parsed)
        raise BadPhone(PhoneProblem.FOREIGN if foreign else PhoneProblem.TOO_LONG)
    canonical = f"254{parsed.national_number}"
    if _CANONICAL.fullmatch(canonical):
        return canonical
    raise BadPhone(_problem(parsed, digits))


def mask(phone: str) -> str:
    """0712***678 for a number that `read_phone` returned; *** for anything else."""
    if not _CANONICAL.fullmatch(phone):
        return "***"
    return f"0{phone[3:6]}***{phone[-3:]}"


def carrier_hint(phone: str) -> str | None:
    """The network that the prefix was given to ("Airtel"), or None. A hint: numbers are ported."""
    # Its tables are 50 ms of start-up that only a failed prompt ever needs.
    from phonenumbers import carrier

    if not _CANONICAL.fullmatch(phone):
        return None
    return carrier.name_for_number(phonenumbers.parse(f"+{phone}"), "en") or None


_GAP: Final = r"[ \t\u00a0.\-()]{0,2}"
_NINE: Final = rf"[17](?:{_GAP}[0-9]){{8}}"
_WRITTEN: Final = re.compile(
    # With a prefix it is a number wherever it stands; nine bare digits only as a word of their own.
    rf"(?<![0-9])(?:(?:(?:\+|000?){_GAP})?254{_GAP}0?{_GAP}|0{_GAP}){_NINE}(?![0-9])"
    rf"|(?<![0-9A-Za-z.,]){_NINE}(?![0-9A-Za-z])"
)
_CHECKOUT_ID: Final = re.compile(r"ws_CO_\w+", re.IGNORECASE)


def redact(text: str) -> str:
    """
    Mask every Kenyan-looking number in `text`, and every checkout id (it ends in the payer's
    digits). Errs towards hiding: nine bare digits that begin with 1 or 7 go too.
    """
    text = _CHECKOUT_ID.sub("ws_CO_***", text)
    # Digit for digit, so that positions agree with the text.
    plain = text if text.isascii() else "".join(map(_ascii_digit, text))
    pieces: list[str] = []
    done = 0
    for found in _WRITTEN.finditer(plain):
        digits = "".join(char for char in found.group() if char in "0123456789")
        pieces += [text[done : found.start()], mask(f"254{digits[-_NATIONAL_DIGITS:]}")]
        done = found.end()
    return "".join([*pieces, text[done:]])


def _digits(text: str) -> tuple[str, str]:
    """The ASCII digits of `text`, and the "+" or "00" that says a country code comes first."""
    visible = "".join(char for char in text if unicodedata.category(char) not in {"Cf", "Mn"})
    bare = visible.strip()
    if not bare:
        raise BadPhone(PhoneProblem.EMPTY)
    if bare[:4].lower() == "tel:":
        bare = bare[4:]
    abroad = "+" if bare[:1] in _PLUSES else ""
    digits: list[str] = []
    for char in bare[len(abroad) :]:
        if char in _DRESSING or char.isspace():
            continue
        decimal = unicodedata.decimal(char, None)
        if decimal is None:
            raise BadPhone(PhoneProblem.NOT_A_NUMBER)
        digits.append(str(decimal))
    joined = "".join(digits)
    if not joined:
        raise BadPhone(PhoneProblem.NOT_A_NUMBER)
    if len(joined) > _TEXT_CHARS_MAX:
        raise BadPhone(PhoneProblem.TOO_LONG)
    # Kenya dials 000 to go abroad; the 00 of the rest of the world is what people type.
    for dialled in ("000", "00"):
        if not abroad and joined.startswith(dialled):
            return joined.removeprefix(dialled), "00"
    return joined, abroad


def _ascii_digit(char: str) -> str:
    decimal = unicodedata.decimal(char, None)
    return char if decimal is None else str(decimal)


def _unparsed(digits: str, *, abroad: str) -> PhoneProblem:
    """The library gave up: no such country, or too few or far too many digits."""
    if len(digits) <= _NATIONAL_DIGITS:
        return PhoneProblem.TOO_SHORT
    return PhoneProblem.FOREIGN if abroad else PhoneProblem.TOO_LONG


def _problem(parsed: phonenumbers.PhoneNumber, digits: str) -> PhoneProblem:
    national = str(parsed.national_number)
    kind = phonenumbers.number_type(parsed)
    if kind == phonenumbers.PhoneNumberType.FIXED_LINE:
        return PhoneProblem.LANDLINE
    if kind != phonenumbers.PhoneNumberType.UNKNOWN:
        return PhoneProblem.NOT_MOBILE
    if len(national) > _NATIONAL_DIGITS:
        return PhoneProblem.FOREIGN if _is_foreign(digits) else PhoneProblem.TOO_LONG
    if len(national) < _NATIONAL_DIGITS:
        return PhoneProblem.TOO_SHORT
    return PhoneProblem.NOT_MOBILE


def _is_foreign(digits: str) -> bool:
    """255 712… without a plus is a neighbour's number, not a Kenyan one with digits too many."""
    try:
        abroad = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return False
    return abroad.country_code != 254 and phonenumbers.is_valid_number(abroad)


_STARRED: Final = re.compile(r"([0-9]{0,6})\*{2,8}([0-9]{2,6})")
_HASHED: Final = re.compile(r"[0-9a-fA-F]{64}")


def may_be(said: str, phone: str) -> bool | None:
    """
    Whether *said*, a number as Safaricom shows it, may be *phone* (2547…, twelve digits).

    Whole, masked in any width (2547****126, 0712***678) or hashed with SHA-256. A mask that fits
    proves nothing; None where *said* cannot be compared.
    """
    bare = "".join(said.partition(" - ")[0].split()).lstrip("+")
    if _HASHED.fullmatch(bare):
        forms = (phone, f"0{phone[3:]}", f"+{phone}")
        return bare.lower() in {hashlib.sha256(form.encode()).hexdigest() for form in forms}
    if shown := _STARRED.fullmatch(bare):
        head, tail = shown.groups()
        national = f"0{phone[3:]}"
        starts = phone.startswith(head) or national.startswith(head)
        return starts and phone.endswith(tail)
    try:
        return read_phone(bare) == phone
    except BadPhone:
        return None
