"""Pages of WeChat's official accounts: articles, other kinds of post, and sentences in place of an article."""

from __future__ import annotations

import pytest

from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.article.extract import extract
from queuectl.handlers.article.fetch import Page

URL = "https://mp.weixin.qq.com/s/abc"
TEXT = "<p>这是一篇文章的正文，它足够长，可以算作一篇文章。这是一篇文章的正文，它足够长。</p>"


def read(html, url=URL):
    return extract(Page(url, url, "text/html", "utf-8", html.encode()))


def article(body=TEXT, head="", scripts="", before=""):
    return (
        f"<html><head><title></title>{head}</head><body>{before}"
        f'<div class="rich_media_content" id="js_content" style="visibility: hidden; opacity: 0;">{body}</div>'
        f"<p>微信扫一扫</p><script>{scripts}</script></body></html>"
    )


def state(sentence):
    return f'<html><body><div class="weui-msg"><h2 class="weui-msg__title warn">{sentence}</h2></div></body></html>'


def test_the_hidden_body_is_the_article_and_what_surrounds_it_is_not():
    found = read(article())
    assert found.markdown == "这是一篇文章的正文，它足够长，可以算作一篇文章。这是一篇文章的正文，它足够长。"
    assert "style" not in found.html
    assert found.language == "zh"


@pytest.mark.parametrize(
    ("head", "before", "scripts", "title"),
    [
        (
            '<meta property="og:title" content="甲">',
            '<h1 id="activity-name">乙</h1>',
            "var msg_title = '丙';",
            "甲",
        ),
        (
            '<meta property="og:title" content="">',
            '<h1 id="activity-name">\n 乙 \n</h1>',
            "var msg_title = '丙';",
            "乙",
        ),
        ("", "", "var msg_title = '丙 &amp; \\x26丁\\'戊'.html(false);", "丙 & &丁'戊"),
        ("", "", 'var msg_title = "";\nvar msg_title = "丙";', "丙"),
        ("", "", "", "这是一篇文章的正文，它足够长，可以算作一篇文章。这是一篇文章的正文，它足够长。"),
    ],
)
def test_the_title_is_taken_from_the_best_place_that_has_one(head, before, scripts, title):
    assert read(article(head=head, before=before, scripts=scripts)).title == title


def test_account_and_author_are_told_apart():
    found = read(
        article(
            head='<meta name="author" content="作者">',
            before='<a id="js_name">\n 账号名 \n</a>',
            scripts="var ct='1'",
        )
    )
    assert (found.author, found.account) == ("作者", "账号名")
    assert read(article(scripts='var nickname = htmlDecode("账号名");')).account == "账号名"
    assert read(article(scripts="")).account is None


@pytest.mark.parametrize(
    ("scripts", "before", "moment"),
    [
        ('var ct = "1700000000";', "", 1_700_000_000_000),
        ("var ct='1700000000', x=1;", "", 1_700_000_000_000),
        ("create_time: '1700000000' * 1,", "", 1_700_000_000_000),
        ('var publish_time = "2024-06-21" || "";', "", 1_718_899_200_000),
        ("var createTime = '2024-06-21 08:30';", "", 1_718_929_800_000),
        ("", '<em id="publish_time">2024年6月21日 08:30</em>', 1_718_929_800_000),
        ('var ct = "";', "", None),
        ('var product = "1700000000";', "", None),
    ],
)
def test_times_are_read_in_the_zone_of_the_site(scripts, before, moment):
    assert read(article(scripts=scripts, before=before)).published_at == moment


def test_lazy_images_lists_tables_and_links_are_kept():
    found = read(
        article(
            TEXT + '<section><img data-src="https://mmbiz.qpic.cn/a/640?wx_fmt=png" alt="图"></section>'
            "<table><tbody><tr><td><p><strong>列</strong></p></td><td>数</td></tr><tr><td>甲</td><td>1</td></tr></tbody></table>"
            "<ul class='list-paddingleft-1'><li><p>第一</p></li><li><p>第二</p></li></ul>"
            '<p><a href="https://example.org/x" data-linktype="2">链接</a><a href="javascript:;">空</a></p>'
        )
    )
    assert found.images == ("https://mmbiz.qpic.cn/a/640?wx_fmt=png",)
    assert "![图](https://mmbiz.qpic.cn/a/640?wx_fmt=png)" in found.markdown
    assert "| 列 | 数 |\n| --- | --- |\n| 甲 | 1 |" in found.markdown
    assert "- 第一\n- 第二" in found.markdown
    assert "[链接](https://example.org/x)空" in found.markdown


