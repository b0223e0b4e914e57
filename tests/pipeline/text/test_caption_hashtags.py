"""Hashtags of every script: exact expectations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.captions import clean_caption, hashtags, without_hashtags

EMOJI_IN_TAGS = [
    pytest.param(tagged, tags, id=what, marks=pytest.mark.fault("I37"))
    for what, tagged, tags in (
        ("within a tag, with and without a variation selector", "#I❤NY #i❤️ny", ["i❤ny"]),
        ("between words", "#sunset🌅vibes", ["sunset🌅vibes"]),
        ("a flag before a word", "#🇫🇷france", ["🇫🇷france"]),
        ("the flag of a region", "#🏴󠁧󠁢󠁳󠁣󠁴󠁿scotland", ["🏴󠁧󠁢󠁳󠁣󠁴󠁿scotland"]),
        ("alone", "#❤️ #🌅🌅 #🇫🇷 #🏽", ["❤", "🌅🌅", "🇫🇷", "🏽"]),
        ("joined, with a skin tone", "#👩🏽‍🚀 #👍🏽yes #👍yes", ["👩🏽‍🚀", "👍🏽yes", "👍yes"]),
        ("joined, with variation selectors", "#🏳️‍🌈pride #❤️‍🔥", ["🏳‍🌈pride", "❤‍🔥"]),
        ("a keycap within a tag", "#top1️⃣0️⃣", ["top1⃣0⃣"]),
        ("a chain of them", "#❤️#a🎉#b", ["❤", "a🎉", "b"]),
        ("signs that NFKC would break a tag at", "#½price #ﷺ #3⅓", ["½price", "ﷺ", "3⅓"]),
        ("letters to NFKC", "#🈚料 #Ⓜ️etro", ["無料", "metro"]),
        ("what is no emoji", "#a★b #✓ #→ #…", ["a"]),
        ("a joiner before", "#\u200d❤", []),
        ("a thousand", "#" + "❤" * 1000, []),
    )
]
TABLE = [
    pytest.param("#दिल्ली", ["दिल्ली"], id="Devanagari marks"),
    pytest.param("#กรุงเทพ", ["กรุงเทพ"], id="Thai marks"),
    pytest.param("#தமிழ்", ["தமிழ்"], id="Tamil marks"),
    pytest.param("#İstanbul #istanbul", ["istanbul"], id="Turkish dotted capital I"),
    pytest.param("#ılıca #ILICA", ["ılıca", "ilica"], id="Turkish dotless i"),
    pytest.param("＃東京", ["東京"], id="full-width sign"),
    pytest.param("﹟tag", ["tag"], id="small sign"),
    pytest.param("rock &#39;n&#39; roll &#x27;", [], id="HTML entities"),
    pytest.param("https://x.com/a#frag www.y.de/#top", [], id="fragments of addresses"),
    pytest.param("#paris❤️#love", ["paris❤", "love"], id="emoji with a variation selector between"),
    pytest.param("#love❤️ #Love", ["love❤", "love"], id="emoji behind"),
    pytest.param("🎉#party", ["party"], id="emoji before"),
    pytest.param("👩‍💻#code 🇺🇸#usa 👍🏽#yes", ["code", "usa", "yes"], id="joined, flag and skin-tone emoji before"),
    pytest.param("#a-b", ["a"], id="hyphen"),
    pytest.param("##x ###y", ["x", "y"], id="doubled sign"),
    pytest.param("a#b é#c दि#d 東京#e", [], id="inside a word"),
    pytest.param("#a#b", ["a", "b"], id="chain"),
    pytest.param("#2024 #2k", ["2024", "2k"], id="digits"),
    pytest.param("#_ #__ #_a", ["_a"], id="underscores"),
    pytest.param("# #\n#. #-", [], id="sign alone"),
    pytest.param("#می‌خواهم", ["می‌خواهم"], id="ZWNJ in Persian"),
    pytest.param("#a\u200c #b\u200d", ["a", "b"], id="joiner at the end"),
    pytest.param("1️⃣#go #1️⃣ #️⃣ *️⃣ ##️⃣ #*️⃣", ["go", "1⃣", "*⃣"], id="keycaps"),
    pytest.param("#２０２４ #ＡＢＣ #ｶﾌｪ", ["2024", "abc", "カフェ"], id="half and full width"),
    pytest.param("#Straße #STRASSE", ["strasse"], id="sharp s"),
    pytest.param("#ΟΔΟΣ #οδος", ["οδοσ"], id="final sigma"),
    pytest.param("#café #cafe\u0301 #CAFÉ", ["café"], id="composed and decomposed"),
    pytest.param("#ok™️ #a©", ["ok", "a"], id="pictographs that NFKC would spell out"),
    pytest.param("#שלום\u200f #\u200eabc", ["שלום", "abc"], id="bidi marks"),
    pytest.param("#" + "x" * 100, ["x" * 100], id="100 characters"),
    pytest.param("#" + "x" * 300, [], id="300 characters"),
    pytest.param(" ".join(f"#t{n}" for n in range(40)), [f"t{n}" for n in range(30)], id="30 of 40 tags"),
    pytest.param("#b #a #B #A", ["b", "a"], id="order and duplicates"),
    pytest.param("by @anna#paris", ["paris"], id="behind a name"),
    pytest.param("#x" + "\u0301" * 500, [], id="combining storm"),
    pytest.param("", [], id="empty"),
    *EMOJI_IN_TAGS,
]


@pytest.mark.fault("I14")
@pytest.mark.parametrize(("text", "tags"), TABLE)
def test_hashtags(text, tags):
    assert hashtags(clean_caption(text)) == tags
    assert hashtags(" ".join("#" + tag for tag in tags)) == tags


@given(
    st.text()
    | st.text(alphabet="#＃aß1_ıİ\u0301\u0307\u200c\ufe0f❤™&;39 \u20e3½ﷺ🇫🏽🈚🏴\U000e0067\U000e007f*↔\u0338\u200d")
)
def test_tags_of_joined_tags_are_the_same_tags(text):
    tags = hashtags(text)
    assert hashtags(" ".join("#" + tag for tag in tags)) == tags
    assert len(set(tags)) == len(tags) <= 30


@pytest.mark.fault("I37")
@given(st.text(alphabet="#＃aß1_ıİ\u0301\u200c\u200d\ufe0f❤ \u20e3½🇫🏽🈚🏴\U000e0067\U000e007f*★"))
def test_a_caption_without_its_hashtags_has_none(text):
    assert hashtags(without_hashtags(clean_caption(text))) == []


@pytest.mark.parametrize(
    ("caption", "text"),
    [
        ("good day #sun\n#fun here", "good day here"),
        ("a#b stays", "a#b stays"),
        ("#दिल्ली#東京", ""),
        ("with <USER>\n#a#b and #c", "with <USER> and"),
        ("#1️⃣ first", "first"),
        ("1️⃣ #️⃣ first", "1️⃣ first"),
        ("I #I❤️NY and #sunset🌅vibes #🇫🇷france #👩🏽‍🚀 🎉#b", "I and 🎉"),
        ("#\ufe0fNY", ""),
        ("#ok™️ #a★", "™️ ★"),
    ],
)
def test_a_caption_without_its_hashtags(caption, text):
    assert without_hashtags(caption) == text
