"""The digest of the code that decides a result, found from the source: an edit of it makes the result stale.

Law: the code of a function or class is its own definition and, over all imports inside `pipeline` and `models`, every
definition that it uses, and so on, but for the rooms of `OUTSIDE`. What of a definition counts, `pipeline.code_source`
says. A process goes by the source as it was when it first asked.
Also counted: files beside the modules that a string names, whole or as a pattern, and those that a template names.
Not covered: what is found by a name made at run time (getattr, importlib); what a package imports for its effect, and
functions that a decorator registers where their module is imported for other names; files that are found by listing a
folder, that have no ending, or whose name is put together by `+`; other packages than our own.
"""

import fnmatch
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source, find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

from pipeline.code_source import MODULE, PACKAGES, Definition, Module, Place, is_ours
from pipeline.errors import StageError
from pipeline.store.digests import bytes_digest, json_digest
from pipeline.store.kept import read_kept, remember_kept

OUTSIDE: Mapping[str, str] = {
    "pipeline.cities": "what it reads from cities.yaml is digested as settings",
    "pipeline.code_digest": "how code is digested decides no row",
    "pipeline.code_source": "how code is digested decides no row",
    "pipeline.collect.instagram": "what was collected live is kept, and counts as it stands",
    "pipeline.collect.poi_sources.foursquare_answers": "how answers are kept",
    "pipeline.collect.poi_sources.foursquare_client": "how answers are fetched",
    "pipeline.collect.waiting": "notes on what another run brings",
    "pipeline.collect.web": "how answers are fetched",
    "pipeline.demo": "writes an archive, which is digested as anybody's",
    "pipeline.engine": "how pictures are spread over processes",
    "pipeline.errors": "an error ends a stage before it has a result",
    "pipeline.privacy.forgotten": "withdraws releases; what is left is digested",
    "pipeline.privacy.gone": "removes rows; what is left is digested",
    "pipeline.privacy.leftovers": "removes what killed runs left",
    "pipeline.progress": "what a person sees meanwhile",
    "pipeline.stage": "when a stage runs",
    "pipeline.store": "how tables and files are kept; their contents are digested",
    "pipeline.training.termination": "how a signal stops a run, which another goes on with",
    "pipeline.training.training_log": "what a person sees of a training",
    "pipeline.weights": "how weights come here; the digest of the file counts",
}
"""Rooms and modules whose code decides no row of a stage, and why."""

INSIDE: Mapping[str, str] = {
    "pipeline.demo.canvas": "draws the scenes on which face detectors are counted",
    "pipeline.demo.pictures": "draws the scenes on which face detectors are counted",
    "pipeline.demo.places": "draws the scenes on which face detectors are counted",
    "pipeline.demo.scenes_indoors": "draws the scenes on which face detectors are counted",
    "pipeline.demo.scenes_outdoors": "draws the scenes on which face detectors are counted",
    "pipeline.demo.settings": "shares of what the scenes show",
}
"""Modules of the rooms outside whose code decides rows nevertheless, and why."""

STANDS_FOR: Mapping[Place, Place] = {
    ("pipeline.store", "Store"): ("pipeline.records", "TABLES"),
    ("pipeline.store.store", "Store"): ("pipeline.records", "TABLES"),
    ("pipeline.store.tables", "Tables"): ("pipeline.records", "TABLES"),
}
"""What counts of a class outside: who writes tables goes by their columns."""


TEMPLATES = (".j2", ".html", ".css", ".txt", ".md")
"""Endings of files that may name others."""


class MissingSourceError(StageError):
    """The source of our modules is not installed."""


def source_files() -> dict[str, bytes]:
    """The files of our packages where they are installed: `pipeline/...` and `models/...` -> their bytes.

    Raises:
        MissingSourceError: a package is no folder of files.
    """
    folders = {package: _folder(package) for package in PACKAGES}
    return {
        f"{package}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for package, folder in folders.items()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent.name != "__pycache__"
    }


