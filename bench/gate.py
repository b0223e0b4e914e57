"""YuNet as the face gate beside the Haar cascades that it replaced: recall by kind of composite, false hits, speed.

The composites are those of `pipeline.images.face_recall`, whose limits hold here. Speed is the detector's alone, on
the same pictures with a longer side of 640 pixels, on one core, in turn.
"""

import argparse
import time
from collections.abc import Callable, Sequence

from bench.old_masker import HaarDetector
from bench.result import interleaved, print_result
from pipeline.images.face_detectors import MIN_SCORE, SEARCH_SIDE_PX, Box, YuNetDetector
from pipeline.images.face_recall import NUM_SCENES, Composite, composites, num_found, scene
from pipeline.picture_bytes import Picture
from pipeline.weights.registry import REGISTRY, YUNET
from pipeline.weights.weights_store import WeightsFile

Detector = Callable[[Picture], list[Box]]


def seconds(detector: Detector, pictures: Sequence[Picture]) -> float:
    """What one picture takes."""
    start = time.perf_counter()
    for picture in pictures:
        detector(picture)
    return (time.perf_counter() - start) / len(pictures)


def found(detector: Detector, group: Sequence[Composite]) -> int:
    """Faces of these composites that are found."""
    return sum(num_found(made, detector(made.picture)) for made in group)


def main() -> None:
    """Recall, false hits, then rounds in turn."""
    import cv2

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    yunet, haar = YuNetDetector(WeightsFile.shipped(REGISTRY[YUNET]), MIN_SCORE), HaarDetector()
    made = composites(SEARCH_SIDE_PX)
    sums = [0, 0, 0]
    print(f"{'faces found':20} {'yunet':>6} {'haar':>6} {'of':>6}")
    for kind, group in made.items():
        counts = [found(yunet, group), found(haar, group), sum(len(each.faces) for each in group)]
        sums = [whole + count for whole, count in zip(sums, counts, strict=True)]
        print(f"{kind:20} {counts[0]:6} {counts[1]:6} {counts[2]:6}")
    print(f"{'all':20} {sums[0]:6} {sums[1]:6} {sums[2]:6}")
    empty = [scene(number, SEARCH_SIDE_PX) for number in range(NUM_SCENES)]
    hits = [sum(bool(detector(picture)) for picture in empty) for detector in (yunet, haar)]
    print(f"{'scenes without faces':20} {hits[0]:6} {hits[1]:6} {len(empty):6}")
    ours_s, peer_s = interleaved(lambda: seconds(yunet, empty), lambda: seconds(haar, empty), options.rounds)
    print(f"{'pictures/s':20} {1 / ours_s:6.1f} {1 / peer_s:6.1f}")
    print_result("gate_recall", ours=sums[0], peer=sums[1], unit=f"faces of {sums[2]}", is_more_better=True)
    print_result("gate", ours=1 / ours_s, peer=1 / peer_s, unit="pictures/s", is_more_better=True)


if __name__ == "__main__":
    main()
