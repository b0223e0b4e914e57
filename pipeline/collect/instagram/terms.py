"""The gate before anything is collected from Instagram: who collects has read docs/PRIVACY.md and says why and who.

Law: `check_terms` raises before the first request, it touches no network. It asks each time, nothing is remembered.
Covered: a person who does not know what it means. Not covered: a person who says what is not so.
"""

import os
import re
from dataclasses import asdict, dataclass

from pipeline.errors import StageError

READ_VARIABLE = "I_HAVE_READ_PRIVACY_MD"
PRIVACY_VERSION = "2026-11-30"
"""The version at the top of docs/PRIVACY.md."""

WHAT_IT_MEANS = (
    "Instagram's terms forbid automated collection without permission; it can cost the account, and posts are "
    "personal data of people who were not asked"
)
WITHOUT_IT = "An archive that you have the right to use needs none of this: take the city's section live: out"
_NO_ANSWER = re.compile(r"[\W_]*(?:todo|tbd|tba|n/?a|none|fixme|x+|<.*>)?[\W_]*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the person who collects declares; it is copied into every release.

    contact: whom people can write to who want to be left out.
    """

    purpose: str = ""
    legal_basis: str = ""
    contact: str = ""


def check_terms(terms: Terms) -> None:
    """Let pass whoever has read docs/PRIVACY.md of this version and has filled in everything.

    Raises:
        StageError: one message with all that is missing and where to write it.
    """
    missing = [name for name, answer in asdict(terms).items() if _NO_ANSWER.fullmatch(answer)]
    read = os.environ.get(READ_VARIABLE, "").strip()
    to_do = []
    if read != PRIVACY_VERSION:
        again = "it has changed since you read it: " if re.fullmatch(r"\d{4}-\d\d-\d\d", read) else ""
        to_do.append(f"{again}read docs/PRIVACY.md and then set {READ_VARIABLE}={PRIVACY_VERSION}")
    if missing:
        to_do.append(f"fill in {', '.join(missing)} in cities.yaml, in the section live: of the city")
    if to_do:
        raise StageError(f"{WHAT_IT_MEANS}. To go on, {'; '.join(to_do)}. {WITHOUT_IT}")


def stated_terms(terms: Terms) -> dict[str, str]:
    """What was declared, each on one line, and the version of docs/PRIVACY.md that it was declared under."""
    answers = {name: " ".join(value.split()) for name, value in asdict(terms).items()}
    return {**answers, "privacy_version": PRIVACY_VERSION}
