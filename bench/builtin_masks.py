"""The built-in masks beside those they replaced: people missed and pixels masked on drawn pictures, and speed.

The people are those of the demo's generator, whose own masks are the truth: a person is missed of whom more than a
quarter is left open. `--photos FOLDER` times and sketches photographs too: a sheet of both masks over each, old to the
left, is written to `--sheet`. All on one core, in turn, without reading or writing files.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.old_masker import OldPortraits
from bench.result import interleaved, print_result
from pipeline.demo.pictures import Picture as Drawn
from pipeline.demo.pictures import PictureSpec, draw
from pipeline.demo.places import PLACES
from pipeline.images.maskers import BuiltinPortraits, PortraitMasksSettings
from pipeline.images.people_left import MAX_SHARE_LEFT
from pipeline.images.portrait_masks import widen
from pipeline.picture_bytes import Mask, Picture, decode_picture

Masker = Callable[[Picture], Mask]
WIDENED = PortraitMasksSettings().dilation_ratio
CELL_PX = 320


def drawn_pictures(number: int, side: int) -> list[Drawn]:
    """As many with a person, a third of them close, as without one."""
    kinds = (["full", "side", "side"] * number)[:number] + ["none"] * number
    return [
        draw(PictureSpec(key=(99, index), place=index % len(PLACES), portrait=kind), side)  # type: ignore[arg-type]
        for index, kind in enumerate(kinds)
    ]


def judged(masker: Masker, pictures: Sequence[Drawn]) -> list[float]:
    """People missed, share of people left open, share of the rest masked, pictures without a person that lose some."""
    people, left, over, spoilt = 0, [], [], 0
    for each in pictures:
        mask = widen(masker(each.pixels), WIDENED)
        over.append(float((mask & ~each.mask).mean()))
        if each.mask.any():
            left.append(1 - float(mask[each.mask].mean()))
            people += left[-1] > MAX_SHARE_LEFT
        else:
            spoilt += bool(mask.any())
    return [people, float(np.mean(left)), float(np.mean(over)), spoilt]


def seconds(masker: Masker, pictures: Sequence[Picture]) -> float:
    """What one picture takes."""
    start = time.perf_counter()
    for picture in pictures:
        masker(picture)
    return (time.perf_counter() - start) / len(pictures)


def sketch(pictures: Sequence[Picture], maskers: Sequence[Masker], path: Path) -> None:
    """A row for each picture, what each masker masks in red."""
    from PIL import Image

    sheet = Image.new("RGB", (CELL_PX * len(maskers), CELL_PX * len(pictures)))
    for row, picture in enumerate(pictures):
        for column, masker in enumerate(maskers):
            shown = picture.copy()
            shown[masker(picture)] //= 3
            shown[masker(picture), 0] += 170
            cell = Image.fromarray(shown)
            cell.thumbnail((CELL_PX, CELL_PX))
            sheet.paste(cell, (column * CELL_PX, row * CELL_PX))
    sheet.save(path)


def main() -> None:
    """The table, then the speed of each kind of picture."""
    import cv2

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--sheet", type=Path, default=Path("builtin_masks.png"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    facing, all_of_them, old = BuiltinPortraits(find_bodies=False), BuiltinPortraits(), OldPortraits()
    maskers: dict[str, Masker] = {
        "new, faces only": lambda picture: np.asarray(facing([picture], [picture.shape[:2]])[0].mask),
        "new": lambda picture: np.asarray(all_of_them([picture], [picture.shape[:2]])[0].mask),
        "old": old,
    }
    drawn = drawn_pictures(options.people, 256)
    print(f"{'':16} {'missed':>7} {'left':>7} {'over':>7} {'spoilt':>7}   of {options.people} people, as many without")
    judgements = {name: judged(masker, drawn) for name, masker in maskers.items()}
    for name, (missed, left, over, spoilt) in judgements.items():
        print(f"{name:16} {missed:7.0f} {left:7.4f} {over:7.4f} {spoilt:7.0f}")
    groups = {"drawn": [each.pixels for each in drawn]}
    if options.photos:
        files = sorted(path for path in options.photos.rglob("*") if path.suffix in {".jpg", ".png"})
        groups["photos"] = [decode_picture(path.read_bytes()) for path in files]
        sketch(groups["photos"], [maskers["old"], maskers["new"]], options.sheet)
    found = {name: options.people - judgement[0] for name, judgement in judgements.items()}
    print_result("builtin_masks_people", ours=found["new"], peer=found["old"], unit="people", is_more_better=True)
    for kind, pictures in groups.items():
        times = interleaved(
            lambda pictures=pictures: seconds(maskers["new"], pictures),  # type: ignore[misc]
            lambda pictures=pictures: seconds(old, pictures),  # type: ignore[misc]
            options.rounds,
        )
        print_result(
            f"builtin_masks_{kind}", ours=1 / times[0], peer=1 / times[1], unit="pictures/s", is_more_better=True
        )


if __name__ == "__main__":
    main()
