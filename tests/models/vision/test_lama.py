"""LaMa's network: the official names, the numbers of a reference with torch.fft, on every runtime."""

import importlib.util

import pytest
import torch
from torch import Tensor

from models.vision import lama
from models.vision.lama import Lama, LamaOnPixels
from models.vision.lama_weights import build, check_state, expected_shapes, fold
from models.vision.running import Runner, Running
from tests.fakes.reference_lama import drawn_generator

NEEDS_OPENVINO = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def on_pixels() -> LamaOnPixels:
    return build(check_state(drawn_generator().state_dict(), "drawn"))


def holed(num_pictures: int, height: int, width: int) -> Tensor:
    """Pictures with holes, and the masks as a fourth channel."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(num_pictures, 3, height, width, generator=generator)
    masks = (torch.rand(num_pictures, 1, height, width, generator=generator) < 0.3).float()
    return torch.cat([pictures * (1 - masks), masks], dim=1)


def pixels(num_pictures: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    x = holed(num_pictures, height, width)
    return (x[:, :3] * 255).to(torch.uint8), x[:, 3:].to(torch.uint8)


@pytest.mark.slow
def test_names_and_shapes_are_the_official_ones():
    expected = expected_shapes()
    found = {name: tuple(tensor.shape) for name, tensor in Lama().state_dict().items()}
    assert found == expected
    assert {name: tuple(tensor.shape) for name, tensor in drawn_generator().state_dict().items()} == expected


@pytest.mark.slow
def test_making_it_draws_no_random_number():
    before = torch.random.get_rng_state()
    Lama(is_folded=True)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_reference_spreads_over_the_range():
    found = drawn_generator()(holed(1, 32, 32))
    assert found.std() > 0.1  # else equal outputs would say little


@pytest.mark.slow
@pytest.mark.fault("M9")
@pytest.mark.parametrize("is_folded", [False, True], ids=["with batch norm", "folded"])
def test_the_output_is_that_of_the_reference(is_folded, on_pixels):
    x = holed(2, 48, 32)
    network = on_pixels.lama
    if not is_folded:
        network = Lama()
        network.load_state_dict(drawn_generator().state_dict(), assign=True)
    with torch.no_grad():
        found = network.eval()(x)
    assert (found - drawn_generator()(x)).abs().max() <= 1e-5


@pytest.mark.slow
@pytest.mark.fault("M9")
def test_a_picture_does_not_depend_on_its_batch(on_pixels):
    pictures, masks = pixels(8, 24, 16)
    together = on_pixels(pictures, masks)
    alone = torch.cat([on_pixels(pictures[[number]], masks[[number]]) for number in range(8)])
    assert (together - alone).abs().max() / 255 <= 1e-5


def test_what_is_under_the_mask_is_not_seen(on_pixels):
    pictures, masks = pixels(1, 32, 32)
    others = torch.where(masks.bool(), 255 - pictures, pictures)
    assert torch.equal(on_pixels(pictures, masks), on_pixels(others, masks))


def test_pixels_in_and_pixels_out(on_pixels):
    pictures, masks = pixels(1, 32, 24)
    x = torch.cat([pictures.float() / 255 * (1 - masks.float()), masks.float()], dim=1)
    expected = drawn_generator()(x) * 255
    assert (on_pixels(pictures, masks) - expected).abs().max() / 255 <= 1e-5


@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 24)])
def test_given_matrices_change_nothing(on_pixels, height, width):
    pictures, masks = pixels(1, height, width)
    given = on_pixels(pictures, masks, *on_pixels.shape_constants(pictures, masks))
    assert torch.equal(given, on_pixels(pictures, masks))


@pytest.mark.slow
@pytest.mark.fault("M9")
def test_bf16_is_close(on_pixels):
    pictures, masks = pixels(1, 32, 32)
    found = Runner(on_pixels, Running("torch", "cpu", "bf16"))(pictures, masks)
    assert found.dtype == torch.float32
    assert (found - on_pixels(pictures, masks)).abs().mean() / 255 < 0.02


def same_at_every_size(on_pixels, precision):
    """The differences at three sizes by one runner, as shares of the range."""
    runner = Runner(on_pixels, Running("openvino", "cpu", precision))
    differences = []
    for size in [(2, 32, 32), (1, 40, 24), (1, 64, 48)]:
        pictures, masks = pixels(*size)
        differences.append((runner(pictures, masks) - on_pixels(pictures, masks)).abs() / 255)
    assert len(runner._network._by_shapes) == 1
    return differences


@pytest.mark.fault("M9")
@pytest.mark.slow
@NEEDS_OPENVINO
def test_openvino_gives_the_same_at_every_size_from_one_compilation(on_pixels):
    for difference in same_at_every_size(on_pixels, "fp32"):
        assert difference.max() <= 1e-5


@pytest.mark.fault("M9")
@pytest.mark.slow
@NEEDS_OPENVINO
def test_openvino_in_bf16_is_close_at_every_size_from_one_compilation(monkeypatch):
    """With two of the eighteen blocks."""
    monkeypatch.setattr(lama, "_BLOCKS", lama._BLOCKS[:2])
    short = Lama(is_folded=True)
    state = fold(check_state(drawn_generator().state_dict(), "drawn"))
    short.load_state_dict({name: state[name] for name in short.state_dict()}, assign=True)
    for difference in same_at_every_size(LamaOnPixels(short).eval(), "bf16"):
        assert 0 < difference.mean() <= 0.02
