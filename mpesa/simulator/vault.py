"""Owns Safaricom's certificate, and what only its owner can open."""

import base64
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509.oid import NameOID

_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)


class Vault:
    """A key pair with a certificate of its public half."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated.safaricom.test")])
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(_FROM)
            .not_valid_after(_UNTIL)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> bytes:
        """The certificate as the portal hands it out, in PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def opens(self, credential: object) -> str | None:
        """The password inside a security credential; None if it is none of this certificate."""
        try:
            locked = base64.b64decode(str(credential), validate=True)
            return self._key.decrypt(locked, PKCS1v15()).decode()
        except ValueError:
            return None


@lru_cache(maxsize=1)
def vault() -> Vault:
    """One for all simulators of a process: making a key takes a while."""
    return Vault()