class Code:
    """Our packages as their files, by path from the folder that holds both.

    paths: of every module its file. modules: those that were read so far.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.paths = {_module_name(path): path for path in files if path.endswith(".py")}
        self._data = defaultdict[str, list[str]](list)
        for path in sorted(files.keys() - self.paths.values()):
            self._data[path.rpartition("/")[2]].append(path)
        self.modules: dict[str, Module] = {}
        self._found: dict[Place, list[Place]] = {}
        self._paths_of: dict[str, set[str]] = {}

    @property
    def state(self) -> str:
        """A digest of every byte, and of the Python that reads it."""
        files = {path: bytes_digest(data) for path, data in self.files.items()}
        return json_digest([files, list(sys.version_info), sorted(OUTSIDE)])

    def digest(self, module: str, name: str) -> str:
        """The digest of all that a definition computes.

        Raises:
            MissingSourceError: its module is not among the files.
        """
        found = self.places(module, name)
        numbers = {place: number for number, place in enumerate(found)}
        lines = []
        for definition in found.values():
            used = [[numbers[each] for each in self._resolved(use) if each in numbers] for use, _ in definition.uses]
            named = {path for pattern in definition.files for path in self._named(pattern)}
            lines.append([definition.digest, used, sorted(bytes_digest(self.files[path]) for path in named)])
        return json_digest(lines)

    def places(self, module: str, name: str) -> dict[Place, Definition]:
        """The definition itself and all that it uses, directly and over others, in the order in which it uses them;
        then what types alone name, and the tops of the modules.
        """
        found: dict[Place, Definition] = {}
        whole: set[Place] = set()
        waiting = [(place, False) for place in self._resolved((module, name))]
        later: list[tuple[Place, bool]] = []
        while waiting or later:
            place, is_told = waiting.pop() if waiting else later.pop(0)
            definition = self._module(place[0]).definition(place[1], is_told=is_told)
            if place in whole or (is_told and place in found) or definition.is_nothing:
                continue
            found[place] = definition
            if not is_told:
                whole.add(place)
            used = [(each, told) for use, told in definition.uses for each in self._resolved(use)]
            waiting += reversed(used)
            later += [(each, is_told) for use in definition.types for each in self._in_types(use, set())]
            later += [(each, False) for use in self._beside(place[0]) for each in self._resolved(use)]
        return found

    def _beside(self, module: str) -> Iterator[Place]:
        """What runs with its import: its top, those of its packages, and modules that it imports and names no more."""
        yield module, ""
        for package in accumulate(module.split(".")[:-1], "{}.{}".format):
            if package in self.paths and not _is_outside(package):
                yield package, ""
        if not self.paths[module].endswith("__init__.py"):  # a package passes on what it imports
            yield from ((name, MODULE) for name in self._module(module).for_their_effect)

    def _named(self, pattern: str) -> set[str]:
        """The files that a name or a pattern may mean, and those that these name: a template another."""
        if pattern not in self._paths_of:
            is_pattern = "*" in pattern.rpartition(".")[0] and "*" not in pattern.rpartition(".")[2]
            names = fnmatch.filter(self._data, pattern) if is_pattern else [pattern]
            self._paths_of[pattern] = found = {path for name in names for path in self._data.get(name, ())}
            texts = [self.files[path] for path in found if path.endswith(TEMPLATES)]
            for name in {word.decode() for text in texts for word in re.findall(rb"[\w.-]+", text) if b"." in word}:
                found |= self._named(name)
        return self._paths_of[pattern]

    def _in_types(self, place: Place, seen: set[Place]) -> Iterator[Place]:
        """What stands at a place that a type names, where it is only another name, what that stands for."""
        for each in self._resolved(place):
            definition = self._module(each[0]).definition(each[1])
            if not definition.is_type:
                yield each
            elif each not in seen:
                seen.add(each)
                for use in (*(use for use, _ in definition.uses), *definition.types):
                    yield from self._in_types(use, seen)

    def _resolved(self, place: Place) -> list[Place]:
        if place not in self._found:
            self._found[place] = list(self._find(place))
        return self._found[place]

    def _find(self, place: Place) -> Iterator[Place]:
        """Where what is used at a place is defined: nowhere outside, in another module where it is imported from."""
        name, definition = STANDS_FOR.get(place, place)
        if _is_outside(name):
            return
        if definition != MODULE and f"{name}.{definition}" in self.paths:
            name, definition = f"{name}.{definition}", MODULE
            if _is_outside(name):
                return
        module = self._module(name)
        if definition == MODULE:
            yield from ((name, each) for each in sorted(module.names))
        elif definition in module.names:
            yield name, definition
        elif definition in module.imports:
            for imported in sorted(module.imports[definition]):
                if is_ours(imported[0]):
                    yield from self._resolved(imported)
        else:
            yield name, ""

    def _module(self, name: str) -> Module:
        if name not in self.modules:
            if name not in self.paths:
                raise MissingSourceError(
                    f"the source of {name} is not there, and what is computed is kept by its code: install this "
                    "package with its .py files"
                )
            self.modules[name] = Module(name, self.files[self.paths[name]].decode(), self.paths)
        return self.modules[name]


@cache
def code_digest(thing: Callable[..., Any]) -> str:
    """The digest of the code of a function or class at the top of one of our modules.

    Raises:
        MissingSourceError: its source is not installed.
    """
    key = f"{thing.__module__}:{thing.__qualname__}"
    known = _known()
    if key not in known:
        known[key] = _code().digest(thing.__module__, thing.__qualname__)
        _keep(known)
    return known[key]


@cache
def _code() -> Code:
    return Code(source_files())


def _folder(package: str) -> Path:
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise MissingSourceError(f"the package {package} is no folder of files: install it so")
    return Path(folders[0])


@cache
def _known() -> dict[str, str]:
    """The digests that an earlier process kept of the very same source."""
    with suppress(OSError):
        return read_kept(_cache_path(), _read) or {}
    return {}


def _read(kept: Any) -> dict[str, str]:
    return (
        {str(name): str(digest) for name, digest in kept["digests"].items()} if kept["state"] == _code().state else {}
    )


def _keep(known: dict[str, str]) -> None:
    """Keep them beside the compiled modules, where Python may keep these."""
    if not sys.dont_write_bytecode:
        remember_kept(_cache_path(), {"state": _code().state, "digests": known})


def _cache_path() -> Path:
    return Path(cache_from_source(str(Path(__file__)))).parent / "code_digests.json"


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def _is_outside(module: str) -> bool:
    return module not in INSIDE and any(f"{module}.".startswith(f"{room}.") for room in OUTSIDE)
