"""Several merchants at one simulated Safaricom: each app knows its own shortcode and no other."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from mpesa.client import open_daraja
from mpesa.errors import Refused
from mpesa.models import Account
from mpesa.simulator import Simulator, SimulatorSettings
from tests.mpesa.test_mpesa_against_simulator import PHONE, push

FISH = SimulatorSettings(
    consumer_key="fish-key",
    consumer_secret="fish-secret",
    shortcode="600111",
    passkey="fish-passkey",
    business_name="AMINA FISH",
)
SETTINGS = SimulatorSettings(answer_after_s=0, callback_after_s=0, others=(FISH,))
MIXED = list(itertools.product((SETTINGS, FISH), repeat=3))


@pytest.mark.parametrize(("keys", "shortcode", "passkey"), MIXED)
async def test_keys_shortcode_and_passkey_must_be_of_one_merchant(
    keys: SimulatorSettings, shortcode: SimulatorSettings, passkey: SimulatorSettings
) -> None:
    simulator = Simulator(settings=SETTINGS)
    async with (
        simulator.serving() as url,
        open_daraja(
            base_url=url,
            consumer_key=SecretStr(keys.consumer_key),
            consumer_secret=SecretStr(keys.consumer_secret),
            account=Account(
                shortcode=shortcode.shortcode,
                passkey=SecretStr(passkey.passkey),
            ),
            now=lambda: datetime.now(UTC),
        ) as daraja,
    ):
        if keys is shortcode is passkey:
            await daraja.push(push(), leave_within_s=5)
            await simulator.settled()
            [row] = simulator.books.statement()
            assert row.shortcode == keys.shortcode
            [text] = [each.text for each in simulator.phone(PHONE).inbox]
            assert keys.business_name in text
        else:
            with pytest.raises(Refused):
                await daraja.push(push(), leave_within_s=5)
            assert simulator.books.statement() == []


def test_two_merchants_cannot_share_a_shortcode_or_keys() -> None:
    for double in (SimulatorSettings(consumer_key="other"), SimulatorSettings(shortcode="600222")):
        with pytest.raises(ValueError, match="of its own"):
            SimulatorSettings(others=(double,))
