"""Our stage `portrait_masks` on U²-Net beside a loop of rembg.remove(only_mask=True), both on the processor.

Random weights of the true shape: one ONNX file, which rembg runs and our shelf converts. Made-up photographs of
1080 x 1080 pixels. Ours: bytes in the store to rows in the table, with the reading of blobs, commits and widening of
masks; timed from the first commit to the last, so without the start of worker and network. Peer: bytes in, PNG bytes
out, timed within its process, its session made and warmed before.
"""

import argparse
import os
import tempfile
import warnings
from pathlib import Path

from deltalake import DeltaTable

from bench.peers import Peer
from bench.photographs import SIDE_PX, photograph
from bench.result import interleaved, print_result
from pipeline.images.portrait_masks import STAGE, PortraitMasksSettings, build_portrait_masks
from pipeline.store import Store
from pipeline.weights import WeightsStore
from tests.fakes.city import CITY, curated_post, poi, put_city

NETWORK = "bench_net"
COMMIT_EVERY = 16
FILE_NAME = "u2net_human_seg.onnx"


def export(path: Path) -> None:
    """U²-Net of random weights as rembg's file was made."""
    import torch

    from models.vision.u2net_weights import MODULES, random_state

    network = MODULES["u2net"]()
    network.load_state_dict(random_state("u2net"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network.eval(), (torch.zeros(1, 3, 320, 320),), path, dynamo=False, opset_version=11)


def fill(store: Store, folder: Path, num_pictures: int) -> None:
    """Photographs in the store, as posts of a city, and as files for the peer."""
    pictures = [photograph(seed) for seed in range(num_pictures)]
    folder.mkdir()
    for number, data in enumerate(pictures):
        (folder / f"{number:04d}.jpg").write_bytes(data)
    digests = [store.blobs.put("original", data) for data in pictures]
    put_city(store, [poi(0)], [curated_post(number, 0, number, [digest]) for number, digest in enumerate(digests)])


def stage_seconds(store: Store, settings: PortraitMasksSettings) -> float:
    """How long one picture takes within the stage, from its first commit to its last."""
    store.tables.delete(CITY.key, STAGE, "digest <> ''")
    before = store.tables.version(CITY.key, STAGE)
    store.forget_stage_record(CITY.key, STAGE)
    report = build_portrait_masks(store, CITY, settings)
    bad = {name: count for name, count in report.counts.items() if name.startswith("pictures/")}
    assert set(bad) <= {"pictures/person", "pictures/no_person"}, bad
    history = DeltaTable(str(store.tables.path(CITY.key, STAGE))).history()
    times_ms = [commit["timestamp"] for commit in history if commit["version"] > (-1 if before is None else before)]
    return (max(times_ms) - min(times_ms)) / 1000 / (report.counts["new"] - COMMIT_EVERY)


def main() -> None:
    """Rounds in turn, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--runtime", default="auto", choices=["auto", "openvino", "torch"])
    options = parser.parse_args()
    settings = PortraitMasksSettings(
        network=NETWORK,
        weights="require",
        device="cpu",
        precision=options.precision,
        runtime=options.runtime,
        commit_every=COMMIT_EVERY,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(folder / FILE_NAME)
        store = Store(folder / "data")
        WeightsStore.of(store).add(folder / FILE_NAME, NETWORK, "u2net")
        fill(store, folder / "pictures", options.pictures)
        stage_seconds(store, settings)  # warm
        running = store.stage_record(CITY.key, STAGE)
        assert running is not None
        environment = {**os.environ, "U2NET_HOME": name}
        with Peer("peer_rembg.py", str(folder / "pictures"), environment=environment) as peer:
            num = options.pictures - COMMIT_EVERY
            ours_s, peer_s = interleaved(
                lambda: stage_seconds(store, settings), lambda: peer.seconds(num) / num, options.rounds
            )
            about = peer.about
    show(1 / ours_s, running.about["running"], 1 / peer_s, about, wanted(settings))


def wanted(settings: PortraitMasksSettings) -> float:
    """The ratio that is asked for on this processor."""
    from models.vision.running import choose_running

    return 2.5 if choose_running(settings.runtime, settings.precision, "cpu").precision == "bf16" else 1.3


def show(ours: float, running: str, peer: float, about: str, least: float) -> None:
    """The table and the line of JSON."""
    print(f"stage portrait_masks, {running:28} {ours:8.2f} pictures/s of {SIDE_PX} px")
    print(f"{about:50} {peer:8.2f}")
    print(f"ratio {ours / peer:.2f}, wanted {least}: {'ok' if ours / peer >= least else 'MISSED'}")
    print_result("masks", ours=ours, peer=peer, unit="pictures/s", is_more_better=True)


if __name__ == "__main__":
    main()
