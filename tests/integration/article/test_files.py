"""Writing articles and the feed to a disk: whole files, in their place, and never through a link."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest

from queuectl.domain.article import Article
from queuectl.errors import StorageError
from queuectl.handlers.article.extract import Extracted
from queuectl.handlers.article.feed import FeedEntry, entry_of, write_feed
from queuectl.handlers.article.files import folder_below, write_file
from queuectl.handlers.article.publish import publish
from tests.unit.article.test_publishing import NASTY

ATOM = "{http://www.w3.org/2005/Atom}"
PUBLISHED = 1_718_932_800_000  # 21 June 2024
SOURCE = "https://site.example/a"


def article(title="A title", published_at=PUBLISHED, text="Text."):
    return Extracted(title, "Ann", None, published_at, "en", text, f"<p>{text}</p>", (), 1, 5)


def put(root, found, number=7):
    return publish(root, found, source=SOURCE, task_id=f"task_{number}", number=number)


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_both_files_stand_in_the_month_of_the_publication(home):
    root = home / "articles"
    assert put(root, article()) == ("2024/06/a-title-7.md", "2024/06/a-title-7.html")
    assert files_in(root) == ["2024/06/a-title-7.html", "2024/06/a-title-7.md"]
    assert (root / "2024/06/a-title-7.md").read_text().endswith("# A title\n\nText.\n")
    assert "<p>Text.</p>" in (root / "2024/06/a-title-7.html").read_text()


def test_an_undated_article_stands_in_the_present_month(home):
    markdown, _ = put(home, article(published_at=None))
    assert int(markdown[:4]) >= 2024


def test_a_second_run_of_the_task_writes_the_same_files(home):
    first = put(home, article(text="One."))
    assert put(home, article(text="Two.")) == first
    assert len(files_in(home)) == 2
    assert "Two." in (home / first[0]).read_text()


def test_tasks_with_one_title_do_not_share_a_file(home):
    assert put(home, article(), 1) != put(home, article(), 2)
    assert len(files_in(home)) == 4


@pytest.mark.parametrize("title", NASTY, ids=lambda title: ascii(title)[:30])
def test_no_title_leads_out_of_the_folder(home, title):
    root = home / "deep" / "articles"
    for path in put(root, article(title=title)):
        assert (root / path).resolve().parent == (root / "2024/06").resolve()
    assert len(files_in(home)) == 2


@pytest.mark.parametrize("moment", [-(10**13), 0, 10**14])
def test_any_year_is_a_folder(home, moment):
    markdown, _ = put(home, article(published_at=moment))
    assert len(markdown.split("/")[0]) == 4


@pytest.mark.parametrize("place", ["2024", "2024/06"])
def test_a_folder_that_is_a_link_is_refused(home, place):
    root, elsewhere = home / "articles", home / "elsewhere"
    elsewhere.mkdir()
    (root / place).parent.mkdir(parents=True)
    (root / place).symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(StorageError, match="it is a link or no folder") as refusal:
        put(root, article())
    assert refusal.value.hint
    assert files_in(elsewhere) == []


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.EACCES, "permissions"), (errno.EIO, "disk"), (errno.EMFILE, "queuectl doctor")],
)
def test_of_a_folder_that_cannot_be_opened_the_reason_is_said(home, monkeypatch, number, hint):
    before = put(home, article())
    opened = os.open

    def fail(name, *words, **folders):
        if name == "06":
            raise OSError(number, os.strerror(number))
        return opened(name, *words, **folders)

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(StorageError) as refusal:
        put(home, article(), 8)
    assert refusal.value.message == f"{home}/2024/06 cannot be opened: {os.strerror(number)}"
    assert hint in (refusal.value.hint or "")
    assert files_in(home) == sorted(before)


@pytest.mark.parametrize("ending", ["md", "html"])
@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_a_file_that_is_something_else_is_refused(home, ending, kind):
    target, victim = home / f"2024/06/a-title-7.{ending}", home / "victim"
    target.parent.mkdir(parents=True)
    victim.write_text("precious")
    match kind:
        case "link":
            target.symlink_to(victim)
        case "dangling":
            target.symlink_to(home / "nowhere")
        case "folder":
            target.mkdir()
        case _:
            os.mkfifo(target)
    with pytest.raises(StorageError, match="refused to replace"):
        put(home, article())
    assert victim.read_text() == "precious"
    assert not (home / "nowhere").exists()


def test_the_folder_of_all_articles_may_be_a_link_that_its_owner_has_set(home):
    (home / "disk").mkdir()
    (home / "articles").symlink_to(home / "disk")
    put(home / "articles", article())
    assert len(files_in(home / "disk")) == 2


def test_a_hard_link_is_replaced_and_not_written_through(home):
    path = home / put(home, article())[0]
    (home / "other").hardlink_to(path)
    put(home, article(text="New."))
    assert "New." in path.read_text()
    assert "New." not in (home / "other").read_text()


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(home, monkeypatch):
    path = home / put(home, article(text="Old."))[0]

    def fail(*names, **folders):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        put(home, article(text="New."))
    assert "Old." in path.read_text()
    assert len(files_in(home)) == 2


def test_a_reader_never_sees_half_a_file(home):
    texts = [str(digit) * 200_000 for digit in range(8)]
    with folder_below(home) as folder, ThreadPoolExecutor(4) as threads:
        write_file(folder, "x", texts[0])
        writing = [threads.submit(write_file, folder, "x", text) for text in texts * 5]
        while not all(each.done() for each in writing):
            assert (home / "x").read_text() in texts
        for each in writing:
            each.result()
    assert files_in(home) == ["x"]


def test_files_are_plain_and_not_executable(home):
    for path in put(home, article()):
        mode = (home / path).stat().st_mode
        assert stat.S_ISREG(mode)
        assert not mode & 0o133


def entry(number, **facts):
    standard = {
        "id": f"{SOURCE}#{number}",
        "url": SOURCE,
        "title": f"Title {number}",
        "updated_at": PUBLISHED + number,
    }
    return FeedEntry(**{**standard, **facts})


def read_feed(path):
    return ElementTree.fromstring(path.read_bytes())


def test_a_feed_has_everything_that_atom_demands(home):
    target = home / "articles" / "feed.xml"
    write_feed([entry(1, published_at=PUBLISHED, author="Ann", html="<p>a &amp; b</p>"), entry(2)], target)
    feed = read_feed(target)
    assert feed.tag == f"{ATOM}feed"
    assert feed.findtext(f"{ATOM}id") == "urn:queuectl:articles"
    assert feed.findtext(f"{ATOM}title") == "queuectl articles"
    assert feed.findtext(f"{ATOM}updated") == "2024-06-21T01:20:00.002000+00:00"
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    first, second = feed.findall(f"{ATOM}entry")
    assert first.findtext(f"{ATOM}title") == "Title 1"
    assert first.findtext(f"{ATOM}published", "").startswith("2024-06-21T01:20:00")
    assert first.findtext(f"{ATOM}author/{ATOM}name") == "Ann"
    content = first.find(f"{ATOM}content")
    assert content is not None
    assert content.get("type") == "html"
    assert content.text == "<p>a &amp; b</p>"
    for one in (first, second):
        assert one.findtext(f"{ATOM}id")
        assert one.findtext(f"{ATOM}updated")
        link = one.find(f"{ATOM}link")
        assert link is not None
        assert link.get("href") == SOURCE


def test_an_empty_feed_is_valid(home):
    write_feed([], home / "feed.xml")
    assert read_feed(home / "feed.xml").findtext(f"{ATOM}updated")


def test_nothing_in_an_entry_can_break_the_feed(home):
    every = "".join(map(chr, range(0x20))) + "\x7f\x85\ud800\ufffe\uffff]]><script>&amp;&nbsp;\U0001f98a"
    write_feed(
        [entry(1, title=every, author=every, html=every, url=f"https://a.example/?{every}")],
        home / "feed.xml",
    )
    feed = read_feed(home / "feed.xml")
    assert "<script>" in feed.findtext(f"{ATOM}entry/{ATOM}title", "")
    assert feed.find(f".//{ATOM}script") is None


def test_an_entry_is_made_from_a_stored_article(home):
    stored = Article(
        SOURCE, f"{SOURCE}/final", "T", None, "账号", PUBLISHED, "zh", "m", "<p>h</p>", (), "a.md", "a.html"
    )
    made = entry_of(stored, task_id="task_7", updated_at=PUBLISHED + 1)
    assert made == FeedEntry(
        f"{SOURCE}/final#task_7", f"{SOURCE}/final", "T", PUBLISHED + 1, PUBLISHED, "账号", "<p>h</p>"
    )
    write_feed([made], home / "feed.xml", title="每日文章")
    assert read_feed(home / "feed.xml").findtext(f"{ATOM}title") == "每日文章"


def test_a_feed_is_not_written_through_a_link(home):
    (home / "victim").write_text("precious")
    (home / "feed.xml").symlink_to(home / "victim")
    with pytest.raises(StorageError):
        write_feed([entry(1)], home / "feed.xml")
    assert (home / "victim").read_text() == "precious"
