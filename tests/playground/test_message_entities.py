"""Owns the proof that HTML is read as TDLib reads it: text, UTF-16 offsets, and complaints."""

from __future__ import annotations

import pytest

from bot.playground.entities import (
    Entity,
    FormattedText,
    parse_html,
    trimmed,
    with_automatic,
)
from bot.playground.errors import ApiError
from bot.playground.rendering import html_of

# Taken over from TDLib's own table (test/message_entities.cpp, parse_html).
COMPLAINTS = [
    (
        "&#57311;",
        "Text contains invalid Unicode characters after decoding HTML entities, "
        "check for unmatched surrogate code units",
    ),
    ("🏟 🏟&lt;<abacaba", "Unclosed start tag at byte offset 13"),
    ("🏟 🏟&lt;<abac aba>", 'Unsupported start tag "abac" at byte offset 13'),
    ("🏟 🏟&lt;<i   =aba>", 'Empty attribute name in the tag "i" at byte offset 13'),
    (
        "🏟 🏟&lt;<i    aba>",
        'Expected equal sign in declaration of an attribute of the tag "i" at byte offset 13',
    ),
    ("🏟 🏟&lt;<i    aba  =  ", 'Unclosed start tag "i" at byte offset 13'),
    ("🏟 🏟&lt;<i    aba  =  190azAz-.,", "Unexpected end of name token at byte offset 27"),
    ('🏟 🏟&lt;<i    aba  =  "&lt;&gt;&quot;>', "Unclosed start tag at byte offset 13"),
    ("🏟 🏟&lt;<i    aba  =  '&lt;&gt;&quot;>", "Unclosed start tag at byte offset 13"),
    ("🏟 🏟&lt;</", "Unexpected end tag at byte offset 13"),
    ("🏟 🏟&lt;<b></b></", "Unexpected end tag at byte offset 20"),
    ("🏟 🏟&lt;<i>a</i   ", "Unclosed end tag at byte offset 17"),
    (
        "🏟 🏟&lt;<i>a</em   >",
        'Unmatched end tag at byte offset 17, expected "</i>", found "</em>"',
    ),
    ("a < b", 'Unsupported start tag "" at byte offset 2'),
    ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
    ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ("<br>", 'Unsupported start tag "br" at byte offset 0'),
]


@pytest.mark.parametrize(("markup", "reason"), COMPLAINTS)
def test_broken_html_is_refused_in_tdlibs_words(markup: str, reason: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_html(markup)

    assert refused.value.code == 400
    assert refused.value.description == f"Bad Request: can't parse entities: {reason}"


READINGS = [
    ("", "", []),
    ("&lt;&gt;&amp;&quot;&laquo;&#12345678;", '<>&"&laquo;&#12345678;', []),
    ("➡️ ➡️<em>➡️ ➡️</em>", "➡️ ➡️➡️ ➡️", [("italic", 5, 5)]),
    ("🏟 🏟<i>🏟 &lt🏟</i>", "🏟 🏟🏟 <🏟", [("italic", 5, 6)]),
    (
        "🏟 🏟<i>🏟 &gt;<b aba   =   caba>&lt🏟</b></i>",
        "🏟 🏟🏟 ><🏟",
        [("italic", 5, 7), ("bold", 9, 3)],
    ),
    ("🏟 🏟&lt;<i>🏟 🏟&lt;</>", "🏟 🏟<🏟 🏟<", [("italic", 6, 6)]),
    ("🏟 🏟&lt;<b></b>", "🏟 🏟<", []),
    ("<s>a</s><u>b</u><del>c</del>", "abc", [("strikethrough", 0, 1), ("underline", 1, 1)]),
    ("<tg-spoiler>x</tg-spoiler>", "x", [("spoiler", 0, 1)]),
    ("<blockquote expandable>x</blockquote>", "x", [("expandable_blockquote", 0, 1)]),
    ("<code>a<b>b</b></code>", "ab", [("code", 0, 2)]),
    ("KES &#49;&#x2C;500", "KES 1,500", []),
]


@pytest.mark.parametrize(("markup", "text", "entities"), READINGS)
def test_html_is_read_with_utf16_offsets(
    markup: str, text: str, entities: list[tuple[str, int, int]]
) -> None:
    read = parse_html(markup)

    assert read.text == text
    found = [(entity.type, entity.offset, entity.length) for entity in read.entities]
    assert found[: len(entities)] == entities


def test_a_link_keeps_its_address_and_a_bare_word_is_no_link() -> None:
    assert parse_html('<a href="https://example.org/x?a=1&amp;b">t</a>').entities == (
        Entity("text_link", 0, 1, url="https://example.org/x?a=1&b"),
    )
    assert parse_html("<a href=telegram.org>t</a>").entities[0].url == "http://telegram.org/"
    assert parse_html("<a href='tg://user?id=7'>t</a>").entities[0].user_id == 7
    assert parse_html("<a href=as>t</a>").entities == ()


def test_pre_around_code_keeps_the_language() -> None:
    read = parse_html('<pre><code class="language-python">x = 1</code></pre>')

    assert read.entities == (Entity("pre", 0, 5, language="python"),)


def test_white_space_at_the_ends_goes_and_entities_move_along() -> None:
    body = trimmed(parse_html("\n <b> Paid </b> "))

    assert body == FormattedText("Paid", (Entity("bold", 0, 4),))


def test_commands_and_links_are_found_outside_code() -> None:
    body = with_automatic(parse_html("/pay@lipa_demo_bot 50 <code>/give</code> https://a.example"))

    assert [(e.type, e.offset, e.length) for e in body.entities] == [
        ("bot_command", 0, 18),
        ("code", 22, 5),
        ("url", 28, 17),
    ]


def test_a_call_may_stand_behind_any_mark_but_in_no_word() -> None:
    body = with_automatic(FormattedText("@@jane /@jane jane@jane"))

    assert [(e.type, e.offset, e.length) for e in body.entities] == [
        ("mention", 1, 5),
        ("mention", 8, 5),
    ]


def test_a_path_is_not_taken_for_a_command() -> None:
    assert with_automatic(FormattedText("1/2 and a/b")).entities == ()


def test_rendering_escapes_text_and_nests_tags() -> None:
    body = parse_html("<b>KES <i>50</i></b> &lt;script&gt; 🏟 <code>UKN4</code>")

    assert html_of(body) == ("<b>KES <i>50</i></b> &lt;script&gt; 🏟 <code>UKN4</code>")


def test_rendering_makes_no_link_of_a_script_address() -> None:
    body = FormattedText("t", (Entity("text_link", 0, 1, url="javascript:alert(1)"),))

    assert html_of(body) == "t"
