"""docs/ARCHITECTURE.md and its picture name every room, stage and table, and the picture is what the script draws."""

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.records import LEDGER_TABLES, TABLES
from pipeline.stages import STAGES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/ARCHITECTURE.md").read_text()
UPWARD = {("pipeline.privacy", "pipeline.collect")}
"""The arrows between rooms that point upward; the page says why."""


@cache
def script() -> ModuleType:
    """docs/draw_architecture.py, which is of no package."""
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs/draw_architecture.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def rows(heading: str) -> list[list[str]]:
    """The rows of all tables of a section, without their heads."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines if "`" in line[0]]


def names(cell: str) -> set[str]:
    """What stands in backticks, without the ending of files."""
    return {name.removesuffix(".py") for name in re.findall(r"`([^`]+)`", cell)}


def test_every_room_stands_on_the_page_once():
    for floor in ("pipeline", "models"):
        listed = [name for row in rows(f"Rooms of `{floor}`") for name in names(row[0])]
        rooms = {path.parent.name for path in (ROOT / floor).glob("*/__init__.py")}
        beside = {path.stem for path in (ROOT / floor).glob("*.py")} - {"__init__"}
        assert len(listed) == len(set(listed))
        assert set(listed) == rooms | (beside if floor == "models" else set())


def test_every_stage_stands_on_the_page_in_its_order():
    assert [name for row in rows("Stages and tables") for name in names(row[0])] == list(STAGES)


def test_every_table_is_written_by_one_stage_and_its_module_says_so():
    writers: dict[str, list[str]] = {name: [] for name in TABLES}
    for stage, reads, writes in rows("Stages and tables"):
        (name,) = names(stage)
        module = sys.modules[STAGES[name].build.__module__]
        written = names(writes) & set(TABLES)
        assert all(table in (module.__doc__ or "") for table in written), name
        assert all(table in (module.__doc__ or "") for table in names(reads) & set(TABLES)), name
        for table in written:
            writers[table].append(name)
    assert {table for table, stages in writers.items() if len(stages) != 1} <= set(LEDGER_TABLES)
    assert all(writers.values())


@pytest.mark.slow
def test_the_picture_shows_every_room_and_is_drawn_the_same_again(tmp_path):
    for name in ("one.svg", "other.svg"):
        script().draw(tmp_path / name)
    drawn = (tmp_path / "one.svg").read_bytes()
    assert drawn == (tmp_path / "other.svg").read_bytes()
    assert len(drawn) < 200_000
    kept = set(re.findall(r">([^<>]+)</text>", (ROOT / "docs/architecture.svg").read_text()))
    rooms = {path.parent.name for floor in script().FLOORS for path in (ROOT / floor).glob("*/__init__.py")}
    assert rooms - {"store"} <= kept, "draw it again: python docs/draw_architecture.py"
    assert "store, top files" in kept


def test_no_arrow_between_rooms_points_upward_but_the_one_that_the_page_explains():
    graph = script().imports()
    assert script().upward(script().arrows(graph, script().rooms(graph))) <= UPWARD
