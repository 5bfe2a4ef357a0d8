"""Pieces of a proof add up only with pieces of the same code, and no seed counts twice."""

from __future__ import annotations

from pathlib import Path

from tests.prove.table import Row, added_up, code_fingerprint, kept, printed, read

CODE, OTHER = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


def piece(first: int, last: int, *, violations: int = 0, **counts: int) -> Row:
    many = last - first + 1
    return Row("histories", many, "histories", violations, 2.0, seeds=(first, last), counts=counts)


def test_what_was_kept_is_read_again_without_pieces_of_other_code(tmp_path: Path) -> None:
    path = tmp_path / "pieces.jsonl"
    mine = [piece(1, 10, payments=3), Row("settle", 7, "sets", 0, 1.0, "whole")]
    kept(path, mine[:1], CODE)
    kept(path, [piece(11, 20)], OTHER)
    kept(path, mine[1:], CODE)

    assert read(path, CODE) == (mine, 1)


def test_pieces_add_up() -> None:
    [whole] = added_up([piece(1, 10, payments=3), piece(11, 20, violations=1, payments=4)])

    assert (whole.many, whole.violations, whole.seconds) == (20, 1, 4.0)
    assert (whole.seeds, whole.counts, whole.note) == ((1, 20), {"payments": 7}, "")


def test_a_seed_that_was_lived_twice_counts_as_it_went_the_last_time() -> None:
    [whole] = added_up([piece(1, 10, violations=2), piece(11, 20), piece(5, 10)])

    assert (whole.many, whole.violations) == (16, 0)


def test_what_draws_no_seeds_counts_once() -> None:
    rows = [Row("settle", 7, "sets", violations, 1.0) for violations in (3, 0)]

    assert added_up(rows) == rows[1:]


def test_a_gap_between_the_seeds_is_told() -> None:
    [whole] = added_up([piece(1, 10), piece(21, 30)])

    assert "gaps" in whole.note


def test_the_table_names_seeds_and_payments() -> None:
    [*_, line] = printed([piece(1, 1000, payments=25_000)]).splitlines()

    cells = [each.strip() for each in line.strip("|").split("|")]
    assert cells == ["histories", "1,000 histories", "0", "1–1000", "2.0", "25,000 payments"]


def test_another_sentence_or_line_is_other_code_and_a_test_is_not(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("bot/a.py", "bot/b.po", "storage/c.py", "tests/d.py")]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_text("before")
    known = [code_fingerprint(tmp_path)]
    for place in places:
        place.write_text("after")
        known.append(code_fingerprint(tmp_path))

    assert len(set(known[:4])) == 4
    assert known[4] == known[3]
