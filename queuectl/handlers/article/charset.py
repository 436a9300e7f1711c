"""Find out in which charset a page is written, and decode it."""

from __future__ import annotations

import codecs
import re

# The labels that the web uses, as the WHATWG's encoding standard reads them. A fixed list, because
# Python's registry also knows codecs that are no charsets (base64, zlib, idna, utf-7).
_CODECS = {
    **dict.fromkeys(("utf-8", "utf8", "unicode-1-1-utf-8"), "utf-8"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "gb_2312-80", "x-gbk", "chinese", "csgb2312"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "big5hkscs", "cn-big5", "x-x-big5", "csbig5"), "big5hkscs"),
    **dict.fromkeys(
        ("shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "windows-31j", "cp932"), "cp932"
    ),
    **dict.fromkeys(("euc-jp", "x-euc-jp"), "euc_jp"),
    **dict.fromkeys(("iso-2022-jp", "csiso2022jp"), "iso2022_jp"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "ksc5601", "korean", "windows-949", "cp949"), "cp949"),
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii", "windows-1252"), "cp1252"),
    **{f"iso-8859-{part}": f"iso8859_{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **{f"windows-{page}": f"cp{page}" for page in (874, 1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258)},
    **dict.fromkeys(("koi8-r", "koi8"), "koi8_r"),
    "koi8-u": "koi8_u",
    "iso-8859-9": "cp1254",
    "macintosh": "mac_roman",
    "utf-16": "utf-16-le",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:+-]{1,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:+-]{1,40})", re.IGNORECASE)
_META_WITHIN = 4096
_TOLERATED = 50  # one broken character among this many beyond ASCII
_DETECTED_FROM = 32 * 1024


def decode(body: bytes, header_charset: str | None) -> str:
    """Return the page as text; bytes that fit no charset become replacement characters.

    The first of these that fits the whole page wins: its byte order mark, the charset of the HTTP
    header, the one that the page declares, UTF-8. If none does, a few broken bytes are forgiven
    before the detector is asked.
    """
    for mark, codec in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(codec, "replace")
    candidates = list(dict.fromkeys((*_declared(body, header_charset), "utf-8")))
    for codec in candidates:
        try:
            return body.decode(codec)
        except UnicodeDecodeError:
            continue
    for codec in candidates:
        text = body.decode(codec, "replace")
        if text.count("\ufffd") * _TOLERATED < sum(not each.isascii() for each in text):
            return text
    return body.decode(_detected(body) or "cp1252", "replace")


def _declared(body: bytes, header_charset: str | None) -> list[str]:
    """Return the codecs that the header and the page itself name, the stronger word first."""
    head = body[:_META_WITHIN]
    labels = [header_charset or ""]
    for pattern in (_META, _XML):
        match = pattern.search(head)
        if match is not None:
            label = match[1].decode("ascii", "ignore").lower()
            # A page whose declaration could be read byte by byte is not written in UTF-16.
            labels.append("utf-8" if label.startswith("utf-16") else label)
    found = [_CODECS[label] for label in map(str.lower, labels) if label in _CODECS]
    # Every byte is a letter in windows-1252, so its name proves nothing, and many servers send it
    # as their default; text beyond ASCII that is valid UTF-8 is practically always UTF-8.
    return ["utf-8", *found] if found[:1] == ["cp1252"] else found


def _detected(body: bytes) -> str | None:
    import chardet

    guess = chardet.detect(body[:_DETECTED_FROM])["encoding"]
    return _CODECS.get((guess or "").lower())
