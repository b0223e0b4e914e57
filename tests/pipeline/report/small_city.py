"""A small city, trained and ready to be reported on: everything made up here, written through the store."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.trained import TrainedModel
from models.training.training import fit
from pipeline.cities import City
from pipeline.ledger import write_ledger
from pipeline.picture_bytes import encode_clean
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.report.evaluate_mrlf import EvaluateMrlfSettings
from pipeline.store import Store
from pipeline.store.files import seal
from pipeline.store.store import StageRecord
from pipeline.training.samples import CitySamples, city_samples
from tests.fakes.city import finish

SETTINGS = EvaluateMrlfSettings(num_resamples=100)
SCRIPT = "<script>alert(1)</script>"
HOSTILE_NAME = f'Grand {SCRIPT} " onerror="x $x^2$ | [x](javascript:alert(1)) Hôtel'
CANARY = "canary-caption-7391"
PLACES = [
    ("poi-a", HOSTILE_NAME, "Travel and Transport", 12.01, -30.02),
    ("poi-b", "Harbour Market", "Food", 12.03, -30.05),
    ("poi-c", "Old Library", "Arts and Entertainment", 12.06, -29.97),
    ("poi-d", "Quay Café", "Food", 11.97, -30.01),
]
NUM_POSTS, NUM_USERS, WIDTH = 120, 40, 8
NETWORK = MrlfConfig(
    char_dim=8,
    char_filter_sizes=(3,),
    num_filters=8,
    num_heads=2,
    ffn_dim=8,
    word_dim=8,
    word_filter_sizes=(2,),
    image_fc_dim=8,
    min_char_count=1,
    min_word_count=1,
    min_hashtag_count=1,
)
WHEN = datetime(2024, 5, 1, tzinfo=UTC)
BACKBONE = "vgg19_fixed_seed"
NOTES = {
    "portrait_masks": "portraits were found by the built-in networks (faces and who is around them), not by U²-Net",
    "clean_images": "holes were filled by OpenCV's inpainting, not by LaMa",
    "image_features": "features come from a fixed-seed VGG19 that never saw a picture",
}
ABOUT = {
    "portrait_masks": {"network": "selfie_segmentation", "weights_sha256": "ab" * 32},
    "clean_images": {
        "network": "opencv_inpaint_telea",
        "weights_sha256": "",
        "face_gate": "yunet",
        "face_gate_sha256": "ef" * 32,
        "face_recall": "upright 7 of 8; turned 30 to 45° 1 of 8",
        "face_recall_shows_not": "crowds are not in it",
    },
    "image_features": {"backbone": BACKBONE, "weights_sha256": "cd" * 32, "running": "torch fp32 on cpu"},
}


@dataclass(frozen=True)
class Trained:
    """A store with a city that has a release, features, a run and a report."""

    store: Store
    city: City

    def file(self, name: str) -> Path:
        """A file of the report."""
        return self.store.report_folder(self.city.key) / name


def make_city(*, is_synthetic: bool) -> City:
    """The city of these tests."""
    return City(
        key="demo",
        name="Demo & City",
        latitude=12.0,
        longitude=-30.0,
        radius_km=12,
        is_synthetic=is_synthetic,
        stages={"curated_posts": {"min_posts_per_poi": 5}},
    )


def write_data(store: Store, city: City) -> None:
    """Tables, pictures, ledger, release, features and the records of the picture stages."""
    rng = np.random.default_rng(5)
    posts = [make_post(number, rng) for number in range(NUM_POSTS)]
    clean = [write_picture(store, post["image_digests"][0], number, rng) for number, post in enumerate(posts)]
    gone = [{**posts[0], "post_key": f"lost{number}", "media_key": f"lost{number}"} for number in range(9)]
    table = pa.Table.from_pylist([*posts, *gone]).append_column("state", pa.array(["active"] * (len(posts) + 9)))
    store.tables.replace(city.key, "pois", [make_poi(rank, *place) for rank, place in enumerate(PLACES, start=1)])
    store.tables.replace(city.key, "posts", table)
    names = ["post_key", "user_key", "poi_id", "taken_utc", "caption", "hashtags", "image_digests"]
    store.tables.replace(city.key, "curated_posts", pa.Table.from_pylist(posts).select(names))
    store.tables.replace(city.key, "portrait_masks", [row for row, _ in clean])
    store.tables.replace(city.key, "clean_images", [row for _, row in clean])
    write_ledger(store, city.key, "posts", {"lost0": "no_place", "lost1": "no_place"}, {"lost2": "image_missing"})
    write_ledger(store, city.key, "curated_posts", {f"lost{number}": "not_english" for number in range(3, 8)})
    write_ledger(store, city.key, "clean_images", {"lost8": "mostly_person"})
    for stage, note in NOTES.items():
        write_record(store, city.key, stage, ABOUT[stage], [note])
    for stage in ("pois", "posts", "curated_posts"):
        finish(store, stage, city.key)
    build_dataset(store, city, DatasetSettings())
    write_features(store, city.key, rng)


def make_poi(rank: int, poi_id: str, name: str, category: str, latitude: float, longitude: float) -> dict[str, object]:
    return {
        "poi_id": poi_id,
        "name": name,
        "latitude": latitude,
        "longitude": longitude,
        "category_ids": ["1"],
        "category_name": category,
        "semantic_label": category,
        "rank": rank,
        "popularity": None,
        "source": "test",
        "retrieved_utc": WHEN,
    }


def make_post(number: int, rng: np.random.Generator) -> dict[str, object]:
    """Captions and hashtags that give the place away about every second time, each with the canary in it."""
    label = number % len(PLACES)
    word = f"place{label}" if rng.random() < 0.5 else "somewhere"
    tag = f"tag{label}" if rng.random() < 0.5 else "holiday"
    return {
        "post_key": f"{number:032x}",
        "media_key": f"media{number}",
        "user_key": f"user{rng.integers(NUM_USERS):028d}",
        "poi_id": PLACES[label][0],
        "location_id": f"l{label}",
        "taken_utc": WHEN,
        "caption": f"{CANARY} {word} {SCRIPT} \u202eback",
        "hashtags": [tag, "city"],
        "image_digests": [f"{number:064x}"],
        "num_media": 1,
        "latitude": None,
        "longitude": None,
        "source": "test",
        "retrieved_utc": WHEN,
    }


def write_picture(
    store: Store, digest: str, number: int, rng: np.random.Generator
) -> tuple[dict[str, object], dict[str, object]]:
    """A noisy clean picture in the store, and its rows of portrait_masks and clean_images."""
    picture = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    is_filled = number % 5 == 0
    mask = {
        "digest": digest,
        "outcome": "person" if is_filled else "no_person",
        "mask": None,
        "network": "opencv",
        "portrait_ratio": 0.2 if is_filled else 0.0,
        "weights_sha256": "",
        "recipe": "r",
    }
    clean = {
        "digest": digest,
        "outcome": "filled" if is_filled else "unchanged",
        "inpainter": "opencv",
        "clean_digest": store.blobs.put("clean", encode_clean(picture)),
        "weights_sha256": "",
        "recipe": "r",
    }
    return mask, clean


def write_features(store: Store, city: str, rng: np.random.Generator) -> None:
    """Vectors that give the place away a little."""
    posts = latest_release(store, city).posts.to_pylist()
    rows = [
        {
            "clean_digest": post["clean_digest"],
            "backbone": BACKBONE,
            "outcome": "ok",
            "weights_sha256": "cd" * 32,
            "vector": (rng.normal(size=WIDTH) + 1.5 * np.eye(WIDTH)[post["label"]]).astype("<f2").tobytes(),
            "recipe": "r",
        }
        for post in posts
    ]
    store.tables.replace(city, "image_features", rows)


def write_run(
    store: Store, city: str, *, run: str = "run1", seed: int = 3, max_epochs: int = 8, learning_rate: float = 3e-3
) -> None:
    """A run folder as `train_mrlf` leaves one, with a small model trained in a second."""
    release = latest_release(store, city)
    samples = city_samples(store, city, release, BACKBONE)
    fitted = fit(
        samples.splits["train"],
        samples.splits["validation"],
        num_classes=len(PLACES),
        model_config=NETWORK,
        train_config=TrainConfig(
            num_threads=1, max_epochs=max_epochs, batch_size=16, learning_rate=learning_rate, seed=seed
        ),
    )
    folder = store.run_folder("mrlf", city, run)
    folder.mkdir(parents=True, exist_ok=True)
    files = fitted.save(folder)
    pq.write_table(make_predictions(samples, fitted), folder / "predictions.parquet")
    epochs = [{**vars(epoch), "seconds": 0.5} for epoch in fitted.history]
    pq.write_table(pa.Table.from_pylist(epochs), folder / "history.parquet")
    about = {
        "city": city,
        "run": run,
        "release": release.version,
        "backbone": BACKBONE,
        "seconds": 5.0,
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "num_parameters": fitted.num_parameters,
        "device": "cpu",
        "settings": {"preset": "auto"},
    }
    seal(folder, about, [*files, "predictions.parquet", "history.parquet"])
    write_record(store, city, "train_mrlf", {"run": run}, [])


def make_predictions(samples: CitySamples, fitted: TrainedModel) -> pa.Table:
    """What the model predicts for the validation and test posts."""
    rows = []
    for split in ("validation", "test"):
        posts = samples.splits[split]
        for key, label, proba in zip(posts.keys, posts.labels_N.tolist(), fitted.predict_proba(posts), strict=True):
            rows.append(
                {
                    "post_key": key,
                    "user_key": "u",
                    "split": split,
                    "label": label,
                    "predicted": int(proba.argmax()),
                    "error_km": 0.0 if proba.argmax() == label else 3.25,
                    "probabilities": proba.tolist(),
                }
            )
    return pa.Table.from_pylist(rows[::-1])  # another order than the release's


def write_record(store: Store, city: str, stage: str, about: dict[str, str], notes: list[str]) -> None:
    record = StageRecord(stage=stage, digest="d" * 64, outputs={}, versions={}, about=about, notes=notes)
    store.write_stage_record(city, record)
