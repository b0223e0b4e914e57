"""The peer of `masks`: a loop of rembg.remove over pictures in a folder, bytes in, PNG bytes of the mask out.

Runs in .venv-bench and imports nothing of ours. U2NET_HOME holds the network as u2net_human_seg.onnx, which rembg
takes as it lies there.
"""

import itertools
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    """Answer every line of the input."""
    from rembg import new_session, remove

    session = new_session("u2net_human_seg")
    pictures = itertools.cycle([path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())])
    remove(next(pictures), session=session, only_mask=True)  # warm
    answer({"ready": f"rembg {version('rembg')}, onnxruntime {version('onnxruntime')}"})
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(json.loads(line)["num"]):
            remove(next(pictures), session=session, only_mask=True)
        answer({"seconds": time.perf_counter() - started})


def answer(content: dict[str, object]) -> None:
    """One line of JSON."""
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
