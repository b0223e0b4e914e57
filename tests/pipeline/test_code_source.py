"""What a digest sees of a source: an edit of what decides a result, and no edit of anything else."""

from collections.abc import Mapping

import pytest

from pipeline.code_digest import Code, MissingSourceError

TINY = {
    "pipeline/work.py": '''"""A stage."""
from pipeline.rules import is_kept
from pipeline import names
from math import floor

LIMIT = 3

def build(rows):
    """Build."""
    log.info("%d rows", len(rows))
    if not rows:
        raise StageError(f"no row of {names.CITY} is there")
    kept = [floor(row) for row in rows if is_kept(row, LIMIT)]
    return Outcome(rows=kept, city=names.CITY, notes=["looked at all"])
''',
    "pipeline/rules.py": """
def is_kept(row, limit):
    assert limit, "a limit"
    return Rule(row < limit).is_kept

class Rule:
    def __init__(self, is_kept):
        self.is_kept = is_kept

def other():
    pass
""",
    "pipeline/names.py": "CITY, TOWN = 'a', 'b'\n",
    "pipeline/settings.py": """
from pydantic import Field

class Settings:
    side: int = Field(3, ge=1, description='of a picture')
""",
}
"""A stage of a few lines, and what it imports."""
WORK, RULES, NAMES = "pipeline/work.py", "pipeline/rules.py", "pipeline/names.py"


def edited(files: Mapping[str, str], path: str, *changes: tuple[str, str]) -> dict[str, str]:
    text = files[path]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return {**files, path: text}


def tiny(files: Mapping[str, str] = TINY, module: str = "pipeline.work", name: str = "build") -> str:
    return Code({path: text.encode() for path, text in files.items()}).digest(module, name)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        pytest.param(WORK, ("LIMIT = 3", "LIMIT = 4"), id="a constant"),
        pytest.param(WORK, ("LIMIT)]", "2)]"), id="an argument"),
        pytest.param(WORK, ("if not rows", "if rows is None"), id="when it fails"),
        pytest.param(WORK, ("from math import", "from mine import"), id="another package"),
        pytest.param(WORK, ("pipeline.rules import", "pipeline.names import"), id="another module of ours"),
        pytest.param(WORK, ("raise StageError", "raise OtherError"), id="the kind of an error"),
        pytest.param(WORK, ("looked at all", "looked at every row"), id="a note, which the report prints"),
        pytest.param(WORK, ("len(rows))", "rows.pop())"), id="what a line of the log changes"),
        pytest.param(WORK, ("len(rows))", "[row for row in rows])"), id="what a line of the log reads to its end"),
        pytest.param(WORK, ('f"no row of {names.CITY} is there"', '"no_row"'), id="a reason in place of a text"),
        pytest.param(RULES, ("row < limit", "row <= limit"), id="a rule in another module"),
        pytest.param(RULES, ("assert limit", "assert limit > 0"), id="what is asserted"),
        pytest.param(RULES, ("def other", "LIMITS.append(3)\n\ndef other"), id="a statement at the top"),
        pytest.param(NAMES, ("'a'", "'c'"), id="a constant of a module that is imported"),
    ],
)
def test_an_edit_of_what_decides_counts(path, change):
    assert tiny(edited(TINY, path, change)) != tiny()


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        pytest.param(WORK, [('"""Build."""', '"""Build the rows."""')], id="a docstring"),
        pytest.param(WORK, [("LIMIT = 3", "LIMIT = (  # at most\n    3\n)\n'''why'''")], id="form and comments"),
        pytest.param(WORK, [("LIMIT = 3", "LIMIT: Final[int] = 3")], id="the type of a constant"),
        pytest.param(WORK, [("build(rows)", "build(rows: list[int]) -> 'Outcome'")], id="types of a function"),
        pytest.param(
            WORK,
            [("from math", "from typing import cast as as_type\nfrom math"), ("(row, ", "(as_type(int, row), ")],
            id="a cast",
        ),
        pytest.param(
            WORK, [("from math", "import typing as t\nfrom math"), ("(row, ", "(t.cast(int, row), ")], id="t.cast"
        ),
        pytest.param(WORK, [("no row of {names.CITY}", "not one row")], id="the text of an error"),
        pytest.param(WORK, [("%d rows", "rows: %d")], id="a line of the log"),
        pytest.param(WORK, [("    log.info", "    typer.echo('hello there')\n    log.info")], id="one line more"),
        pytest.param(WORK, [("import floor", "import floor as down\nimport os"), ("floor(", "down(")], id="imports"),
        pytest.param(
            WORK,
            [("from math", "from pipeline.rules import Rule\nfrom math"), ("build(rows)", "build(rows: Rule)")],
            id="a type that is used anyway",
        ),
        pytest.param(RULES, [("a limit", "there is a limit")], id="the text of an assert"),
        pytest.param(RULES, [("    pass", "    return 1")], id="a function that it does not call"),
        pytest.param(NAMES, [("'b'\n", "'b'\nTHIRD = 'c'\n")], id="a constant that it does not read"),
    ],
)
def test_an_edit_of_what_decides_nothing_does_not_count(path, changes):
    assert tiny(edited(TINY, path, *changes)) == tiny()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("rows.cast(int8, False)", "rows.cast(int16, False)", id="of a table"),
        pytest.param("rows.cast(int8)", "rows.cast(int16)", id="of a table, to a type alone"),
        pytest.param("cast(int8, rows)", "cast(int16, rows)", id="a function of this module"),
    ],
)
def test_a_cast_that_is_not_of_typing_counts(before, after):
    files = {WORK: f"def build(rows):\n    return {before}\n\ndef cast(kind, rows):\n    return kind(rows)\n"}
    assert tiny(edited(files, WORK, (before, after))) != tiny(files)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("a.LIMIT < rows < b.LIMIT", "b.LIMIT < rows < a.LIMIT", id="constants"),
        pytest.param("fa(fb(rows))", "fb(fa(rows))", id="functions"),
        pytest.param("ga(gb(rows))", "gb(ga(rows))", id="functions that are alike but for what they call"),
        pytest.param("fa(fb(rows))", "fa(fa(rows))", id="one for the other"),
    ],
)
def test_things_of_one_name_in_two_modules_are_told_apart(before, after):
    imports = "from pipeline import a, b\n" + "".join(
        f"from pipeline.{module} import {name} as {name}{module}\n" for module in "ab" for name in "fg"
    )
    module = "LIMIT = {0}\n\ndef f(row):\n    return row + {0}\n\ndef g(row):\n    return f(row)\n"
    files = {WORK: f"{imports}\ndef build(rows):\n    fb(fa(gb(ga(b.LIMIT + a.LIMIT))))\n    return {before}\n"}
    files |= {f"pipeline/{name}.py": module.format(number) for number, name in enumerate("ab")}
    assert tiny(edited(files, WORK, (before, after))) != tiny(files)


