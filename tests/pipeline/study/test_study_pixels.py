"""Fine-tuned networks in a study: the pictures they are handed, the weights they begin with, what their row says."""

import dataclasses

import numpy as np
import pytest
import torch

from models.candidates import CANDIDATES
from models.vision.backbone_weights import random_state
from models.vision.backbones import fixed_seed_weights, preprocess, resized_side
from pipeline.errors import StageError
from pipeline.picture_bytes import decode_picture
from pipeline.release.read import latest_release
from pipeline.release.split import SPLITS
from pipeline.store import Store
from pipeline.store.blobs import Blobs
from pipeline.study.cells import read_cell
from pipeline.study.pixels import starting_weights, with_pixels
from pipeline.study.plan import PlannedSection, plan_study
from pipeline.study.scoring import section_of
from pipeline.study.settings import StudySettings
from pipeline.study.study import NO_GPU, SWITCHED_OFF, Cells
from pipeline.study.study_data import source_of
from pipeline.study.work import CellRunner, Machine
from tests.pipeline.study.study_town import CITY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a town is built first

NAME = "finetuned_densenet121"
TITLE = CANDIDATES[NAME].title
MACHINE = Machine(device="cpu", num_threads=1)
SETTINGS = StudySettings(num_seeds=1, max_epochs=1, num_resamples=100, device="cpu", fine_tuned="always")


def section(settings: StudySettings = SETTINGS) -> PlannedSection:
    """Table II with the one row of this test."""
    table_2, *_ = plan_study(settings, min_hashtag_count=2)
    return dataclasses.replace(table_2, rows=tuple(row for row in table_2.rows if row.title == TITLE))


(CELL,) = section().rows[0].cells


def row_of(store: Store, fine_tuned: str):
    """The row, of what stands."""
    cells = Cells(CellRunner(store, CITY, MACHINE), SETTINGS.model_copy(update={"fine_tuned": fine_tuned}), "")
    (row,) = section_of(section(), cells.known([CELL], [CELL])).rows
    return row


@pytest.fixture
def shown(bare_town, data_of_bare):
    """A network for pictures, and the training posts with their pixels."""
    source = source_of(Store(bare_town), CITY, "densenet121")
    return source, with_pixels(Store(bare_town), data_of_bare, data_of_bare.parts("release", "user", 0).train, source)


@pytest.fixture
def data_of_bare(bare_town):
    store = Store(bare_town)
    return CellRunner(store, CITY, MACHINE).data


def test_pixels_are_those_of_the_released_picture_of_each_post(bare_town, shown):
    source, samples = shown
    store = Store(bare_town)
    clean = {row["post_key"]: row["clean_digest"] for row in latest_release(store, "demo").posts.to_pylist()}
    side = source.settings.image_size
    assert samples.pixels_NHWC.shape == (len(samples), side, side, 3) and side == 32
    for key, pixels in zip(samples.keys, samples.pixels_NHWC, strict=True):
        picture = decode_picture(store.blobs.get("clean", clean[key]), resized_side("densenet121", side))
        seen = preprocess(picture, side, resized_side("densenet121", side))
        assert np.array_equal(pixels, seen.permute(1, 2, 0).numpy())
    assert len(np.unique(samples.pixels_NHWC.reshape(len(samples), -1), axis=0)) == len(samples)


def test_posts_in_another_order_have_their_pixels_in_that_order(bare_town, data_of_bare, shown):
    source, samples = shown
    order = np.random.default_rng(1).permutation(len(samples))
    plain = dataclasses.replace(samples, pixels_NHWC=None).take(order)
    again = with_pixels(Store(bare_town), data_of_bare, plain, source, num_threads=3)
    assert again.keys == [samples.keys[row] for row in order]
    assert np.array_equal(again.pixels_NHWC, samples.pixels_NHWC[order])


