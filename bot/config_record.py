"""Safaricom's own books in the configuration: which keys go together, and the credential."""

from __future__ import annotations

from pathlib import Path

from bot.config_keys import Config
from mpesa.credential import BadCertificate, security_credential
from mpesa.models import Initiator

__all__ = ["initiator_of", "record_problems"]

CERTIFICATE_BYTES_MAX = 64 * 1024


def record_problems(config: Config) -> list[str]:
    """What is half configured, or contradicts itself; each line names its key."""
    mpesa, problems = config.mpesa, []
    three = {
        "initiator": mpesa.initiator,
        "initiator_password": mpesa.initiator_password,
        "certificate": mpesa.certificate,
    }
    missing = [name for name, value in three.items() if value is None]
    if 0 < len(missing) < len(three):
        given = ", ".join(f"mpesa.{name}" for name in three if name not in missing)
        problems += [
            f"mpesa.{name}: is required with {given}: the three make one credential"
            for name in missing
        ]
    elif not missing:
        problems += _certificate_problems(config)
    if mpesa.pull and mpesa.pull_number is None:
        problems.append("mpesa.pull_number: is required with mpesa.pull: a phone of the business")
    if mpesa.pull_number is not None and not mpesa.pull:
        problems.append("mpesa.pull_number: goes with mpesa.pull = true only")
    operators = len(set(config.telegram.operators))
    if mpesa.reversals and mpesa.initiator is None:
        problems.append("mpesa.reversals: needs mpesa.initiator, its password and certificate")
    if mpesa.reversals and operators < 2:
        problems.append("mpesa.reversals: two operators must agree: name two in telegram.operators")
    return problems


def initiator_of(config: Config) -> Initiator | None:
    """
    Who asks in the organisation's name; None where that is not configured.

    Raises:
        OSError, ValueError: the certificate cannot be read, or is none; see `record_problems`.
    """
    mpesa = config.mpesa
    if mpesa.initiator is None or mpesa.initiator_password is None or mpesa.certificate is None:
        return None
    certificate = _read(mpesa.certificate)
    return Initiator(mpesa.initiator, security_credential(mpesa.initiator_password, certificate))


def _certificate_problems(config: Config) -> list[str]:
    try:
        initiator_of(config)
    except OSError as exc:
        return [f"mpesa.certificate: cannot be read: {exc.strerror}"]
    except BadCertificate as exc:
        return [f"mpesa.certificate: {exc}"]
    except ValueError as exc:
        return [f"mpesa.initiator_password: {exc}"]
    return []


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(CERTIFICATE_BYTES_MAX)