OF_TYPES = """
from typing import TypeAlias, TypeVar, Literal, get_args

Way: TypeAlias = Literal["a", "b"]
Row: TypeAlias = "dict[str, int]"
Part = TypeVar("Part", int, str)

class Settings(BaseModel):
    names: list[str]
    side: "Annotated[float, Field(ge=1)]"
    kind: Literal["x", "y"] | None = None

@singledispatch
def shown(value: object) -> str:
    return ""

@shown.register
def _of_number(value: int) -> str:
    return "a"

@cache
def looked(row: Row) -> Part:
    return get_args(Way)

def build(row):
    return Settings(shown(looked(row)), _of_number)
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("list[str]", "list[int]", id="of a field"),
        pytest.param("ge=1", "ge=2", id="in quotes"),
        pytest.param('"x", "y"', '"x", "z"', id="words of a field"),
        pytest.param('"a", "b"', '"a", "c"', id="another name of a type that is read"),
        pytest.param("value: int", "value: float", id="of a function that a decorator takes"),
    ],
)
def test_a_type_that_the_code_reads_counts(old, new):
    files = {WORK: OF_TYPES}
    assert tiny(edited(files, WORK, (old, new))) != tiny(files)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("dict[str, int]", "dict[str, str]", id="another name of a type"),
        pytest.param("int, str)", "int, float)", id="a variable of types"),
        pytest.param("row: Row) -> Part", "row: object) -> str", id="of a function"),
    ],
)
def test_a_type_that_the_code_does_not_read_does_not_count(old, new):
    files = {WORK: OF_TYPES}
    assert tiny(edited(files, WORK, (old, new))) == tiny(files)


OF_ERRORS = """
HOW = "write the file"
LATER = "look at the file"

def told(row):
    return f"the row {row} is bad" if row > 1 else "bad"

def build(row):
    if row > 3:
        raise StageError(f"{row}: {HOW}") from OSError(told(row))
    if row > 2:
        raise StageError(HOW + told(row))
    if row > 1:
        raise StageError(LATER)
    return LATER
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("write the file", "write a file", id="a constant"),
        pytest.param("is bad", "is wrong", id="a function"),
    ],
)
def test_a_text_that_only_an_error_tells_does_not_count(old, new):
    files = {WORK: OF_ERRORS}
    assert tiny(edited(files, WORK, (old, new))) == tiny(files)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("look at", "read", id="a text that is a result too"),
        pytest.param('"bad"', '"wrong"', id="a word, which may be a reason"),
        pytest.param("if row > 1 else", "if row > 2 else", id="what an error is told by"),
    ],
)
def test_what_an_error_tells_counts_where_it_may_decide(old, new):
    files = {WORK: OF_ERRORS}
    assert tiny(edited(files, WORK, (old, new))) != tiny(files)