@pytest.mark.parametrize("split", SPLITS)
def test_a_clean_picture_that_is_gone_is_refused_with_what_to_do(bare, split):
    runner = CellRunner(bare, CITY, MACHINE)
    key = getattr(runner.data.parts("release", "user", 0), split).keys[0]
    bare.blobs.remove("clean", *runner.data.clean_digests([key]))
    with pytest.raises(StageError, match=r"^1 of 59 clean pictures of demo are gone.*--only clean_images"):
        runner.compute(CELL, "digest")
    assert read_cell(runner.folder("digest")) is None


def test_a_clean_picture_that_cannot_be_read_is_named(bare, data_of_bare, monkeypatch):
    samples = data_of_bare.parts("release", "user", 0).test
    (digest,) = data_of_bare.clean_digests(samples.keys[:1])
    get = Blobs.get
    odd = lambda self, kind, asked: b"no picture" if asked == digest else get(self, kind, asked)  # noqa: E731
    monkeypatch.setattr(Blobs, "get", odd)
    with pytest.raises(StageError, match=f"clean picture {digest} cannot be read"):
        with_pixels(bare, data_of_bare, samples, source_of(bare, CITY, "densenet121"))


def test_weights_to_begin_with_are_the_files_where_there_is_one(bare, tmp_path):
    state = random_state("densenet121", seed=5)
    torch.save(state, tmp_path / "densenet121.pth")
    features = {"backbone": "densenet121", "weights": "auto", "weights_file": tmp_path / "densenet121.pth"}
    source = source_of(bare, CITY.model_copy(update={"stages": {"image_features": features}}))
    begun = starting_weights(source)
    assert source.name == "densenet121_from_file"
    assert begun and all(torch.equal(tensor, state[name]) for name, tensor in begun.items())
    assert not any(name.startswith("classifier") for name in begun)


def test_where_there_is_none_they_are_the_stand_ins_and_the_name_says_so(bare_town):
    source = source_of(Store(bare_town), CITY, "densenet121")
    begun, expected = starting_weights(source), fixed_seed_weights("densenet121")
    assert source.name == "densenet121_fixed_seed"
    assert begun.keys() == expected.keys() and all(torch.equal(begun[name], expected[name]) for name in begun)


def test_other_weights_and_another_picture_size_are_another_cell(bare_town, tmp_path):
    torch.save(random_state("densenet121", seed=5), tmp_path / "densenet121.pth")
    file = {"backbone": "densenet121", "weights": "auto", "weights_file": tmp_path / "densenet121.pth"}
    ways = [{}, {"image_size": 40}, file]
    features = [{**CITY.stages["image_features"], **way} for way in ways]
    cities = [CITY.model_copy(update={"stages": {**CITY.stages, "image_features": each}}) for each in features]
    assert len({CellRunner(Store(bare_town), city, MACHINE).digest(CELL) for city in cities}) == len(ways)


@pytest.mark.parametrize(("fine_tuned", "reason"), [("auto", NO_GPU), ("never", SWITCHED_OFF)])
def test_without_a_gpu_or_switched_off_the_row_says_why_it_has_no_figures(bare_town, fine_tuned, reason):
    row = row_of(Store(bare_town), fine_tuned)
    assert row.figures is None and row.reason == reason


def test_asked_for_it_is_computed_stored_and_scored(bare):
    """On the CPU, from the stand-in's weights, which the row says."""
    runner = CellRunner(bare, CITY, MACHINE)
    digest = runner.digest(CELL)
    runner.compute(CELL, digest)
    found, test = read_cell(runner.folder(digest)), runner.data.parts("release", "user", 0).test
    assert found.predictions["post_key"].to_pylist() == test.keys
    assert found.predictions["label"].to_pylist() == test.labels_N.tolist()
    about = found.about
    assert (about["features"], about["epochs"], about["device"]) == ("densenet121_fixed_seed", 1, "cpu")
    assert about["num_parameters"] > 6_900_000
    assert not (runner.folder(digest) / "checkpoint").exists()
    row = row_of(bare, "always")
    assert row.is_stand_in
    assert row.figures.accuracies == [about["scores"]["accuracy"]]
    assert row.figures.num_test == len(test)
    assert row_of(bare, "never").figures == row_of(bare, "auto").figures == row.figures  # what stands is shown
