"""Two merchants with Paybills of their own: pushed, asked about and credited by their own keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.playground.people import Person
from mpesa.simulator import CallbackFault, Fault, SimulatorSettings
from storage.records import Status
from tests.flows.test_invoices import PATIENCE_S, a_merchant, billed, heard, opened, pays
from tests.flows.world import OPERATOR, QUICK, World, open_world

FISH = SimulatorSettings(
    consumer_key="fish-key",
    consumer_secret="fish-secret",
    shortcode="600111",
    passkey="fish-passkey",
    business_name="AMINA FISH",
)
SETTINGS = replace(QUICK, others=(FISH,))
ACCOUNT = f"""
[[mpesa.accounts]]
name = "fish"
consumer_key = "{FISH.consumer_key}"
consumer_secret = "{FISH.consumer_secret}"
shortcode = "{FISH.shortcode}"
passkey = "{FISH.passkey}"
business_name = "Amina Fish"
"""


async def paid_into_fish(world: World, merchant: Person) -> None:
    """The operator says whose money the merchant's invoices become."""
    boss = world.api.world.accounts[OPERATOR]
    assert isinstance(boss, Person)
    appointed = await heard(world, boss, f"{merchant.first_name} may issue invoices")
    boss.press(appointed, "🏦 Amina Fish")
    await heard(world, boss, "the next invoices are paid to Amina Fish")


async def test_each_merchants_money_goes_by_their_own_keys(tmp_path: Path, store_url: str) -> None:
    async with open_world(tmp_path, database=store_url, settings=SETTINGS, mpesa=ACCOUNT) as world:
        njeri, amina = await a_merchant(world, 1), await a_merchant(world, 2)
        await paid_into_fish(world, amina)
        peter, mary, otieno = (
            world.person(number, name=name)
            for number, name in ((3, "Peter"), (4, "Mary"), (5, "Otieno"))
        )
        # The callbacks of these two never come: they are found by asking, with the right keys.
        for silent in (mary, otieno):
            world.simulator.faults.for_phone(silent.phone, Fault(callback=CallbackFault.NEVER))
        for merchant, payer, kes in (
            (njeri, peter, 1500),
            (amina, mary, 700),
            (njeri, otieno, 900),
            (amina, peter, 300),
        ):
            card = await billed(world, merchant, f"{kes} {payer.first_name} goods")
            bill = await opened(world, payer, card, "📤 Send to customer")
            label = f"💸 Pay KES {kes:,}"
            if payer is peter and merchant is amina:
                payer.press(bill, label)  # the number is known by now
            else:
                await pays(world, payer, bill, label)
            await heard(world, merchant, f"KES {kes:,} paid by {payer.first_name}")
        prompts = [each.text for each in mary.chat.from_bot if "Amina Fish" in each.text]
        assert prompts, "the chat names whose Paybill it is"

        assert await world.bot.stop() == 0
        await world.judge()
        accounts = {p.push_ref: p.account for p in await world.payments()}

    rows = world.simulator.books.statement()
    by_shortcode = {
        code: sorted(row.amount_cents // 100 for row in rows if row.shortcode == code)
        for code in (QUICK.shortcode, FISH.shortcode)
    }
    assert by_shortcode == {QUICK.shortcode: [900, 1500], FISH.shortcode: [300, 700]}
    for row in rows:
        assert accounts[row.account_reference] == ("fish" if row.shortcode == "600111" else "")
    # Nothing was ever asked for with another's keys: such a push is refused, and kept in the log.
    assert all(push.accepted for push in world.simulator.pushes)
    assert len(world.simulator.pushes) == 4


async def test_a_merchants_bill_is_paid_by_the_account_it_was_issued_for(
    tmp_path: Path, store_url: str
) -> None:
    async with open_world(tmp_path, database=store_url, settings=SETTINGS, mpesa=ACCOUNT) as world:
        amina = await a_merchant(world, 1)
        before = await billed(world, amina, "200 Peter goods")
        await paid_into_fish(world, amina)
        after = await billed(world, amina, "250 Peter goods")
        for number, card in ((2, before), (3, after)):
            payer = world.person(number, name=f"Payer{number}")
            bill = await opened(world, payer, card, "📤 Send to customer")
            await pays(world, payer, bill, "💸 Pay KES 200" if card is before else "💸 Pay KES 250")
            await heard(world, payer, "✅")

        await world.api.wait_for(lambda: "Paid." in after.text, timeout_s=PATIENCE_S)
        assert await world.bot.stop() == 0
        await world.judge()
        statuses = {p.status for p in await world.payments()}

    assert statuses == {Status.PAID}
    rows = world.simulator.books.statement()
    assert {row.shortcode: row.amount_cents for row in rows} == {
        QUICK.shortcode: 20_000,
        FISH.shortcode: 25_000,
    }
