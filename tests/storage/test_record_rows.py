"""Rows of the record: what a word about one changes, and what it leaves to people."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, update

from storage.engine import Store
from storage.record import Record
from storage.record_tables import record_rows
from storage.records import NewRecordRow, RecordRow, RowState, Source
from tests.stores import NOON

RECEIPT = "UKN1ABCDEF"
BY_LIST = NewRecordRow(receipt=RECEIPT, amount_cents=50_00, at=NOON, source=Source.PULL)
BY_STATEMENT = NewRecordRow(
    receipt=RECEIPT, amount_cents=50_00, at=NOON, source=Source.PORTAL, payer="0712***678"
)


class GivenAwayMeanwhile(Record):
    """A person gives the row away between its being read and its being written."""

    def _known(self, connection: Connection, wanted: Collection[str]) -> dict[str, RecordRow]:
        found = super()._known(connection, wanted)
        given = {"state": RowState.MATCHED.value, "payment_id": "p1"}
        connection.execute(update(record_rows).values(**given))
        return found


async def test_a_word_about_a_row_leaves_whose_it_has_become(store: Store) -> None:
    await store.write(lambda tx: tx.record.keep([BY_LIST], now=NOON))
    await store.write(lambda tx: tx.record.place([RECEIPT], RowState.OPEN))

    async with store.read() as tx:
        connection, crypt = tx.record._connection, tx.record._crypt
        await GivenAwayMeanwhile(connection, crypt).keep([BY_STATEMENT], now=NOON)
        row = await tx.record.get(RECEIPT)

        assert row is not None
        assert (row.state, row.payment_id) == (RowState.MATCHED, "p1")
        assert row.sources == {Source.PULL, Source.PORTAL}
