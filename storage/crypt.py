"""
Encryption at rest, blind indexes and signatures, all from one `security.key`.

Each job gets its own key, derived by HKDF, so that a leaked signature key opens nothing.
Rotation: new things are sealed, indexed and signed with the current key; old ones are opened,
found and verified with any of `previous_keys`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from storage.errors import WrongKey

__all__ = ["Crypt", "key_beside"]

NONCE_BYTES = 12
KEY_ID_BYTES = 4
MAC_HEX = 32  # 128 bits


def _derive(key: str, purpose: str) -> bytes:
    hkdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=b"lipabot", info=purpose.encode())
    return hkdf.derive(key.encode())


class _Ring:
    """The keys that come from one security.key."""

    def __init__(self, key: str) -> None:
        self.id = _derive(key, "id")[:KEY_ID_BYTES]
        self.box = AESGCM(_derive(key, "seal"))
        self.index = _derive(key, "index")
        self.sign = _derive(key, "sign")


class Crypt:
    """Seals, indexes and signs. Holds no plain key after construction."""

    def __init__(self, key: str, previous_keys: Sequence[str] = ()) -> None:
        self._rings = tuple(_Ring(each) for each in (key, *previous_keys))
        self._by_id = {ring.id: ring for ring in self._rings}

    @property
    def key_id(self) -> str:
        """Which key seals new things; says nothing about the key itself."""
        return self._rings[0].id.hex()

    def seal(self, plain: bytes) -> bytes:
        """Encrypt with the current key (AES-256-GCM): key id, nonce, ciphertext."""
        ring = self._rings[0]
        nonce = os.urandom(NONCE_BYTES)
        return ring.id + nonce + ring.box.encrypt(nonce, plain, ring.id)

    def open(self, sealed: bytes) -> bytes:
        """
        Decrypt what `seal` made.

        Raises:
            WrongKey: no key at hand made it, or it was altered.
        """
        ring = self._by_id.get(sealed[:KEY_ID_BYTES])
        if ring is None:
            raise WrongKey("a value was sealed with a key that is neither current nor previous")
        nonce = sealed[KEY_ID_BYTES : KEY_ID_BYTES + NONCE_BYTES]
        try:
            return ring.box.decrypt(nonce, sealed[KEY_ID_BYTES + NONCE_BYTES :], ring.id)
        except InvalidTag as exc:
            raise WrongKey("a sealed value was altered") from exc

    def seal_text(self, text: str) -> bytes:
        return self.seal(text.encode())

    def open_text(self, sealed: bytes) -> str:
        return self.open(sealed).decode()

    def index(self, text: str) -> str:
        """A blind index (HMAC-SHA-256, 128 bits, hex) of *text* under the current key."""
        return self._mac(self._rings[0].index, text)

    def indexes(self, text: str) -> list[str]:
        """Every index *text* may be stored under, the current key's first."""
        return [self._mac(ring.index, text) for ring in self._rings]

    def sign(self, purpose: str, text: str) -> str:
        """A 128-bit signature (hex) of *text* for one purpose."""
        return self._mac(self._rings[0].sign, f"{purpose}\0{text}")

    def signs(self, purpose: str, text: str) -> list[str]:
        """Every signature of *text* that is good today, the current key's first."""
        return [self._mac(ring.sign, f"{purpose}\0{text}") for ring in self._rings]

    def signed(self, purpose: str, text: str, mac: str) -> bool:
        """Whether *mac* is ours; takes the same time whatever is wrong with it."""
        given = mac.encode("utf-8", "replace")
        good = False
        for ring in self._rings:
            good |= hmac.compare_digest(self._mac(ring.sign, f"{purpose}\0{text}").encode(), given)
        return good

    @staticmethod
    def _mac(key: bytes, text: str) -> str:
        digest = hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return digest.hexdigest()[:MAC_HEX]


def key_beside(database: Path) -> str:
    """
    The key kept beside a SQLite file (`<file>.key`, 0600), made on first use.

    The caller holds the lock of the file. Written aside, fsynced and renamed, so that a crash
    leaves neither half a key nor data sealed by a key that never reached the disk.
    """
    path = database.with_name(database.name + ".key")
    if path.exists():
        key = path.read_text().strip()
        if not key:
            raise WrongKey(f"{path} is empty: restore it from a backup")
        return key
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)  # of a start that was killed just here
    key = secrets.token_hex(32)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name itself
    finally:
        os.close(folder)
    return key
