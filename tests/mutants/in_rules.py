"""Defects that strangers planted and that no test noticed: orders of steps, limits themselves, what is written last.

`before` stands exactly once in its file. Equal in effect, and therefore not here: the clamp under the root of the
distance. Of 200 million antipodes none went above 1 + 2^-52, whose root is rounded to 1; a look-up of another
platform's sine may differ, so the clamp stays.
"""

from tests.mutants.defect import Defect

IN_RULES = (
    Defect(
        "ledger-overlap",
        "pipeline/release/dataset.py",
        '    assert not dropped & waiting, f"posts both dropped and deferred: {sorted(dropped & waiting)[:3]}"\n',
        "",
        "test_dataset.py",
    ),
    Defect(
        "carousel-unlinked",
        "pipeline/release/dataset.py",
        "[*pictures, *shared.get(released, [])]",
        "[released, *shared.get(released, [])]",
        "test_dataset.py test_split.py",
    ),
    Defect(
        "inputs-without-deferred",
        "pipeline/release/dataset.py",
        '    ("deferred", "posts"),\n',
        "",
        "test_dataset.py",
    ),
    Defect(
        "inputs-without-clean-images",
        "pipeline/release/dataset.py",
        '    ("clean_images", "clean_images"),\n',
        "",
        "test_dataset.py",
    ),
    Defect(
        "xz-memory",
        "pipeline/collect/archive/json_files.py",
        ", memlimit=_XZ_MEMORY_LIMIT)",
        ")",
        "test_json_files.py test_archive.py",
    ),
    Defect(
        "largest-file",
        "pipeline/collect/post_rules.py",
        "if num_bytes > limits.max_image_bytes:",
        "if num_bytes >= limits.max_image_bytes:",
        "test_posts.py test_picture_files.py test_archive.py",
    ),
    Defect(
        "largest-share-of-people",
        "pipeline/images/clean_images.py",
        'if row["portrait_ratio"] > self._max_portrait_ratio:',
        'if row["portrait_ratio"] >= self._max_portrait_ratio:',
        "test_clean_images.py test_filling_worker.py",
    ),
    Defect(
        "largest-share-with-faces",
        "pipeline/images/clean_images.py",
        "if mask.mean() > self._max_portrait_ratio or mask.all():",
        "if mask.mean() >= self._max_portrait_ratio or mask.all():",
        "test_clean_images.py test_filling_worker.py test_people_left.py",
    ),
    Defect(
        "smallest-share-of-people",
        "models/vision/masks.py",
        "if ratio < min_ratio:",
        "if ratio <= min_ratio:",
        "test_masks.py test_portraits.py",
    ),
    Defect(
        "parts-forgotten",
        "models/training/run.py",
        'self.num_steps, self.seconds, self.num_parts = state["num_steps"], state["seconds"], state["num_parts"]',
        'self.num_steps, self.seconds = state["num_steps"], state["seconds"]',
        "test_steps.py test_training.py test_checkpoint.py",
    ),
    Defect(
        "private-before-opt-out",
        "pipeline/collect/post_rules.py",
        """        if self.opt_out.covers(fields.author_names, fields.media_id):
            return OPTED_OUT
        if fields.is_private:
            return "private"
""",
        """        if fields.is_private:
            return "private"
        if self.opt_out.covers(fields.author_names, fields.media_id):
            return OPTED_OUT
""",
        "test_posts.py test_coauthors.py",
    ),
    Defect(
        "root-left-open",
        "pipeline/store/store.py",
        "        self.root.chmod(0o700)\n",
        "",
        "test_store.py",
    ),
    Defect(
        "redirect-to-http",
        "pipeline/weights/addresses.py",
        ' and urlsplit(before).scheme in ("", "http")',
        "",
        "test_fetching.py test_weights_roads.py test_transfer.py",
    ),
    Defect(
        "manifest-first",
        "pipeline/release/dataset.py",
        """    _write_posts(folder / "posts.parquet", samples)
    seal(folder, about, [*names, "labels.json", "posts.parquet"])
""",
        """    seal(folder, about, [*names, "labels.json"])
    _write_posts(folder / "posts.parquet", samples)
""",
        "test_dataset.py",
    ),
)
