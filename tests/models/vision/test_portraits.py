"""Portraits by U²-Net: what the network is given, what becomes of its map, and that batch and format do not matter."""

from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.vision.portraits import INPUT_SIDE_PX, PortraitNetwork, U2NetPortraits, resized, squeezed
from models.vision.running import Runner, Running, choose_running
from models.vision.u2net import U2NetP
from models.vision.u2net_weights import MODULES, build, random_state
from tests.fakes.pictures import pixels, portrait

FP32 = Running("torch", "cpu", "fp32")
BF16_IOU = 0.98
SIDE = 64
"""the network takes any size, and this one is quick"""


class Brightness(nn.Module):
    """A network that finds what is bright: its map is a picture's red, as it was normalised."""

    def forward(self, x_N3SS):
        return torch.sigmoid(x_N3SS[:, :1].float() * 4)


class Answer(nn.Module):
    """A network that says the same of every pixel, and of one pixel something else."""

    def __init__(self, value, at_one_pixel=None):
        super().__init__()
        self.value = value
        self.at_one_pixel = value if at_one_pixel is None else at_one_pixel

    def forward(self, x_N3SS):
        probability_N1SS = torch.full_like(x_N3SS[:, :1], self.value)
        probability_N1SS[:, :, 0, 319] = self.at_one_pixel
        return probability_N1SS


class BlindToBlack(nn.Module):
    """A network whose numbers overflow on black pictures only."""

    def forward(self, x_N3SS):
        probability_N1SS = torch.full_like(x_N3SS[:, :1], 0.9)
        is_black_N = (x_N3SS[:, 0] < -2).all(dim=(1, 2))
        probability_N1SS[is_black_N] = torch.nan
        return probability_N1SS


def portraits(module, running=FP32, **options):
    return U2NetPortraits("u2net_human_seg", "0" * 64, module, running, **options)


def split_picture(height, width):
    """Black on the left, white on the right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, width // 2 :] = 255
    return picture


@pytest.mark.fault("M7")
@pytest.mark.parametrize("size", [(1080, 1080), (1350, 1080), (320, 320), (31, 200), (1, 1), (641, 333)], ids=str)
def test_a_mask_has_the_asked_size_and_lies_where_the_person_is(size):
    (found,) = portraits(Brightness())([split_picture(400, 600)], [size])
    assert found.mask.shape == size and found.reason is None
    if min(size) > 1:
        assert found.ratio == pytest.approx(0.5, abs=0.02)
        assert not found.mask[:, : size[1] // 2 - 4].any() and found.mask[:, size[1] // 2 + 4 :].all()


@pytest.mark.fault("M7")
@pytest.mark.parametrize(
    ("module", "ratio"), [(Answer(0.0), 0.0), (Answer(1.0), 1.0)], ids=["nobody", "nothing but people"]
)
def test_all_and_nothing_are_passed_on_with_their_ratio(module, ratio):
    (found,) = portraits(module)([pixels()], [(70, 50)])
    assert (found.ratio, found.reason) == (ratio, None)
    assert found.mask.shape == (70, 50) and found.mask.mean() == ratio


@pytest.mark.fault("M7")
@pytest.mark.parametrize("size", [(1080, 900), (60, 40)], ids=["enlarged", "shrunk"])
@pytest.mark.parametrize(
    "module",
    [Answer(torch.nan), Answer(0.2, torch.nan), Answer(0.2, torch.inf), Answer(0.9, -torch.inf)],
    ids=["all", "one pixel", "infinite", "minus infinite"],
)
def test_a_map_that_is_not_finite_gives_a_reason_and_no_mask(module, size):
    (found,) = portraits(module)([pixels()], [size])
    assert found.mask is None and found.reason == "not_finite"


@pytest.mark.fault("M7")
def test_one_picture_that_fails_takes_no_other_with_it():
    batch = [pixels(0), np.zeros((40, 40, 3), np.uint8), pixels(1)]
    found = portraits(BlindToBlack(), batch_size=3)(batch, [(48, 64), (40, 40), (48, 64)])
    assert [answer.reason for answer in found] == [None, "not_finite", None]
    assert found[0].mask.all() and found[2].mask.all()


@pytest.mark.fault("M7")
def test_a_network_whose_map_is_stretched_does_not_pass_for_sure():
    """Weak everywhere: the official scripts would stretch it to the full range and mask half of the picture."""
    (found,) = portraits(Answer(0.02, 0.3))([pixels()], [(64, 64)])
    assert found.ratio == 0.0 and not found.mask.any()


def test_the_threshold_and_the_least_portrait_are_settings():
    module, pictures, sizes = Answer(0.3, 0.9), [pixels()], [(320, 320)]
    assert portraits(module)(pictures, sizes)[0].ratio == 0.0  # one pixel in 102,400
    assert portraits(module, min_portrait_ratio=0.0)(pictures, sizes)[0].ratio == 1 / 320**2
    assert portraits(module, threshold=0.2)(pictures, sizes)[0].ratio == 1.0


@pytest.mark.parametrize(
    "options",
    [{"threshold": 0.0}, {"threshold": 1.0}, {"min_portrait_ratio": 1.0}, {"min_portrait_ratio": -0.1}],
    ids=str,
)
def test_settings_that_mask_all_or_nothing_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        portraits(Brightness(), **options)


def test_the_network_gets_what_its_weights_were_trained_on():
    """Divided by the brightest of the picture, ImageNet's mean and deviation: the official recipe as a formula."""
    batch = np.stack([pixels(0, (24, 24)), pixels(1, (24, 24)) // 3])
    seen = []
    network = PortraitNetwork(nn.Identity())
    network.network.register_forward_hook(lambda module, inputs, output: seen.append(output))
    network(torch.from_numpy(batch).permute(0, 3, 1, 2))
    scaled = batch / batch.max(axis=(1, 2, 3), keepdims=True)
    expected = (scaled - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(seen[0].permute(0, 2, 3, 1).numpy(), expected, atol=1e-5)


def test_a_black_picture_is_a_picture():
    values = PortraitNetwork(Brightness())(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    assert values.isfinite().all()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "empty"],
)
def test_a_picture_that_is_not_rgb_bytes_is_refused(picture):
    with pytest.raises(ValueError, match=r"uint8 of shape \(H, W, 3\)"):
        portraits(Brightness())([picture], [(8, 8)])


def test_views_and_read_only_pictures_are_taken():
    picture = pixels(0, (90, 60))
    mirrored = picture[:, ::-1]
    picture.flags.writeable = False
    left, right = portraits(Brightness())([picture, mirrored], [(60, 90)] * 2)
    assert (left.mask[:, ::-1] == right.mask).mean() > 0.99


def test_grain_that_a_smaller_copy_does_not_have_hardly_reaches_the_network():
    """Gravel and leaves: else the mask of a picture would depend on which copy of it somebody has."""
    plain = pixels(0, (1200, 1000)) // 2 + 60
    grain = np.random.default_rng(0).integers(0, 2, (1000, 1200, 1), dtype=np.uint8) * 80 - 40
    grainy = (plain + grain).astype(np.uint8)

    def unsmoothed(picture):
        x_NCHW = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        return F.interpolate(x_NCHW, (INPUT_SIDE_PX, INPUT_SIDE_PX), mode="bilinear")

    seen, unlike = (
        (see(grainy).float() - see(plain.astype(np.uint8)).float()).abs().mean() for see in (squeezed, unsmoothed)
    )
    assert seen < 8 < 20 < unlike


def test_no_pictures_give_no_masks():
    assert portraits(Brightness())([], []) == []


class LowU2NetP(U2NetP):
    """The same stages, each of two levels: two fifths of the layers that a runtime has to compile."""

    STAGES: ClassVar = {name: stage._replace(height=2) for name, stage in U2NetP.STAGES.items()}


@pytest.fixture(scope="module")
def low_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODULES, "low", LowU2NetP)
        state = random_state("low")
    network = LowU2NetP()
    network.load_state_dict(state)
    return PortraitNetwork(network.eval())


@pytest.fixture(scope="module")
def batch():
    """Eight pictures, one of them of a person."""
    pictures = [pixels(seed, (200, 200)) for seed in range(7)] + [portrait(200)]
    return torch.cat([resized(squeezed(picture), (SIDE, SIDE)) for picture in pictures])


@pytest.fixture(scope="module")
def expected(low_network, batch):
    """The map of each picture alone, torch fp32."""
    return Runner(low_network, FP32, batch_size=1)(batch)


WAYS = [
    pytest.param("torch", "cpu", id="torch"),
    pytest.param("openvino", "cpu", id="openvino"),
    pytest.param("torch", "cuda", id="gpu", marks=pytest.mark.gpu),
]


def running(runtime, precision, device):
    """How to run, or a skip where this machine cannot."""
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU: torch sees none here")
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="needs the extra `cpu`: OpenVINO is not installed")
    return choose_running(runtime, precision, device)


