"""A store with random weights of the true shape: all stages then run U²-Net, LaMa and VGG19 themselves."""

import json
from pathlib import Path

import dagster as dg
import pytest
import torch
from safetensors.torch import save_file

from assets.definitions import PIPELINE
from assets.resources import StoreResource
from models.vision.backbone_weights import random_state as random_backbone
from models.vision.u2net_weights import random_state as random_u2net
from pipeline.store import Store
from pipeline.weights import WeightsStore
from tests.assets.helpers import ROOT, metadata, write_cities
from tests.fakes.archive import LOCATION, FakeArchive
from tests.fakes.engine import in_this_process
from tests.fakes.pictures import encoded, pixels
from tests.fakes.reference_lama import drawn_generator, save_as_official
from tests.fakes.tiny_city import TINY
from tests.fakes.town import POIS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]  # true networks, on a machine that may be busy

ASSETS = [getattr(module, module.STAGE) for module in PIPELINE]
NUM_POSTS, NUM_USERS = 6, 3  # a user for each split; a picture takes U²-Net a second and a half
PLAIN = {"weights": "require", "device": "cpu", "runtime": "torch"}  # few pictures are not worth compiling a graph
CITY = {
    **{name: settings for name, settings in TINY.items() if name != "demo"},
    "is_synthetic": False,
    "curated_posts": {"language": "any", "min_hashtag_count": 1, "min_posts_per_poi": 3},
    "portrait_masks": {**PLAIN, "network": "drawn_u2net"},
    "clean_images": {
        **PLAIN,
        "network": "drawn_lama",
        "max_portrait_ratio": 1.0,
        "face_gate": "off",
        "face_gate_off_reason": "invented",
    },
}


def write_archive(folder: Path) -> dict[str, dict[str, str]]:
    """An archive of posts at two places in turn, a picture for each user; the settings of the stages that read it."""
    archive = FakeArchive(folder / "archive")
    for number in range(NUM_POSTS):
        poi, user = POIS[number % len(POIS)], str(number % NUM_USERS)
        picture = encoded(pixels(number % NUM_USERS))
        place = {"name": poi["name"], "lat": poi["latitude"], "lng": poi["longitude"]}
        by = {"id": user, "username": user}
        path = archive.post(number, pictures=0, owner=by, location={**LOCATION, **place, "id": poi["poi_id"]})
        archive.file(path.name.replace(".json.xz", ".jpg"), picture)
    (folder / "pois.json").write_text(json.dumps(POIS))
    read = {"archive": str(archive.folder)}
    return {"pois": {"file": str(folder / "pois.json")}, "places": read, "posts": read}


def fill_weights_store(store: Store, folder: Path) -> dict[str, str]:
    """One file of each network in the format in which it is published; the digests by name."""
    torch.save(random_u2net("u2net"), folder / "u2net.pth")
    save_as_official(drawn_generator(), folder / "lama.pt")
    save_file(random_backbone("vgg19"), folder / "vgg19.safetensors")
    return {
        name: WeightsStore.of(store).add(folder / file, name, architecture).weights_sha256
        for name, file, architecture in (
            ("drawn_u2net", "u2net.pth", "u2net"),
            ("drawn_lama", "lama.pt", "big_lama"),
            ("drawn_vgg19", "vgg19.safetensors", "vgg19"),
        )
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run of a city of few posts on them, its store, and the digests of the weights."""
    home, data, files = (tmp_path_factory.mktemp(name) for name in ("dagster", "data", "files"))
    (home / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    with (
        pytest.MonkeyPatch.context() as patch,
        in_this_process(),
        dg.DagsterInstance.from_config(str(home)) as instance,
    ):
        patch.setenv("MRLF_CITIES", str(data / "cities.yaml"))
        patch.setenv("MRLF_DATA", str(data))
        digests = fill_weights_store(Store(data), files)
        features = {
            "weights_file": str(files / "vgg19.safetensors"),
            "image_size": 32,
            "device": "cpu",
            "runtime": "torch",
        }
        write_cities({"demo": {**CITY, **write_archive(files), "image_features": features}})
        result = dg.materialize(ASSETS, partition_key="demo", resources={"store": StoreResource()}, instance=instance)
        yield result, Store(data), digests


@pytest.mark.parametrize(
    ("table", "column", "name"),
    [
        ("portrait_masks", "network", "drawn_u2net"),
        ("clean_images", "inpainter", "drawn_lama"),
        ("image_features", "backbone", "drawn_vgg19"),
    ],
)
def test_every_row_names_the_true_network(run, table, column, name):
    _, store, digests = run
    rows = store.tables.read("demo", table).to_pylist()
    assert rows and {(row[column], row["weights_sha256"]) for row in rows} == {(name, digests[name])}


def test_people_were_masked_and_filled_by_them(run):
    _, store, _ = run
    masks = {row["digest"]: row for row in store.tables.read("demo", "portrait_masks").to_pylist()}
    clean = store.tables.read("demo", "clean_images").to_pylist()
    filled = [row for row in clean if row["outcome"] in ("filled", "filled_again")]
    assert filled and all(
        0 < masks[row["digest"]]["portrait_ratio"] < 1 for row in filled if row["outcome"] == "filled"
    )


@pytest.mark.parametrize("stage", ["portrait_masks", "clean_images", "image_features"])
def test_the_asset_and_the_record_say_what_ran_and_of_no_fallback(run, stage):
    result, store, _ = run
    record = store.stage_record("demo", stage)
    assert " on cpu" in record.about["running"]
    assert not [
        note for note in record.notes if "built-in" in note or "not by U²-Net" in note or "not by LaMa" in note
    ]
    assert record.about["running"] in metadata(result, stage).values()


def test_the_report_names_them_and_their_digests(run):
    _, store, digests = run
    page = (store.report_folder("demo") / "report.md").read_text().replace("\\", "")  # Markdown escapes underscores
    assert all(name in page and sha256 in page for name, sha256 in digests.items())
