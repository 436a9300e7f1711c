"""Guess a text's language from its letters, and from what the page declares."""

from __future__ import annotations

import re

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA = re.compile("[\u3040-\u30ff\u31f0-\u31ff]")
_HANGUL = re.compile("[\uac00-\ud7af\u1100-\u11ff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_DECLARED = re.compile(r"[A-Za-z]{2,3}(?=$|[-_])")
_ENGLISH = re.compile(r"\b(?:the|and|of|to|is|in|that|it|was|for|with)\b", re.IGNORECASE)
_SAMPLE = 20_000
# A Han character carries about as much as three letters; mixed text counts as Chinese by this rule.
_HAN_WEIGHT = 3


def language_of(text: str, declared: str | None = None) -> str | None:
    """Return an ISO 639-1 code such as ``zh``; None when there is nothing to judge by.

    ``declared`` is what the page says of itself. Letters that only one language uses outweigh it,
    since templates are copied with their declaration.
    """
    sample = text[:_SAMPLE]
    han, kana, hangul, latin = (len(p.findall(sample)) for p in (_HAN, _KANA, _HANGUL, _LATIN))
    wide = han + kana + hangul
    if wide and wide * _HAN_WEIGHT >= latin:
        if hangul * 3 >= wide:
            return "ko"
        # Written Japanese is at least a quarter kana; a Chinese text only quotes some.
        return "ja" if kana * 5 >= wide else "zh"
    match = _DECLARED.match((declared or "").strip())
    code = match[0].lower() if match else None
    if code is not None and (not latin or code not in ("zh", "ja", "ko")):
        return code
    words = max(1, len(sample) // 6)
    return "en" if latin and len(_ENGLISH.findall(sample)) * 20 >= words else None
