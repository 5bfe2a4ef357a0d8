"""What every public page has in common: headers, languages, files, and what nobody is told."""

from __future__ import annotations

import gzip
import re

import pytest
from sqlalchemy import update

from bot.core.ports import Collector
from bot.texts import LANGUAGES, Texts
from bot.web.assets import assets
from bot.web.progress import sentences
from bot.web.rendering import Press
from storage.records import Shows, Status
from storage.schema import intents
from tests.chat.test_cards import view as card_view
from tests.web.place import MASK, OPENER, PHONE, Place, ticket_in

AWAY = re.compile(
    r'(?:src|href|action|content)="(?:https?:)?//(?!pay\.example\.org|wa\.me|t\.me)[^"]*"'
)


async def test_a_page_carries_strict_headers_and_nothing_inline(place: Place) -> None:
    drive, view = await place.drive(), await place.invoice()
    for path in (f"/d/{drive.code}", f"/i/{view.invoice.code}", "/r/" + "A" * 43):
        page = await place.get(path)

        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Cache-Control"] == "no-store"
        assert "noindex" in page.headers["X-Robots-Tag"]
        assert page.headers["Server"] == "lipabot"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page.text)
        assert not AWAY.search(page.text)


async def test_a_page_has_a_preview_for_those_it_is_shared_with(place: Place) -> None:
    drive, view = await place.drive(), await place.invoice()
    page = await place.get(f"/d/{drive.code}")
    invoice = await place.get(f"/i/{view.invoice.code}", **{"Accept-Language": "sw"})

    assert '<meta property="og:title" content="Mama Akinyi hospital bill">' in page.text
    assert f'"og:url" content="http://pay.example.org/d/{drive.code}"' in page.text
    assert '<meta property="og:locale" content="sw_KE">' in invoice.text
    assert "INV-0001 · Mama Njeri Shop" in invoice.text


async def test_a_page_leads_on_into_telegram_and_its_preview_tells_nothing_private(
    place: Place,
) -> None:
    drive, view = await place.drive(shows=Shows.TOTALS), await place.invoice()
    await place.send(f"/d/{drive.code}", amount="500", phone=PHONE, name="Jane")
    await place.finish()
    [payment] = await place.payments()
    await place.paid(payment)
    page = await place.get(f"/d/{drive.code}")
    invoice = await place.get(f"/i/{view.invoice.code}", **{"Accept-Language": "sw"})

    assert f'href="https://t.me/lipa_demo_bot?start=d_{drive.code}"' in page.text
    assert f'href="https://t.me/lipa_demo_bot?start=i_{view.invoice.code}"' in invoice.text
    assert "Fungua kwenye Telegram" in invoice.text
    preview = " ".join(re.findall(r'<meta (?:name|property)="[^>]+>', page.text))
    assert "og:description" in preview
    assert not {"Jane", MASK, PHONE} & set(re.split(r"[ \">]", preview))
    customer = view.invoice.bill.customer
    assert customer not in " ".join(re.findall(r"<meta [^>]+>", invoice.text))


async def test_a_page_has_no_door_into_telegram_before_it_was_reached() -> None:
    press = Press(
        texts=Texts.load(),
        collector=Collector(name="Shop", kind="paybill", number="600000", practice=False),
        public_url="https://pay.example.org",
    )
    assert press._in_telegram("d_x") is None


async def test_files_are_kept_for_ever_under_a_name_of_what_is_in_them(place: Place) -> None:
    drive = await place.drive()
    page = await place.get(f"/d/{drive.code}")
    named = sorted(set(re.findall(r'"/static/([^"]+)"', page.text)))

    assert len(named) == 4
    for name in named:
        async with place.client.get(f"/static/{name}", auto_decompress=False) as answer:
            body = await answer.read()
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            if answer.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
        assert body == assets()[name].body
    assert (await place.get("/static/page.css")).status == 404
    assert (await place.get("/static/../page.css")).status == 404


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("sw", "sw"),
        ("sw-KE,sw;q=0.9,en;q=0.8", "sw"),
        ("en-KE,en;q=0.9,sw;q=0.8", "en"),
        ("fr,sw;q=0.5,en;q=0.4", "sw"),
        ("fr-FR", "en"),
        ("", "en"),
        ("*", "en"),
        ("sw;q=0,en;q=0.1", "en"),
        ("sw;q=nan,en", "en"),
        ("sw;q=9e9,en", "en"),
        (",;q=1;;,sw", "sw"),
        ("x" * 4000, "en"),
    ],
)
async def test_the_browsers_language_is_spoken(place: Place, wish: str, language: str) -> None:
    page = await place.get("/r/" + "A" * 43, **{"Accept-Language": wish})

    assert f'<html lang="{language}">' in page.text
    assert page.headers["Content-Language"] == language


