"""How long Dagster needs to load our definitions, beside a bare `import torch`, which they must not do.

Peer: the same process start with `import dagster, torch`: what every code server, run and step would pay if one asset
file imported torch at its top.
"""

import subprocess
import sys
import time

from bench.result import interleaved, print_result

OURS = "import assets.definitions"
PEER = "import dagster, torch"


def seconds(code: str) -> float:
    """Wall seconds of a fresh interpreter running `code`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def main() -> None:
    """Five starts of each, in turn."""
    ours, peer = interleaved(lambda: seconds(OURS), lambda: seconds(PEER), num_runs=5)
    print(f"{OURS:<30} {ours:.2f} s\n{PEER:<30} {peer:.2f} s")
    print_result("definitions", ours=ours, peer=peer, unit="s", is_more_better=False)


if __name__ == "__main__":
    main()
