"""What leaves as HTML and Markdown: nothing that runs, and exactly the text that was there."""

from __future__ import annotations

import re

import lxml.html
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from queuectl.errors import PermanentError
from queuectl.handlers.article.rendering import clean_html, escape_markdown, images_in, to_markdown
from queuectl.handlers.article.tree import join_lines, parse, resolve_links, simplify

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<img src='javascript:alert(1)'>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt&colon;alert(1)'>x</a>",
    "<a href=' &#1;javascript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='vbscript:x' onclick='alert(1)'>x</a>",
    "<iframe src='https://evil.example/'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='x'><embed src='x'></object>",
    "<form action='https://evil.example/'><input name=a autofocus onfocus=alert(1)><button>go</button></form>",
    "<style>body{background:url(https://evil.example/)}</style>",
    "<p style='position:fixed;top:0;background:url(javascript:alert(1))'>x</p>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href='https://evil.example/'>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<video src=x onerror=alert(1)></video><audio autoplay src=x></audio>",
    "<p id='x' class='y' name='z' onmouseover='alert(1)' data-x='1'>x</p>",
    "<details open ontoggle=alert(1)>x</details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<a href='https://a.example/\"onmouseover=\"alert(1)'>x</a>",
    "<img alt='\"><script>alert(1)</script>' src='https://a.example/i.png'>",
    "<!--[if IE]><script>alert(1)</script><![endif]-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<textarea><script>alert(1)</script></textarea>",
    "<title><script>alert(1)</script></title>",
    "<xmp><script>alert(1)</script></xmp>",
    "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
    "<p>&lt;img src=x onerror=alert(1)&gt;</p>",
    "<p>[x](javascript:alert(1))</p>",
    "<p>![x](javascript:alert(1))</p>",
    "<p>&lt;javascript:alert(1)&gt;</p>",
    "<p>[x]: javascript:alert(1)</p><p>[x]</p>",
    "<code>`</code>&lt;script&gt;alert(1)&lt;/script&gt;`",
    "<pre>```\n&lt;script&gt;alert(1)&lt;/script&gt;\n</pre>",
    "<a href='https://a.example/)%20[x](javascript:alert(1)'>x</a>",
    "<a href='https://a.example/'>](javascript:alert(1))</a>",
    "<img src='https://a.example/i.png' alt='](javascript:alert(1))'>",
    "<table><tr><td>|&lt;script&gt;alert(1)&lt;/script&gt;|</td></tr></table>",
]
_TAGS = """
p br hr h1 h2 h3 h4 h5 h6 blockquote pre code ul ol li dl dt dd table caption thead tbody tfoot tr th td
strong b em i u s del sub sup q mark kbd a img figcaption
"""


def body_of(html, url="https://site.example/dir/page"):
    root = parse(f"<html><body>{html}</body></html>")
    resolve_links(root, url)
    join_lines(root)
    body = root.find("body")
    simplify(body)
    return body


def html_of(html):
    return clean_html(body_of(html))


def markdown_of(html):
    return to_markdown(html_of(html))


RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def text_of(html):
    return " ".join(lxml.html.fromstring(f"<div>{html}</div>").text_content().split())


def assert_harmless(html):
    for element in lxml.html.fragment_fromstring(html, create_parent="body").iterdescendants():
        assert element.tag in _TAGS.split()
        for name, value in element.items():
            assert name in (
                "href",
                "src",
                "alt",
                "rel",
                "colspan",
                "rowspan",
                "start",
                "data-language",
                "class",
            )
            if name in ("href", "src"):
                assert re.match(r"https?://", value), value


@pytest.mark.parametrize("attack", ATTACKS)
def test_html_keeps_nothing_that_runs(attack):
    html = html_of(f"<p>before</p>{attack}<p>after</p>")
    assert_harmless(html)
    assert "class=" not in html


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_renders_to_nothing_that_runs_either(attack):
    markdown = markdown_of(f"<p>before</p>{attack}<p>after</p>")
    # The most permissive renderer: raw HTML passes, and no address is checked.
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    renderer.validateLink = lambda url: True  # type: ignore[method-assign]
    assert_harmless(renderer.render(markdown))


@given(st.text(alphabet=st.sampled_from("\\`*_{}[]()<>#+-.!|~&=:;\"'1a 中é\n/x"), max_size=60))
def test_escaped_text_is_shown_as_it_was(text):
    words = " ".join(text.split())
    assert text_of(RENDERER.render(escape_markdown(words))) == words


