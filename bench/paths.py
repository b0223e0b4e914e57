"""How many of our files a run enters, for three paths: the fewer, the less one has to read to follow it.

question  one question (picture and caption) on a loaded model
picture   a picture to its feature: the stage image_features
post      a post of an archive to its prediction: every stage up to train_mrlf, then a model loaded and asked
A file counts where a function of it was called, in this process or in a worker's; what an import runs does not count.
The city is a tiny one from the demo generator, whose own files do not count. `--root` counts another checkout.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

WANTED = {"question": 18, "picture": 45, "post": 80}
ROOMS = ("pipeline", "models")
CALL = 0x1
"""CO_OPTIMIZED: a function's code; that of a module or class body runs when it is imported."""
ROOT, BOOKS = "MRLF_PATHS_ROOT", "MRLF_PATHS_BOOKS"
HERE: dict[str, float] = {"latitude": 12.0, "longitude": -30.0, "radius_km": 12.0}
CITY = {
    "name": "Tiny",
    **HERE,
    "is_synthetic": True,
    "curated_posts": {"min_hashtag_count": 2, "min_posts_per_poi": 5},
    "portrait_masks": {"weights": "builtin", "num_workers": 1},
    "clean_images": {"weights": "builtin", "num_workers": 1},
    "image_features": {"weights": "builtin", "image_size": 32},
    "train_mrlf": {"model": "mrlf", "preset": "small", "max_epochs": 1, "num_threads": 1},
}
HOOK = "import runpy\nrunpy.run_path({path!r})['watch']()\n"
"""The sitecustomize.py that every Python process of a run loads, workers too."""


def watch() -> None:
    """From now on write down each of our files whose functions are called, in a file of this process."""
    root, books, seen = os.environ.get(ROOT), os.environ.get(BOOKS), set[str]()
    if not (root and books):
        return
    rooms = tuple(f"{root}/{room}/" for room in ROOMS)
    book = Path(books) / f"{os.getpid()}-{len(os.listdir(books))}"

    def note(frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        if event != "call" or name in seen or not name.startswith(rooms):
            return
        if frame.f_code.co_flags & CALL and not is_importing(frame):
            seen.add(name)
            with book.open("a") as file:
                file.write(name.removeprefix(f"{root}/") + "\n")

    threading.setprofile(note)
    sys.setprofile(note)


def is_importing(frame: FrameType | None) -> bool:
    """Whether an import is what calls."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


@contextmanager
def watched(folder: Path, name: str) -> Iterator[None]:
    """Write down what the block enters, in a folder of this name."""
    books = folder / name
    books.mkdir()
    os.environ[BOOKS] = str(books)
    watch()
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        del os.environ[BOOKS]


def make_city(folder: Path) -> None:
    """Write an archive, a file of POIs and cities.yaml: what a user would have."""
    try:
        from pipeline.demo import DemoSettings, write_demo_city
    except ModuleNotFoundError:  # where it stood before the rooms of `pipeline` were sorted
        from pipeline.collect.demo import DemoSettings, write_demo_city
    made = DemoSettings(seed=7, num_pois=4, num_posts=120, num_users=40, image_side=64)
    write_demo_city(folder / "made", made, centre=(HERE["latitude"], HERE["longitude"]), radius_km=HERE["radius_km"])
    archive = {"archive": str(folder / "made" / "archive")}
    city = {**CITY, "pois": {"file": str(folder / "made" / "pois.csv")}, "places": archive, "posts": archive}
    (folder / "cities.yaml").write_text(json.dumps({"cities": {"tiny": city}}))


def walk_paths(folder: Path) -> None:
    """All three paths, in a process of its own whose packages are those of the checkout to count."""
    make_city(folder)
    from pipeline.cities import load_city
    from pipeline.predict import predictor as predicting
    from pipeline.predict.loading import load_predictor
    from pipeline.stages import STAGES, run_stage_of
    from pipeline.store import Store

    options = getattr(predicting, "PredictOptions", None) or predicting.Wish  # the second is its older name
    store, city = Store.open(), load_city("tiny")
    names = list(STAGES)
    features, end = names.index("image_features"), names.index("evaluate_mrlf")
    with watched(folder, "before"):
        for name in names[:features]:
            run_stage_of(store, city, name)
    with watched(folder, "picture"):
        run_stage_of(store, city, names[features])
    photo = store.blobs.get("clean", min(store.blobs.listed("clean")[0]))
    with watched(folder, "after"):
        for name in names[features + 1 : end]:
            run_stage_of(store, city, name)
        predictor = load_predictor(store, city.key, device="cpu")
        predictor.answer([predictor.read(photo, "by the river #sunset")], [options()])
    with watched(folder, "question"):
        predictor.answer([predictor.read(photo, "by the river #sunset")], [options()])


def files_entered(root: Path) -> dict[str, list[str]]:
    """By path, the files that it enters in this checkout."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(HOOK.format(path=__file__))
        environment = {
            **os.environ,
            "PYTHONPATH": f"{folder}:{root}",
            "MRLF_CITIES": str(folder / "cities.yaml"),
            "MRLF_DATA": str(folder / "data"),
            ROOT: str(root),
        }
        code = f"import pathlib, runpy; runpy.run_path({__file__!r})['walk_paths'](pathlib.Path({name!r}))"
        subprocess.run([sys.executable, "-P", "-c", code], cwd=folder, env=environment, check=True)
        parts = {
            part: {line for book in (folder / part).iterdir() for line in book.read_text().splitlines()}
            for part in ("before", "picture", "after", "question")
        }
    post = parts["before"] | parts["picture"] | parts["after"]
    return {"question": sorted(parts["question"]), "picture": sorted(parts["picture"]), "post": sorted(post)}


def main() -> None:
    """The table and a JSON line a path; our own checkout unless another is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).parent.parent, help="the checkout to count")
    parser.add_argument("--list", action="store_true", help="print the files too")
    options = parser.parse_args()
    entered = files_entered(options.root.resolve())
    for name, files in entered.items():
        wanted = WANTED[name]
        print(
            f"{name:<10} {len(files):>4} files, wanted at most {wanted}: {'ok' if len(files) <= wanted else 'MISSED'}"
        )
        if options.list:
            print("\n".join(f"    {file}" for file in files))
    for name, files in entered.items():
        print(json.dumps({"name": f"paths_{name}", "ours": len(files), "wanted": WANTED[name], "unit": "files"}))


if __name__ == "__main__":
    main()