def overlaps(first, second):
    """Intersection over union of each pair of masks."""
    first, second = first > 0.5, second > 0.5
    both, either = (first & second).sum(dim=(1, 2, 3)), (first | second).sum(dim=(1, 2, 3))
    return both / either


@pytest.mark.slow
@pytest.mark.fault("M9")
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize(("runtime", "device"), WAYS)
def test_fp32_is_the_same_everywhere_and_in_any_batch(low_network, batch, expected, runtime, device, batch_size):
    found = Runner(low_network, running(runtime, "fp32", device), batch_size=batch_size)(batch)
    tolerance = 1e-5 if device == "cpu" else 1e-3  # a GPU multiplies in tf32
    assert float((found - expected).abs().max()) <= tolerance


@pytest.mark.slow
@pytest.mark.fault("M9")
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize(("runtime", "device"), WAYS)
def test_bf16_masks_are_those_of_fp32(low_network, batch, expected, runtime, device, batch_size):
    found = Runner(low_network, running(runtime, "bf16", device), batch_size=batch_size)(batch)
    shares = (expected > 0.5).float().mean(dim=(1, 2, 3))
    assert 0.2 < float(shares.min()) and float(shares.max()) < 0.8  # an empty or full mask would tell nothing
    assert float(overlaps(found, expected).min()) >= BF16_IOU
    assert float((found - expected).abs().max()) > 0  # it was not fp32 after all


@pytest.mark.fault("M9")
@pytest.mark.slow
def test_the_true_network_at_its_true_size_gives_the_same_masks_in_bf16():
    module = build("u2net", random_state("u2net"))
    pictures, sizes = [portrait(400)], [(300, 260)]
    [exact] = portraits(module)(pictures, sizes)
    [quick] = portraits(module, choose_running("auto", "bf16", "cpu"))(pictures, sizes)
    assert 0.05 < exact.ratio < 0.95
    assert (exact.mask & quick.mask).sum() / (exact.mask | quick.mask).sum() >= BF16_IOU
    assert quick.ratio == pytest.approx(exact.ratio, abs=0.02)
