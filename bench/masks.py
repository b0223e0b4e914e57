"""Our stage `portrait_masks` on U²-Net beside a loop of rembg.remove(only_mask=True), both on the processor.

Random weights of the true shape: one ONNX file, which rembg runs and our shelf converts; with --weights a published
file of U²-Net or U²-Net-P. Made-up photographs of 1080 x 1080 pixels. In int8 the network is made first, from drawn
pictures, whatever their IoU with fp32. Ours: bytes in the store to rows in the table, with the
reading of blobs, commits and widening of masks; timed from the first commit to the last, so without the start of
worker and network. Peer: bytes in, PNG bytes out, timed within its process, its session made and warmed before.
"""

import argparse
import os
import shutil
import tempfile
import warnings
from pathlib import Path

from deltalake import DeltaTable

from bench.peers import Peer
from bench.photographs import SIDE_PX, photograph
from bench.result import interleaved, print_result
from pipeline.demo.pictures import PictureSpec, encode
from pipeline.images import int8_masks
from pipeline.images.maskers import choose_masker
from pipeline.images.portrait_masks import STAGE, PortraitMasksSettings, build_portrait_masks
from pipeline.store import Store
from pipeline.weights import WeightsStore
from tests.fakes.city import CITY, curated_post, poi, put_city

NETWORK = "bench_net"
WANTED = {"int8": 4.0, "bf16": 2.5, "fp32": 1.3}
NUM_CALIBRATION = 16
"""fewer than in a city: its speed does not follow from them"""
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
    put_pictures(store, pictures)


def put_pictures(store: Store, pictures: list[bytes]) -> None:
    """Pictures as posts of a city, in place of those it had."""
    digests = [store.blobs.put("original", data) for data in pictures]
    put_city(store, [poi(0)], [curated_post(number, 0, number, [digest]) for number, digest in enumerate(digests)])


def make_int8(store: Store, settings: PortraitMasksSettings) -> None:
    """Let the city have its network in int8, from drawn pictures with a person that are not timed; print its gate."""
    int8_masks.NUM_CALIBRATION = NUM_CALIBRATION
    num = NUM_CALIBRATION + int8_masks.MIN_JUDGED
    specs = [PictureSpec(key=(seed,), place=0, portrait="side" if seed % 2 else "full") for seed in range(num)]
    put_pictures(store, [encode(spec, 320) for spec in specs])
    file = int8_masks.with_int8(store, CITY.key, settings, choose_masker(store, settings)).file
    assert file is not None and file.int8 is not None
    assert file.int8.path, file.int8.about
    print(file.int8.about)


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
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "int8"])
    parser.add_argument("--runtime", default="auto", choices=["auto", "openvino", "torch"])
    parser.add_argument("--weights", type=Path, help="a published ONNX file in place of random weights")
    options = parser.parse_args()
    settings = PortraitMasksSettings(
        weights="require",
        device="cpu",
        precision=options.precision,
        runtime=options.runtime,
        commit_every=COMMIT_EVERY,
        int8_min_iou=0.0,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.weights:
            shutil.copyfile(options.weights, folder / FILE_NAME)
        else:
            export(folder / FILE_NAME)
        store = Store(folder / "data")
        own = () if options.weights else (NETWORK, "u2net")
        network = WeightsStore.of(store).add(folder / FILE_NAME, *own).name
        settings = settings.model_copy(update={"network": network})
        if options.precision == "int8":
            make_int8(store, settings)
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

    return WANTED[choose_running(settings.runtime, settings.precision, "cpu").precision]


def show(ours: float, running: str, peer: float, about: str, least: float) -> None:
    """The table and the line of JSON."""
    print(f"stage portrait_masks, {running:28} {ours:8.2f} pictures/s of {SIDE_PX} px")
    print(f"{about:50} {peer:8.2f}")
    print(f"ratio {ours / peer:.2f}, wanted {least}: {'ok' if ours / peer >= least else 'MISSED'}")
    print_result("masks", ours=ours, peer=peer, unit="pictures/s", is_more_better=True)


if __name__ == "__main__":
    main()
