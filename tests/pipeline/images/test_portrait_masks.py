"""The stage with true networks of random weights: what ran is in every row, and only what changes masks makes new."""

import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from models.vision.portraits import U2NetPortraits
from models.vision.running import choose_running
from models.vision.u2net_weights import build, random_state
from pipeline.errors import StageError
from pipeline.images.maskers import MaskerChoice, as_it_runs, choose_masker, masks_recipe
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks, make_mask_worker, widen
from pipeline.picture_bytes import decode_mask, decode_sized
from pipeline.store import Store
from pipeline.weights import WeightsStore
from pipeline.weights.weights_store import WeightsFile
from tests.fakes.city import CITY, curated_post, fill_city, key, poi, put_city
from tests.fakes.pictures import encoded, pixels, portrait

pytestmark = pytest.mark.slow

EXACT = PortraitMasksSettings(network="small_net", weights="require", runtime="torch", precision="fp32", device="cpu")


def put_network(store: Store, folder: Path, name: str, seed: int) -> str:
    """A U²-Net-P of random weights in the store of weights; the digest of its file."""
    path = folder / f"{name}.pth"
    torch.save(random_state("u2netp", seed=seed), path)
    return WeightsStore.of(store).add(path, name, "u2netp").weights_sha256


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """A town of good and bad pictures after the stage, its report, and the digest of the weights."""
    folder = tmp_path_factory.mktemp("networks")
    store = Store(folder / "data")
    sha256 = put_network(store, folder, "small_net", seed=1)
    pictures = [
        encoded(pixels(1, (700, 650)), quality=90),
        encoded(pixels(2, (333, 777)), "PNG"),
        encoded(portrait(), quality=90),
        encoded(pixels(3), quality=90)[:-2],
        encoded(pixels(4), "PNG", save_all=True, append_images=[_image(5)]),
    ]
    digests = [store.blobs.put("original", data) for data in pictures]
    posts = [curated_post(number, 0, number, [digest]) for number, digest in enumerate(digests)]
    put_city(store, [poi(0)], posts)
    return store, build_portrait_masks(store, CITY, EXACT), sha256, digests


def _image(seed: int):
    from PIL import Image

    return Image.fromarray(pixels(seed))


def rows_of(store: Store) -> dict[str, dict]:
    return {row["digest"]: row for row in store.tables.read("demo", "portrait_masks").to_pylist()}


def test_what_ran_is_in_every_row_and_in_the_report(masked):
    store, report, sha256, digests = masked
    rows = rows_of(store)
    assert rows.keys() == set(digests)
    assert {(row["network"], row["weights_sha256"]) for row in rows.values()} == {("small_net", sha256)}
    assert report.record.about == {"network": "small_net", "weights_sha256": sha256, "running": "torch fp32 on cpu"}
    assert report.record.notes == []


def test_masks_are_the_networks_own_widened(masked):
    store, _, sha256, digests = masked
    module = build("u2netp", random_state("u2netp", seed=1))
    network = U2NetPortraits("small_net", sha256, module, choose_running("torch", "fp32", "cpu"))
    rows = rows_of(store)
    for digest in digests[:3]:
        decoded = decode_sized(store.blobs.get("original", digest), network.input_side_px)
        (found,) = network([decoded.picture], [decoded.size])
        assert found.mask is not None
        assert found.mask.any()
        assert rows[digest]["portrait_ratio"] == pytest.approx(found.ratio, abs=1e-4)
        agreement = decode_mask(rows[digest]["mask"]) == widen(found.mask, EXACT.dilation_ratio)
        assert agreement.mean() > 0.999


@pytest.mark.fault("M1")
@pytest.mark.fault("M3")
def test_a_bad_picture_is_a_row_with_its_reason_and_of_a_moving_one_the_first_frame_is_counted(masked):
    store, report, _, digests = masked
    assert rows_of(store)[digests[3]]["outcome"] == "truncated"
    assert report.counts["pictures"] == report.counts["new"] == 5
    assert report.counts["first_frame_only"] == 1
    drops = store.tables.read("demo", "drops").to_pylist()
    assert drops == [{"post_key": key("post", 3), "stage": "portrait_masks", "reason": "truncated"}]


@pytest.mark.fault("S9")
def test_new_weights_compute_every_picture_anew_and_the_way_of_running_none(store, tmp_path):
    digests = {put_network(store, tmp_path, name, seed) for seed, name in enumerate(("first_net", "second_net"))}
    assert len(digests) == 2
    fill_city(store, num_pois=1, posts_per_poi=2)
    first = EXACT.model_copy(update={"network": "first_net"})
    assert build_portrait_masks(store, CITY, first).counts["new"] == 2
    otherwise = {"batch_size": 2, "commit_every": 1, "num_workers": 5, "runtime": "auto", "device": "auto"}
    assert build_portrait_masks(store, CITY, first.model_copy(update=otherwise)).is_reused
    asked = build_portrait_masks(store, CITY, first.model_copy(update={"weights": "auto"}))
    assert (asked.is_reused, asked.counts["new"]) == (False, 0)
    second = build_portrait_masks(store, CITY, EXACT.model_copy(update={"network": "second_net"}))
    assert second.counts["new"] == 2
    assert {row["network"] for row in rows_of(store).values()} == {"second_net"}


