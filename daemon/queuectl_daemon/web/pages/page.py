"""How a page is made: a template, the words of the reader's language, and what all pages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from queuectl import __version__
from queuectl.clock import now_ms
from queuectl.domain.priority import level_of_score
from queuectl.domain.sentence import Duration, Fact, Sentence, Word
from queuectl.domain.task import batch_name, task_name
from queuectl.domain.visible import visible
from queuectl.domain.web_access import Role
from queuectl.times import iso, zone_named
from queuectl_daemon.web.pages import charts
from queuectl_daemon.web.pages.words import LANGUAGES, Words, chosen_language, words_of
from queuectl_daemon.web.problems import Problem
from queuectl_daemon.web.routes import Call

THEMES = ("auto", "light", "dark")
_HERE = Path(__file__).parent.parent
_NAVIGATION = (
    ("dashboard", "/"),
    ("tasks", "/tasks"),
    ("queues", "/queues"),
    ("batches", "/batches"),
    ("schedules", "/schedules"),
    ("dead", "/dead"),
    ("reports", "/reports"),
    ("audit", "/audit"),
    ("health", "/health"),
)
_LONGEST_LINE = 2_000


@dataclass(frozen=True, slots=True)
class Reader:
    """How somebody wants to read."""

    language: str
    theme: str
    zone: str

    @property
    def words(self) -> Words:
        """The words of the language."""
        return words_of(self.language)


def reader_of(request: Request, zone: str) -> Reader:
    """Return how whoever asks wants to read: by what was chosen here, else by what the browser says."""
    theme = request.cookies.get("theme", "auto")
    language = request.cookies.get("language", "")
    if language not in LANGUAGES:
        language = chosen_language(request.headers.get("accept-language", ""))
    return Reader(language, theme if theme in THEMES else "auto", zone)


def page(call: Call, template: str, code: int = 200, **context: Any) -> Response:
    """Return a whole page."""
    reader = reader_of(call.request, call.zone)
    shared = {
        "path": call.request.url.path,
        "here": here(call.request),
        "identity": call.identity,
        "may": lambda role: call.identity.role >= Role[role.upper()],
        "note": call.desk.notes.take(call.request.query_params.get("note")),
        "navigation": _NAVIGATION,
        "version": __version__,
        "themes": THEMES,
        "languages": LANGUAGES,
    }
    text = rendered(reader, template, **(shared | context))
    return Response(text, code, media_type="text/html; charset=utf-8")


def rendered(reader: Reader, template: str, **context: Any) -> str:
    """Return a template filled in for a reader."""
    return (
        environment()
        .get_template(template)
        .render(reader=reader, t=reader.words, now=now_ms(), show=Show(reader), **context)
    )


def here(request: Request) -> str:
    """Return the address of this page below this site, without what is shown only once."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "note"]
    return request.url.path + (f"?{urlencode(pairs)}" if pairs else "")


