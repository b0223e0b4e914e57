"""The demo city from nothing, and again with nothing changed: seconds and peak memory of the literal command.

Peer: the first run itself. The ratio says how much cheaper the unchanged run is.
"""

import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from bench.result import print_result

COMMAND = ["dagster", "asset", "materialize", "--select", "+evaluate_mrlf", "--partition", "demo"]


def run(folder: Path) -> tuple[float, float]:
    """Wall seconds, and the largest process so far in GiB."""
    home = folder / "dagster"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(Path("dagster.yaml").read_text())
    environment = {**os.environ, "MRLF_DATA": str(folder / "data"), "DAGSTER_HOME": str(home)}
    started = time.perf_counter()
    with (folder / "log").open("ab") as log:
        subprocess.run(COMMAND, env=environment, stdout=log, stderr=log, check=True)
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def main() -> None:
    """One first run, three unchanged ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, memory = run(folder)
        unchanged = min(run(folder)[0] for _ in range(3))
    print(f"first run      {first:7.1f} s, largest process {memory:.2f} GiB\nunchanged run  {unchanged:7.1f} s")
    print_result("demo", ours=unchanged, peer=first, unit="s", is_more_better=False)


if __name__ == "__main__":
    main()
