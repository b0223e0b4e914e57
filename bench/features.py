"""Picture features as our stage computes them beside a plain loop in torch (fp32, 8 at a time), on the processor.

VGG19 beside torchvision's own, or (`--backbone efficientnet_lite0`) EfficientNet-Lite0 beside its module as published,
batch norm and all. The published weights where they are here, else random ones of the true shape, the same on both
sides; made-up photographs of 1080 x 1080 pixels, JPEG bytes in, vectors out. Ours decodes at a quarter of the size and
runs as the settings choose; the peer decodes whole. Both are warm, each in a process of its own. That the vectors are
equal is shown beside the figures.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from bench.peers import Peer
from bench.photographs import SIDE_PX, photograph
from bench.result import interleaved, print_result
from models.vision.backbone_weights import check_state, random_state
from models.vision.backbones import fixed_seed_weights
from models.vision.running import choose_running
from pipeline.store import Store
from pipeline.training.image_features import FeatureWorker, ImageFeaturesSettings
from pipeline.weights import WeightsFile, WeightsStore

WANTED = {"bf16": 3.0, "fp32": 1.5}
BACKBONES = ("vgg19", "efficientnet_lite0")
LEAST_CORRELATION = 0.99


def weights_in(folder: Path, backbone: str) -> WeightsFile:
    """The network of the published weights where they are here, else of random ones; beside it the peer's file."""
    found = WeightsStore.of(Store.open()).find(backbone)
    if found is not None:
        whole = safetensors.torch.load_file(found.path)
    else:
        whole = random_state(backbone) if backbone == "vgg19" else fixed_seed_weights(backbone)
    print(f"{backbone}: {'published' if found else 'random'} weights")
    state, path = check_state(whole, backbone, "the weights"), folder / "ours.safetensors"
    safetensors.torch.save_file(state, path)
    torch.save({name.removeprefix("features."): tensor for name, tensor in state.items()}, folder / "theirs.pth")
    return WeightsFile(name="bench", architecture=backbone, path=path, weights_sha256="0" * 64, source=path)


def vectors_of(rows: list[dict[str, object]]) -> np.ndarray:
    """(N, F) out of rows of the table."""
    assert all(row["outcome"] == "ok" for row in rows)
    return np.stack([np.frombuffer(row["vector"], "<f2") for row in rows]).astype(np.float32)  # type: ignore[call-overload]


def seconds_of(worker: FeatureWorker, rows: list[dict[str, object]]) -> float:
    """How long the worker takes for these pictures."""
    started = time.perf_counter()
    worker(rows)
    return time.perf_counter() - started


def correlation(ours_NF: np.ndarray, theirs_NF: np.ndarray) -> float:
    """Between the ways in which pictures differ from each other: what all pictures share is taken away."""
    differences = [(vectors_NF - vectors_NF.mean(axis=0)).ravel() for vectors_NF in (ours_NF, theirs_NF)]
    return float(np.corrcoef(*differences)[0, 1])


def main() -> None:
    """Rounds in turn, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--runtime", default="auto", choices=["auto", "openvino", "torch"])
    parser.add_argument("--backbone", default="vgg19", choices=BACKBONES)
    options = parser.parse_args()
    settings = ImageFeaturesSettings(
        backbone=options.backbone, device="cpu", precision=options.precision, runtime=options.runtime
    )
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # the peer's threads wait as its own libraries say
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = folder / "pictures"
        pictures.mkdir()
        rows = [{"clean_digest": f"{seed:04d}", "data": photograph(seed)} for seed in range(options.pictures)]
        for row in rows:
            (pictures / f"{row['clean_digest']}.jpg").write_bytes(row["data"])
        worker = FeatureWorker(settings, weights_in(folder, options.backbone), "bench")
        ours_NF = vectors_of(worker(rows))
        files = [str(path) for path in (pictures, folder / "theirs.pth", folder / "vectors.pt")]
        arguments = (*files, options.backbone)
        with Peer("peer_torchvision.py", *arguments, environment=environment, python=Path(sys.executable)) as peer:
            theirs_NF = torch.load(folder / "vectors.pt", weights_only=True).numpy()
            ours_s, peer_s = interleaved(
                lambda: seconds_of(worker, rows), lambda: peer.seconds(len(rows)), options.rounds
            )
            about = peer.about
    show(len(rows) / ours_s, len(rows) / peer_s, settings, about, correlation(ours_NF, theirs_NF))


def show(ours: float, peer: float, settings: ImageFeaturesSettings, about: str, correlation: float) -> None:
    """The table and the line of JSON."""
    running = choose_running(settings.runtime, settings.precision, "cpu")
    wanted = WANTED[running.precision]
    print(f"{settings.backbone}: stage image_features, {running!s:30} {ours:8.2f} pictures/s of {SIDE_PX} px")
    print(f"{about:52} {peer:8.2f}")
    print(f"ratio {ours / peer:.2f}, wanted {wanted}: {'ok' if ours / peer >= wanted else 'MISSED'}")
    is_equal = correlation >= LEAST_CORRELATION
    print(
        f"how pictures differ, ours against theirs: correlation {correlation:.4f}: {'ok' if is_equal else 'NOT EQUAL'}"
    )
    print_result(f"features of {settings.backbone}", ours=ours, peer=peer, unit="pictures/s", is_more_better=True)


if __name__ == "__main__":
    main()
