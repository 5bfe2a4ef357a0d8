"""Makes the security credential: the initiator's password, locked with Safaricom's certificate."""

import base64
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import SecretStr

__all__ = ["BadCertificate", "security_credential"]

_PADDING_BYTES: Final = 11
_PEM: Final = b"-----BEGIN "


class BadCertificate(ValueError):
    """The file is not Safaricom's certificate; the message says what it is instead."""


def security_credential(password: SecretStr, certificate: bytes) -> SecretStr:
    """
    The base64 text that goes with every request of an initiator. It may be used again and again.

    *certificate* is the file from the Daraja portal as it is, PEM or DER. Each environment has its
    own. The padding is PKCS#1 v1.5, and nothing is added to the password.

    Raises:
        BadCertificate: it is none, or not one of an RSA key.
        ValueError: the password is empty or too long for the key.
    """
    key = _public_key(certificate)
    plain = password.get_secret_value().encode()
    if not plain:
        raise ValueError("the initiator's password is empty")
    if len(plain) > key.key_size // 8 - _PADDING_BYTES:
        raise ValueError("the initiator's password is too long")
    locked = key.encrypt(plain, PKCS1v15())
    return SecretStr(base64.b64encode(locked).decode())


def _public_key(certificate: bytes) -> RSAPublicKey:
    data = certificate.strip()
    if _PEM in data and b"-----BEGIN CERTIFICATE-----" not in data:
        raise BadCertificate(
            "this file holds a key, not a certificate: download Safaricom's certificate"
            " (.cer) from the Daraja portal"
        )
    try:
        if _PEM in data:
            found = x509.load_pem_x509_certificate(data)
        else:
            found = x509.load_der_x509_certificate(certificate)
        key = found.public_key()
    except Exception:
        # The library raises several kinds, and some quote what it was given.
        raise BadCertificate(
            "this file is no X.509 certificate: download Safaricom's certificate (.cer) from the"
            " Daraja portal, and leave it as it is"
        ) from None
    if not isinstance(key, RSAPublicKey):
        raise BadCertificate("this certificate has no RSA key: it is not Safaricom's")
    return key
