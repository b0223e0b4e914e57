"""The environment of all pages: text stays text in HTML and in Markdown, and a forgotten value is an error."""

import jinja2
import pytest

from pipeline.templates import environment, escape_markdown


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "page.j2").write_text("{{ value }}\n")
    return tmp_path


def test_values_are_escaped_for_the_language_of_the_page(folder):
    value = "<b> [x](y)"
    assert environment(folder).get_template("page.j2").render(value=value) == "&lt;b&gt; [x](y)\n"
    assert environment(folder, is_html=False).get_template("page.j2").render(value=value) == "&lt;b&gt; \\[x\\](y)\n"


def test_a_value_that_nobody_gave_is_an_error(folder):
    with pytest.raises(jinja2.UndefinedError, match="value"):
        environment(folder).get_template("page.j2").render()


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
