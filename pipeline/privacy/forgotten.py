"""Removal of gone posts from all that was built: reports, runs, releases and old versions of tables.

Reads  posts, drops; the keys of every release and of the predictions of every run
Writes removes reports/<city>/, models/<model>/<city>/<run>/, datasets/<city>/<version>/, study/<city>/ and the tables'
       older versions
Law: a release goes after the report and the runs that were made of it, its manifest before its other files: a killed
     sweep leaves no half release, and the next build finishes it. Nothing is read where nothing went.
Covered: releases and runs of this store. Not covered: copies taken out of it, and what a model that was trained on a
post has learnt from it once it is copied.
"""

import errno
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import StageBusyError
from pipeline.privacy.gone import forget_features, gone_posts, holding, is_swept, kept_record, mark_swept
from pipeline.privacy.leftovers import WRITTEN_BY
from pipeline.privacy.named_pictures import values
from pipeline.privacy.opt_out import OptOut
from pipeline.privacy.opt_out_removal import opted_out_posts, released_and_opted_out
from pipeline.privacy.pseudonyms import PrivateIds
from pipeline.store import Store
from pipeline.store.files import MANIFEST, IncompleteFolderError

NOTHING = {"releases": 0, "runs": 0}

log = logging.getLogger("mrlf")


def sweep_forgotten(store: Store, city: str) -> dict[str, int]:
    """Remove what older builds made of the posts that are gone since; the numbers of releases and runs withdrawn.

    The caller holds the lock of the stage `dataset`.

    Raises:
        StageBusyError: another stage of the city is at work in another process; the next build sweeps again.
    """
    opt_out = OptOut.load(store)
    gone, left_out = gone_posts(store, city), released_and_opted_out(store, city, opt_out)
    to_remove = left_out if is_swept(store, city, "traces", gone) else gone | left_out
    if not to_remove and is_swept(store, city, "list", _listed(opt_out)):
        return NOTHING
    try:
        return _sweep(store, city, opt_out, gone, to_remove)
    except StageBusyError:
        if to_remove:
            raise
        return NOTHING  # the list has changed, and whom it names is in no table


def _sweep(store: Store, city: str, opt_out: OptOut, gone: set[str], to_remove: set[str]) -> dict[str, int]:
    with holding(store, city, [*dict.fromkeys(WRITTEN_BY.values()), "train_mrlf", "evaluate_mrlf", "study"]):
        for name in WRITTEN_BY:
            store.mend(city, name)  # one of a later stage would keep the sweep, and so this stage, from its end
        counts = _withdraw_what_holds(store, city, to_remove) if to_remove else NOTHING
        for name, stage in WRITTEN_BY.items():  # also of posts that had left before their author came on the list
            with kept_record(store, city, stage, name):
                store.tables.erase_history(city, name)
    if not gone & _curated(store, city):  # else the next build of curated_posts leaves them in an older version
        mark_swept(store, city, "traces", gone)
        if not opted_out_posts(store, city, opt_out):
            mark_swept(store, city, "list", _listed(opt_out))
    return counts


def _listed(opt_out: OptOut) -> set[str]:
    """What stands for the list as it is."""
    return {opt_out.fingerprint} if len(opt_out) else set()


def _withdraw_what_holds(store: Store, city: str, to_remove: set[str]) -> dict[str, int]:
    releases = [folder for folder in _folders(store.root / "datasets" / city) if _holds(folder, "posts", to_remove)]
    versions = {folder.name for folder in releases}
    runs = [run for run in _runs(store, city) if _is_made_of(store, run, versions, to_remove)]
    _forget_records(store, city, {folder.name for folder in (*runs, *releases)})
    for folder in (*runs, *releases):
        _withdraw(folder)
    shutil.rmtree(store.study_folder(city), ignore_errors=True)  # nothing says what its cells learnt from
    forget_features(store, city)
    with PrivateIds.open(store, city) as ids:
        ids.remove(to_remove)
    counts = {"releases": len(releases), "runs": len(runs)}
    log.info("%s: of posts that are gone, withdrew releases %d, trained models %d", city, *counts.values())
    return counts


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
    except OSError as error:
        if error.errno not in (None, errno.ENOENT):  # the disk, for a moment; it says nothing of the file
            raise
        return True
    except pa.ArrowException:
        return True
    return bool(pc.any(pc.is_in(keys, pa.array(sorted(gone), pa.string()))).as_py())


def _is_made_of(store: Store, run: Path, versions: set[str], gone: set[str]) -> bool:
    """Whether a run was trained on one of these releases: posts to train on are in no prediction."""
    try:
        manifest = store.manifest(run)
    except IncompleteFolderError:  # what cannot be read cannot be shown not to be
        return True
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


def _curated(store: Store, city: str) -> set[str]:
    return values(store, city, "curated_posts", "post_key")
