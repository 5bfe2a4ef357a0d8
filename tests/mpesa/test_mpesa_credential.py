"""The initiator's password is locked so that only the certificate's owner reads it."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from mpesa.credential import BadCertificate, security_credential
from mpesa.simulator.vault import vault

PASSWORD = SecretStr("Safaricom#999$%&")


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


def of_an_elliptic_curve() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made.up.test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def test_pem_and_der_are_the_same_certificate() -> None:
    pem = vault().certificate

    for certificate in (pem, der(pem), b"\r\n" + pem.replace(b"\n", b"\r\n")):
        credential = security_credential(PASSWORD, certificate)

        assert vault().opens(credential.get_secret_value()) == PASSWORD.get_secret_value()
        assert len(base64.b64decode(credential.get_secret_value())) == 256


def test_neither_password_nor_credential_is_shown_by_accident() -> None:
    credential = security_credential(PASSWORD, vault().certificate)

    assert credential.get_secret_value() not in f"{credential} {credential!r}"


@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        (b"", "no X.509 certificate"),
        (b"<html>sign in</html>", "no X.509 certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no X.509"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "holds a key"),
        (of_an_elliptic_curve(), "no RSA key"),
    ],
)
def test_what_is_no_certificate_of_safaricoms_is_called_so(certificate: bytes, says: str) -> None:
    with pytest.raises(BadCertificate, match=says):
        security_credential(PASSWORD, certificate)


@pytest.mark.parametrize("password", ["", "x" * 300])
def test_a_password_that_cannot_be_locked_is_refused_without_being_shown(password: str) -> None:
    with pytest.raises(ValueError, match="password") as raised:
        security_credential(SecretStr(password), vault().certificate)
    assert "xxx" not in str(raised.value)
