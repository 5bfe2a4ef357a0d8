"""The form of an invoice's page: a question, or "not mine", without Telegram or scripts."""

from __future__ import annotations

import pytest

from bot.core.invoice_talk import FROM_CUSTOMERS
from bot.core.privacy import Forgotten
from storage.records import Closing, InvoiceEntryKind
from tests.core.shop import NJERI
from tests.web.place import Answer, Place, ticket_in

ADDRESS = {"X-Forwarded-For": "203.0.113.7"}


async def write(place: Place, path: str, **fields: str) -> Answer:
    """Fill in the form of this page and send it."""
    page = await place.get(path)
    return await place.post(path, {"ticket": ticket_in(page.text), **fields}, headers=ADDRESS)


async def questions(place: Place, invoice_id: str) -> list[str]:
    found = await place.core.billing.entries(invoice_id, InvoiceEntryKind.QUESTION, by=NJERI)
    return [each.why for each in found]


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_a_question_is_asked_and_its_answer_read_on_the_page(
    place: Place, language: str
) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}/word"
    invoice_page = await place.get(f"/i/{view.invoice.code}?lang={language}")
    assert f'href="{path}?lang={language}"' in invoice_page.text

    sent = await write(place, path, question="Do you <deliver>\nto Gikambura?")
    there = await place.get(sent.headers["Location"])
    waiting = await place.get(f"{path}?lang={language}")
    [asked] = await place.core.billing.entries(view.invoice.id, InvoiceEntryKind.QUESTION, by=NJERI)
    await place.core.invoice_talk.answer(
        view.invoice.id, entry_id=asked.id, by=NJERI, text="Yes & free", key="a", closing=Closing()
    )
    answered = await place.get(f"{path}?lang={language}")

    assert (sent.status, there.status) == (303, 200)
    assert asked.why == "Do you <deliver> to Gikambura?"
    assert "Do you &lt;deliver&gt; to Gikambura?" in waiting.text
    assert "Yes" not in waiting.words
    assert "Mama Njeri Shop Yes & free" in answered.words
    assert "<script" not in answered.text


async def test_not_mine_needs_no_words_and_tells_the_merchant_once(place: Place) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}/word"
    for _ in range(2):
        assert (await write(place, path, question="", what="not-mine")).status == 303

    [said] = await place.core.billing.entries(view.invoice.id, InvoiceEntryKind.NOT_MINE, by=NJERI)
    assert said.why == ""
    shown = await place.core.invoices.by_code(view.invoice.code)
    assert shown is not None
    assert shown.invoice.disowned_by is not None


async def test_the_same_form_twice_is_one_question(place: Place) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}/word"
    ticket = ticket_in((await place.get(path)).text)
    for text in ("One?", "One?", "Two?"):
        assert (await place.post(path, {"ticket": ticket, "question": text})).status == 303

    assert await questions(place, view.invoice.id) == ["One?", "Two?"]


async def test_nothing_is_carried_on_from_another_site_browser_or_page(place: Place) -> None:
    view, other = await place.invoice(), await place.invoice()
    path = f"/i/{view.invoice.code}/word"
    ticket = ticket_in((await place.get(path)).text)
    elsewhere = ticket_in((await place.get(f"/i/{other.invoice.code}/word")).text)
    to_pay = ticket_in((await place.get(f"/i/{view.invoice.code}")).text)
    form = {"ticket": ticket, "question": "Mine?"}

    foreign = await place.post(path, form, headers={"Origin": "https://evil.example"})
    name, _ = place.cookie()
    stolen = await place.post(path, form, cookies={name: "0" * 32})
    wrong = [
        await place.post(path, {"ticket": each, "question": "Mine?"})
        for each in (elsewhere, to_pay, "", "x" * 80)
    ]

    assert foreign.status == 403
    assert "Mine?" not in foreign.text
    assert stolen.status == 409
    assert {each.status for each in wrong} == {409}
    assert "Mine?" in wrong[0].text
    assert await questions(place, view.invoice.id) == []


async def test_words_are_limited_and_kept_for_whoever_typed_them(place: Place) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}/word"
    empty = await write(place, path, question="  ")
    answers = [await write(place, path, question=f"Question {n}?") for n in range(6)]
    long = await place.post(
        path,
        {"ticket": ticket_in((await place.get(path)).text), "question": "🎉" * 600},
        headers={"X-Forwarded-For": "198.51.100.9"},
    )

    assert empty.status == 422
    assert [each.status for each in answers] == [303] * 5 + [429]
    assert "Question 5?" in answers[-1].text
    assert long.status in (303, 400)
    assert (await place.get("/i/" + "A" * 22 + "/word")).status == 404
    assert (await place.post("/i/" + "A" * 22 + "/word", {"question": "?"})).status == 404


@pytest.mark.parametrize(
    "fields", [{"question": "Which bags?"}, {"question": "", "what": "not-mine"}]
)
async def test_a_page_whose_merchant_was_forgotten_says_that_nobody_reads_it(
    place: Place, fields: dict[str, str]
) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}/word"
    await place.core.billing.void(view.invoice.id, by=NJERI, why="", closing=Closing())
    nothing = Closing()
    forgotten = await place.core.privacy.forget(
        NJERI,
        done=nothing,
        waiting=nothing,
        needed=nothing,
        owed=nothing,
        recent=lambda _: nothing,
    )
    assert forgotten is Forgotten.DONE

    sent = await write(place, path, **fields)

    assert sent.status == 410
    assert "does not use this service any more" in sent.words
    assert fields["question"] in sent.text
    async with place.core.privacy._store.read() as tx:
        assert await tx.invoices.entries(view.invoice.id, *FROM_CUSTOMERS) == []
