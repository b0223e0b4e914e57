"""The one Jinja environment of all pages: values are escaped by default, and a name that is missing is an error."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(folder: Path, *, is_html: bool = True) -> "Environment":
    """The templates in `folder`. Every value is escaped for HTML, or else for Markdown.

    A value that the template names and nobody gave raises `jinja2.UndefinedError`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=is_html,  # noqa: S701 (the Markdown is escaped by `finalize`)
        finalize=None if is_html else escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def escape_markdown(value: object) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no link, no end of a table's cell."""
    text = " ".join(str(value).split()) if isinstance(value, str) else str(value)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]#|~$!])", r"\\\1", text)
    return text.replace("://", ":\\//").replace("www.", "www\\.")
