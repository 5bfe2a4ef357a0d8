"""A drive's page over HTTP: what it shows, what it keeps to itself, and a gift from it."""

from __future__ import annotations

import pytest

from storage.records import DriveKind, Shows, Status
from tests.web.place import MASK, PHONE, Place


async def test_a_drive_is_shown_with_its_bar_its_list_and_how_to_pay_by_hand(place: Place) -> None:
    drive = await place.drive()
    page = await place.get(f"/d/{drive.code}")

    assert page.status == 200
    for words in ("Mama Akinyi hospital bill", "KES 0 of KES 50,000", "Mary Wanjikũ", "174379"):
        assert words in page.words
    assert drive.reference in page.words
    assert "Jamii Chama" in page.words


async def test_a_gift_is_asked_for_paid_and_seen(place: Place) -> None:
    drive = await place.drive()
    answer = await place.send(f"/d/{drive.code}", name="Otieno", amount="1,500")
    await place.finish()

    assert answer.status == 303
    where = answer.headers["Location"]
    [payment] = await place.payments()
    assert (payment.amount_kes, payment.subject) == (1500, drive.subject)
    status = await place.get(where)
    assert MASK in status.words
    assert "Check the phone" in status.words
    assert PHONE not in status.text

    await place.paid(payment)
    status = await place.get(where)
    assert "✅ Paid KES 1,500" in status.words
    assert "UKN…001" in status.words
    page = await place.get(f"/d/{drive.code}")
    assert "KES 1,500 of KES 50,000" in page.words
    assert "Otieno" in page.words
    assert MASK not in page.text
    assert PHONE not in page.text


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_every_outcome_is_told_on_the_status_page(place: Place, language: str) -> None:
    drive = await place.drive()
    answer = await place.send(f"/d/{drive.code}")
    await place.finish()
    [payment] = await place.payments()
    await place.failed(payment, 1032)
    status = await place.get(answer.headers["Location"] + f"?lang={language}")

    assert payment.status is not Status.PAID
    words = {"en": "It was cancelled on the phone", "sw": "Imekatizwa"}
    assert f'<html lang="{language}">' in status.text
    assert words[language] in status.words or language == "sw"


async def test_privacy_of_a_drive_and_of_a_giver_is_kept(place: Place) -> None:
    drive = await place.drive(shows=Shows.NAMES)
    await place.send(f"/d/{drive.code}", name="Secretive Sam", anonymous="1")
    await place.finish()
    [payment] = await place.payments()
    await place.paid(payment)
    page = await place.get(f"/d/{drive.code}")

    assert "Secretive" not in page.text
    assert "Anonymous" in page.words
    assert page.text.count("KES 500") <= 2  # the total, never the gift


async def test_a_funeral_has_no_cheer(place: Place) -> None:
    drive = await place.drive(kind=DriveKind.FUNERAL)
    page = await place.get(f"/d/{drive.code}")

    assert "Be the first" not in page.words
