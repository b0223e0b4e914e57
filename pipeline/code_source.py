"""What a digest sees of our source: what each definition of a module computes, and which other definitions it uses.

Law: what decides no result is not seen: comments, formatting, docstrings, lines of the log without a call in them,
types but those that the code may read (of a class's fields, of a function that a decorator takes), and the texts of
asserts and of what is raised (a string with a blank in it; a word without one is a key or a reason). An imported name
stands for what it was imported from, so imports themselves, and the names of our modules, are not seen either.
"""

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from pipeline.store.digests import bytes_digest

PACKAGES = ("pipeline", "models")
LOGGERS = frozenset({"log", "logger", "logging", "warnings", "typer"})
LOGGING = frozenset({"debug", "info", "warning", "error", "exception", "critical", "warn", "echo", "secho"})
PLAIN = frozenset({
    "abstractmethod", "cache", "cached_property", "classmethod", "contextmanager", "lru_cache", "property", "setter",
    "staticmethod", "wraps",
})  # fmt: skip
"""Decorators that do not read the types of their function."""
PURE = frozenset({"bool", "float", "int", "len", "repr", "round", "str", "type"})
"""Functions of Python that change nothing."""

_GAP = re.compile(r"\{\w*\}|%s")
"""Where a text is filled in."""

Place: TypeAlias = tuple[str, str]
"""(module, name at its top): a definition; the name "" is what stands there and defines nothing."""

MODULE = "*"
"""The name that stands for all of a module."""


@dataclass(frozen=True)
class Definition:
    """digest: of what it computes. uses: what it calls or reads, each time, and whether an error alone tells it.

    types: what it names in types alone.
    files: names that may be those of files, or patterns of them. is_nothing: whether it computes nothing.
    is_type: whether it names a type and nothing else.
    """

    digest: str
    uses: tuple[tuple[Place, bool], ...]
    types: tuple[Place, ...]
    files: frozenset[str]
    is_nothing: bool
    is_type: bool


class Module:
    """The definitions at the top of a module, by name; `modules` are the names of all of ours.

    Raises:
        SyntaxError: it is no Python.
    """

    def __init__(self, name: str, source: str, modules: Collection[str]) -> None:
        self.name, self._modules = name, modules
        self._source, self._tree = source, ast.parse(source)
        self._statements: dict[str, list[ast.stmt]] = {"": []}
        for statement in self._tree.body:
            for defined in dict.fromkeys(_defined(statement)):
                self._statements.setdefault(defined, []).append(statement)
        self._read: dict[tuple[str, bool], Definition] = {}

    @property
    def names(self) -> Collection[str]:
        """All names that it defines, and "" for the rest."""
        return self._statements.keys()

    @cached_property
    def _imports(self) -> list[ast.Import | ast.ImportFrom]:
        return [node for node in _statements(self._tree) if isinstance(node, ast.Import | ast.ImportFrom)]

    @cached_property
    def imports(self) -> dict[str, set[Place]]:
        """What the imports anywhere in it bind: the name -> what it stands for."""
        found: dict[str, set[Place]] = {}
        for node in self._imports:
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    place = (whole, MODULE) if whole in self._modules else (node.module, alias.name)
                    found.setdefault(alias.asname or alias.name, set()).add(place)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    found.setdefault(bound, set()).add((alias.name if alias.asname else bound, MODULE))
        return found

    @cached_property
    def for_their_effect(self) -> list[str]:
        """Modules of ours that are imported and not named again."""
        found = []
        words = Counter(re.findall(r"\w+", self._source))
        for node in self._imports:
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names if alias.name in self._modules and not alias.asname]
            elif node.module and is_ours(node.module):
                for alias in node.names:
                    if words[alias.asname or alias.name] == 1:
                        found += [f"{node.module}.{alias.name}", node.module]
        return [module for module in found if module in self._modules]

    def definition(self, name: str, *, is_told: bool = False) -> Definition:
        """One of its `names`; where it `is_told` by an error and decides nothing else, without its texts."""
        if (name, is_told) not in self._read:
            self._read[name, is_told] = _Reader(self, is_told).definition(self._statements[name])
        return self._read[name, is_told]


