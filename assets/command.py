"""`dagster asset materialize`: a mistake in the command ends in one line that says what to write, without a traceback.

Dagster 1.13 lets its own errors about the options end the process, with the frames of its machinery; here the sentence
is put in their place, in the processes of its command line alone.
Not covered: what Dagster reads before it loads these definitions, as a `--config-json` that is no JSON.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import dagster as dg
from dagster._core.definitions.asset_selection import DagsterInvalidAssetSelectionError
from dagster_shared.check import CheckError

from pipeline.cities import CityError
from pipeline.errors import did_you_mean
from pipeline.stages import STAGES, checked_cities

COMMANDS = {("asset", "materialize"), ("asset", "list"), ("job", "execute")}
NO_PARTITION = "no '--partition' option was provided"
PARTITION_RANGE = "artition range"
UNKNOWN_ASSET = re.compile(r"AssetKey\(s\) \[(.*?)\] were selected")
FIELD = re.compile(r"(\w+)\??:")

Hook: TypeAlias = Callable[[type[BaseException], BaseException, TracebackType | None], object]


def speak_plainly(words: Sequence[str]) -> None:
    """In a process of Dagster's command line, given by its words, tell the user's mistakes by a sentence alone."""
    is_dagster = Path(words[0]).name == "dagster" or Path(words[0]).parent.name == "dagster"
    if is_dagster and tuple(words[1:3]) in COMMANDS:
        sys.excepthook = _hook(words, sys.excepthook)


def _hook(words: Sequence[str], otherwise: Hook) -> Hook:
    def tell(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
        said = sentence(error, words)
        if said is None:
            otherwise(kind, error, frames)
        else:
            print(f"dagster: {said}", file=sys.stderr)

    return tell


def sentence(error: BaseException, words: Sequence[str]) -> str | None:
    """What to tell of an error that the words of a command led to; None where it is not the user's mistake."""
    try:
        return _sentence(error, words)
    except CityError as unreadable:  # where there are no cities, no other word would help
        return str(unreadable)


def _sentence(error: BaseException, words: Sequence[str]) -> str | None:
    match error:
        case CityError():
            return str(error)
        case CheckError() if NO_PARTITION in str(error):
            return f"name the city: --partition {_cities()[0]} (the cities are {', '.join(_cities())})"
        case CheckError() if PARTITION_RANGE in str(error):
            return f"this command takes one city, --partition {_cities()[0]}: Materialize in the UI takes several"
        case dg.DagsterInvalidSubsetError() if unknown := UNKNOWN_ASSET.search(str(error)):
            names = re.findall(r"'([^']*)'", unknown[1])
            near = did_you_mean(names[0], STAGES) if names else ""
            return f"there is no asset {', '.join(names)}{near}: the assets are {', '.join(STAGES)}"
        case dg.DagsterInvalidSubsetError() if "partition key" in str(error):
            city = _given(words, "--partition")
            return f"there is no city {city!r}{did_you_mean(city, _cities())}: the cities are {', '.join(_cities())}"
        case DagsterInvalidAssetSelectionError():
            return (
                f"--select {_given(words, '--select')!r} is no selection of assets, as pois, dataset or +evaluate_mrlf"
            )
        case CheckError() if 'Param "run_config"' in str(error):
            return '--config-json must be a JSON object, as {"ops": {"pois": {"config": {"max_pois": 100}}}}'
        case dg.DagsterInvalidConfigError():
            return "; ".join(_shortened(message) for message in error.error_messages)
    return None


def _shortened(message: str) -> str:
    """A message about the run configuration; in place of all that could stand there the nearest name."""
    what, _, expected = message.partition(" Expected: ")
    name = re.search(r'entry "(\w+)"', what)
    near = did_you_mean(name[1], FIELD.findall(expected)) if name else ""
    return f"--config-json: {what.rstrip('.')}{near}"


def _cities() -> list[str]:
    return checked_cities().readable().keys


def _given(words: Sequence[str], option: str) -> str:
    """The value of an option: the word behind it, or what stands behind its sign."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return ""
