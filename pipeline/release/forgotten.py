"""What is gone leaves everywhere: the report, runs, releases and old table files that still hold a gone post.

Reads  posts, drops; the keys of every release and of the predictions of every run
Writes removes reports/<city>/, models/<model>/<city>/<run>/, datasets/<city>/<version>/, study/<city>/ and the tables'
       older versions
Law: a release goes after the report and the runs that were made of it, its manifest before its other files: a killed
     sweep leaves no half release, and the next build finishes it. Nothing is read where nothing went.
Covered: releases and runs of this store. Not covered: copies taken out of it, and what a model that was trained on a
post has learnt from it once it is copied.
"""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.collect.gone import gone_posts, holding, is_swept, kept_record, mark_swept
from pipeline.collect.leftovers import WRITTEN_BY, sweep_leftovers
from pipeline.collect.named_pictures import clean_pictures, values
from pipeline.collect.opt_out import OptOut
from pipeline.store import Store
from pipeline.store.folders import MANIFEST

log = logging.getLogger("mrlf")


def sweep_forgotten(store: Store, city: str) -> dict[str, int]:
    """Remove what older builds made of the posts that are gone since; the numbers of releases and runs withdrawn.

    The caller holds the lock of the stage `dataset`.

    Raises:
        StageBusyError: another stage of the city is at work in another process; the next build sweeps again.
    """
    gone, left_out = gone_posts(store, city), _left_out(store, city)
    if is_swept(store, city, "traces", gone) and not left_out:
        return {"releases": 0, "runs": 0}
    leaving = gone | left_out
    with holding(store, city, [*dict.fromkeys(WRITTEN_BY.values()), "train_mrlf", "evaluate_mrlf", "study"]):
        releases = [folder for folder in _folders(store.root / "datasets" / city) if _holds(folder, "posts", leaving)]
        versions = {folder.name for folder in releases}
        runs = [run for run in _runs(store, city) if _is_made_of(store, run, versions, leaving)]
        _forget_records(store, city, {folder.name for folder in (*runs, *releases)})
        for folder in (*runs, *releases):
            _withdraw(folder)
        shutil.rmtree(store.study_folder(city), ignore_errors=True)  # of its cells no one tells what they learnt from
        _forget_features(store, city)
        for name, stage in WRITTEN_BY.items():
            with kept_record(store, city, stage, name):
                store.tables.erase_history(city, name)
    sweep_leftovers(store)
    counts = {"releases": len(releases), "runs": len(runs)}
    log.info("%s: of posts that are gone, withdrew releases %d, trained models %d", city, *counts.values())
    if not gone & _curated(store, city):  # else the next build of curated_posts leaves them in an older version
        mark_swept(store, city, "traces", gone)
    return counts


def _left_out(store: Store, city: str) -> set[str]:
    """Posts of releases that are on the opt-out list, though they had left the tables before they came on it."""
    opt_out, left_out = OptOut.load(store), set[str]()
    for folder in _folders(store.root / "datasets" / city) if len(opt_out) else []:
        try:
            rows = pq.read_table(folder / "posts.parquet", columns=["post_key", "user_key"]).to_pylist()
        except (OSError, pa.ArrowException):
            continue  # `_holds` lets it go with whatever goes
        left_out.update(row["post_key"] for row in rows if opt_out.covers_row(city, row["post_key"], row["user_key"]))
    return left_out


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _runs(store: Store, city: str) -> Iterator[Path]:
    for model in _folders(store.root / "models"):
        yield from _folders(model / city)


def _holds(folder: Path, name: str, gone: set[str]) -> bool:
    """Whether a table of a folder names a gone post; what is incomplete or cannot be read cannot be shown not to."""
    if not (folder / MANIFEST).is_file():
        return True
    try:
        keys = pq.read_table(folder / f"{name}.parquet", columns=["post_key"])["post_key"]
    except (OSError, pa.ArrowException):
        return True
    return bool(pc.any(pc.is_in(keys, pa.array(sorted(gone), pa.string()))).as_py())


def _is_made_of(store: Store, run: Path, versions: set[str], gone: set[str]) -> bool:
    """Whether a run was trained on one of these releases: posts to train on are in no prediction."""
    manifest = store.manifest(run)
    return manifest is None or manifest.about["release"] in versions or _holds(run, "predictions", gone)


def _withdraw(folder: Path) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _forget_records(store: Store, city: str, withdrawn: set[str]) -> None:
    """Forget the stages whose result is withdrawn, and remove the report, which shows posts of both."""
    for stage, name in (("dataset", "version"), ("train_mrlf", "run")):
        record = store.stage_record(city, stage)
        if record is not None and record.about.get(name) in withdrawn:
            store.forget_stage_record(city, stage)
    if withdrawn:
        store.forget_stage_record(city, "evaluate_mrlf")
        shutil.rmtree(store.report_folder(city), ignore_errors=True)


def _forget_features(store: Store, city: str) -> None:
    """Remove the features of clean pictures that nothing names: of earlier settings, of releases that went."""
    unnamed = values(store, city, "image_features", "clean_digest") - clean_pictures(store, city)
    with kept_record(store, city, "image_features", "image_features"):
        store.tables.remove(city, "image_features", "clean_digest", unnamed)


def _curated(store: Store, city: str) -> set[str]:
    return values(store, city, "curated_posts", "post_key")