def test_a_setting_counts_and_its_description_does_not():
    path, of_settings = "pipeline/settings.py", ("pipeline.settings", "Settings")
    assert tiny(edited(TINY, path, ("of a picture", "in pixels")), *of_settings) == tiny(TINY, *of_settings)
    assert tiny(edited(TINY, path, ("3, ge", "4, ge")), *of_settings) != tiny(TINY, *of_settings)


def test_a_module_that_was_moved_or_renamed_makes_nothing_stale():
    moved = edited(TINY, WORK, ("pipeline.rules", "models.curate.limits"), ("import names", "import towns"))
    moved = edited(moved, WORK, ("names.CITY", "towns.CITY"))
    files = {RULES: "models/curate/limits.py", NAMES: "pipeline/towns.py", WORK: "pipeline/room/job.py"}
    assert tiny({files.get(path, path): text for path, text in moved.items()}, "pipeline.room.job") == tiny()


def test_modules_that_become_one_make_nothing_stale():
    whole = edited(TINY, WORK, ("from pipeline.rules import is_kept\n", ""))
    whole[WORK] += whole.pop(RULES)
    assert tiny(whole) == tiny()


def test_what_a_package_passes_on_is_followed():
    passed = edited(TINY, WORK, ("pipeline.rules", "pipeline.room"))
    passed |= {"pipeline/room/__init__.py": "from pipeline.rules import is_kept\n"}
    assert tiny(passed) == tiny()
    assert tiny(edited(passed, RULES, ("row < limit", "row > limit"))) != tiny()


def test_a_file_that_the_code_names_counts():
    named = edited(TINY, WORK, ("names.CITY,", "read('list.csv'),"))
    before = tiny({**named, "pipeline/list.csv": "1"})
    assert tiny({**named, "pipeline/list.csv": "2"}) != before
    assert tiny({**named, "pipeline/list.csv": "1", "pipeline/other.csv": "2"}) == before


@pytest.mark.parametrize(
    "name", ["f'rules/{names.CITY}.html.j2'", "'rules/{}.html.j2'.format('a')", "'%s.html.j2' % 'a'", "'rules/*.j2'"]
)
def test_a_file_that_a_pattern_or_a_template_names_counts(name):
    named = edited(TINY, WORK, ("names.CITY,", f"read({name}),"))
    named |= {"pipeline/rules/a.html.j2": "{% include 'part.txt' %}", "pipeline/rules/part.txt": "1"}
    before = tiny(named)
    assert tiny({**named, "pipeline/rules/a.html.j2": "{% include 'part.txt' %} "}) != before
    assert tiny({**named, "pipeline/rules/part.txt": "2"}) != before
    assert tiny({**named, "pipeline/rules/part.csv": "2"}) == before


OF_IMPORTS = {
    "pipeline/room/__init__.py": "LIMITS.append(1)\n",
    "pipeline/room/work.py": """
from typing import TYPE_CHECKING

import pipeline.effects
from pipeline import more_effects  # noqa: F401

((LOW, MIDDLE), [HIGH, *REST]) = (1, 2), (3, 4, 5)

if not TYPE_CHECKING:
    LIMITS.append(2)

def find_notes(rows):
    return [row for row in rows if LOW < row < HIGH], query("SELECT a b", help="of c", description="d e")
""",
    "pipeline/effects.py": "LIMITS.append(6)\n",
    "pipeline/more_effects.py": "@register\ndef changed(rows):\n    return 7\n",
}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        pytest.param("pipeline/room/__init__.py", "1", "9", id="in a package"),
        pytest.param("pipeline/room/work.py", "(2)", "(9)", id="where types are not checked"),
        pytest.param("pipeline/room/work.py", "= (1,", "= (9,", id="of several names at once"),
        pytest.param("pipeline/room/work.py", "SELECT a b", "SELECT a c", id="a query in a function of notes"),
        pytest.param("pipeline/room/work.py", "of c", "of d", id="an argument called help"),
        pytest.param("pipeline/room/work.py", "d e", "d f", id="an argument called description"),
        pytest.param("pipeline/effects.py", "6", "9", id="in a module that is imported for it"),
        pytest.param("pipeline/more_effects.py", "7", "9", id="what a module registers that is imported for it"),
    ],
)
def test_what_is_done_where_nobody_looks_counts(path, old, new):
    of_notes = ("pipeline.room.work", "find_notes")
    assert tiny(edited(OF_IMPORTS, path, (old, new)), *of_notes) != tiny(OF_IMPORTS, *of_notes)


def test_without_its_source_nothing_is_called_the_same():
    with pytest.raises(MissingSourceError, match=r"the source of pipeline\.rules is not there.*install"):
        tiny({path: text for path, text in TINY.items() if path != RULES})