@cache
def environment() -> Environment:
    """Return the templates; everything that they show is escaped."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "task_name": task_name,
        "batch_name": batch_name,
        "quoted": lambda text: quote(str(text), safe=""),
        "visible_lines": visible_lines,
    }
    made.globals |= {
        "level_of_score": level_of_score,
        "query": address,
        "charts": charts,
        "asset": asset,
    }
    return made


@cache
def asset(name: str) -> str:
    """Return the address of a file of the page, which changes with its content."""
    from hashlib import sha256

    digest = sha256((_HERE / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def address(path: str, *several: Mapping[str, Any], **fields: Any) -> str:
    """Return an address with the fields that have a value; lists become repeated fields."""
    pairs: list[tuple[str, str]] = []
    for name, value in [pair for each in (*several, fields) for pair in each.items()]:
        values: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
        pairs += [
            (name, str(each)) for each in values if each is not None and each != "" and each is not False
        ]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def visible_lines(text: str) -> str:
    """Return several lines of text from outside, with everything else in it that could deceive made visible."""
    return "\n".join(visible(line, _LONGEST_LINE) for line in text.splitlines())


class Show:
    """How values are written for a reader."""

    def __init__(self, reader: Reader) -> None:
        self._words = reader.words
        self._zone = reader.zone

    def number(self, value: float | None) -> str:
        """Return a number with its thousands apart."""
        if value is None:
            return "–"
        is_round = abs(value) >= 100 or value == int(value)
        return f"{value:,.0f}" if is_round else f"{value:,.1f}"

    def duration(self, ms: int | None) -> str:
        """Return a duration in its leading units."""
        if ms is None:
            return "–"
        ms, unit = max(0, ms), self._words.unit
        if ms < 1_000:
            return unit("ms", ms)
        if ms < 60_000:
            return unit("s", f"{ms / 1_000:.1f}" if ms < 10_000 else ms // 1_000)
        for length, name, part, smaller in (
            (86_400_000, "d", 3_600_000, "h"),
            (3_600_000, "h", 60_000, "min"),
        ):
            if ms >= length:
                return f"{unit(name, ms // length)} {unit(smaller, ms % length // part)}"
        return f"{unit('min', ms // 60_000)} {unit('s', ms % 60_000 // 1_000)}"

    def brief(self, ms: int) -> str:
        """Return a duration in its leading unit."""
        for length, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
            if ms >= length:
                return self._words.unit(name, ms // length)
        return self._words.unit("s", max(0, ms) // 1_000)

    def time(self, at: int | None) -> str:
        """Return a moment in the reader's zone."""
        return "–" if at is None else f"{self._local(at):%Y-%m-%d %H:%M:%S}"

    def ago(self, at: int | None) -> Markup:
        """Return how long ago a moment was, or how far it is, with the moment itself to be pointed at."""
        if at is None:
            return Markup("–")
        apart = now_ms() - at
        words = self._words("time.ago" if apart >= 0 else "time.ahead", time=self.brief(abs(apart)))
        return Markup('<time datetime="{}" title="{} {}">{}</time>').format(
            iso(at), self.time(at), self._zone, words
        )

    def sentence(self, sentence: Sentence) -> str:
        """Return what the core says in the reader's language."""
        facts = {name: self._fact(fact) for name, fact in sentence.facts}
        return self._words(f"said.{sentence.key}", **facts)

    def _fact(self, fact: Fact) -> int | str:
        match fact:
            case Duration(ms):
                return self.brief(ms)
            case Word(kind, name):
                key = f"{kind}.{name}"
                return self._words(key) if self._words.has(key) else self.text(name)
            case Sentence():
                return self.sentence(fact)
            case int():
                return fact
            case _:
                return self.text(fact)

    def title(self, problem: Problem) -> str:
        """Return what kind of problem it is."""
        key = f"problem.{problem.kind}"
        return self._words(key if self._words.has(key) else "problem.other")

    def problem(self, problem: Problem) -> str:
        """Return a problem on one line: its kind, and what the core says of this one, which is in English."""
        return self._words("problem.line", title=self.title(problem), message=self.text(problem.message))

    def state(self, state: str) -> Markup:
        """Return a state as a word with its colour."""
        return Markup('<span class="state {}">{}</span>').format(state, self._words(f"state.{state}"))

    def queue(self, name: str) -> str:
        """Return a queue's name."""
        return self._words(f"queue.{name.removesuffix('_priority')}")

    def link(self, url: str) -> Markup:
        """Return an address as a link, if it is one of the web, else as text."""
        shown = visible(url, _LONGEST_LINE)
        try:
            scheme = urlsplit(url).scheme.lower()
        except ValueError:
            scheme = ""
        if scheme not in ("http", "https") or shown != url:
            return Markup('<span class="url">{}</span>').format(shown)
        return Markup('<a class="url" href="{}" rel="noreferrer noopener" target="_blank">{}</a>').format(
            url, shown
        )

    def text(self, text: object) -> str:
        """Return what came from outside with everything in it that could deceive made visible."""
        return visible(str(text), _LONGEST_LINE)

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1_000, zone_named(self._zone))
