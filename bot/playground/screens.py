"""Owns what the demo page shows: the chat, the phones and Safaricom's books as HTML fragments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.playground.botapi import BotApi
from bot.playground.chats import Chat, Message
from bot.playground.keyboards import Button
from bot.playground.people import Person
from bot.playground.world import Press
from mpesa.simulator import EAT, Behaviour, Handset, Simulator

FOLDER = Path(__file__).parent
LANGUAGES = {"en": "English", "sw": "Kiswahili"}
_STATEMENT_ROWS = 50


@dataclass(frozen=True)
class View:
    """What one browser window looks at: one person's telephone, opened at one chat."""

    person: Person
    chat: Chat

    @property
    def query(self) -> str:
        return f"person={self.person.id}&chat={self.chat.id}"


class Screens:
    """Renders from the two stand-ins; `owners` says whose each phone number is."""

    def __init__(self, api: BotApi, simulator: Simulator, owners: Mapping[str, str]) -> None:
        self._api = api
        self._simulator = simulator
        self._owners = owners
        self.presses: dict[int, Press] = {}
        self._env = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters["clock"] = lambda at: at.astimezone(EAT).strftime("%H:%M:%S")
        self._env.filters["kes"] = _kes
        self._env.filters["local"] = local_number

    def people(self) -> list[Person]:
        """Everybody whose telephone can be looked over."""
        accounts = self._api.world.accounts.values()
        return [account for account in accounts if isinstance(account, Person)]

    def chats_of(self, person: Person) -> list[Chat]:
        """The private chat first, then the groups this person is in."""
        groups = [c for c in self._api.world.chats.values() if c.is_member(person.id)]
        return [person.chat, *(c for c in groups if c.is_group and c.migrated_to is None)]

    def view(self, person_id: str, chat_id: str) -> View:
        """The view of a query string; raises LookupError for what is not there."""
        people = {str(person.id): person for person in self.people()}
        person = people[person_id] if person_id else next(iter(people.values()))
        chats = {str(chat.id): chat for chat in self.chats_of(person)}
        return View(person, chats[chat_id] if chat_id else person.chat)

    def page(self, view: View) -> str:
        """The whole page."""
        return self._env.get_template("page.html").render(
            view=view,
            people=self.people(),
            chats=self.chats_of(view.person),
            languages=LANGUAGES,
            fragments=self.fragments(view),
            phones=self._simulator.phones,
            owner=self._owner,
            business=self._simulator.settings.business_name,
            paybill=self._simulator.settings.party_b,
        )

    def composer(self, view: View, problem: str = "") -> str:
        """The form for a new message, empty and ready."""
        return self._env.get_template("composer.html").render(
            view=view, problem=problem, autofocus=True
        )

    def fragments(self, view: View) -> dict[str, str]:
        """Every part of the page that changes by itself, by the name of its event."""
        press = self.presses.get(view.person.id)
        parts = {
            "chat": self._part("chat.html", view=view, see=self._see_button, say=_service_words),
            "keys": self._part("keys.html", view=view, others=self._others(view.person)),
            "menu": self._part("menu.html", commands=self._api.menu(view.chat, view.person)),
            "toast": self._part("toast.html", press=press),
            "books": self._part("books.html", rows=self._rows()),
        }
        for handset in self._simulator.phones:
            shown = handset.prompt is not None and not handset.prompt.answer.done()
            parts[f"prompt-{handset.phone}"] = self._part(
                "prompt.html",
                handset=handset,
                prompt=handset.prompt if shown else None,
                manual=handset.behaviour is Behaviour.MANUAL,
            )
            parts[f"phone-{handset.phone}"] = self._part(
                "phone.html",
                handset=handset,
                behaviours=list(Behaviour),
            )
        return parts

    def start_payload(self, button: Button) -> str | None:
        """The payload of a link to our own bot, which a telephone opens without the web."""
        parts = urlsplit(button.value)
        if parts.hostname != "t.me" or parts.path.strip("/") != self._api.world.bot.username:
            return None
        return parse_qs(parts.query).get("start", [None])[0]

    def _part(self, template: str, **values: object) -> str:
        return self._env.get_template(template).render(**values).strip()

    def _see_button(self, button: Button) -> str:
        """`link` for what a browser opens itself, `press` for what goes to the bot."""
        outside = button.action == "url" and self.start_payload(button) is None
        return "link" if outside and button.value.startswith(("http://", "https://")) else "press"

    def _others(self, person: Person) -> list[Person]:
        return [each for each in self.people() if each is not person]

    def _owner(self, handset: Handset) -> str:
        return self._owners.get(handset.phone, "Somebody")

    def _rows(self) -> list[object]:
        return list(reversed(self._simulator.books.statement()[-_STATEMENT_ROWS:]))


def local_number(phone: str) -> str:
    """0712345678, as people in Kenya read a number."""
    return re.sub(r"^254", "0", phone)


def _kes(cents: int) -> str:
    shillings, rest = divmod(abs(cents), 100)
    sign = "-" if cents < 0 else ""
    return f"{sign}KES {shillings:,}" + (f".{rest:02}" if rest else "")


def _service_words(message: Message) -> str:
    """A service message as a telephone words it."""
    name = message.sender.first_name
    match message.service:
        case {"new_chat_members": [{"first_name": who}, *_]}:
            return f"{name} added {who}" if who != name else f"{name} joined the group"
        case {"users_shared": {"users": users}}:
            chosen = ", ".join(each["first_name"] for each in users)
            return f"{name} chose {chosen}"
        case {"left_chat_member": {"first_name": who}}:
            return f"{who} left the group"
        case {"pinned_message": _}:
            return f"{name} pinned a message"
        case {"forum_topic_created": {"name": topic}}:
            return f"{name} opened the topic {topic}"
        case {"migrate_to_chat_id": _} | {"migrate_from_chat_id": _}:
            return "The group became a supergroup"
    return ""
