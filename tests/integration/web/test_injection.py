"""Three hundred texts that mean harm, in every field that shows something, on every page: they stay text."""

from __future__ import annotations

import itertools
import json
import re
from html.parser import HTMLParser

from queuectl.domain.visible import visible
from tests.support.site import Site, bury

_ELEMENTS = (
    "script",
    "img",
    "svg",
    "iframe",
    "object",
    "embed",
    "a",
    "body",
    "style",
    "math",
    "details",
    "input",
)
_HANDLERS = ("onerror", "onload", "onclick", "onfocus", "ontoggle", "onmouseover")
_CLOSERS = ("", '">', "'>", "</td>", "</title>", "</textarea>", "-->", "]]>", "</script>")
_FIXED = (
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)",
    "{{ 7 * 7 }}", "{% raise %}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{{ self._TemplateReference__context }}",
    "&lt;script&gt;", "&#60;script&#62;", "%3Cscript%3E", "\\u003cscript\\u003e", "<scr<script>ipt>", "<!--", "]]>",
    "\u202etxt.exe", "\u200bzero", "a\u2028b", "\u0085next", "\x1b[31mred", "\x07bell",
    "' OR 1=1 --", "\"; DROP TABLE tasks; --",
    "=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "../../etc/passwd", "file:///etc/passwd", "`id`", "$(id)", "|id",
)  # fmt: skip


def payloads() -> list[str]:
    """Return the texts."""
    made = [
        f'{closer}<{element} src=x href="javascript:alert(1)" {handler}=alert(1) style="x:y">'
        for closer, element, handler in itertools.product(_CLOSERS, _ELEMENTS, _HANDLERS[:3])
    ]
    made += [f'" {handler}="alert(1)' for handler in _HANDLERS]
    made += [f"' {handler}='alert(1)" for handler in _HANDLERS]
    return [*_FIXED, *made][:330]


_OWN_ELEMENTS = """
html head meta title link script body a header svg rect nav main p h1 h2 form input label select option span button div
table thead tbody tr th td time footer fieldset legend dialog dl dt dd kbd section ol li ul small code pre details
summary strong textarea line polyline text circle
"""


class Look(HTMLParser):
    """Finds what no page of ours has: elements, attributes and links that came with a text."""

    ALLOWED = frozenset(re.findall(r"\w+", _OWN_ELEMENTS))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.ALLOWED:
            self.found.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style" or (name == "src" and tag != "script"):
                self.found.append(f"{tag} {name}")
            is_link = name in ("href", "action", "src", "formaction") and value
            if is_link and not re.match(r"(?:/(?!/)|https?://|#|\?)", str(value)):
                self.found.append(f"{tag} {name}={value}")


def fill(site: Site, text: str, number: int) -> None:
    """Put a text wherever somebody else may write something."""
    fitting = text.replace("\0", "")
    site.manager.submit_task(f"https://example.com/{number}", "low", metadata={fitting[:50]: fitting})
    site.manager.submit_batch([f"https://example.com/b{number}"], "low", batch_name=fitting[:190] or "x")
    bury(site, 1_000 + number, error=fitting, metadata=json.dumps({"title": fitting}))


def test_nothing_that_others_write_becomes_a_part_of_a_page(plain_site: Site) -> None:
    texts = payloads()
    assert len(set(texts)) >= 300
    for number, text in enumerate(texts):
        fill(plain_site, text, number)
    pages = [f"/tasks?limit={limit}&sort={sort}" for limit in (50,) for sort in ("created", "score", "state")]
    pages += ["/", "/dead", "/batches", "/audit", "/health", "/queues", "/queues/low", "/queues/background"]
    for number in range(1, 3 * len(texts) + 1, 3):
        pages += [f"/tasks/{number}", f"/tasks/{number + 2}"]
    pages += [f"/batches/{number}" for number in range(1, len(texts) + 1, 7)]
    for path in pages:
        answer = plain_site.page(path)
        assert answer.status == 200, (path, answer.text[:300])
        assert Look(answer.text).found == [], path


def test_nothing_that_a_request_carries_becomes_a_part_of_its_page(plain_site: Site) -> None:
    from urllib.parse import quote

    for text in payloads():
        given = quote(text, safe="")
        addresses = (
            f"/tasks?url={given}&error={given}&host={given}&batch={given}",
            f"/tasks/{given}",
            f"/{given}",
            f"/dead?error={given}&failure={given}",
            f"/audit?who={given}&verb={given}",
            f"/tasks?after={given}",
            f"/do/queue-pause?name={given}&to={given}",
            f"/queues/{given}",
            f"/tasks?note={given}",
        )
        for path in addresses:
            answer = plain_site.page(path)
            assert answer.status < 500, (path, answer.text)
            assert Look(answer.text).found == [], path


def test_a_form_that_is_refused_shows_what_was_written_as_text(plain_site: Site) -> None:
    for text in payloads()[::6]:
        answer = plain_site.submit(
            "/schedules/new", {"source": text, "cron": text, "name": text, "zone": text}
        )
        assert answer.status in (303, 400)
        assert Look(answer.text).found == []
        answer = plain_site.submit("/submit", {"urls": text, "start": text, "interval": text, "name": text})
        assert Look(answer.text).found == []


def test_addresses_are_links_only_where_they_are_of_the_web() -> None:
    from queuectl_daemon.web.pages.page import Reader, Show

    show = Show(Reader("en", "auto", "UTC"))
    assert str(show.link("https://example.com/a?b=1&c=2")).startswith(
        '<a class="url" href="https://example.com/a?b=1&amp;c=2"'
    )
    for text in payloads():
        assert "<a " not in str(show.link(text)), text
    assert visible("\u202e") in str(show.link("https://example.com/\u202egpj"))
    assert "<a " not in str(show.link("https://example.com/\u202egpj"))
