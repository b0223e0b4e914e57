"""The variables of the environment that begin with MRLF_: a misspelt one would be passed over in silence."""

from collections.abc import Mapping
from difflib import get_close_matches

PREFIX = "MRLF_"
READ = ("CITIES", "DATA", "FOURSQUARE_URL", "INSTAGRAM_COOKIES", "INSTAGRAM_URL", "PSEUDONYM_KEY", "WEIGHTS_MIRROR")
OF_OTHERS = (
    "ARCHIVES",
    "CODE_HOST",
    "CODE_PORT",
    "LONG_TESTS",
    "MEMORY",
    "PATHS_BOOKS",
    "PATHS_ROOT",
    "POSTGRES_DB",
    "POSTGRES_HOST",
    "POSTGRES_PASSWORD",
    "POSTGRES_PORT",
    "POSTGRES_USER",
    "ROOT",
    "SHARED_DATA",
    "UID",
    "UI_PORT",
)
"""Of the containers, the tests and the benchmarks."""


def misspelt_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that nobody reads and that is nearly one of ours; its value is not shown."""
    known = {f"{PREFIX}{short}" for short in (*READ, *OF_OTHERS)}
    unknown = [name for name in environment if name.upper().startswith(PREFIX) and name not in known]
    near = {name: get_close_matches(name.upper().removeprefix(PREFIX), READ, n=1, cutoff=0.7) for name in unknown}
    return [f"{name} is unknown: did you mean {PREFIX}{found[0]}?" for name, found in near.items() if found]
