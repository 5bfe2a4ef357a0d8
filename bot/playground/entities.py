"""Owns formatted text: Telegram's HTML dialect parsed as TDLib parses it, and entity offsets."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bot.playground.errors import Json, bad_request

# TDLib counts NUL among the spaces; it marks the end of the text in its loops.
_SPACE = " \t\r\n\v\0"
_END = "\0"
_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "blockquote": "blockquote",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_CODE = frozenset({"code", "pre"})
_AUTOMATIC = (
    ("bot_command", re.compile(r"(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?!\w)")),
    ("mention", re.compile(r"(?<!\w)@[A-Za-z][A-Za-z0-9_]{2,31}(?!\w)")),
    ("url", re.compile(r"\bhttps?://[^\s<>\"]+[^\s<>\".,;:!?)]")),
)


@dataclass(frozen=True)
class Entity:
    """One MessageEntity; offset and length are UTF-16 code units, as in the Bot API."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None
    user_id: int | None = None
    custom_emoji_id: str | None = None

    @property
    def end(self) -> int:
        return self.offset + self.length

    def json(self) -> Json:
        """The entity as the Bot API writes it, without its `user` object."""
        body: Json = {"type": self.type, "offset": self.offset, "length": self.length}
        for name in ("url", "language", "custom_emoji_id"):
            if getattr(self, name) is not None:
                body[name] = getattr(self, name)
        return body


@dataclass(frozen=True)
class FormattedText:
    """Plain text and its entities, sorted by offset, the longer first."""

    text: str
    entities: tuple[Entity, ...] = ()


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass
class _Open:
    tag: str
    argument: str
    offset: int
    text_length: int