@given(st.text(alphabet=st.sampled_from("\\`*_{}[]()<>#+-.!|~&=1a 中\n"), max_size=60))
def test_text_in_a_paragraph_survives_both_renderings(text):
    words = " ".join(text.split())
    body = parse("<html><body><p></p><p>end</p></body></html>").find("body")
    body[0].text = words
    html = clean_html(body)
    assert text_of(html) == f"{words}end"
    shown = RENDERER.render(to_markdown(html))
    assert text_of(shown) == f"{words} end".strip()


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<h2>One</h2><p>two <b>three</b> <i>four</i></p>", "## One\n\ntwo **three** *four*"),
        ("<p>a<br>b</p>", "a\\\nb"),
        ("<ul><li>a<ul><li>b</li></ul></li><li><p>c</p></li></ul>", "- a\n  - b\n- c"),
        ("<ol start='3'><li>a</li><li>b</li></ol>", "3. a\n4. b"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        (
            "<pre><code data-language='python'>def f():\n    pass\n</code></pre>",
            "```python\ndef f():\n    pass\n```",
        ),
        ("<pre>a ``` b</pre>", "````\na ``` b\n````"),
        ("<p><code>a`b</code></p>", "`` a`b ``"),
        ("<p><a href='/x?a=(1)'>y</a></p>", "[y](https://site.example/x?a=%281%29)"),
        ("<p><img src='i.png' alt='[z]'></p>", "![\\[z\\]](https://site.example/dir/i.png)"),
        (
            "<table><tr><td><b>a</b></td><td>b</td></tr><tr><td>1|2</td><td><code>x|y</code></td></tr></table>",
            "| a | b |\n| --- | --- |\n| 1\\|2 | `x\\|y` |",
        ),
        ("<hr>", "---"),
        (
            "<p>1. no list</p><p># no heading</p><p>- no item</p><p>&gt; no quote</p>",
            "1\\. no list\n\n\\# no heading\n\n\\- no item\n\n\\> no quote",
        ),
        ("<p>snake_case_name and 2*3*4</p>", "snake_case_name and 2\\*3\\*4"),
        ("<p><strong>注意：</strong>后面</p>", "**注意**：后面"),
        ("<p>前面<em>“引用”</em>后面</p>", "前面“*引用*”后面"),
        ("<p><strong>Note:</strong> more</p>", "**Note:** more"),
        ("<p>中<strong>，</strong>文</p>", "中，文"),
        ("<p>第一行\n第二行 one\ntwo</p>", "第一行第二行 one two"),
    ],
)
def test_markup_becomes_markdown(html, markdown):
    assert markdown_of(html) == markdown


@pytest.mark.parametrize(
    ("html", "simple"),
    [
        ("<section><section><span>a</span></section><section>b</section></section>", "<p>a</p>\n<p>b</p>"),
        ("<div>loose <b>text</b><p>a</p>more</div>", "<p>loose <b>text</b></p>\n<p>a</p>\n<p>more</p>"),
        ("bare <p>a</p> tail", "<p>bare </p>\n<p>a</p>\n<p> tail</p>"),
        ("<h2><section><p>a</p></section></h2>", "<h2>a</h2>"),
        ("<div></div><p> </p><section><br></section><p>a</p>", "<p>a</p>"),
        ("<p><section><img src='/i.png'></section></p>", '<p><img src="https://site.example/i.png"></p>'),
        (
            "<table><tr><td colspan='999999999'>a</td></tr><tr><td rowspan='x'>b</td></tr></table>",
            "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>",
        ),
        (
            "<table><caption>c</caption><tr><th>a</th></tr></table>",
            "<table><caption>c</caption><tbody><tr><th>a</th></tr></tbody></table>",
        ),
    ],
)
def test_nested_wrappers_become_plain_paragraphs(html, simple):
    assert html_of(html) == simple


def test_images_are_listed_once_in_order_with_lazy_sources_revealed():
    body = body_of(
        "<img src='a.png'><img data-src='/b.png' src='data:image/gif;base64,xx'><img src='a.png'>"
        "<img src='data:image/png;base64,xx'><img src='//cdn.example/c.png'><img>"
    )
    assert images_in(body) == (
        "https://site.example/dir/a.png",
        "https://site.example/b.png",
        "https://cdn.example/c.png",
    )


def test_the_base_of_a_page_is_honoured_unless_it_is_no_web_address():
    root = parse(
        "<html><head><base href='https://other.example/x/'></head><body><a href='y'>z</a></body></html>"
    )
    resolve_links(root, "https://site.example/")
    assert root.find(".//a").get("href") == "https://other.example/x/y"
    root = parse("<html><head><base href='javascript:alert(1)'></head><body><a href='y'>z</a></body></html>")
    resolve_links(root, "https://site.example/")
    assert root.find(".//a").get("href") == "https://site.example/y"


def test_control_characters_reach_neither_output_not_even_as_entities():
    html = html_of("<p>a&#27;[31m&#x9b;b&#0;\x07\x7fc</p>")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", html + to_markdown(html))


@pytest.mark.parametrize("tag", ["blockquote", "ul><li", "div", "span", "b", "table><tr><td", "section><p"])
@pytest.mark.parametrize("depth", [50, 300, 20_000])
def test_deep_nesting_ends_quickly_in_an_article_or_a_refusal(tag, depth):
    try:
        outcome = markdown_of("<p>start</p>" + f"<{tag}>" * depth + "deep")
    except PermanentError as error:
        outcome = error.message
    assert outcome


def test_a_page_of_far_too_many_elements_is_refused():
    with pytest.raises(PermanentError, match="more than 100,000 elements"):
        parse("<html><body>" + "<p>a" * 100_001)


def test_an_empty_page_is_refused():
    for nothing in ("", "   ", "\x00\x01", "<!-- -->"):
        with pytest.raises(PermanentError, match="not an article"):
            parse(nothing)


def test_entities_of_a_document_type_are_not_resolved():
    page = '<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY a "aaaaaaaaaa">]><p>&x;&a;</p>'
    assert "root:" not in markdown_of(page)