def is_ours(module: str) -> bool:
    """Whether a module is one whose source counts."""
    return module.partition(".")[0] in PACKAGES


class _Reader(ast.NodeVisitor):
    """Turns statements into words: two that compute the same give the same words."""

    def __init__(self, module: Module, is_text: bool) -> None:
        self._module = module
        self._words: list[str] = []
        self._uses: list[tuple[Place, bool]] = []
        self._types: list[Place] = []
        self._files: set[str] = set()
        self._is_text = is_text
        self._is_type_read = False

    def definition(self, statements: list[ast.stmt]) -> Definition:
        """What the statements compute and use."""
        self._all(statements)
        digest = bytes_digest("\0".join(self._words).encode("utf-8", "surrogatepass"))
        files = frozenset(self._files)
        return Definition(
            digest,
            tuple(self._uses),
            tuple(self._types),
            files,
            is_nothing=not self._words,
            is_type=bool(statements) and all(map(self._is_naming_a_type, statements)),
        )

    def generic_visit(self, node: ast.AST) -> None:
        self._words.append(type(node).__name__)
        for name, value in ast.iter_fields(node):
            if name != "ctx" and value is not None and value != []:
                self._words.append(f"{name}:")
                self._any(value)
        self._words.append(".")

    def _any(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.visit(value)
        elif isinstance(value, list):
            self._all(value)
        else:
            self._words.append(repr(value))

    def _all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self._any(node)

    def _as_text(self, nodes: Sequence[ast.AST]) -> None:
        """Read them so that texts do not count."""
        before, self._is_text = self._is_text, True
        self._all(nodes)
        self._is_text = before

    def _in_types(self, node: ast.AST | None) -> None:
        """Note what a type names; the type itself counts where it may be read when the code runs."""
        if self._is_type_read and node is not None:
            self.visit(_unquoted(node))
        for each in ast.walk(node) if node is not None else ():
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                self._in_types(_parsed(each.value))
            elif isinstance(each, ast.Name):
                self._types += sorted(place for place in self._places(each.id) if is_ours(place[0]))

    def _places(self, name: str) -> set[Place]:
        """What a name stands for: something at the top of this module, or what was imported."""
        own = {(self._module.name, name)} if name in self._module.names else set()
        return own | self._module.imports.get(name, set())

    def _is_of(self, node: ast.expr, module: str, name: str) -> bool:
        """Whether it is a name that was imported from this module, or an attribute of the module."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr == name and self._places(node.value.id) == {(module, MODULE)}
        return isinstance(node, ast.Name) and self._places(node.id) == {(module, name)}

    def _is_naming_a_type(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.AnnAssign):
            return self._is_of(node.annotation, "typing", "TypeAlias")
        call = node.value if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) else None
        return call is not None and any(self._is_of(call.func, "typing", name) for name in ("TypeVar", "ParamSpec"))

    def visit_Import(self, node: ast.Import) -> None:
        """Imports count where their names are used."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Imports count where their names are used."""

    def visit_Pass(self, node: ast.Pass) -> None:
        """Nothing."""

    def visit_If(self, node: ast.If) -> None:
        test = node.test
        if self._is_of(test, "typing", "TYPE_CHECKING"):
            self._all(node.orelse)
        elif (
            isinstance(test, ast.UnaryOp)
            and isinstance(test.op, ast.Not)
            and self._is_of(test.operand, "typing", "TYPE_CHECKING")
        ):
            self._all(node.body)
        else:
            self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if _is_logging(node.value):
            self._as_text(_effects(node.value))
        elif not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> None:
        self._words.append("Assert")
        self.visit(node.test)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._words.append("Raise")
        self._as_text([node.exc] if node.exc is not None else [])

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._words += [type(node).__name__, node.name]
        self._all(node.decorator_list)
        before, self._is_type_read = self._is_type_read, not PLAIN.issuperset(map(_called, node.decorator_list))
        self.visit(node.args)
        self._in_types(node.returns)
        self._is_type_read = False
        self._all(node.body)
        self._is_type_read = before
        self._words.append(".")

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 (the name is the visitor's)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        before, self._is_type_read = self._is_type_read, True
        self.generic_visit(node)
        self._is_type_read = before

    def visit_arg(self, node: ast.arg) -> None:
        self._words += ["arg", node.arg]
        self._in_types(node.annotation)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if not self._is_of(node.annotation, "typing", "TypeAlias"):
            self._in_types(node.annotation)
        self._words.append("Assign")
        self.visit(node.target)
        self._all([] if node.value is None else [node.value])

    def visit_Assign(self, node: ast.Assign) -> None:
        self._words.append("Assign")
        self._all([*node.targets, node.value])

    def visit_Call(self, node: ast.Call) -> None:
        if self._is_of(node.func, "typing", "cast") and len(node.args) == 2:
            self._in_types(node.args[0])
            self.visit(node.args[1])
        elif self._is_of(node.func, "pydantic", "Field"):
            counting = [each for each in node.keywords if each.arg != "description"]
            self.generic_visit(ast.Call(func=node.func, args=node.args, keywords=counting))
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        places = self._places(node.id)
        ours = {place for place in places if is_ours(place[0])}
        self._uses += [(place, self._is_text) for place in sorted(ours)]
        foreign = sorted(".".join(place) for place in places - ours)
        self._words += ["Name", *foreign, *sorted(name for _, name in ours)] if places else ["Name", node.id]

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Of one of our modules: what it defines under that name, whatever the module is called."""
        places = self._places(node.value.id) if isinstance(node.value, ast.Name) else set()
        modules = {module for module, name in places if name == MODULE and is_ours(module)}
        self._words += ["Attribute", node.attr]
        if modules and len(modules) == len(places):
            self._uses += [((module, node.attr), self._is_text) for module in sorted(modules)]
        else:
            self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str) and "." in value and len(value) < 100:
            self._files.add(_GAP.sub("*", value).rpartition("/")[2])
        self._words.append("text" if self._is_text and _has_blank(value) else repr(value))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        parts = [part.value if isinstance(part, ast.Constant) else "*" for part in node.values]
        if "." in (pattern := "".join(map(str, parts)).rpartition("/")[2]):
            self._files.add(pattern)
        if self._is_text and any(isinstance(part, ast.Constant) and _has_blank(part.value) for part in node.values):
            self._words.append("text")
        else:
            self.generic_visit(node)


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines; with "" where it does something else too."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return [""]
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    parts = [each for target in targets for each in _parts(target)]
    parts += [node.target for node in ast.walk(statement) if isinstance(node, ast.NamedExpr)]
    return [each.id if isinstance(each, ast.Name) else "" for each in parts]


def _parts(target: ast.expr) -> Iterator[ast.expr]:
    """What is assigned to, one by one."""
    if isinstance(target, ast.Starred):
        yield from _parts(target.value)
    elif isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _parts(part)
    else:
        yield target


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements in it, at any depth; no expression holds one."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield child
            yield from _statements(child)


def _parsed(text: str) -> ast.AST | None:
    """A type that is written as a string; None where it is none."""
    try:
        return ast.parse(text, mode="eval")
    except SyntaxError:
        return None


def _unquoted(node: ast.AST) -> ast.AST:
    """A type, without the quotes that it may be written in."""
    quoted = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
    parsed = _parsed(quoted) if quoted is not None else None
    return parsed.body if isinstance(parsed, ast.Expression) else node


def _called(node: ast.expr) -> str:
    """The last name of a decorator, with its arguments or without."""
    return _name(node.func if isinstance(node, ast.Call) else node)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_logging(node: ast.expr) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in LOGGING and _name(function.value) in LOGGERS


def _effects(node: ast.expr) -> list[ast.AST]:
    """What in the arguments of a call may change something, be it an iterator that it reads."""
    parts = [part for argument in ast.iter_child_nodes(node) for part in ast.walk(argument)]
    return [
        part
        for part in parts
        if isinstance(part, ast.NamedExpr | ast.Await | ast.comprehension | ast.Starred)
        or (isinstance(part, ast.Call) and not (isinstance(part.func, ast.Name) and part.func.id in PURE))
    ]


def _has_blank(value: object) -> bool:
    return isinstance(value, str) and any(map(str.isspace, value))
