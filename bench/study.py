"""The whole study of the demo city: minutes, with three seeds and image networks on frozen features.

Peer: the limit of 40 minutes on two cores. MRLF_DATA must hold a built demo city (`make demo`); the study is computed
in a copy of it, from nothing. With --keep the copy, and so the page, stays.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.result import print_result
from pipeline.store import Store
from pipeline.study.cells import cells_folder, read_cell

LIMIT_MIN = 40.0
CITY = "demo"


def main() -> None:
    """One run from nothing, and one with nothing changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="new folder for the copy, which stays")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _measure(Store(shutil.copytree(Store.open().root, arguments.keep or Path(name) / "data")))


def _measure(store: Store) -> None:
    shutil.rmtree(store.study_folder(CITY), ignore_errors=True)
    shutil.rmtree(store.tables.path(CITY, "study_features"), ignore_errors=True)
    for stage in ("study_data", "study"):
        store.forget_stage_record(CITY, stage)
    data = _minutes(store, "run", CITY, "--only", "study_data")
    cells = _minutes(store, "study", CITY)
    again = _minutes(store, "study", CITY)
    _tell_cells(store)
    print(f"study_data {data:.1f} min, cells {cells:.1f} min, unchanged {again:.1f} min, {os.cpu_count()} cores")
    print_result("study", ours=data + cells, peer=LIMIT_MIN, unit="min", is_more_better=False)


def _minutes(store: Store, *words: str) -> float:
    environment = {**os.environ, "MRLF_DATA": str(store.root)}
    started = time.perf_counter()
    subprocess.run(["mrlf", *words], env=environment, check=True)
    return (time.perf_counter() - started) / 60


def _tell_cells(store: Store) -> None:
    """Cells and their minutes by candidate."""
    seconds: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for folder in cells_folder(store, CITY).iterdir():
        if (result := read_cell(folder)) is not None:
            candidate = str(result.about["cell"]["candidate"])
            number[candidate] += 1
            seconds[candidate] += result.about["seconds"]
    for candidate, taken in seconds.most_common():
        print(f"{candidate:<22} {number[candidate]:>4} cells {taken / 60:>6.1f} min of one core")


if __name__ == "__main__":
    main()
