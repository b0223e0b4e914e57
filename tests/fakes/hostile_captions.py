"""Captions of the fault case I13, and what is left of each: what a model may read, "" where nothing is."""

HOSTILE: dict[str, tuple[object, str]] = {
    "null": (None, ""),
    "empty": ("", ""),
    "white space": (" \n\t\u3000", ""),
    "only zero-width": ("\u200b\ufeff\u2060", ""),
    "only controls": ("\0\x1b\x85", ""),
    "2200 characters": ("é" * 2200, "é" * 2200),
    "2200 emoji": ("😀" * 2200, "😀" * 2200),
    "NUL and other controls": ("amber\0 b\x07c\x9f", "amber bc"),
    "bidi overrides and marks": ("am\u202ebe\u2066r\u200f", "amber"),
    "NFC": ("cafe\u0301", "café"),
    "combining storm": ("a" + "\u0301" * 300, "á" + "\u0301" * 299),
    "lone surrogate": ("x\ud83dy", "x\ufffdy"),
    "surrogate pair": ("\ud83d\ude00", "😀"),
    "a name, an address and a link": ("with @anna a@b.cd http://x.yz", "with <USER> <EMAIL> <URL>"),
    "HTML": ("<script>alert(1)</script>", "<script>alert(1)</script>"),
}
WRONG_TYPES: dict[str, object] = {"a number": 7, "a list": ["a"], "an object": {"a": 1}, "true": True}
