"""Picture features as a stage: which weights are used and recorded, and what makes it compute anew."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from models.vision.backbone_weights import random_state
from models.vision.backbones import ImageFeatures, fixed_seed_features, fixed_seed_sha256
from models.vision.openvino_network import converted, import_openvino
from models.vision.running import Running, choose_running
from pipeline.errors import StageError
from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.picture_bytes import decode_picture
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.store.digests import file_digest
from pipeline.training import int8_features
from pipeline.training.image_features import (
    FeatureWorker,
    ImageFeaturesSettings,
    build_image_features,
    city_weights,
    feature_name,
    features_weights,
    read_features,
)
from pipeline.weights import Builtin
from pipeline.weights.converting import convert
from tests.fakes.city import CITY, fill_city
from tests.fakes.engine import in_this_process
from tests.fakes.pictures import encoded, pixels
from tests.models.small_backbones import SMALL, small_backbones

pytestmark = pytest.mark.slow

MASKS = PortraitMasksSettings(weights="builtin", find_bodies=False, num_workers=1)
CLEAN = CleanImagesSettings(weights="builtin", face_gate="off", face_gate_off_reason="drawn", num_workers=1)
BUILTIN = ImageFeaturesSettings(weights="builtin", image_size=32, runtime="torch", precision="fp32")


@pytest.fixture(scope="module", autouse=True)
def without_processes() -> Iterator[None]:
    """Neither workers nor the conversion of a file of one's own have a process apart; what is apart: `test_bombs`."""
    with in_this_process(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.weights.weights_store.convert_apart", convert)
        yield


@pytest.fixture
def true_backbones() -> None:
    """For a test whose networks are made in other processes too."""


@pytest.fixture(autouse=True)
def networks(request) -> Iterator[None]:
    """Small ones, which the stage cannot tell from the true ones: those are in `test_true_networks`."""
    with nullcontext() if "true_backbones" in request.fixturenames else small_backbones():
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Weights as torchvision publishes them, with random numbers."""
    folder = tmp_path_factory.mktemp("weights")
    made = {"vgg19": ("vgg19", 0), "other vgg19": ("vgg19", 1), "resnet50": ("resnet50", 0)}
    for name, (backbone, seed) in made.items():
        with small_backbones():
            state = random_state(backbone, seed)
        kept = {key: tensor for key, tensor in state.items() if not key.startswith("classifier")}
        torch.save(kept, folder / f"{name}.pth")
    return {name: folder / f"{name}.pth" for name in made}


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """The store of a small city as far as its release."""
    store = Store(tmp_path_factory.mktemp("released"))
    fill_city(store, posts_per_poi=10)
    build_portrait_masks(store, CITY, MASKS)
    build_clean_images(store, CITY, CLEAN)
    build_dataset(store, CITY, DatasetSettings(min_posts_per_poi=5))
    return store.root


@pytest.fixture
def city(released, tmp_path) -> Store:
    """A copy of it, to build features in."""
    return Store(shutil.copytree(released, tmp_path / "store"))


def settings(file: Path, **how) -> ImageFeaturesSettings:
    return ImageFeaturesSettings(weights="require", weights_file=file, image_size=32, **how)


@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_weights_of_a_file_make_the_features_and_stand_in_every_row(city, files, name):
    report = build_image_features(city, CITY, settings(files[name], backbone=name))
    sha256 = file_digest(files[name])
    about = report.record.about
    assert (about["backbone"], about["weights_sha256"]) == (f"{name}_from_file", sha256)
    assert about["running"] == str(choose_running())
    assert report.record.notes == []
    table = city.tables.read("demo", "image_features").to_pandas()
    assert set(table["weights_sha256"]) == {sha256} and set(table["backbone"]) == {f"{name}_from_file"}
    digests = latest_release(city, "demo").posts["clean_digest"].to_pylist()
    assert read_features(city, "demo", digests, f"{name}_from_file").shape == (len(digests), SMALL[name][1])


def test_new_weights_and_another_precision_compute_anew_and_nothing_else_does(city, files):
    first = build_image_features(city, CITY, settings(files["vgg19"]))
    num_pictures = first.counts["pictures"]
    assert first.counts["new"] == num_pictures > 0
    again = settings(files["vgg19"], runtime="torch", batch_size=5)
    assert build_image_features(city, CITY, again).is_reused
    exact = build_image_features(city, CITY, settings(files["vgg19"], precision="fp32", runtime="torch"))
    assert exact.counts["new"] == num_pictures
    other = build_image_features(city, CITY, settings(files["other vgg19"], precision="fp32", runtime="torch"))
    assert other.counts["new"] == num_pictures
    assert city.tables.read("demo", "image_features").num_rows == num_pictures


def test_features_by_two_backbones_stand_side_by_side(city, files):
    build_image_features(city, CITY, BUILTIN)
    build_image_features(city, CITY, settings(files["resnet50"], backbone="resnet50", runtime="torch"))
    assert build_image_features(city, CITY, BUILTIN.model_copy(update={"commit_every": 1})).counts["new"] == 0
    backbones = set(city.tables.read("demo", "image_features").to_pandas()["backbone"])
    assert backbones == {"vgg19_fixed_seed", "resnet50_from_file"}


def test_only_pictures_without_features_are_computed(city):
    build_image_features(city, CITY, BUILTIN)
    digests = sorted(set(latest_release(city, "demo").posts["clean_digest"].to_pylist()))
    gone = digests[:3]
    before = read_features(city, "demo", digests, "vgg19_fixed_seed")
    city.tables.delete("demo", "image_features", "clean_digest in ({})".format(", ".join(f"'{d}'" for d in gone)))
    assert build_image_features(city, CITY, BUILTIN).counts["new"] == len(gone)
    assert np.array_equal(read_features(city, "demo", digests, "vgg19_fixed_seed"), before)


def test_a_killed_run_loses_at_most_one_commit(city, true_backbones):
    quick = BUILTIN.model_copy(update={"backbone": "densenet121"})
    child = textwrap.dedent(f"""
        import os, pathlib, signal
        from pipeline.store import Store
        from pipeline.store.tables import Tables
        from pipeline.training import image_features
        from tests.fakes.city import CITY
        append, num_commits = Tables.append, 0
        def die_after_two(self, *what):
            global num_commits
            append(self, *what)
            num_commits += 1
            if num_commits == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        Tables.append = die_after_two
        settings = image_features.ImageFeaturesSettings.model_validate_json({quick.model_dump_json()!r})
        settings = settings.model_copy(update={{"commit_every": 10}})
        image_features.build_image_features(Store(pathlib.Path({str(city.root)!r})), CITY, settings)
    """)
    ended = subprocess.run([sys.executable, "-c", child], env={**os.environ, "PYTHONPATH": "."}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert city.tables.read("demo", "image_features").num_rows == 20
    report = build_image_features(city, CITY, quick)
    assert report.counts["new"] == report.counts["pictures"] - 20


def test_unreadable_pictures_are_rows_with_their_reason_and_hold_up_no_other():
    worker = FeatureWorker(BUILTIN, Builtin(why="no weights"), "recipe")
    good = encoded(pixels(1, (96, 96)), quality=92)
    rows = [{"clean_digest": name, "data": data} for name, data in [("a", None), ("b", good), ("c", b"<html>")]]
    found = worker(rows)
    assert [row["outcome"] for row in found] == ["original_gone", "ok", "not_an_image"]
    assert [row["vector"] is not None for row in found] == [False, True, False]
    assert len(found[1]["vector"]) == 2 * SMALL["vgg19"][1]
    assert worker([rows[1]])[0]["vector"] == found[1]["vector"]


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("content", "match"),
    [
        pytest.param(b"<html>not found</html>", "image_features of demo: .*vgg19.pth", id="a web page"),
        pytest.param(None, "image_features of demo: .*there is no file .*vgg19.pth", id="missing"),
        pytest.param("resnet50", r"image_features of demo: .*lacks features\.0\.weight", id="another network"),
        pytest.param("half", "image_features of demo: .*vgg19.pth", id="half a file"),
    ],
)
def test_required_weights_that_are_not_vgg19_are_refused_in_words(city, tmp_path, files, content, match):
    wrong = tmp_path / "vgg19.pth"
    if content == "resnet50":
        wrong.write_bytes(files["resnet50"].read_bytes())
    elif content == "half":
        whole = files["vgg19"].read_bytes()
        wrong.write_bytes(whole[: len(whole) // 2])
    elif content is not None:
        wrong.write_bytes(content)
    with pytest.raises(StageError, match=match):
        build_image_features(city, CITY, settings(wrong))
    assert city.stage_record("demo", "image_features") is None


@pytest.mark.parametrize("backbone", SMALL)
def test_every_backbone_without_weights_has_a_built_in_way_that_is_never_called_trained(store, backbone):
    asked = BUILTIN.model_copy(update={"backbone": backbone})
    weights = features_weights(store, asked)
    assert feature_name(weights, backbone) == (f"{backbone}_fixed_seed", fixed_seed_sha256(backbone))
    data = encoded(pixels(1, (96, 96)), quality=92)
    (row,) = FeatureWorker(asked, weights, "recipe")([{"clean_digest": "a", "data": data}])
    assert (row["backbone"], row["weights_sha256"]) == feature_name(weights, backbone)
    assert len(row["vector"]) == 2 * SMALL[backbone][1]


@pytest.mark.fault("M10")
def test_a_device_that_is_not_there_is_refused_in_words(city):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(StageError, match="image_features of demo: device=cuda was asked for, but torch sees no GPU"):
        build_image_features(city, CITY, BUILTIN.model_copy(update={"device": "cuda"}))


@pytest.fixture(scope="module")
def network() -> ImageFeatures:
    """A drawn network that sees pictures of 64 pixels."""
    return fixed_seed_features(Running("torch", "cpu", "fp32"), image_size=64)


@pytest.mark.parametrize("side", [300, 1080])
def test_features_of_a_picture_decoded_small_are_those_of_the_whole(network, side):
    """The same picture as far as the network can see: closer than bf16 rounds."""
    y, x = np.mgrid[:side, :side] / side * 12
    picture = np.stack([127 + 100 * np.sin(y + x), 127 + 90 * np.cos(x * 2), 127 + 80 * np.sin(y * 3)], axis=-1)
    data = encoded(picture.astype(np.uint8), quality=92)
    whole, small = decode_picture(data), decode_picture(data, network.input_side_px)
    assert min(small.shape[:2]) < side or side == 300
    found = network([whole, small])
    spread = network([pixels(number, (96, 96)) for number in range(4)]).std(axis=0).mean()
    assert np.abs(found[0] - found[1]).mean() < 0.05 * spread


@pytest.mark.fault("I50")
def test_a_citys_own_network_in_int8_makes_its_features_and_is_found_again(city, files, monkeypatch):
    pytest.importorskip("openvino", reason="needs the extra `cpu`: OpenVINO is not installed")

    def quantise(module, pictures, target, *, architecture):  # in place of NNCF: the network as it is
        target.parent.mkdir(parents=True, exist_ok=True)
        import_openvino().save_model(converted(module, (pictures[0],)), target, compress_to_fp16=False)
        return "by hand"

    monkeypatch.setattr(int8_features, "quantise", quantise)
    monkeypatch.setattr(int8_features, "NUM_CALIBRATION", 3)
    monkeypatch.setattr(int8_features, "MIN_JUDGED", 5)
    asked = settings(files["vgg19"], precision="int8", int8_max_loss=100)
    assert city_weights(city, asked, "demo").int8 is None
    report = build_image_features(city, CITY, asked)
    assert report.record.about["running"] == "openvino int8 on cpu"
    assert report.record.about["int8"].startswith("int8 is on: a linear probe on ")
    assert report.record.about["int8_sha256"] == city_weights(city, asked, "demo").int8.sha256
    assert build_image_features(city, CITY, asked).is_reused
    assert build_image_features(city, CITY, settings(files["vgg19"])).counts["new"] == report.counts["new"] > 0
    assert isinstance(city_weights(city, BUILTIN.model_copy(update={"precision": "int8"}), "demo"), Builtin)
