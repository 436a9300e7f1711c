"""Publish an article as two files below the articles folder: Markdown, and a small page of HTML."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from pathlib import Path

from queuectl.clock import now_ms
from queuectl.domain.article import Article
from queuectl.handlers.article.extract import Extracted
from queuectl.handlers.article.files import folder_below, has_content, settle, write_file
from queuectl.handlers.article.rendering import escape_markdown

SLUG_LENGTH = 60
"""The most characters of a title that become part of a file name."""

_SLUG_BYTES = 180  # a file name has 255 bytes, and rare characters take four each
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{max-width:42rem;margin:2rem auto;padding:0 1rem;line-height:1.7;overflow-wrap:anywhere;"
    'font-family:system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;'
    "color:#1c1c1c;background:#fdfdfb}"
    "h1{line-height:1.3;font-size:1.7rem}header p,footer{color:#6a6a6a;font-size:.9rem}"
    "img{max-width:100%;height:auto}a{color:#0b5cad}"
    "pre{overflow-x:auto;padding:.8rem;border-radius:.4rem;background:#8881;line-height:1.45}"
    "code,pre{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.92em}"
    "blockquote{margin-left:0;padding-left:1rem;border-left:.25rem solid #8886;color:#5a5a5a}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}"
    "th,td{border:1px solid #8886;padding:.3rem .7rem;text-align:left}"
    "footer{margin-top:3rem;border-top:1px solid #8886;padding-top:.5rem}"
    "@media(prefers-color-scheme:dark){body{color:#e6e6e3;background:#17181a}a{color:#7db7f0}"
    "header p,footer,blockquote{color:#a3a3a0}}"
)
_STYLE_HASH = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    "default-src 'none'; img-src http: https: data:; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{_STYLE_HASH}'"
)


def publish(root: Path, article: Extracted, *, source: str, task_id: str, number: int) -> tuple[str, str]:
    """Write both files and return their paths relative to ``root``: Markdown, then HTML.

    A repeated run of the same task writes the same files again. They are not forced to the disk: the
    article is stored in the database with the task's success, and what a loss of power takes is
    written again from there.

    Raises:
        StorageError: a link, or something else that does not belong there, is in the way.
    """
    moment = _moment(article.published_at if article.published_at is not None else now_ms())
    year, month = f"{moment.year:04d}", f"{moment.month:02d}"
    name = f"{slug_of(article.title)}-{number}"
    with folder_below(root, year, month) as folder:
        write_file(folder, f"{name}.md", markdown_file(article, source=source, task_id=task_id))
        write_file(folder, f"{name}.html", html_file(article, source=source, task_id=task_id))
    return f"{year}/{month}/{name}.md", f"{year}/{month}/{name}.html"


def publish_again(root: Path, article: Article, *, task_id: str) -> int:
    """Write those files of a stored article that are missing or damaged, and return how many these were.

    Raises:
        StorageError: a link, or something else that does not belong there, is in the way.
    """
    written = 0
    for path, render in ((article.markdown_path, markdown_file), (article.html_path, html_file)):
        *folders, name = path.split("/")
        content = render(article, source=article.final_url, task_id=task_id)
        with folder_below(root, *folders) as folder:
            if not has_content(folder, name, content):
                write_file(folder, name, content)
                settle(folder, name)
                written += 1
    return written


def settle_files(root: Path, article: Article) -> None:
    """Force the files of a stored article to the disk.

    Raises:
        StorageError: a link, or something else that does not belong there, is in the way.
    """
    for path in (article.markdown_path, article.html_path):
        *folders, name = path.split("/")
        with folder_below(root, *folders) as folder:
            settle(folder, name)


def slug_of(title: str) -> str:
    """Return a title as part of a file name: letters and digits of any script, joined by hyphens."""
    normal = unicodedata.normalize("NFKC", title).lower()
    kept = "".join(
        each if each.isalnum() or unicodedata.category(each).startswith("M") else " " for each in normal
    )
    slug = "-".join(kept.split())[:SLUG_LENGTH]
    return slug.encode("utf-8", "ignore")[:_SLUG_BYTES].decode("utf-8", "ignore").strip("-") or "article"


def markdown_file(article: Extracted | Article, *, source: str, task_id: str) -> str:
    """Return the Markdown file: facts in front, then title and text.

    Every value is written as a JSON string, which is a YAML string as well, whatever is in it.
    """
    facts = {
        "title": article.title,
        "author": article.author,
        "account": article.account,
        "published": _iso(article.published_at),
        "source": source,
        "language": article.language,
        "task": task_id,
    }
    front = "".join(
        f"{name}: {json.dumps(text, ensure_ascii=False)}\n" for name, text in facts.items() if text
    )
    return f"---\n{front}---\n\n# {escape_markdown(article.title)}\n\n{article.markdown}\n"


def html_file(article: Extracted | Article, *, source: str, task_id: str) -> str:
    """Return the page: no script can run in it, and it asks for nothing but the article's images."""
    language = article.language if article.language and _LANGUAGE.fullmatch(article.language) else "und"
    title, address = escape(article.title), escape(source)
    facts = [article.author, article.account, _day(article.published_at)]
    byline = " · ".join(escape(fact) for fact in facts if fact)
    header = f"<h1>{title}</h1>" + (f"\n<p>{byline}</p>" if byline else "")
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<article>\n"
        f"<header>\n{header}\n</header>\n{article.html}\n</article>\n"
        f'<footer>\n<a href="{address}" rel="noopener noreferrer">{address}</a><br>{escape(task_id)}\n</footer>\n'
        "</body>\n</html>\n"
    )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _iso(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else _moment(milliseconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else _moment(milliseconds).strftime("%Y-%m-%d")
