"""The code of a result: an edit of what decides it makes it stale, and an edit of anything else does not."""

import json
import re
from collections.abc import Mapping

import pytest

from pipeline import code_digest as digests
from pipeline.code_digest import OUTSIDE, Code, MissingSourceError, code_digest, source_files
from pipeline.curate.curated_posts import CuratedPostsSettings, build_curated_posts
from pipeline.stages import STAGES
from tests.fakes.town import CITY, Town

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
    return row < limit

def other():
    pass
""",
    "pipeline/names.py": "CITY, TOWN = 'a', 'b'\n",
    "pipeline/settings.py": "class Settings:\n    side: int = Field(3, ge=1, description='of a picture')\n",
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
        pytest.param(WORK, [("(row, LIMIT)]", "(cast(int, row), LIMIT)]")], id="a cast"),
        pytest.param(WORK, [("no row of {names.CITY}", "not one row")], id="the text of an error"),
        pytest.param(WORK, [("%d rows", "rows: %d")], id="a line of the log"),
        pytest.param(WORK, [("    log.info", "    typer.echo('hello there')\n    log.info")], id="one line more"),
        pytest.param(WORK, [("looked at all", "looked at every row")], id="a note"),
        pytest.param(WORK, [("import floor", "import floor as down\nimport os"), ("floor(", "down(")], id="imports"),
        pytest.param(RULES, [("a limit", "there is a limit")], id="the text of an assert"),
        pytest.param(RULES, [("    pass", "    return 1")], id="a function that it does not call"),
        pytest.param(NAMES, [("'b'\n", "'b'\nTHIRD = 'c'\n")], id="a constant that it does not read"),
    ],
)
def test_an_edit_of_what_decides_nothing_does_not_count(path, changes):
    assert tiny(edited(TINY, path, *changes)) == tiny()


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


def test_without_its_source_nothing_is_called_the_same():
    with pytest.raises(MissingSourceError, match=r"the source of pipeline\.rules is not there.*install"):
        tiny({path: text for path, text in TINY.items() if path != RULES})


# The real source


@pytest.fixture(scope="module")
def source() -> Code:
    return Code(source_files())


def of_stages(code: Code) -> dict[str, str]:
    return {name: code.digest(stage.build.__module__, stage.build.__name__) for name, stage in STAGES.items()}


def with_edit(source: Code, path: str, old: str, new: str) -> Code:
    """The same source, where what matches `old` first is replaced; what was not edited is not parsed again."""
    text, number = re.subn(old, new, source.files[path].decode(), count=1)
    assert number, f"{path} has no {old}"
    code = Code({**source.files, path: text.encode()})
    own = path.removesuffix(".py").replace("/", ".")
    code.modules.update({name: module for name, module in source.modules.items() if name != own})
    return code


@pytest.fixture(scope="module")
def today(source) -> dict[str, str]:
    return of_stages(source)


@pytest.mark.slow
@pytest.mark.fault("S9")
@pytest.mark.parametrize(
    ("path", "old", "new", "stages"),
    [
        pytest.param(
            "pipeline/curate/rules.py",
            r"<= settings\.max_poi",
            r"< settings.max_poi",
            {"curated_posts", "evaluate_mrlf"},
            id="a rule, whose meaning the report states",
        ),
        pytest.param(
            "models/vision/u2net.py",
            r"(def forward.*\n)",
            r"\1        x = x + 1\n",
            {"portrait_masks", "clean_images", "study_data", "study"},
            id="a network that masks",
        ),
        pytest.param(
            "models/mrlf/mrlf.py",
            r"(def forward.*\n)",
            r"\1        x = x + 1\n",
            {"train_mrlf", "evaluate_mrlf", "study"},
            id="a network that is trained",
        ),
        pytest.param(
            "pipeline/collect/poi_sources/sensitive_categories.csv", r"\n", "\n\n", {"pois"}, id="a list in a file"
        ),
        pytest.param(
            "pipeline/report/templates/report.html.j2", "<", " <", {"evaluate_mrlf"}, id="a template of the report"
        ),
        pytest.param("pipeline/report/templates/study.html.j2", "<", " <", {"study"}, id="a template of the study"),
        pytest.param("pipeline/collect/instagram/client.py", "return ", "return 1 or ", set(), id="live collection"),
        pytest.param("pipeline/store/tables.py", "return ", "return 1 or ", set(), id="the store"),
        pytest.param("pipeline/curate/rules.py", '"""', '"""Changed. ', set(), id="a docstring"),
        pytest.param("models/vision/u2net.py", r"-> Tensor:", "-> object:  # a", set(), id="a type and a comment"),
        pytest.param(
            "pipeline/curate/curated_posts.py", "were not collected: build", "are missing: make", set(), id="a message"
        ),
    ],
)
def test_an_edit_runs_the_stages_again_whose_rows_it_decides(source, today, path, old, new, stages):
    after = of_stages(with_edit(source, path, old, new))
    assert {name for name in after if after[name] != today[name]} == stages


def test_every_room_outside_is_there_and_used(source):
    modules = source.paths.keys()
    assert not {room for room in OUTSIDE if not any(f"{name}.".startswith(f"{room}.") for name in modules)}


@pytest.mark.slow
def test_a_stage_goes_by_its_code(store, tmp_path, source, monkeypatch):
    """The stage itself: a docstring changes nothing, a rule runs it again, and without the edit it is as before."""
    town = Town(store, tmp_path)
    town.archive.post(1)
    town.build()
    settings = CuratedPostsSettings(min_hashtag_count=1, min_posts_per_poi=1, language="any")

    def is_reused(code: Code) -> bool:
        monkeypatch.setattr(digests, "_known", dict)
        monkeypatch.setattr(digests, "_code", lambda: code)
        code_digest.cache_clear()
        return build_curated_posts(store, CITY, settings).is_reused

    try:
        assert [is_reused(source), is_reused(source)] == [False, True]
        rules = "pipeline/curate/rules.py"
        assert is_reused(with_edit(source, rules, '"""', '"""Changed. '))
        assert not is_reused(with_edit(source, rules, "return ", "return 1 and "))
    finally:
        code_digest.cache_clear()


# What is kept between processes


def test_digests_are_kept_for_the_next_process_while_no_byte_changes(tmp_path, source, monkeypatch):
    build = STAGES["curated_posts"].build
    path = tmp_path / "code_digests.json"

    def in_a_new_process(code: Code) -> str:
        for function in (digests._known, code_digest):
            function.cache_clear()
        with monkeypatch.context() as patched:
            patched.setattr(digests, "_cache_path", lambda: path)
            patched.setattr(digests, "_code", lambda: code)
            patched.setattr(digests.sys, "dont_write_bytecode", False)
            return code_digest(build)

    class Unread(Code):
        def digest(self, module: str, name: str) -> str:
            raise AssertionError("it was kept")

    try:
        before = in_a_new_process(source)
        assert in_a_new_process(Unread(source.files)) == before
        edited_source = with_edit(source, "pipeline/curate/rules.py", "return ", "return 1 and ")
        assert in_a_new_process(edited_source) != before
        path.write_text("{")
        assert in_a_new_process(source) == before
        assert json.loads(path.read_text())["digests"] == {"pipeline.curate.curated_posts:build_curated_posts": before}
    finally:
        for function in (digests._known, code_digest):
            function.cache_clear()
