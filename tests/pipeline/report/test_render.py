"""The page loads nothing and runs nothing; Markdown shows text as text."""

import re
from html.parser import HTMLParser

import pytest

from pipeline.report.render import escape_markdown

CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
LOADING = ("src", "href", "srcset", "data", "action", "poster", "background", "xlink:href")


class Page(HTMLParser):
    """What a page has: tags, and all attributes that could load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.alts: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.loads += [value for name, value in attrs if name in LOADING]
        if tag == "img":
            self.alts.append(dict(attrs).get("alt"))


@pytest.fixture
def page(reported) -> str:
    return reported.file("report.html").read_text()


def test_page_loads_nothing_from_anywhere(page):
    loads = Page(page).loads
    assert loads
    assert all(value.startswith(("data:image/", "#")) for value in loads)
    assert not re.search(r"@import|url\(", page)


def test_page_runs_nothing_and_says_so_to_the_browser(page):
    parsed = Page(page)
    assert not {"script", "iframe", "object", "embed", "link", "form", "base", "svg"} & set(parsed.tags)
    assert not any(name.startswith("on") for name, _ in parsed.attributes)
    assert ("content", CSP) in parsed.attributes


def test_every_picture_is_told_in_words(page):
    alts = Page(page).alts
    assert len(alts) > 4
    assert all(alts)


def test_headings_come_in_the_order_of_a_reader_in_a_hurry(page):
    headings = re.findall(r'<h2 id="(\w+)"', page)
    assert headings == [
        "models", "training", "mistakes", "examples", "dropped", "pictures", "data", "measured", "use",
        "reconstructed", "versions",
    ]  # fmt: skip
    assert page.index('class="headline"') < page.index("<h2")


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_what_ran_is_told_with_digest_and_runtime_and_the_gates_recall(reported, name):
    text = reported.file(name).read_text()
    assert "ab" * 32 in text, "the digest of the portrait network"
    assert "ef" * 32 in text, "the digest of the face gate"
    assert "torch fp32 on cpu" in text
    assert "The second look for faces" in text
    assert "8 of 16 faces" in text
    assert "crowds are not in it" in text
    assert re.search(r"turned 30 to 45°(</td><td class=\"n\">| \| )1(</td><td class=\"n\">| \| )8", text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("St. Mary's (north)", "St. Mary's (north)", id="plain text stays readable"),
        pytest.param("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))", id="no link"),
        pytest.param("![x](y)", "\\!\\[x\\](y)", id="no picture"),
        pytest.param("<b>&", "&lt;b&gt;&amp;", id="no HTML"),
        pytest.param("a|b", "a\\|b", id="no new cell"),
        pytest.param("a\nb\r\n# c", "a b \\# c", id="no new line"),
        pytest.param("`a` *b* _c_ ~d~ $e$", "\\`a\\` \\*b\\* \\_c\\_ \\~d\\~ \\$e\\$", id="no markup"),
        pytest.param("https://x.y www.x.y", "https:\\//x.y www\\.x.y", id="no automatic link"),
        pytest.param("a\\", "a\\\\", id="a backslash escapes nothing"),
        pytest.param(12, "12", id="number"),
    ],
)
def test_markdown_shows_text_as_it_is(text, shown):
    assert escape_markdown(text) == shown
