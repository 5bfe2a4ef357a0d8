"""
Shots: what a liar fires at the callback door, each made from a seed and a number alone.

Structure-aware bodies begin as the real ones in `tests/samples`, or as the very body that
Safaricom would send about a payment of ours, and are then spoilt: a *spoilt* body is, by how it
was made, one that may move nothing. What may be believed goes only to payments above the confirm
limit, where no callback alone may credit.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.prove.door import Target

__all__ = ["Arsenal", "Shot", "right_body"]

SAMPLES = Path(__file__).parents[1] / "samples"
OVERSIZE = 16 * 1024
HEX = "0123456789abcdef"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shot:
    """One request on the wire, and which answers are right."""

    kind: str
    wire: bytes
    right: frozenset[int]  # empty: whatever is not a 5xx, or nothing
    alone: bool = False  # on a connection of its own


ACCEPTED = frozenset({200})
NOT_FOUND = frozenset({404})
TOO_LARGE = frozenset({413})
PACKED = frozenset({415})
ANYTHING: frozenset[int] = frozenset()


def right_body(target: Target, *, paid: bool = True) -> Json:
    """What Safaricom would post about *target*."""
    callback: Json = {
        "MerchantRequestID": target.merchant or "29115-1-1",
        "CheckoutRequestID": target.checkout or f"ws_CO_{target.id[-20:]}",
        "ResultCode": 0 if paid else 1032,
        "ResultDesc": "The service request is processed successfully."
        if paid
        else "Request cancelled by user",
    }
    if paid:
        callback["CallbackMetadata"] = {
            "Item": [
                {"Name": "Amount", "Value": target.amount_kes},
                {"Name": "MpesaReceiptNumber", "Value": target.receipt},
                {"Name": "Balance"},
                {"Name": "TransactionDate", "Value": 20261123120030},
                {"Name": "PhoneNumber", "Value": 254712345678},
            ]
        }
    return {"Body": {"stkCallback": callback}}


@cache
def samples() -> list[bytes]:
    """Every body that was found in the wild, those of other endpoints among them."""
    return [path.read_bytes() for path in sorted(SAMPLES.glob("*/*.*"))]


@cache
def sample_trees() -> list[Any]:
    trees = []
    for body in samples():
        try:
            trees.append(json.loads(body))
        except ValueError:
            continue
    return trees


class Arsenal:
    """Makes the shots at a stock of payments, in four tiers; see `shot`."""

    def __init__(
        self,
        seed: int,
        *,
        small: Sequence[Target],  # may only be shot at with what may move nothing
        doubtful: Sequence[Target],  # the same, and successes without an amount or a receipt
        large: Sequence[Target],  # above the confirm limit: anything
        strays: Sequence[str],  # addresses with a good signature and no payment
    ) -> None:
        self._seed = seed
        self._small, self._doubtful, self._large = small, doubtful, large
        self._all = [*small, *doubtful, *large]
        self._strays = strays
        self._kinds: list[tuple[int, Callable[[random.Random], Shot]]] = [
            (40, self._spoilt),
            (10, self._bare),
            (10, self._anything),
            (10, self._raw_body),
            (12, self._wrong_address),
            (4, self._stray),
            (6, self._wrong_place),
            (6, self._odd_headers),
            (2, self._bad_wire),
        ]
        self._weights = [weight for weight, _ in self._kinds]

    def shot(self, number: int) -> Shot:
        """The *number*th shot of this seed; the same whenever it is asked for."""
        chance = random.Random(self._seed * 1_000_000_007 + number)
        [(_, make)] = chance.choices(self._kinds, self._weights)
        return make(chance)

    @staticmethod
    def truth(target: Target) -> Shot:
        """What Safaricom itself would send once *target* is paid."""
        return _post("truth", target.path, json.dumps(right_body(target)).encode())

    def _spoilt(self, chance: random.Random) -> Shot:
        target = chance.choice(self._small)
        return _post("spoilt", target.path, spoilt_body(chance, target, self._all))

    def _bare(self, chance: random.Random) -> Shot:
        target = chance.choice(self._doubtful)
        tree = right_body(target)
        items = tree["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
        value = chance.choice(UNREADABLE)
        if chance.random() < 0.2:
            items.pop(chance.randrange(2))
        else:
            items[chance.randrange(2)]["Value"] = value
        return _post("bare", target.path, written(chance, tree))

    def _anything(self, chance: random.Random) -> Shot:
        target = chance.choice(self._large)
        tree: Any = right_body(target, paid=chance.random() < 0.7)
        for _ in range(chance.randrange(4)):
            tree = mutated(chance, tree)
        return _post("anything", target.path, written(chance, tree))

    def _raw_body(self, chance: random.Random) -> Shot:
        target = chance.choice([*self._small, *self._doubtful])
        match chance.randrange(4):
            case 0:
                body = chance.randbytes(chance.choice((0, 1, 7, 100, 3000)))
            case 1:
                body = b"[" * chance.choice((10, 900, 5000, OVERSIZE))
            case 2:
                body = b'{"a":' * chance.choice((10, 900, 3000))
            case _:
                body = bytes(chance.choice((32, 48, 125)) for _ in range(chance.randrange(2000)))
        return _post("raw", target.path, body)

    def _wrong_address(self, chance: random.Random) -> Shot:
        target, other = chance.choice(self._all), chance.choice(self._all)
        mac = chance.choice(
            (
                "".join(chance.choices(HEX, k=32)),
                target.mac[:-1] + HEX[(HEX.index(target.mac[-1]) + 1) % 16],
                target.mac.upper() if target.mac.upper() != target.mac else "0" * 32,
                target.mac[:16],
                target.mac + "00",
                other.mac if other.id != target.id else "f" * 32,
                "",
                "%00" * 8,
            )
        )
        body = json.dumps(right_body(target)).encode()
        return _post("wrong-address", f"/c/{target.id}.{mac}", body, right=NOT_FOUND)

    def _stray(self, chance: random.Random) -> Shot:
        tree = right_body(chance.choice(self._all))
        for _ in range(chance.randrange(3)):
            tree = mutated(chance, tree)
        return _post("stray", chance.choice(self._strays), written(chance, tree))

    def _wrong_place(self, chance: random.Random) -> Shot:
        target = chance.choice(self._all)
        body = json.dumps(right_body(target)).encode()
        method = chance.choice(("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "POST"))
        path = chance.choice(
            (
                target.path if method != "POST" else "/",
                target.path.replace("/c/", "/C/"),
                target.path + "/",
                target.path.replace(".", "/"),
                "/c/" + "a" * chance.choice((1, 70, 2000)),
                "/c/../" + target.path,
                "//" + target.path,
                "/telegram",
                "/admin.php",
                "/metrics",
                f"/c/{target.id}%2e{target.mac}x",
                "/%F0%9F%92%B8",
            )
        )
        return Shot("wrong-place", _request(method, path, body), NOT_FOUND)

    def _odd_headers(self, chance: random.Random) -> Shot:
        target = chance.choice(self._small)
        body = spoilt_body(chance, target, self._all)
        right = TOO_LARGE if len(body) > OVERSIZE else ACCEPTED
        extra, status = chance.choice(ODD_HEADERS)
        if status is not None:
            right = frozenset({status})
        return Shot("odd-headers", _request("POST", target.path, body, extra), right)

    def _bad_wire(self, chance: random.Random) -> Shot:
        target = chance.choice(self._small)
        body = spoilt_body(chance, target, self._all)
        if len(body) > OVERSIZE:
            body = b"{"  # what is spoilt by its length alone must not be cut
        return Shot("bad-wire", _bad_wire(chance, target.path, body), ANYTHING, alone=True)


def _post(kind: str, path: str, body: bytes, *, right: frozenset[int] = ACCEPTED) -> Shot:
    if right is ACCEPTED and len(body) > OVERSIZE:
        right = TOO_LARGE
    return Shot(kind, _request("POST", path, body), right)


def _request(method: str, path: str, body: bytes, extra: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + extra + b"\r\n" + body


LONG_DIGITS = "7" * 5000
DEPTHS = (80, 900, 3000, 7900)  # Python 3.11 reads about 1,000 deep, 3.13 nearly 10,000
UNREADABLE: Sequence[Any] = (
    *(None, True, False, [], {}, "", " ", "1,000", "abc", "-5", "1e3", -1, -0.5, 0.001),
    *(
        "NaN",
        "Infinity",
        10**15,
        10**300,
        1e300,
        1e-300,
        "\x00",
        "\ud800",
        "UKN1ABCDE",
        "ukn1abcdef",
    ),
    *("UKN1ABCDEF\n", "٣٠٠", "5０", [50], {"Value": 50}),
)
VALUES: Sequence[Any] = (
    *UNREADABLE,
    *(0, 1, -1, 50, 50.0, "50", "0", 1032, "1032", 1037, 4999, 2**31, 2**63, 2**64, 10**40, 1e22),
    *(
        "SFC_IC0003",
        "UKN9ZZZZZZ",
        "ws_CO_1",
        "x" * 129,
        "𝕏",
        "\u202e",
        20261123120030,
        254712345678,
    ),
)

ODD_HEADERS: Sequence[tuple[bytes, int | None]] = (
    (b"Content-Encoding: gzip\r\n", 415),
    (b"Content-Encoding: br, deflate\r\n", 415),
    (b"Content-Encoding: \r\n", 415),
    (b"Content-Type: \r\n", None),
    (b"Content-Type: application/json; charset=utf-7\r\n", None),
    (b"Content-Type: multipart/form-data\r\n", None),
    (b"X-Forwarded-For: 1.2.3.4\r\n", None),
    (b"X-Forwarded-For: , ,,\r\nX-Forwarded-For: ::1%" + b"z" * 500 + b"\r\n", None),
    (b"X-Forwarded-For: " + b"9" * 4000 + b"\r\n", None),
    (b"X-Forwarded-For: \xff\xfe\r\n", None),
    (b"Forwarded: for=10.0.0.1\r\n", None),
    (b"Expect: 100-continue-please\r\n", 417),
    (b"Cookie: " + b"a=b; " * 400 + b"\r\n", None),
    (b"X-HTTP-Method-Override: DELETE\r\n", None),
    (b"Businessshortcode: 174379\r\nRange: bytes=0-1\r\nIf-Match: *\r\n", None),
    *(((b"X-%d: y\r\n" % each) * 60, None) for each in range(2)),
)


def spoilt_body(chance: random.Random, target: Target, others: Sequence[Target]) -> bytes:
    """A body that may move nothing at *target*, whose ids Safaricom has told us."""
    if chance.random() < 0.3:
        tree = chance.choice(sample_trees())  # its ids are somebody else's
        for _ in range(chance.randrange(4)):
            tree = mutated(chance, tree)
        return written(chance, tree)
    if chance.random() < 0.1:
        body = chance.choice(samples())
        return body[: chance.randrange(len(body) + 1)]
    tree = right_body(target, paid=chance.random() < 0.8)
    if chance.random() < 0.5:
        return _spoilt_text(chance, json.dumps(tree))
    return written(chance, _spoilt_tree(chance, tree, target, others))


def _spoilt_tree(
    chance: random.Random, tree: Json, target: Target, others: Sequence[Target]
) -> Json:
    """The right body with one thing in it that is not true of *target*."""
    callback = tree["Body"]["stkCallback"]
    other = chance.choice(others)
    match chance.randrange(5):
        case 0 | 1:
            name = chance.choice(("MerchantRequestID", "CheckoutRequestID"))
            own = callback[name]
            swapped = other.merchant if name == "MerchantRequestID" else other.checkout
            wrong = (swapped, own + " ", own.swapcase(), own[:-1], "", None, 1, [own], {own: own})
            value = chance.choice(wrong)
            if value == own or chance.random() < 0.1:
                del callback[name]
            else:
                callback[name] = value
        case 2 if "CallbackMetadata" in callback:
            amount = target.amount_kes
            amounts = (
                amount + 1,
                amount - 1,
                amount + 0.01,
                0,
                amount * 100,
                f"{amount}.50",
                250_000,
            )
            callback["CallbackMetadata"]["Item"][0]["Value"] = chance.choice(amounts)
        case 3:
            callback["ResultCode"] = chance.choice((4999, "4999", True, 0.0, 0.5, [], {}, None, ""))
        case _:
            tree = chance.choice(
                (
                    {"body": tree["Body"]},
                    {"Body": [tree["Body"]]},
                    {"Body": {"StkCallback": callback}},
                    {"Body": json.dumps(tree["Body"])},
                    callback,
                    {"Body": {"stkCallback": [callback]}},
                    {**callback, "ResponseCode": "0"},
                )
            )
    return tree


def _spoilt_text(chance: random.Random, text: str) -> bytes:
    """The right body as text, no longer JSON as we take it."""
    place = text.index('"ResultCode"')
    match chance.randrange(9):
        case 0:
            return text[: chance.randrange(len(text) - 1)].encode()
        case 1:
            twin = chance.choice(('"ResultCode": 0, ', '"ResultCode": 1032, '))
            return (text[:place] + twin + text[place:]).encode()
        case 2:
            odd = chance.choice(("NaN", "Infinity", "-Infinity", LONG_DIGITS, "0x1", "01", "+1"))
            return f'{text[:place]}"x": {odd}, {text[place:]}'.encode()
        case 3:
            return text.encode(chance.choice(("utf-16", "utf-32", "utf-16-le")))
        case 4:
            return text.encode().replace(
                b"ResultDesc", chance.choice((b"Result\xff", b"\xc0\x80")), 1
            )
        case 5:
            return (text + chance.choice((text, "}", ",", "\x00", " null", "]"))).encode()
        case 6:
            depth = chance.choice(DEPTHS)
            deep = "[" * depth + "]" * depth
            return f'{text[:place]}"x": {deep}, {text[place:]}'.encode()
        case 7:
            return (text + " " * OVERSIZE).encode()
        case _:
            return text.replace('"', "'").encode()


def written(chance: random.Random, tree: Any) -> bytes:
    """As JSON, in one of the ways in which JSON may be written."""
    text = json.dumps(
        tree,
        ensure_ascii=chance.random() < 0.8,
        indent=chance.choice((None, None, None, 2)),
        separators=chance.choice((None, (",", ":"))),
    )
    bom = b"\xef\xbb\xbf" if chance.random() < 0.03 else b""
    return bom + text.encode("utf-8", "surrogatepass")


def mutated(chance: random.Random, tree: Any) -> Any:
    """A copy with one thing changed somewhere: a type, an item gone, doubled or moved, a value."""
    if isinstance(tree, dict) and tree:
        copy: Any = dict(tree)
        name = chance.choice(list(copy))
        match chance.randrange(8):
            case 0:
                del copy[name]
            case 1:
                copy[name] = chance.choice(VALUES)
            case 2:
                copy = dict(chance.sample(list(copy.items()), len(copy)))
            case 3:
                copy[chance.choice(("", "__proto__", "Body", name.lower(), "\ud800"))] = copy[name]
            case _:
                copy[name] = mutated(chance, copy[name])
        return copy
    if isinstance(tree, list) and tree:
        items = list(tree)
        place = chance.randrange(len(items))
        match chance.randrange(6):
            case 0:
                del items[place]
            case 1:
                items.insert(place, items[place])
            case 2:
                chance.shuffle(items)
            case 3:
                items += items * chance.choice((1, 30))
            case _:
                items[place] = mutated(chance, items[place])
        return items
    match chance.randrange(4):
        case 0:
            return [tree]
        case 1:
            return {"Value": tree}
        case 2:
            return str(tree)
        case _:
            return chance.choice(VALUES)


def _bad_wire(chance: random.Random, path: str, body: bytes) -> bytes:
    """What is hardly HTTP, or lies about its own length."""
    post = f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()
    chunk = b"%x\r\n%s\r\n" % (len(body), body)
    whole = b"Content-Length: %d\r\n\r\n" % len(body) + body
    return chance.choice(
        (
            post + b"Content-Length: %d\r\n\r\n" % (len(body) + 7) + body,
            post + b"Content-Length: %d\r\n\r\n" % max(0, len(body) - 7) + body,
            post + b"Content-Length: -1\r\n\r\n" + body,
            post + b"Content-Length: 1e3\r\n\r\n" + body,
            post + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n" + body,
            post + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + body,
            post + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n",
            post + b"Transfer-Encoding: chunked\r\n\r\n" + chunk,
            post + b"Transfer-Encoding: chunked\r\n\r\n" + b"zz\r\n" + body,
            post + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffffffffffffffffff\r\n" + body,
            post + b"Transfer-Encoding: chunked\r\n\r\n" + b"5;" + b"x" * 9000 + b"\r\n" + body,
            post + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk + b"0\r\n\r\n",
            post + b"Transfer-Encoding: chunked\r\n" + whole,
            post + b"Transfer-Encoding: identity\r\n" + whole,
            post + b"Expect: 100-continue\r\n" + whole,
            post + b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + whole,
            post + b"Content-Type: text/plain\r\nContent-Type: text/html\r\n" + whole,
            post + b"X: " + b"y" * 70_000 + b"\r\n" + whole,
            post + b"X: y\r\n" * 3000 + whole,
            post + b"X\x00: y\r\n" + whole,
            post + b" folded: y\r\n" + whole,
            post + b"Host: y\r\n" + whole,
            post.replace(b"HTTP/1.1", b"HTTP/1.0") + whole,
            post.replace(b"HTTP/1.1", b"HTTP/9.9") + whole,
            post.replace(b"HTTP/1.1", b"ICAP/1.0") + whole,
            post.replace(b"POST", b"P\xd6ST") + whole,
            post.replace(b"POST", b"CONNECT") + whole,
            post.replace(b"\r\n", b"\n") + whole,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"POST http://[::1 HTTP/1.1\r\nHost: x\r\n" + whole,
            b"POST /c/\x00 HTTP/1.1\r\nHost: x\r\n" + whole,
            b"POST /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n" + whole,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(300),
            chance.randbytes(chance.randrange(1, 3000)),
            b"\r\n" * chance.randrange(1, 50),
            (post + whole) * 20,
        )
    )
