"""The code of a result: an edit of what decides it makes it stale, and an edit of anything else does not."""

import json
import re

import pytest

from pipeline import code_digest as digests
from pipeline.code_digest import INSIDE, OUTSIDE, STANDS_FOR, Code, code_digest, source_files
from pipeline.curate.curated_posts import CuratedPostsSettings, build_curated_posts
from pipeline.stages import STAGES
from tests.fakes.town import CITY, Town

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


LOSES = set(STAGES) - {"pois", "places", "train_mrlf", "evaluate_mrlf"}
"""Stages that write the ledger."""
RECALL = {"clean_images"}


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
            "pipeline/collect/poi_sources/sensitive_categories.csv",
            r"\n",
            "\n\n",
            {"pois", "places"},
            id="a list in a file; for places, which reads another, its name has the right ending",
        ),
        pytest.param(
            "pipeline/parquet_rows.py",
            r"\.where\(is_wanted\)",
            ".where(is_wanted).limit(1)",
            {"pois"},
            id="how an extract of POIs is read",
        ),
        pytest.param("pipeline/records.py", r"pa\.int32\(\)", "pa.int64()", set(STAGES), id="a column"),
        pytest.param(
            "pipeline/ledger.py",
            r'"not_before_utc": not',
            '"not_before_utc": 0 or not',
            LOSES,
            id="a row of the ledger",
        ),
        pytest.param(
            "pipeline/demo/canvas.py", "return ", "return 1 and ", RECALL, id="a scene that recall is counted on"
        ),
        pytest.param("pipeline/demo/archive.py", "return ", "return 1 and ", set(), id="the demo's archive"),
        pytest.param(
            "pipeline/report/templates/report.html.j2", "<", " <", {"evaluate_mrlf"}, id="a template of the report"
        ),
        pytest.param("pipeline/report/templates/study.html.j2", "<", " <", {"study"}, id="a template of the study"),
        pytest.param("pipeline/collect/instagram/client.py", "return ", "return 1 or ", set(), id="live collection"),
        pytest.param("pipeline/engine.py", "return ", "return 1 or ", set(), id="the engine"),
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


def test_the_portrait_that_recall_is_counted_on_counts(source, today):
    code = Code({**source.files, "pipeline/demo/astronaut.jpg": b""})
    code.modules.update(source.modules)
    assert {name for name, digest in of_stages(code).items() if digest != today[name]} == RECALL


def test_every_room_outside_is_there_and_used(source):
    modules = source.paths.keys()
    assert not {room for room in OUTSIDE if not any(f"{name}.".startswith(f"{room}.") for name in modules)}
    assert INSIDE.keys() <= modules
    assert {place[0] for places in STANDS_FOR.items() for place in places} <= modules


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
