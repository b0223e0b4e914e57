"""The portrait stage in int8: the gate's laws, and a city that keeps its network, or its verdict, as pictures come."""

import copy
import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from models.vision.openvino_network import converted, import_openvino
from pipeline.images import int8_masks
from pipeline.images.int8_masks import MIN_JUDGED, judged
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.store import Store
from tests.fakes.city import CITY, curated_post, poi, put_city
from tests.fakes.engine import in_this_process
from tests.fakes.pictures import encoded
from tests.pipeline.images.test_portrait_masks import put_network, rows_of

NEEDS_OPENVINO = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
IN_INT8 = PortraitMasksSettings(network="small_net", weights="require", precision="int8", commit_every=64)


def masks(num, side=20, left=10):
    """As many masks of the left `left` columns."""
    drawn = np.zeros((num, side, side), np.bool_)
    drawn[:, :, :left] = True
    return drawn


def changed(drawn, **lefts):
    """The same with others in the place of the first ones."""
    drawn = drawn.copy()
    for number, left in enumerate(lefts.values()):
        drawn[number] = masks(1, left=left)[0]
    return drawn


EXACT = masks(MIN_JUDGED)
NOBODY = masks(4, left=0)


@pytest.mark.fault("I52")
@pytest.mark.parametrize(
    ("exact", "in_int8", "is_good", "says"),
    [
        pytest.param(EXACT, EXACT, True, "mean IoU with fp32 1.0000 over 16 pictures", id="equal"),
        pytest.param(EXACT, changed(EXACT, a=9), True, "worst 0.900", id="nearly"),
        pytest.param(EXACT, masks(MIN_JUDGED, left=9), False, "mean IoU with fp32 0.9000", id="all a tenth smaller"),
        pytest.param(masks(64), changed(masks(64), a=0), False, "1 lost their mask", id="one person lost"),
        pytest.param(EXACT[1:], EXACT[1:], False, "15 have a mask in fp32, too few", id="too few people"),
        pytest.param(
            np.concatenate([EXACT, NOBODY]),
            np.concatenate([EXACT, masks(4)]),
            True,
            "4 of the 4 without one got one",
            id="people where fp32 finds none",
        ),
    ],
)
def test_the_gate_asks_for_the_masks_of_fp32_and_that_nobody_is_lost(exact, in_int8, is_good, says):
    found, about = judged(exact, in_int8, 0.97)
    assert found is is_good
    assert says in about


class Red(nn.Module):
    """Finds what is red, more or less."""

    def __init__(self, threshold=0.5):
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 1)
        with torch.no_grad():
            self.layer.weight[:] = torch.tensor([20.0, -20.0, 0.0])[None, :, None, None]
            self.layer.bias[:] = threshold

    def forward(self, x):
        return torch.sigmoid(self.layer(x))


def half_red(seed):
    """A picture whose left part is red."""
    pixels = np.full((40, 40, 3), (20, 90, 20 + seed), np.uint8)
    pixels[:, : 12 + seed] = 220, 30, 30
    return encoded(pixels, quality=90)


@pytest.fixture
def city(tmp_path, monkeypatch):
    """A city whose network is tiny, and a stand-in for NNCF that writes it as it is or, if told, as another one."""
    store = Store(tmp_path / "data")
    put_network(store, tmp_path, "small_net", seed=1)
    tiny = SimpleNamespace(build=lambda state: Red().eval())
    monkeypatch.setattr("models.vision.architectures.ARCHITECTURES", {"u2netp": tiny})
    monkeypatch.setattr(int8_masks, "ARCHITECTURES", {"u2netp": tiny})
    monkeypatch.setattr(int8_masks, "NUM_CALIBRATION", 3)
    monkeypatch.setattr(int8_masks, "MIN_JUDGED", 2)
    made = SimpleNamespace(count=0, changes=lambda module: module)

    def quantise(module, pictures, target, *, architecture):
        made.count += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        network = converted(made.changes(module), (pictures[0],))
        import_openvino().save_model(network, target, compress_to_fp16=False)
        return "by hand"

    monkeypatch.setattr(int8_masks, "quantise", quantise)
    with in_this_process():
        yield store, made


def put_pictures(store, num):
    digests = [store.blobs.put("original", half_red(seed)) for seed in range(num)]
    put_city(store, [poi(0)], [curated_post(number, 0, number, [digest]) for number, digest in enumerate(digests)])


@NEEDS_OPENVINO
@pytest.mark.slow
@pytest.mark.fault("I50")
def test_a_city_keeps_its_network_as_pictures_come_and_rows_in_fp32_are_never_among_its_own(city):
    store, made = city
    put_pictures(store, 6)
    first = build_portrait_masks(store, CITY, IN_INT8)
    assert first.record.about["running"] == "openvino int8 on cpu"
    assert first.record.about["int8"] in first.record.notes
    assert first.record.about["int8"].startswith("int8 is on: mean IoU with fp32 1.0000 over 3 pictures")
    assert build_portrait_masks(store, CITY, IN_INT8).is_reused
    put_pictures(store, 8)
    more = build_portrait_masks(store, CITY, IN_INT8)
    assert (more.counts["new"], made.count) == (2, 1)
    assert more.record.about["int8_sha256"] == first.record.about["int8_sha256"]
    exact = build_portrait_masks(store, CITY, IN_INT8.model_copy(update={"precision": "fp32"}))
    assert exact.counts["new"] == 8
    assert len({row["recipe"] for row in rows_of(store).values()}) == 1


@NEEDS_OPENVINO
@pytest.mark.slow
@pytest.mark.fault("I52")
def test_a_network_that_loses_people_is_off_with_its_figures_and_the_stage_runs_as_auto(city):
    store, made = city
    put_pictures(store, 6)
    auto = build_portrait_masks(store, CITY, IN_INT8.model_copy(update={"precision": "auto"}))

    def blind(module):
        module = copy.deepcopy(module)
        module.network.layer.bias.data[:] = -99
        return module

    made.changes = blind
    report = build_portrait_masks(store, CITY, IN_INT8)
    assert "3 lost their mask" in report.record.about["int8"]
    assert report.record.about["running"] == auto.record.about["running"]
    assert (report.counts["new"], made.count) == (0, 1)
    assert build_portrait_masks(store, CITY, IN_INT8).is_reused
    put_pictures(store, 7)
    assert (build_portrait_masks(store, CITY, IN_INT8).counts["new"], made.count) == (1, 1)


@NEEDS_OPENVINO
@pytest.mark.slow
@pytest.mark.fault("I52")
def test_a_city_of_few_pictures_has_none_until_they_are_enough(city):
    store, made = city
    put_pictures(store, 4)
    few = build_portrait_masks(store, CITY, IN_INT8)
    assert few.record.about["int8"].startswith("int8 is off: the city has 4 pictures for portrait_masks, and 5 are")
    put_pictures(store, 5)
    assert build_portrait_masks(store, CITY, IN_INT8).record.about["running"] == "openvino int8 on cpu"
    assert made.count == 1
