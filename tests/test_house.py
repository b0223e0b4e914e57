"""The house: arrows only downward, heavy packages only where the work is done, the same rooms on every floor.

Each law is one test over all files; what breaks it is named in the message.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from pipeline.stages import STAGES

ROOT = Path(__file__).parent.parent
FLOORS = ("pipeline", "models", "assets")
ROOMS = ["collect", "curate", "images", "release", "training", "report"]
HEAVY = {
    "torch",
    "torchvision",
    "daft",
    "cv2",
    "instaloader",
    "sklearn",
    "scipy",
    "matplotlib",
    "lingua",
    "webdataset",
    "safetensors",
    "datasets",
}
BESIDE_THE_PATH = {"cli", "demo", "predict", "privacy", "serve", "store", "study", "text", "weights"}
"""Rooms of `pipeline` that are no part of the path from a city's name to its report."""
HANDS_OVER = "pipeline/engine.py"
"""What a worker raises is a result, which its run raises."""

OF_THE_ENGINE = "pipeline/engine_workers.py"
"""Imported by the engine where it begins."""

FOR_TRAINING_SCRIPTS = "pipeline/release/torch_dataset.py"
"""A class of torch's for scripts that use torch already; nothing of ours imports it."""
ORDER_OF_MODELS = [
    {"export", "candidates", "trained"},
    {"explain", "best"},
    {"training"},
    {"baselines"},
    {"mrlf", "vision", "linear"},
    {"data", "evaluation"},
    {"settings"},
]
"""The rooms and top files of `models`, from above; each imports what stands below it, or of its own line, alone."""
ORDER_OF_COLLECT = [
    {"doctor", "places", "pois", "posts"},
    {"posts_tables"},
    {"waiting"},
    {"instagram"},
    {"matching"},
    {"poi_sources"},
    {"sources"},
    {"archive", "post_rules"},
    {"web"},
]
"""The same of `pipeline.collect`: the rules of posts read the fields of an archive, and the archive asks the rules."""
LONGEST_FUNCTION, LONGEST_FILE = 50, 400


@cache
def trees(*floors: str) -> dict[str, ast.Module]:
    """All modules of these floors, by their paths."""
    paths = [path for floor in floors for path in sorted((ROOT / floor).rglob("*.py"))]
    assert paths
    return {str(path.relative_to(ROOT)): parsed(path) for path in paths}


@cache
def parsed(path: Path) -> ast.Module:
    """A module, read once."""
    return ast.parse(path.read_text())


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All that stands in a module, walked once."""
    return tuple(ast.walk(tree))


def imports(tree: ast.Module) -> set[str]:
    """The packages that a file imports anywhere in it, by their first name."""
    return set(_roots(nodes(tree)))


def imports_at_load(tree: ast.Module) -> set[str]:
    """The packages that a file imports when it is loaded: outside functions and `if TYPE_CHECKING`."""
    return set(_roots(_run_at_load(tree)))


def _run_at_load(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        is_for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not is_for_types and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _run_at_load(child)


def _roots(found: Iterable[ast.AST]) -> Iterator[str]:
    for node in found:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield (node.module or "").split(".")[0]


def module_of(path: str) -> str:
    """The dotted name of a module."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def arrows() -> dict[str, set[str]]:
    """Which of our modules each of our modules imports, anywhere in it but for types alone."""
    modules = {module_of(path): tree for path, tree in trees(*FLOORS).items()}

    def imported(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)

    return {
        module: {name for node in nodes(tree) for name in imported(node) if name in modules} - {module}
        for module, tree in modules.items()
    }


@pytest.mark.slow
def test_no_module_imports_itself_over_others():
    try:
        TopologicalSorter(arrows()).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))


def test_models_import_nothing_of_ours():
    wrong = {
        path for path, tree in trees("models").items() if imports(tree) & {"assets", "pipeline", "dagster", "daft"}
    }
    assert not wrong


