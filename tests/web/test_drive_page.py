"""A drive's page over HTTP: what it shows, what it keeps to itself, and a gift from it."""

from __future__ import annotations

import pytest

from bot.core.drive_acts import Actor
from bot.core.drive_acts import Answer as Said
from storage.records import Closing, Drive, DriveKind, DriveStatus, Shows, Status
from tests.web.place import MASK, OPENER, PHONE, Answer, Place

MARY = Actor(id=OPENER, name="Mary")


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


async def handed_back(place: Place, drive: Drive, **fields: str) -> None:
    """A gift of KES 1,500 that was paid after closing, and handed back by the treasurer."""
    await place.send(f"/d/{drive.code}", name="Otieno", amount="1,500", **fields)
    await place.finish()
    [payment] = await place.payments()
    place.clock.advance(10)
    treasury = place.core.drives.treasury
    await treasury.set_status(drive.id, MARY, DriveStatus.CLOSED, Closing())
    place.clock.advance(10)
    await place.paid(payment)
    place.clock.advance(60)
    done = await treasury.decide_late(
        drive.id, MARY, payment_id=payment.id, keep=False, closing=Closing()
    )
    assert done is Said.DONE


async def corrected(place: Place, drive: Drive) -> None:
    """Cash with one zero too many, and its correction."""
    treasury = place.core.drives.treasury
    await treasury.cash(
        drive.id, MARY, amount_kes=5000, name="Mzee Kamau", key="k1", closing=Closing()
    )
    place.clock.advance(1)
    await treasury.correct(
        drive.id, MARY, change_kes=-4500, reason="a zero too many", key="k2", closing=Closing()
    )


def listed_on(page: Answer) -> str:
    return page.words[page.words.index("Who has given") :]


async def test_a_correction_is_no_gift_of_somebody_unnamed(place: Place) -> None:
    drive = await place.drive()
    await corrected(place, drive)
    page = await place.get(f"/d/{drive.code}")

    assert "KES 500 of KES 50,000" in page.words
    assert "Correction by Mary (a zero too many) −KES 4,500 Mzee Kamau KES 5,000" in listed_on(page)
    assert "Anonymous" not in listed_on(page)


async def test_a_gift_that_was_handed_back_is_shown_so_and_counts_as_none(place: Place) -> None:
    drive = await place.drive()
    await handed_back(place, drive)
    page = await place.get(f"/d/{drive.code}")

    assert "KES 0 of KES 50,000" in page.words
    assert "Gifts: 0" in page.words
    assert "Given back: Otieno −KES 1,500 Otieno KES 1,500" in listed_on(page)


async def test_what_a_giver_hides_stays_hidden_when_it_was_handed_back(place: Place) -> None:
    drive = await place.drive()
    await handed_back(place, drive, anonymous="1", hide_amount="1")
    page = await place.get(f"/d/{drive.code}")

    assert "Given back: Anonymous Anonymous" in listed_on(page)
    assert "Otieno" not in page.text
    assert "1,500" not in listed_on(page)


async def test_amounts_that_a_drive_hides_are_in_no_correction_either(place: Place) -> None:
    drive = await place.drive(shows=Shows.NAMES)
    await corrected(place, drive)
    page = await place.get(f"/d/{drive.code}")

    assert "Correction by Mary (a zero too many) Mzee Kamau" in listed_on(page)
    assert "KES" not in listed_on(page).partition("Mzee Kamau")[0]
