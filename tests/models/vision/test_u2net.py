"""U²-Net against a second implementation from the paper's definition, and against the official list of its tensors."""

import pytest
import torch
import torch.nn.functional as F

from models.vision.u2net_weights import MODULES, build, expected_shapes, random_state

ARCHITECTURES = ["u2net", "u2netp"]
HEIGHTS = {1: 7, 2: 6, 3: 5, 4: 4}
"""of the stages that halve their maps; the stages 5 and 6 dilate instead"""


class Reference:
    """The definition (arXiv 2005.09007, figures 2 and 5), recursive: a level is what stands on the level below it."""

    def __init__(self, state):
        self.state = state

    def convolve(self, name, x, dilation=1):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.conv2d(x, weight, bias, padding=dilation * (weight.shape[2] // 2), dilation=dilation)

    def block(self, name, x, dilation=1):
        """Convolution, batch norm as a formula, ReLU."""
        x = self.convolve(f"{name}.conv_s1", x, dilation)
        norm = [self.state[f"{name}.bn_s1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        mean, variance, scale, shift = (part[:, None, None] for part in norm)
        return ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)

    def rsu(self, stage, x, height):
        def level(number, x):
            down = self.block(f"{stage}.rebnconv{number}", x)
            if number == height - 1:
                inner = self.block(f"{stage}.rebnconv{height}", down, 2)
            else:
                inner = stretch(level(number + 1, shrink(down)), down)
            return self.block(f"{stage}.rebnconv{number}d", torch.cat([inner, down], 1))

        entry = self.block(f"{stage}.rebnconvin", x)
        return level(1, entry) + entry

    def rsu4f(self, stage, x):
        def level(number, x):
            if number == 4:
                return self.block(f"{stage}.rebnconv4", x, 8)
            same = self.block(f"{stage}.rebnconv{number}", x, 2 ** (number - 1))
            joined = torch.cat([level(number + 1, same), same], 1)
            return self.block(f"{stage}.rebnconv{number}d", joined, 2 ** (number - 1))

        entry = self.block(f"{stage}.rebnconvin", x)
        return level(1, entry) + entry

    def stage(self, name, number, x):
        return self.rsu(name, x, HEIGHTS[number]) if number in HEIGHTS else self.rsu4f(name, x)

    def __call__(self, x):
        """Probabilities (N, 1, H, W)."""
        sides = {}

        def level(number, x):
            down = self.stage(f"stage{number}", number, x)
            if number == 6:
                decoded = down
            else:
                inner = stretch(level(number + 1, shrink(down)), down)
                decoded = self.stage(f"stage{number}d", number, torch.cat([inner, down], 1))
            sides[number] = self.convolve(f"side{number}", decoded)
            return decoded

        level(1, x)
        stack = torch.cat([stretch(sides[number], sides[1]) for number in range(1, 7)], 1)
        return 1 / (1 + (-self.convolve("outconv", stack)).exp())


def shrink(x):
    """The largest of each 2 x 2 square; at an odd border, of what is there."""
    x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), value=-torch.inf)
    return x.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))


def stretch(x, like):
    """Linear in both directions by matrices; pixel centres at halves."""
    down, right = (weights(x.shape[axis], like.shape[axis]) for axis in (2, 3))
    return down @ x @ right.T


def weights(num_in, num_out):
    """What each input position gives to each output position, (out, in)."""
    place = ((torch.arange(num_out) + 0.5) * num_in / num_out - 0.5).clamp(0, num_in - 1)
    return (1 - (place[:, None] - torch.arange(num_in)).abs()).clamp(min=0)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def drawn(request):
    """Random weights of an architecture, its network with them, and the folded one."""
    name, state = request.param, random_state(request.param)
    return state, full_network(name, state), build(name, state)


def full_network(name, state):
    with torch.device("meta"):  # nothing is drawn that would be written over
        network = MODULES[name]()
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval()


def picture(height, width, num=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return sum(
        F.interpolate(torch.randn(num, 3, side, side, generator=generator), size=(height, width), mode="bilinear")
        for side in (4, 16, 64)
    )


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 64), (97, 70), (33, 161)], ids=str)
def test_it_is_the_paper_s_network_with_and_without_batch_norm(drawn, size):
    state, *networks = drawn
    x_13HW = picture(*size)
    with torch.inference_mode():
        expected = Reference(state)(x_13HW)
        full, folded = (network(x_13HW) for network in networks)
    assert expected.shape == (1, 1, *size)
    assert 0.1 < float((expected > 0.5).float().mean()) < 0.9  # the weights let something through
    assert float((full - expected).abs().max()) <= 1e-5
    assert float((folded - expected).abs().max()) <= 1e-5


@pytest.mark.slow
def test_it_is_the_paper_s_network_at_the_true_size(drawn):
    state, _, folded = drawn
    x_13SS = picture(320, 320)
    with torch.inference_mode():
        difference = folded(x_13SS) - Reference(state)(x_13SS)
    assert float(difference.abs().max()) <= 1e-5


@pytest.mark.parametrize("is_folded", [False, True], ids=["batch norm", "folded"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_names_and_shapes_are_the_official_ones_in_their_order(name, is_folded):
    with torch.device("meta"):
        ours = MODULES[name](is_folded=is_folded).state_dict()
    official = expected_shapes(name, is_folded=is_folded)
    assert [(key, tuple(tensor.shape)) for key, tensor in ours.items()] == list(official.items())


@pytest.mark.slow
def test_every_weight_is_in_use():
    state = random_state("u2netp")
    network = full_network("u2netp", state)
    x_13HW = picture(48, 48)
    parts = [network.get_parameter(name) for name, _ in network.named_parameters()]
    network(x_13HW).square().sum().backward()
    assert all(part.grad is not None and part.grad.abs().max() > 0 for part in parts)


@pytest.mark.slow
def test_random_weights_are_the_same_each_time_and_leave_torchs_generator_alone():
    before = torch.get_rng_state()
    first, second = random_state("u2netp", 3), random_state("u2netp", 3)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(random_state("u2netp", 4)["outconv.weight"], first["outconv.weight"])
