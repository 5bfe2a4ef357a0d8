"""The list of a drive in the chat: what does not fit is counted in gifts."""

from __future__ import annotations

from bot.chat.drive_cards import list_text
from bot.chat.keyboards import Stationery
from bot.core.drive_views import ShownGift
from bot.texts import Texts
from storage.records import Drive, DriveKind, DriveStatus, Shows, Totals
from tests.chat.test_conversation import MAMA_NJERI
from tests.stores import NOON

DRIVE = Drive(
    id=f"{1:032x}",
    code="code",
    reference="AKINYI-7K2M4",
    label="AKINYI",
    chat_id=-700,
    thread_id=None,
    language="en",
    kind=DriveKind.HARAMBEE,
    title="Mama Akinyi hospital bill",
    target_kes=None,
    closes_at=None,
    shows=Shows.ALL,
    status=DriveStatus.OPEN,
    opened_by=1001,
    opened_at=NOON,
    open_key="m:1",
)


def listed(gifts: list[ShownGift], *, of: int) -> list[str]:
    """The lines of the list of a drive that has so many gifts."""
    totals = Totals(mpesa_cents=of * 50_000, mpesa_gifts=of, cash_cents=0, cash_gifts=0)
    paper = Stationery(texts=Texts.load(), collector=MAMA_NJERI, username="njeribot")
    return list_text(DRIVE, gifts, [], totals, paper, language="en").splitlines()


def given() -> ShownGift:
    return ShownGift(at=NOON, name="Jane", cents=50_000)


CORRECTED = ShownGift(
    at=NOON,
    name=None,
    cents=1000,
    cash=True,
    by_name="Mary",
    correction=True,
    reason="counted once more with all who were there",
)
BACK = ShownGift(at=NOON, name="Jane", cents=-50_000, cash=True, by_name="Mary", returned=True)


def test_what_is_no_gift_hides_none_from_the_count() -> None:
    assert listed([CORRECTED, given(), BACK, given()], of=8)[-1] == "… and 6 more"
    assert "more" not in listed([CORRECTED, given(), BACK], of=1)[-1]


def test_what_does_not_fit_into_a_message_is_counted_in_gifts() -> None:
    lines = listed([given(), CORRECTED] * 50, of=60)

    shown = sum("Jane" in line for line in lines)
    assert 0 < shown < 50
    assert lines[-1] == f"… and {60 - shown} more"


def test_what_was_not_given_back_through_mpesa_after_all_is_said() -> None:
    lines = listed(
        [
            ShownGift(at=NOON, name="Jane", cents=-50_000, returned=True, untold=True),
            ShownGift(at=NOON, name="Jane", cents=50_000, returned=True, once=True),
            given(),
        ],
        of=1,
    )

    assert "Not given back through M-Pesa after all: Jane -KES 500" in lines[-3]
    assert "Given back through M-Pesa, so counted once: Jane KES 500" in lines[-2]