@pytest.mark.parametrize(("package", "order"), [("models", ORDER_OF_MODELS), ("pipeline.collect", ORDER_OF_COLLECT)])
def test_the_rooms_of_a_package_import_downward(package, order):
    def room(module: str) -> str:
        return module.removeprefix(f"{package}.").split(".")[0]

    level = {room: number for number, line in enumerate(order) for room in line}
    inside = {module: others for module, others in arrows().items() if module.startswith(f"{package}.")}
    assert {room(module) for module in inside} == set(level)
    upward = {
        f"{module} -> {other}"
        for module, others in inside.items()
        for other in others & inside.keys()
        if level[room(other)] < level[room(module)]
    }
    assert not upward


def test_pipeline_knows_neither_dagster_nor_the_assets():
    above = {"assets", "dagster", "dagster_graphql", "tests", "bench"}
    assert not {path for path, tree in trees("pipeline").items() if imports(tree) & above}


def test_heavy_packages_are_imported_where_they_are_used():
    heavy = {path: imports_at_load(tree) & HEAVY for path, tree in trees("pipeline", "assets").items()}
    assert {path: names for path, names in heavy.items() if names} == {
        FOR_TRAINING_SCRIPTS: {"torch"},
        OF_THE_ENGINE: {"daft"},
    }


def test_only_the_engine_and_the_reader_of_parquet_files_know_daft():
    knowing = {path for path, tree in trees(*FLOORS).items() if "daft" in imports(tree)}
    assert knowing == {"pipeline/engine.py", OF_THE_ENGINE, "pipeline/parquet_rows.py"}


def test_assets_are_thin():
    below = {"pandas", "pyarrow", "deltalake", "PIL", "models", *HEAVY}
    assert not {path for path, tree in trees("assets").items() if imports(tree) & below}
    assert not {path for path in trees("assets") if len((ROOT / path).read_text().splitlines()) > 120}


def test_an_asset_loops_over_nothing():
    loops = {
        path
        for path, tree in trees(*(f"assets/{room}" for room in ROOMS)).items()
        if any(isinstance(node, ast.For | ast.While) for node in nodes(tree))
    }
    assert not loops


def test_no_error_is_swallowed():
    def is_swallowed(handler: ast.ExceptHandler) -> bool:
        is_wide = handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")
        return is_wide and not isinstance(handler.body[-1], ast.Raise)

    handlers = [
        (path, node.lineno)
        for path, tree in trees(*FLOORS).items()
        for node in nodes(tree)
        if isinstance(node, ast.ExceptHandler) and is_swallowed(node)
    ]
    assert [path for path, _ in handlers] == [HANDS_OVER], handlers


def test_every_module_says_what_it_is():
    assert not {path for path, tree in trees(*FLOORS).items() if tree.body and not ast.get_docstring(tree)}


def test_functions_fit_on_a_screen_and_files_in_a_head():
    long = {
        f"{path}: {node.name}"
        for path, tree in trees(*FLOORS, "bench").items()
        for node in nodes(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    }
    assert not long
    files = {path: len((ROOT / path).read_text().splitlines()) for path in trees(*FLOORS, "bench")}
    assert not {path for path, num_lines in files.items() if num_lines > LONGEST_FILE}


def test_the_rooms_are_the_same_on_every_floor():
    def rooms(floor: str) -> set[str]:
        return {path.parent.name for path in (ROOT / floor).glob("*/__init__.py")}

    assert rooms("assets") == set(ROOMS)
    assert rooms("pipeline") == {*ROOMS, *BESIDE_THE_PATH}
    tested = {path.name for path in (ROOT / "tests/pipeline").iterdir() if path.is_dir()} - {"__pycache__"}
    assert tested <= {*ROOMS, *BESIDE_THE_PATH}


def test_our_packages_are_the_ones_of_this_folder():
    import assets
    import models
    import pipeline

    for package in (assets, models, pipeline):
        assert Path(package.__file__).parent.parent == ROOT


@pytest.mark.slow
@pytest.mark.fault("D7")
@pytest.mark.fault("D8")
def test_loading_the_definitions_needs_no_variable_and_imports_nothing_heavy():
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "MRLF"))}
    loads = "import sys\nfrom assets.definitions import defs\nprint(len(defs().assets))\n"
    code = f"{loads}print(*sorted({HEAVY!r} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=bare, capture_output=True, text=True, check=True
    )
    num_assets, *heavy = loaded.stdout.split()
    assert num_assets == str(len(STAGES))
    assert not heavy
