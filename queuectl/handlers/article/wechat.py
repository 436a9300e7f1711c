"""The adapter for articles of WeChat's official accounts (mp.weixin.qq.com).

Their text is hidden until a script has run, their images are loaded late, part of the facts stands
in scripts only, and an article that is gone is answered with status 200 and a sentence.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlsplit

from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.article.adapter import Found
from queuectl.handlers.article.metadata import time_in
from queuectl.handlers.article.text import single_line
from queuectl.handlers.article.tree import Element, parse

HOST = "mp.weixin.qq.com"
VERIFICATION_WAIT = 900.0
"""Seconds to leave the site alone after it asked for proof that a person reads."""

_GONE = (
    *(
        "该内容已被发布者删除",
        "此内容已被发布者删除",
        "此内容因违规无法查看",
        "此内容被投诉",
        "此内容发送失败无法查看",
    ),
    *(
        "此账号已被屏蔽",
        "此帐号已被屏蔽",
        "该公众号已迁移",
        "此账号已自主注销",
        "此帐号已自主注销",
        "账号已迁移",
    ),
    *("链接已过期", "该内容暂时无法查看", "涉嫌违反相关法律法规", "参数错误"),
)
_SUSPICIOUS = ("环境异常", "完成验证后即可继续访问", "访问过于频繁", "操作频繁")
_TROUBLE = ("系统出错", "系统繁忙", "网络异常")
_STATE_TEXT_LIMIT = 3000

_CHINA_HOURS = 8  # the site writes its times without a zone
_QUOTED = r"""(?:htmlDecode\(|JsDecode\()?(["'])((?:(?!\1)[^\\\n]|\\.){0,100000})\1"""
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_NAMED_ESCAPES = {"n": "\n", "r": "", "t": "\t"}
_EPOCH = re.compile(r"\b(?:ct|create_time|createTimestamp)\s*[=:]\s*(?:JsDecode\()?[\"']?(\d{10})\b")
_PICTURE = re.compile(r"\bcdn_url\s*:\s*(?:JsDecode\()?[\"']([^\"'\s]{1,2000})[\"']")
_DROPPED = (
    ".//script | .//style | .//noscript | .//svg | .//iframe"
    " | .//ul[contains(@class, 'code-snippet__line-index')]"
)
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_CODE_LANGUAGE = re.compile(r"[A-Za-z0-9+#-]{1,20}")


def recognises(root: Element, url: str) -> bool:
    """Return whether the page is one of WeChat's, or a copy of one kept elsewhere."""
    return urlsplit(url).hostname == HOST or _content(root) is not None


def find(root: Element, url: str) -> Found:
    """Return the article in a page.

    Raises:
        PermanentError: the article is gone, or the page is none.
        RetryableError: the site wants a verification, or is in trouble.
    """
    scripts = "\n".join(script.text or "" for script in root.iter("script"))
    body = _content(root)
    if body is None or _is_blank(body):
        body = _from_scripts(root, scripts)
    if body is None:
        _refuse(root, url)
    _clean(body)
    return Found(
        body=body,
        title=_title(root, scripts),
        author=single_line(_meta(root, "author") or _variable(scripts, "author"), 100) or None,
        account=single_line(_text_of(root, "js_name") or _account(scripts), 100) or None,
        published_at=_published(root, scripts),
        declared_language="zh",
    )


def _content(root: Element) -> Element | None:
    return next(iter(root.xpath("//*[@id='js_content']")), None)


def _is_blank(body: Element) -> bool:
    return not body.text_content().strip() and body.find(".//img") is None


def _title(root: Element, scripts: str) -> str:
    return single_line(
        _meta(root, "og:title")
        or _text_of(root, "activity-name")
        or _variable(scripts, "msg_title")
        or _meta(root, "twitter:title")
        or (root.findtext(".//title") or "")
    )


def _account(scripts: str) -> str:
    return _variable(scripts, "nickname") or _variable(scripts, "nick_name")


def _published(root: Element, scripts: str) -> int | None:
    epoch = _EPOCH.search(scripts)
    if epoch is not None:
        return int(epoch[1]) * 1000
    for text in (
        _text_of(root, "publish_time"),
        _variable(scripts, "publish_time"),
        _variable(scripts, "createTime"),
    ):
        moment = time_in(text, zone_offset_hours=_CHINA_HOURS)
        if moment is not None:
            return moment
    return None


def _meta(root: Element, name: str) -> str:
    for element in root.iter("meta"):
        if name in (element.get("property"), element.get("name")) and (element.get("content") or "").strip():
            return str(element.get("content"))
    return ""


def _text_of(root: Element, identity: str) -> str:
    found = root.xpath("//*[@id=$identity]", identity=identity)
    return found[0].text_content().strip() if found else ""


def _variable(scripts: str, name: str) -> str:
    """Return the first non-empty text that the page's scripts give to a variable or a property."""
    for match in re.finditer(rf"\b{name}\s*[=:]\s*{_QUOTED}", scripts):
        text = unescape(_ESCAPE.sub(_unescaped, match[2])).strip()
        if text:
            return text
    return ""


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _NAMED_ESCAPES.get(match[3], match[3])


def _from_scripts(root: Element, scripts: str) -> Element | None:
    """Return the content of picture posts and short texts, which stands in a script as data."""
    if "cgiDataNew" not in scripts and "picture_page_info_list" not in scripts:
        return None
    text = (
        _variable(scripts, "content_noencode") or _variable(scripts, "desc") or _meta(root, "og:description")
    )
    pictures = dict.fromkeys(unescape(_ESCAPE.sub(_unescaped, each)) for each in _PICTURE.findall(scripts))
    body = parse(f"<html><body>{text}</body></html>").find("body") if text or pictures else None
    if body is None:
        return None
    for source in pictures:
        if source.startswith(("http://", "https://")):
            body.append(body.makeelement("img", src=source))
    return None if _is_blank(body) else body


def _refuse(root: Element, url: str) -> None:
    """Say why there is no article: it is gone, the site is suspicious, or there never was one."""
    text = single_line(root.text_content(), _STATE_TEXT_LIMIT)
    for phrase in _GONE:
        if phrase in text:
            raise PermanentError(f"the article is gone; the site says: {phrase}")
    if "captcha" in urlsplit(url).path or any(phrase in text for phrase in _SUSPICIOUS):
        raise RetryableError("the site asks for a verification by a person", retry_after=VERIFICATION_WAIT)
    if any(phrase in text for phrase in _TROUBLE):
        raise RetryableError("the site reports trouble of its own")
    raise PermanentError("not an article: the page has no article text")


def _clean(body: Element) -> None:
    """Bring the editor's markup into plain HTML: code, hidden parts, elements of the site's own."""
    for element in body.xpath(_DROPPED):
        element.drop_tree()
    for element in list(body.iterdescendants()):
        if element.tag.startswith("mp-") or _HIDDEN.search(element.get("style") or ""):
            element.drop_tree()
    for block in list(body.iter("pre")):
        _join_code(block)
    for span in list(body.iter("span", "font")):
        span.drop_tag()


def _join_code(block: Element) -> None:
    """Make one code element out of one for each line."""
    for line_break in block.iter("br"):
        line_break.tail = f"\n{line_break.tail or ''}"
    lines = block.findall(".//code")
    text = "\n".join(line.text_content().rstrip("\n") for line in lines) if lines else block.text_content()
    language, tail = block.get("data-lang") or "", block.tail
    block.clear()
    block.tail = tail
    code = block.makeelement("code")
    code.text = text.replace("\u00a0", " ")
    if _CODE_LANGUAGE.fullmatch(language):
        code.set("data-language", language)
    block.append(code)