BUILTIN = {"weights": "builtin"}


@pytest.mark.parametrize(
    ("given", "change", "is_new"),
    [
        pytest.param({}, {"threshold": 0.6}, True, id="threshold"),
        pytest.param({}, {"min_portrait_ratio": 0.01}, True, id="what counts as nobody"),
        pytest.param({}, {"dilation_ratio": 0.1}, True, id="dilation"),
        pytest.param({}, {"precision": "bf16"}, True, id="precision"),
        pytest.param({}, {"runtime": "auto"}, False, id="runtime"),
        pytest.param({}, {"device": "auto"}, False, id="device"),
        pytest.param({}, {"batch_size": 3, "commit_every": 2, "num_workers": 1}, False, id="sizes"),
        pytest.param({}, {"weights": "auto"}, False, id="the choice, where the same weights came"),
        pytest.param({}, {"find_bodies": False}, False, id="what only the built-in way uses"),
        pytest.param({}, BUILTIN, True, id="the built-in way"),
        pytest.param(BUILTIN, {"find_bodies": False}, True, id="built-in: no face in view"),
        pytest.param(BUILTIN, {"threshold": 0.6, "precision": "bf16"}, False, id="built-in: what networks use"),
    ],
)
def test_a_recipe_changes_with_what_changes_masks_and_with_nothing_else(masked, given, change, is_new):
    store = masked[0]

    def recipe(**changes):
        settings = EXACT.model_copy(update=changes)
        return masks_recipe(settings, choose_masker(store, settings))

    assert (recipe(**given) != recipe(**{**given, **change})) == is_new


@pytest.mark.fault("S9")
def test_other_weights_under_the_same_name_are_another_recipe(masked):
    choice = choose_masker(masked[0], EXACT)
    other = replace(choice, weights_sha256="0" * 64)
    assert masks_recipe(EXACT, choice) != masks_recipe(EXACT, other)


@pytest.mark.parametrize(("architecture", "precision"), [("u2netp", "fp32"), ("u2net", "auto")])
def test_a_network_whose_masks_bf16_would_change_runs_exactly(architecture, precision):
    file = WeightsFile(name="x", architecture=architecture, path=Path("x"), weights_sha256="0" * 64, source=Path("x"))
    choice = MaskerChoice(network="x", weights_sha256="0" * 64, file=file)
    assert as_it_runs(PortraitMasksSettings(), choice).precision == precision
    assert as_it_runs(PortraitMasksSettings(precision="bf16"), choice).precision == "bf16"


def test_the_built_in_way_says_that_it_ran_and_why(store):
    fill_city(store, num_pois=1, posts_per_poi=1)
    report = build_portrait_masks(store, CITY, PortraitMasksSettings(weights="builtin", num_workers=1))
    (note,) = report.record.notes
    assert "not by U²-Net" in note
    assert "weights: builtin" in note
    assert "u2net" not in report.record.about["network"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"network": "vgg19"},
            "weights vgg19, which are of vgg19: take those of u2net or u2netp",
            id="another network's",
        ),
        pytest.param({"network": "nobody"}, "no weights 'nobody'", id="unknown"),
        pytest.param({"weights_file": Path("missing.pth")}, "no file", id="no such file"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_with_what_to_do(masked, changes, message):
    store = masked[0]
    with pytest.raises(StageError, match=message):
        build_portrait_masks(store, CITY, EXACT.model_copy(update=changes))
    assert store.tables.read("demo", "portrait_masks").num_rows == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.fault("M10")
def test_a_gpu_that_is_not_there_is_said_before_anything_is_computed(masked):
    store = masked[0]
    with pytest.raises(ValueError, match="device=cuda"):
        build_portrait_masks(store, CITY, EXACT.model_copy(update={"device": "cuda", "threshold": 0.6}))
    assert store.tables.read("demo", "portrait_masks").num_rows == 5


def test_what_travels_to_the_workers_is_small_and_makes_the_same_worker_there(masked):
    store, _, _, digests = masked
    made = pickle.dumps(partial(make_mask_worker, EXACT, choose_masker(store, EXACT), "recipe", 2, 1))
    assert len(made) < 4000
    (row,) = pickle.loads(made)()([{"digest": digests[0], "data": store.blobs.get("original", digests[0])}])  # noqa: S301 (our own)
    mask = decode_mask(rows_of(store)[digests[0]]["mask"])
    assert np.array_equal(decode_mask(row["mask"]), mask)