def test_the_lines_of_code_are_joined_and_keep_their_indentation():
    found = read(
        article(
            TEXT
            + '<section class="code-snippet__fix"><ul class="code-snippet__line-index"><li></li><li></li></ul>'
            '<pre class="code-snippet__js" data-lang="python"><code><span>def f():</span></code>'
            "<code><span>    return <span>1 &lt; 2</span></span></code><code></code><code>f()</code></pre></section>"
            "<pre>one<br>two</pre><pre><code>a\nb</code></pre>"
        )
    )
    assert "```python\ndef f():\n    return 1 < 2\n\nf()\n```" in found.markdown
    assert "```\none\ntwo\n```" in found.markdown
    assert "```\na\nb\n```" in found.markdown


def test_elements_of_the_site_and_hidden_ones_are_dropped():
    found = read(
        article(
            TEXT
            + '<mp-common-profile data-nickname="x"><p>名片</p></mp-common-profile><mp-style-type></mp-style-type>'
            '<p style="display: none;">隐藏</p><section style="DISPLAY:NONE">隐藏</section><iframe src="x">框</iframe>'
            "<p style='visibility: hidden'>保留</p>"
        )
    )
    assert "名片" not in found.markdown
    assert "隐藏" not in found.markdown
    assert "框" not in found.markdown
    assert "保留" in found.markdown


def test_a_copy_of_an_article_elsewhere_is_recognised_by_its_markup():
    assert (
        read(article(scripts='var ct="1700000000"'), "https://archive.example/1").published_at
        == 1_700_000_000_000
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "该内容已被发布者删除",
        "此内容因违规无法查看",
        "此内容被投诉且经审核涉嫌侵权，无法查看。",
        "此账号已被屏蔽，内容无法查看",
        "该公众号已迁移",
        "此帐号已自主注销，内容无法查看",
        "链接已过期",
        "参数错误",
    ],
)
def test_an_article_that_is_gone_is_never_asked_for_again(sentence):
    with pytest.raises(PermanentError, match="the article is gone"):
        read(state(sentence))


@pytest.mark.parametrize(
    "sentence", ["环境异常", "当前环境异常，完成验证后即可继续访问。", "访问过于频繁，请用微信扫描二维码"]
)
def test_a_verification_is_left_alone_for_a_while(sentence):
    with pytest.raises(RetryableError) as later:
        read(state(sentence))
    assert later.value.retry_after == 900


def test_a_verification_is_also_known_by_its_address():
    with pytest.raises(RetryableError):
        read(
            "<html><body>请稍候</body></html>", "https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?poc_token=x"
        )


def test_trouble_of_the_site_passes():
    with pytest.raises(RetryableError, match="trouble"):
        read(state("系统出错"))


@pytest.mark.parametrize("page", [state("别的什么"), article(""), article("<p> </p>"), article("<p>短</p>")])
def test_a_page_without_an_article_is_none(page):
    with pytest.raises(PermanentError, match="not an article"):
        read(page)


def test_an_article_about_deleted_articles_is_an_article():
    assert "该内容已被发布者删除" in read(article(TEXT + "<p>页面上写着：该内容已被发布者删除</p>")).markdown


def test_a_picture_post_is_read_from_its_script():
    scripts = """window.cgiDataNew = {
        title: JsDecode('三张照片'), nick_name: JsDecode('摄影账号'), create_time: JsDecode('1700000000'),
        content_noencode: JsDecode('春天的三张照片\\x0a拍于河边\\x26桥上'),
        picture_page_info_list: [
            { width: '1' * 1, cdn_url: JsDecode('https://mmbiz.qpic.cn/a?x=1\\x26amp;y=2'), poi_info: [] },
            { cdn_url: 'https://mmbiz.qpic.cn/b' }, { cdn_url: 'javascript:alert(1)' } ] };"""
    head = "<meta property='og:title' content='三张照片'>"
    found = read(f"<html><head>{head}</head><body><script>{scripts}</script></body></html>")
    assert found.title == "三张照片"
    assert found.account == "摄影账号"
    assert found.published_at == 1_700_000_000_000
    assert found.images == ("https://mmbiz.qpic.cn/a?x=1&y=2", "https://mmbiz.qpic.cn/b")
    assert "春天的三张照片" in found.markdown


def test_a_short_text_is_read_from_its_script():
    text = "今天只想说几句话，" * 5
    scripts = f"window.cgiDataNew = {{ content_noencode: JsDecode('{text}'), nick_name: '账号' }};"
    assert text in read(f"<html><body><script>{scripts}</script></body></html>").markdown


@pytest.mark.parametrize(
    "script", ["var msg_title = '" + "\\" * 50_000, "var ct = '" * 20_000, "x = '" * 50_000, "'" * 100_000]
)
def test_hostile_scripts_cost_little(script):
    assert read(article(scripts=script)).title