async def test_a_link_chooses_the_language_and_the_page_keeps_it(place: Place) -> None:
    drive = await place.drive()
    page = await place.get(f"/d/{drive.code}?lang=sw", **{"Accept-Language": "en"})
    odd = await place.get(f"/d/{drive.code}?lang=%3Cb%3E")

    assert '<html lang="sw">' in page.text
    assert f'action="/d/{drive.code}?lang=sw"' in page.text
    assert f'sse-connect="/d/{drive.code}/live?lang=sw"' in page.text
    assert f'href="/d/{drive.code}?lang=en"' in page.text
    assert '<html lang="en">' in odd.text
    form = {"ticket": ticket_in(page.text), "phone": "0712000001", "amount": "500"}
    answer = await place.post(f"/d/{drive.code}?lang=sw", form)
    assert answer.headers["Location"].endswith("?lang=sw")


async def test_unknown_codes_cannot_be_told_from_pages_that_never_were(place: Place) -> None:
    drive = await place.drive()
    view = await place.invoice()
    answers = set()
    for path in (
        "/d/" + "A" * 12,
        f"/d/{drive.code}x",
        f"/d/{drive.code.swapcase()}",
        "/d/%00",
        "/d/" + "a" * 2000,
        f"/i/{drive.code}",
        f"/d/{view.invoice.code}",
        f"/d/{drive.id}",
        f"/d/{drive.code}/p/" + "0" * 32 + ".1." + "0" * 32,
        f"/d/{drive.code}/p/x/live",
        f"/d/{'A' * 12}/live",
        "/d/",
        "/d",
        "/p/x",
        "/nowhere",
    ):
        answer = await place.get(path)
        headers = {name: value for name, value in answer.headers.items() if name != "Date"}
        answers.add((answer.status, answer.text, tuple(sorted(headers.items()))))
    posted = await place.post("/d/" + "A" * 12, {"phone": "0712000001"})

    assert len(answers) == 1
    assert (posted.status, posted.text) == (404, "Not found")


async def test_a_status_address_is_of_one_payment_one_page_and_two_hours(place: Place) -> None:
    drive = await place.drive()
    answer = await place.send(f"/d/{drive.code}")
    where = answer.headers["Location"]
    other = await place.drive(open_key="m:-700:2")
    payment_id, until, mac = where.rpartition("/")[2].split(".")
    changed = [
        where[:-1] + ("0" if where[-1] != "0" else "1"),
        where.replace(until, f"{int(until, 16) + 1:x}"),
        where.replace(payment_id, "0" * 32),
        where.replace(drive.code, other.code),
        where.upper(),
    ]

    assert mac not in payment_id
    assert (await place.get(where)).status == 200
    assert [(await place.get(each)).status for each in changed] == [404] * len(changed)
    place.clock.advance(2 * 3600 + 1)
    over = await place.get(where)
    assert over.status == 410
    assert f'href="/d/{drive.code}"' in over.text
    assert "KES 500" not in over.words


async def test_a_status_address_shows_nothing_that_was_asked_for_in_a_chat(place: Place) -> None:
    drive = await place.drive()
    where = (await place.send(f"/d/{drive.code}")).headers["Location"]
    assert (await place.get(where)).status == 200

    in_a_chat = update(intents).values(asked_by=OPENER)
    await place.store.write(lambda tx: tx.payments._connection.execute(in_a_chat))

    assert (await place.get(where)).status == 404
    assert (await place.get(f"{where}/live")).status == 404


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("too-late", "void.too-late"),
        ("unreachable", "void.unreachable"),
        ("bad-credentials", "void.bad-credentials"),
        ("restored", "void.restored"),
        ("operator", "void.page.operator"),
    ],
)
def test_a_page_says_why_nothing_was_sent(reason: str, said: str, language: str) -> None:
    view = card_view(Status.VOID, reason=reason)

    [head, why] = sentences(view, till=False)

    assert (head.key, why.key) == ("not-paid.private", said)
    assert Texts.load().say(language, why.key, collector="Shop", phone=MASK, amount="KES 50")


async def test_a_receipt_is_true_returned_or_unknown(place: Place) -> None:
    view = await place.invoice()
    await place.send(f"/i/{view.invoice.code}", all_kes="1500", amount="", how_much="all")
    await place.finish()
    [payment] = await place.payments()
    path = "/r/" + place.core.receipts.code(payment.id)
    unpaid = await place.get(path)
    await place.paid(payment)
    true = await place.get(path)
    await place.reverse(payment)
    returned = await place.get(path)
    forged = await place.get(path[:-2] + "AA")

    assert (unpaid.status, forged.status) == (404, 404)
    assert unpaid.text.replace(path, "") == forged.text.replace(path[:-2] + "AA", "")
    for words in ("is true", "KES 1,500", "UKN…001", "Mama Njeri Shop", "INV-0001", "23 Nov 2026"):
        assert words in true.words
    assert "UKN0000001" not in true.text
    assert "gone back to the payer" in returned.words
    assert "is true" not in returned.words


async def test_receipts_cannot_be_tried_one_after_another(place: Place) -> None:
    answers = [(await place.get("/r/" + "A" * 42 + chr(65 + n % 26))).status for n in range(31)]
    elsewhere = await place.get("/r/" + "A" * 43, **{"X-Forwarded-For": "198.51.100.9"})
    place.clock.advance(61)
    later = await place.get("/r/" + "A" * 43)

    assert answers == [404] * 30 + [429]
    assert (elsewhere.status, later.status) == (404, 404)
