"""The README's diagram of statuses, drawn from settle itself: `python -m tests.core.diagram`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from bot.core.settle import stand
from storage.records import Status
from tests.core.settle_rules import NO, WRITTEN_OFF, YES
from tests.core.settle_space import (
    LARGE,
    NONE,
    SMALL,
    TOLD_AFTER,
    F,
    Space,
    Stand,
    bits,
    facts_about,
    maybe,
    sets_of,
)

__all__ = ["README", "drawn", "found_in", "mermaid", "moves"]

README = Path(__file__).parents[2] / "README.md"
BEGIN = "<!-- drawn by python -m tests.core.diagram -->\n"
END = "<!-- end of the drawing -->\n"

Moves = Mapping[tuple[Status, Status], frozenset[F]]

# One push has one fate; nothing but a refusal to begin, or a person, speaks before it is begun.
FATES = F.ACCEPTED, F.REFUSED, F.NOT_SENT
REPLIES = int(F.ACCEPTED | F.REFUSED | F.NOT_SENT | F.REPLY_LOST)
BEFORE_THE_PUSH = int(F.BEGUN | F.NOT_SENT | F.RECORD | F.OPERATOR | F.VOID)
BEGUN, LAPSED = int(F.BEGUN), int(F.LAPSED)
LIVES = Space(
    outer=((NONE, F.BEGUN), (NONE, *FATES), (NONE, F.REPLY_LOST)),
    inner=(
        (NONE, F.PAID, F.BARE),
        (NONE, F.VOID, F.VOID_LAST),
        *maybe(F.FAILED, F.QUERY_YES, F.QUERY_NO, F.RECORD, F.OPERATOR, F.LAPSED),
    ),
)

PROOF = "proof that it is paid"
CLAIMED = "a yes that is no proof"
NAMES = {
    F.BEGUN: "the push leaves",
    F.ACCEPTED: "Safaricom takes it",
    F.REFUSED: "Safaricom refuses it",
    F.NOT_SENT: "it could not leave",
    F.REPLY_LOST: "the reply is lost",
    F.LAPSED: "nobody could say",
}
GROUPS = {
    "asked": ("a prompt may be on the phone", (Status.ASKING, Status.PROMPTED, Status.UNSURE)),
    "doubt": ("a yes without proof", (Status.CONFIRMING, Status.REVIEW)),
    "without": (
        "no yes was heard, or a person wrote it off",
        (Status.DECLINED, Status.REFUSED, Status.LAPSED, Status.VOID),
    ),
}


def moves(stand: Stand = stand) -> Moves:
    """Every move of a status that one more fact can make, and the facts that make it."""
    found: dict[tuple[Status, Status], int] = defaultdict(int)
    for payment in (SMALL, LARGE):
        told = {int(fact): evidence for fact, evidence in facts_about(payment).items()}
        status = {
            outer | inner: stand(payment, [told[each] for each in bits(outer | inner)]).status
            for outer in sets_of(LIVES.outer)
            for inner in sets_of(LIVES.inner)
        }
        for facts, was in status.items():
            for more in told:
                now = status.get(facts | more, was)
                if not facts & more and now is not was and _could_be(facts, more):
                    found[was, now] |= more
    return {move: frozenset(F(facts)) for move, facts in found.items()}


def _could_be(facts: int, more: int) -> bool:
    """Whether *more* could be heard next: truth may be late, a reply or a person's act is not."""
    if not facts & BEGUN and (facts | more) & ~BEFORE_THE_PUSH:
        return False
    if more & REPLIES and facts & LAPSED:
        return False
    if (facts | more) & WRITTEN_OFF:
        heard_after = TOLD_AFTER[F(more)]
        return all(TOLD_AFTER[F(each)] <= heard_after for each in bits(facts))
    return True


def mermaid(found: Moves) -> str:
    """The diagram, in the language that code hosts draw."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> created"]
    for name, (title, members) in GROUPS.items():
        lines.append(f'    state "{title}" as {name} {{')
        lines += [f"        {member}" for member in members]
        lines.append("    }")
    lines += [f"    {was} --> {now}: {label}" for was, now, label in _arrows(found)]
    return "\n".join((*lines, "```", ""))


def _arrows(found: Moves) -> Iterator[tuple[str, str, str]]:
    """Arrows that leave all members of a group become one arrow that leaves the group."""
    sources: dict[tuple[Status, str], set[Status]] = defaultdict(set)
    for (was, now), facts in found.items():
        for each in facts:
            sources[now, _label(each, now)].add(was)
    order = list(Status)
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (now, label), statuses in sorted(sources.items(), key=lambda each: order.index(each[0][0])):
        left = set(statuses)
        for name, (_, members) in GROUPS.items():
            if now not in members and left.issuperset(members):
                left -= set(members)
                labels[name, now].append(label)
        for status in sorted(left, key=order.index):
            labels[status, now].append(label)
    for (source, to), said in labels.items():
        yield source, to, " / ".join(sorted(said))


def _label(fact: F, now: Status) -> str:
    if fact & YES:
        return PROOF if now is Status.PAID else CLAIMED
    if fact & WRITTEN_OFF:
        return "a person writes it off"
    name = NAMES.get(fact)
    if name is not None:
        return name
    assert fact & NO, "every fact that moves a status has a name"
    return "a no, by callback or query"


def found_in(readme: str) -> str:
    """The diagram as the README has it."""
    return readme.partition(BEGIN)[2].partition(END)[0]


def drawn(readme: str) -> str:
    """The README with the diagram of today."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, "the README has the two marks between which the diagram stands"
    return f"{before}{begin}{mermaid(moves())}{end}{after}"


if __name__ == "__main__":
    README.write_text(drawn(README.read_text(encoding="utf-8")), encoding="utf-8")
