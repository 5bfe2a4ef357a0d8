"""What a single configured value must look like, as annotated types for `bot.config`."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from mpesa.phones import BadPhone, read_phone

__all__ = [
    "MAKE_A_KEY",
    "SAFARICOM",
    "AccountName",
    "CallerNetwork",
    "Count",
    "InitiatorName",
    "KenyanPhone",
    "Kes",
    "LineOfText",
    "Months",
    "Positive",
    "ProxyNetwork",
    "PublicUrl",
    "SafaricomUrl",
    "Secret",
    "Shortcode",
    "SigningKey",
    "StorageUrl",
    "TelegramId",
    "TelegramToken",
    "TelegramUrl",
    "host_of",
    "is_loopback",
    "is_unset",
    "password_in",
]

KEY_CHARS_MIN: Final = 32  # 128 bits, written in hex
SAFARICOM: Final = "safaricom"  # in place of the addresses that it publishes
MAKE_A_KEY: Final = "make one with: openssl rand -hex 32"
# Safaricom refuses callback addresses with these in them, in any case; see Daraja, "CallBackURL".
REFUSED_WORDS: Final = ("m-pesa", "mpesa", "safaricom", "exec", "exe", "cmd", "sql", "query")

_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
_TOKEN: Final = re.compile(r"[0-9]{3,}:[A-Za-z0-9_-]{10,}")
_PLACEHOLDER: Final = re.compile(r".*(?:…|\.\.\.).*|<.*>|change[ _-]?me", re.IGNORECASE | re.DOTALL)


def is_unset(text: str) -> bool:
    """Whether *text* is blank or what an example shows in place of a value."""
    bare = text.strip()
    return not bare or _PLACEHOLDER.fullmatch(bare) is not None


def host_of(url: str) -> str:
    """The host of a URL in lower case; empty if there is none."""
    return (urlsplit(url).hostname or "").lower()


def is_loopback(host: str) -> bool:
    """Whether what is sent to *host* stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def password_in(url: str) -> str | None:
    """The password that a database URL carries, if it is one that can be read."""
    try:
        password = make_url(url).password
    except ArgumentError:
        return None
    return None if password is None else str(password)


def _set(value: str) -> str:
    if is_unset(value):
        raise ValueError("still holds a blank or an example: put the real value here")
    return value


def _secret(value: SecretStr) -> SecretStr:
    _set(value.get_secret_value())
    return value


def _token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("is no bot token: copy it whole from @BotFather, like 123456:ABC…")
    return value


def _signing_key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < KEY_CHARS_MIN:
        raise ValueError(f"is shorter than {KEY_CHARS_MIN} characters: {MAKE_A_KEY}")
    return value


def _url(value: str) -> SplitResult:
    if any(char.isspace() or not char.isprintable() for char in value):
        raise ValueError("must not hold spaces")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("must begin with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or a password")
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError("must end before any ? or #")
    return parts


def _is_nearby(host: str) -> bool:
    """A private address, or a name without dots: a neighbour in the same network."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host


def _safaricom_url(value: str) -> str:
    parts = _url(value)
    if parts.scheme == "http" and not is_loopback(host_of(value)):
        raise ValueError("must be https: the keys travel on it (http only on this machine)")
    return value.rstrip("/")


def _telegram_url(value: str) -> str:
    parts = _url(value)
    host = host_of(value)
    if parts.scheme == "http" and not (is_loopback(host) or _is_nearby(host)):
        raise ValueError("must be https: the token travels on it (http only in your own network)")
    return value.rstrip("/")


def _public_url(value: str) -> str:
    parts = _url(value)
    if not value.isascii():
        raise ValueError("must be plain ASCII: write the host as xn--…")
    for word in REFUSED_WORDS:
        if word in f"{host_of(value)}{parts.path}".lower():
            raise ValueError(f'holds "{word}": Safaricom refuses callback addresses with that word')
    # Safaricom was seen to refuse a host in capitals.
    return parts._replace(netloc=parts.netloc.lower()).geturl().rstrip("/")


def _storage_url(value: SecretStr) -> SecretStr:
    try:
        url = make_url(value.get_secret_value())
    except ArgumentError:
        raise ValueError("is no database URL: write sqlite:///file or postgresql://…") from None
    match url.drivername:
        case "sqlite":
            if url.database in {None, "", ":memory:"}:
                raise ValueError("must name a file, like sqlite:///lipabot.db")
        case "postgresql":
            if not url.database:
                raise ValueError("must name a database, like postgresql://user@host/lipabot")
        case _:
            raise ValueError("must begin with sqlite:/// or postgresql://")
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError("must be an address or a network, like 10.0.0.0/8") from None


def _caller(value: str) -> str:
    if value == SAFARICOM:
        return value
    try:
        return _network(value)
    except ValueError:
        raise ValueError(
            f'must be "{SAFARICOM}", or an address or a network, like 10.0.0.0/8'
        ) from None


def _initiator(value: str) -> str:
    if not re.fullmatch(r"[!-~]{1,64}", value):
        raise ValueError("must be the user name of an API operator, without spaces")
    return value


def _phone(value: str) -> str:
    try:
        return read_phone(value)
    except BadPhone:
        raise ValueError("must be a Kenyan mobile number, like 0712345678") from None


def _account_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError('must be 1 to 32 of a-z, 0-9 and -, like "branch-2"')
    return value


def _line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of plain text")
    return value.strip()


# What is larger is a slip of the finger, and some of it fits neither a column nor a calendar: it
# would be refused one payment at a time, long after the start.
Positive = Annotated[float, Field(gt=0, le=1_000_000)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Months = Annotated[int, Field(ge=1, le=1200)]
Kes = Annotated[int, Field(ge=0, le=1_000_000_000)]
TelegramId = Annotated[int, Field(gt=0, lt=2**52)]
LineOfText = Annotated[str, Field(max_length=64), AfterValidator(_line)]
Shortcode = Annotated[str, AfterValidator(_set), Field(pattern=r"^[0-9]{5,7}$")]
InitiatorName = Annotated[str, AfterValidator(_set), AfterValidator(_initiator)]
KenyanPhone = Annotated[str, AfterValidator(_phone)]
AccountName = Annotated[str, AfterValidator(_account_name)]
CallerNetwork = Annotated[str, AfterValidator(_caller)]
ProxyNetwork = Annotated[str, AfterValidator(_network)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
TelegramToken = Annotated[Secret, AfterValidator(_token)]
SigningKey = Annotated[Secret, AfterValidator(_signing_key)]
StorageUrl = Annotated[Secret, AfterValidator(_storage_url)]
SafaricomUrl = Annotated[str, AfterValidator(_set), AfterValidator(_safaricom_url)]
TelegramUrl = Annotated[str, AfterValidator(_set), AfterValidator(_telegram_url)]
PublicUrl = Annotated[str, AfterValidator(_set), AfterValidator(_public_url)]
