"""Pages of no particular site, plain text, and what is no article at all."""

from __future__ import annotations

import pytest

from queuectl.errors import PermanentError
from queuectl.handlers.article.extract import extract
from queuectl.handlers.article.fetch import Page

URL = "https://site.example/2024/06/post"
PROSE = "".join(
    f"<p>This is paragraph {n} of an article, and it has a few sentences. Each of them says something.</p>"
    for n in range(6)
)


def read(html, media_type="text/html", charset="utf-8"):
    return extract(Page(URL, URL, media_type, charset, html.encode(charset)))


def page(body=PROSE, head=""):
    return (
        f"<html lang='en'><head>{head}</head><body><nav><a href='/'>Home</a> <a href='/a'>About</a></nav>"
        f"<article>{body}</article><footer>Copyright. <a href='/imprint'>Imprint</a></footer></body></html>"
    )


def test_an_article_is_told_from_its_surroundings():
    found = read(page("<h1>The title</h1>" + PROSE, "<meta name='author' content='Ann'>"))
    assert found.title == "The title"
    assert found.author == "Ann"
    assert found.language == "en"
    assert found.markdown.startswith("This is paragraph 0")
    assert "Imprint" not in found.markdown
    assert "About" not in found.markdown
    assert found.words > 80


def test_code_lists_tables_and_quotations_keep_their_form():
    found = read(
        page(
            "<h1>T</h1>"
            + PROSE
            + "<h2>Part</h2><pre><code>if a &lt; b:\n    run()\n</code></pre><p>Call <code>run()</code> once.</p>"
            "<ul><li>one</li><li>two</li></ul><ol><li>first</li><li>second</li></ol>"
            "<blockquote><p>Said once.</p></blockquote>"
            "<table><tr><th>k</th><th>v</th></tr><tr><td>a</td><td>1</td></tr></table>" + PROSE
        )
    )
    assert "## Part" in found.markdown
    assert "```\nif a < b:\n    run()\n```" in found.markdown
    assert "Call `run()` once." in found.markdown
    assert "- one\n- two" in found.markdown
    assert "1. first\n2. second" in found.markdown
    assert "> Said once." in found.markdown
    assert "| k | v |\n| --- | --- |\n| a | 1 |" in found.markdown


def test_images_without_a_file_extension_and_links_are_kept():
    found = read(
        page(
            PROSE
            + "<figure><img src='/i?id=7' alt='seen'></figure><p>See <a href='/more?a=1'>more of it</a> here.</p>"
            + PROSE
        )
    )
    assert found.images == ("https://site.example/i?id=7",)
    assert "![seen](https://site.example/i?id=7)" in found.markdown
    assert "[more of it](https://site.example/more?a=1)" in found.markdown


def test_pictures_that_count_visitors_are_dropped():
    found = read(page(PROSE + "<img src='/count.gif' width='1' height='1'>" + PROSE))
    assert found.images == ()


def test_a_table_that_lays_out_the_page_is_no_table_of_the_article():
    found = read(
        "<html><body><table><tr><td><a href='/1'>one</a></td><td><div class='article-body'><h1>Old site</h1>"
        f"{PROSE}<h2>Part</h2>{PROSE}</div></td></tr></table></body></html>"
    )
    assert "|" not in found.markdown
    assert "## Part" in found.markdown


def test_comments_of_readers_are_left_out():
    found = read(
        page(PROSE).replace(
            "<footer>", "<div id='comments'><p>First! What a wonderful article, thank you.</p></div><footer>"
        )
    )
    assert "First!" not in found.markdown


@pytest.mark.parametrize(
    "html",
    [
        "<html></html>",
        "<html><body></body></html>",
        "<html><body><h1>It works!</h1></body></html>",
        "<html><body><div id='root'></div><script>render()</script></body></html>",
        "<html><body><p>Please enable JavaScript.</p></body></html>",
        "<frameset><frame src='a'></frameset>",
        "<p>",
        "\x00\x01\x02",
    ],
)
def test_a_page_with_hardly_any_text_is_no_article(html):
    with pytest.raises(PermanentError, match="not an article"):
        read(html)


@pytest.mark.parametrize(
    "bomb",
    [
        "<table><tr><td colspan='9999999999999999'>x</td></tr></table>" * 50,
        "<b>" * 30_000,
        "<div>" * 5_000 + "x" + "</div>" * 5_000,
        "<ul><li>" * 3_000,
        "<a href='" + "x" * 200_000 + "'>y</a>",
        "&" * 200_000,
        "<" * 200_000,
        "<p " + "a=1 " * 50_000 + ">x</p>",
        "<!--" * 50_000,
        "<![CDATA[" * 20_000,
        "<table>" * 3_000,
        "<select><option>" * 3_000,
        "<img src='" + "(" * 100_000 + "'>",
        "中\n" * 100_000,
        " \n" * 200_000,
    ],
    ids=lambda bomb: bomb[:12].strip(),
)
def test_hostile_markup_ends_in_an_article_or_a_refusal(bomb):
    try:
        outcome = read(page(PROSE + bomb)).title
    except PermanentError as error:
        outcome = error.message
    assert outcome


def test_plain_text_becomes_paragraphs_under_its_first_line():
    text = (
        "# A title\n\nThe first paragraph\nof <b>two</b> lines & more.\n\n\n"
        "  The second one, which is long enough to count.\n"
    )
    found = read(
        text + "\nAnd a last paragraph, so that there is enough text to be an article.", "text/plain"
    )
    assert found.title == "A title"
    assert found.markdown.split("\n\n")[0] == "The first paragraph\nof \\<b>two\\</b> lines & more."
    assert "&lt;b&gt;" in found.html


def test_the_charset_of_the_header_is_used():
    text = "<p>" + "今天天气很好，我们去公园散步，看见许多人在放风筝。" * 4 + "</p>"
    assert "放风筝" in read(page(text * 3), charset="gb18030").markdown
