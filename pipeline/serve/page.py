"""The page at /: one HTML file that loads nothing, with a policy that would not let it.

Its script and style carry a nonce that is drawn anew for each answer, so that nothing else could run in it.
"""

import secrets
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.predict.answer import NOTICE
from pipeline.predict.predictor import ModelFacts
from pipeline.serve.limits import Limits
from pipeline.templates import environment
from pipeline.training.choice import TITLES

if TYPE_CHECKING:
    from jinja2 import Template

POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def render_page(facts: ModelFacts, *, coarse: bool, limits: Limits) -> tuple[str, str]:
    """The page and its Content-Security-Policy."""
    nonce = secrets.token_urlsafe(16)
    page = _template().render(
        nonce=nonce,
        facts=facts,
        model=TITLES[facts.model],
        coarse=coarse,
        notice=NOTICE,
        max_body_bytes=limits.max_body_bytes,
    )
    return page, POLICY.format(nonce=nonce)


@lru_cache(maxsize=1)
def _template() -> "Template":
    return environment(Path(__file__).parent / "templates").get_template("page.html.j2")
