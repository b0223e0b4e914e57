"""LaMa on the holes that standing persons leave, beside a loop of simple-lama-inpainting over the same pictures.

Random weights of the true shape: one TorchScript file made as big-lama.pt was, which the peer runs and our reader
reads. Made-up photographs of 1080 x 1080 pixels; JPEG bytes in, JPEG bytes out, masks in memory; on the processor.
Ours twice: crops around the holes as the stage does, and the full frame, whose output is the peer's.
"""

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench.photographs import SIDE_PX, photograph
from bench.result import print_result
from models.vision.filling import LamaFill
from models.vision.lama_weights import build, check_state
from models.vision.running import Runner, Running, choose_running
from pipeline.images.lama_fill import LamaInpainter
from pipeline.images.simple_lama_fill import LAMA_MODEL
from pipeline.images.stages import Inpainter
from pipeline.picture_bytes import Mask, decode_picture, encode_clean
from pipeline.weights.torchscript_file import read_torchscript
from tests.fakes.reference_lama import drawn_generator, save_as_official

SHARES = (0.05, 0.10, 0.20, 0.40)
WANTED = {"bf16": (3.5, 2.2), "fp32": (2.0, 1.3)}
"""times the peer's speed: cropped, full frame"""
Fill = Callable[[bytes, Mask], object]


def person(share: float, centre: float = 0.5, side: int = SIDE_PX) -> Mask:
    """A standing person who covers this share of a square picture; one that is too near is cut at the bottom."""
    small, large = 0.0, 10.0 * side
    while large - small > 0.5:
        middle = (small + large) / 2
        small, large = (middle, large) if _figure(middle, centre, side).mean() < share else (small, middle)
    return _figure(large, centre, side)


def _figure(height: float, centre: float, side: int) -> Mask:
    """Head, trunk with arms, and legs, `height` pixels high."""
    import cv2

    canvas = np.zeros((side, side), dtype=np.uint8)
    top = max(0.04 * side, 0.9 * side - height)
    parts = [(0.08, 0.065, 0.08), (0.36, 0.14, 0.22), (0.63, 0.11, 0.25), (0.85, 0.085, 0.16)]  # middle, half-axes
    for down, half_width, half_height in parts:
        middle = (round(centre * side), round(top + down * height))
        cv2.ellipse(canvas, middle, (round(half_width * height), round(half_height * height)), 0, 0, 360, 1, -1)
    return canvas > 0


def own_way(inpainter: Inpainter) -> Fill:
    """Bytes to bytes as the stage does."""

    def fill(data: bytes, mask: Mask) -> bytes:
        (filled,) = inpainter([decode_picture(data)], [mask])
        assert filled is not None
        return encode_clean(filled)

    return fill


def peer_way(simple_lama: Callable[[Image.Image, Image.Image], Image.Image]) -> Fill:
    """The package as its page shows it."""

    def fill(data: bytes, mask: Mask) -> bytes:
        filled = simple_lama(Image.open(io.BytesIO(data)).convert("RGB"), Image.fromarray(mask).convert("L"))
        buffer = io.BytesIO()
        filled.save(buffer, "JPEG", quality=95, subsampling=0)
        return buffer.getvalue()

    return fill


def measure(ways: dict[str, Fill], rounds: int) -> dict[str, dict[float, float]]:
    """Median seconds of each way for each share, measured in turn."""
    times: dict[str, dict[float, list[float]]] = {name: {share: [] for share in SHARES} for name in ways}
    for number in range(rounds + 1):
        data = photograph(number)
        for share in SHARES:
            mask = person(share, centre=0.35 + 0.1 * (number % 4))
            for name, fill in ways.items():
                started = time.perf_counter()
                fill(data, mask)
                if number:  # the first round warms
                    times[name][share].append(time.perf_counter() - started)
    return {name: {share: statistics.median(taken) for share, taken in by.items()} for name, by in times.items()}


def difference_in_fp32(module: torch.nn.Module, network: torch.nn.Module, runtime: str) -> float:
    """The largest difference between our full frame and the peer's, of a range from 0 to 1, before rounding."""
    picture, mask = decode_picture(photograph(0)), person(0.2)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous()
    holes = torch.from_numpy(mask)[None, None].to(torch.uint8)
    exact = Running("openvino" if runtime == "openvino" else "torch", "cpu", "fp32")
    ours = Runner(module, exact)(pixels, holes) / 255
    with torch.inference_mode():
        theirs = network(pixels.float() / 255, holes)
    return float((ours - theirs)[:, :, mask].abs().max())


def main() -> None:
    """Rounds in turn, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--runtime", default="auto", choices=["auto", "openvino", "torch"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the peer is TorchScript, which torch calls deprecated at every step
    running = choose_running(options.runtime, options.precision, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "big-lama.pt"
        save_as_official(drawn_generator(), file)
        os.environ[LAMA_MODEL] = str(file)
        try:
            from simple_lama_inpainting import SimpleLama
        except ImportError:
            sys.exit("the peer is not installed: pip install --no-deps simple-lama-inpainting (its own pins are old)")
        peer = SimpleLama(torch.device("cpu"))
        module = build(check_state(read_torchscript(file), file.name))
    fill = LamaFill("big_lama", "", module, running)
    ways = {
        "crops": own_way(LamaInpainter(fill)),
        "full": own_way(LamaInpainter(fill, frame="full")),
        "peer": peer_way(peer),
    }
    show(measure(ways, options.rounds), running, difference_in_fp32(module, peer.model, running.runtime))


def show(seconds: dict[str, dict[float, float]], running: Running, difference: float) -> None:
    """The table and the lines of JSON."""
    print(f"seconds per picture of {SIDE_PX} px, ours {running}\nmask   simple-lama   crops  ratio    full  ratio")
    rows = {f"{share:4.0%}": {name: by[share] for name, by in seconds.items()} for share in SHARES}
    rows["all "] = {name: sum(by.values()) for name, by in seconds.items()}
    for about, row in rows.items():
        crops, full = row["peer"] / row["crops"], row["peer"] / row["full"]
        print(f"{about} {row['peer']:13.2f} {row['crops']:7.2f} {crops:6.2f} {row['full']:7.2f} {full:6.2f}")
    print(f"full frame in fp32: at most {difference:.1e} from simple-lama's output, of a range from 0 to 1")
    total = rows["all "]
    for name, way, wanted in zip(
        ("inpaint", "inpaint_full"), ("crops", "full"), WANTED[running.precision], strict=True
    ):
        ratio = total["peer"] / total[way]
        print(f"{way}: ratio {ratio:.2f}, wanted {wanted}: {'ok' if ratio >= wanted else 'MISSED'}")
        print_result(
            name,
            ours=total[way] / len(SHARES),
            peer=total["peer"] / len(SHARES),
            unit="s/picture",
            is_more_better=False,
        )


if __name__ == "__main__":
    main()