class _HtmlParser:
    """One pass over the markup, in the order and with the complaints of TDLib's parse_html."""

    def __init__(self, markup: str) -> None:
        self.markup = markup
        self.at = 0
        self.out: list[str] = []
        self.offset = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []

    def parse(self) -> FormattedText:
        while self.at < len(self.markup):
            char = self.markup[self.at]
            if char == "<":
                if self._peek(1) == "/":
                    self._end_tag()
                else:
                    self._start_tag()
                continue
            self._emit(self._decoded() if char == "&" else self._next())
        if self.open:
            raise _broken(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        text = "".join(self.out)
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise _broken(
                "Text contains invalid Unicode characters after decoding HTML entities, "
                "check for unmatched surrogate code units"
            )
        return FormattedText(text, _tidied(self.entities))

    def _peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.markup[at] if at < len(self.markup) else _END

    def _next(self) -> str:
        char = self.markup[self.at]
        self.at += 1
        return char

    def _emit(self, text: str) -> None:
        self.out.append(text)
        self.offset += utf16_length(text)

    def _byte(self, at: int) -> int:
        return len(self.markup[:at].encode("utf-8", "surrogatepass"))

    def _skip_spaces(self) -> None:
        while self._peek() != _END and self._peek() in _SPACE:
            self.at += 1

    def _decoded(self) -> str:
        """The character behind `&lt;`, `&#60;` or `&#x3c;`; anything else stays as written."""
        found = re.compile(r"&(?:#x([0-9A-Fa-f]+)|#([0-9]+)|([A-Za-z]+));?").match(
            self.markup, self.at
        )
        if found is None:
            return self._next()
        hexadecimal, decimal, name = found.groups()
        if name is not None:
            char = _NAMED.get(name, "")
        else:
            code = int(hexadecimal, 16) if hexadecimal else int(decimal)
            in_range = 0 < code < 0x10FFFF and len(found[0].rstrip(";")) < 10
            char = chr(code) if in_range else ""
        if not char:
            return self._next()
        self.at = found.end()
        return char

    def _start_tag(self) -> None:
        begin = self.at
        self.at += 1
        while self._peek() not in _SPACE and self._peek() != ">":
            self.at += 1
        if self._peek() == _END:
            raise _broken(f"Unclosed start tag at byte offset {self._byte(begin)}")
        tag = self.markup[begin + 1 : self.at].lower()
        if tag not in _TAGS:
            raise _broken(f'Unsupported start tag "{tag}" at byte offset {self._byte(begin)}')
        argument = ""
        while True:
            self._skip_spaces()
            if self._peek() == ">":
                break
            name, value = self._attribute(tag, begin)
            argument = _argument(tag, name, value) or argument
        self.at += 1
        if tag == "span" and argument != "spoiler":
            raise _broken(
                f'Tag "span" must have class "tg-spoiler" at byte offset {self._byte(begin)}'
            )
        self.open.append(_Open(tag, argument, self.offset, len(self.out)))

    def _attribute(self, tag: str, begin: int) -> tuple[str, str]:
        name_at = self.at
        while self._peek() not in _SPACE and self._peek() not in "=>":
            self.at += 1
        name = self.markup[name_at : self.at].lower()
        if not name and self._peek() != _END:
            raise _broken(
                f'Empty attribute name in the tag "{tag}" at byte offset {self._byte(begin)}'
            )
        self._skip_spaces()
        if self._peek() == _END:
            raise _broken(f'Unclosed start tag "{tag}" at byte offset {self._byte(begin)}')
        if self._peek() != "=":
            if tag == "blockquote" and name == "expandable":
                return name, ""
            raise _broken(
                f'Expected equal sign in declaration of an attribute of the tag "{tag}" '
                f"at byte offset {self._byte(begin)}"
            )
        self.at += 1
        self._skip_spaces()
        if self._peek() == _END:
            raise _broken(f'Unclosed start tag "{tag}" at byte offset {self._byte(begin)}')
        return name, self._value(begin)

    def _value(self, begin: int) -> str:
        quote = self._peek()
        if quote not in "'\"":
            token_at = self.at
            while self._peek().isascii() and (self._peek().isalnum() or self._peek() in ".-"):
                self.at += 1
            if self._peek() == _END or self._peek() not in _SPACE + ">":
                raise _broken(f"Unexpected end of name token at byte offset {self._byte(token_at)}")
            return self.markup[token_at : self.at].lower()
        self.at += 1
        value: list[str] = []
        while self._peek() not in (quote, _END):
            value.append(self._decoded() if self._peek() == "&" else self._next())
        if self._peek() == _END:
            raise _broken(f"Unclosed start tag at byte offset {self._byte(begin)}")
        self.at += 1
        return "".join(value)

    def _end_tag(self) -> None:
        begin = self.at
        if not self.open:
            raise _broken(f"Unexpected end tag at byte offset {self._byte(begin)}")
        self.at += 2
        while self._peek() not in _SPACE and self._peek() != ">":
            self.at += 1
        tag = self.markup[begin + 2 : self.at].lower()
        self._skip_spaces()
        if self._peek() != ">":
            raise _broken(f"Unclosed end tag at byte offset {self._byte(begin)}")
        opened = self.open.pop()
        if tag and tag != opened.tag:
            raise _broken(
                f"Unmatched end tag at byte offset {self._byte(begin)}, "
                f'expected "</{opened.tag}>", found "</{tag}>"'
            )
        self.at += 1
        if self.offset > opened.offset:
            self._close(opened)

    def _close(self, opened: _Open) -> None:
        length = self.offset - opened.offset
        entity = Entity(_TAGS[opened.tag], opened.offset, length)
        match opened.tag:
            case "a":
                link = _link(opened.argument or "".join(self.out[opened.text_length :]))
                if link is not None:
                    self.entities.append(replace(link, offset=opened.offset, length=length))
                return
            case "code" | "pre":
                entity = replace(entity, language=opened.argument or None)
                twin = self.entities[-1] if self.entities else None
                if twin is not None and _same_span(twin, entity) and twin.type in _CODE:
                    language = twin.language or entity.language
                    if language and twin.type != entity.type:
                        self.entities[-1] = replace(entity, type="pre", language=language)
                        return
            case "blockquote" if opened.argument:
                entity = replace(entity, type="expandable_blockquote")
            case "tg-emoji":
                if not opened.argument.isdecimal():
                    raise _broken("Invalid custom emoji identifier specified")
                entity = replace(entity, custom_emoji_id=opened.argument)
        self.entities.append(entity)


def _argument(tag: str, name: str, value: str) -> str:
    match tag, name:
        case "a", "href":
            return value
        case "code", "class":
            return value.removeprefix("language-") if value.startswith("language-") else ""
        case "span", "class":
            return value.removeprefix("tg-") if value.startswith("tg-") else ""
        case "tg-emoji", "emoji-id":
            return value
        case "blockquote", "expandable":
            return "expandable"
    return ""


def _link(target: str) -> Entity | None:
    """A text_link, a text_mention for tg://user?id=N, or nothing for what is not a link."""
    mention = re.fullmatch(r"tg:(?://)?user\?id=(\d+)", target)
    if mention:
        return Entity("text_mention", 0, 0, user_id=int(mention[1]))
    if re.match(r"(?:https?|tg|ton|tonsite)://", target):
        return Entity("text_link", 0, 0, url=target)
    bare = re.fullmatch(r"[^\s/:?#]+\.[A-Za-z]{2,}(?::\d+)?([/?#]\S*)?", target)
    if bare:
        return Entity("text_link", 0, 0, url=f"http://{target}{'' if bare[1] else '/'}")
    return None


def _same_span(one: Entity, other: Entity) -> bool:
    return (one.offset, one.length) == (other.offset, other.length)


def _tidied(entities: list[Entity]) -> tuple[Entity, ...]:
    """Sorted; nothing inside code but the code itself; a language belongs to `pre` only."""
    code = [entity for entity in entities if entity.type in _CODE]
    kept = [
        replace(entity, language=None) if entity.type == "code" else entity
        for entity in entities
        if entity.type in _CODE
        or not any(c.offset <= entity.offset and entity.end <= c.end for c in code)
    ]
    return tuple(sorted(kept, key=lambda e: (e.offset, -e.length)))


def _broken(reason: str) -> Exception:
    return bad_request(f"can't parse entities: {reason}")


def parse_html(markup: str) -> FormattedText:
    """Parse `parse_mode=HTML`.

    Raises ApiError 400 "can't parse entities: …" with TDLib's words and byte offsets.
    """
    return _HtmlParser(markup).parse()


def trimmed(formatted: FormattedText) -> FormattedText:
    """Without the white space at both ends, as Telegram stores every text."""
    text = formatted.text.rstrip()
    cut = utf16_length(text) - utf16_length(text.lstrip())
    text = text.lstrip()
    size = utf16_length(text)
    kept = []
    for entity in formatted.entities:
        start, end = max(entity.offset - cut, 0), min(entity.end - cut, size)
        if end > start:
            kept.append(replace(entity, offset=start, length=end - start))
    return FormattedText(text, tuple(kept))


def with_automatic(formatted: FormattedText) -> FormattedText:
    """Adds the commands, mentions and links that Telegram finds by itself outside code."""
    closed = [e for e in formatted.entities if e.type in (*_CODE, "text_link", "text_mention")]
    found: list[Entity] = []
    for kind, pattern in _AUTOMATIC:
        for hit in pattern.finditer(formatted.text):
            offset = utf16_length(formatted.text[: hit.start()])
            entity = Entity(kind, offset, utf16_length(hit[0]))
            if not any(e.offset < entity.end and entity.offset < e.end for e in [*closed, *found]):
                found.append(entity)
    both = sorted([*formatted.entities, *found], key=lambda e: (e.offset, -e.length))
    return FormattedText(formatted.text, tuple(both))
