"""Folding batch norm: equal output, only where the graph says that it may, and the module given stays as it is."""

import copy

import pytest
import torch
import torchvision.models as vision
from torch import Tensor, nn

from models.vision.backbone_weights import fold_batch_norm, foldable_pairs


def with_statistics(module: nn.Module) -> nn.Module:
    """Batch norms as after training: means, variances, scales and shifts of their own."""
    generator = torch.Generator().manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean = torch.randn(layer.num_features, generator=generator)
            layer.running_var = torch.rand(layer.num_features, generator=generator) + 0.5
            layer.weight.data = torch.rand(layer.num_features, generator=generator) + 0.5
            layer.bias.data = torch.randn(layer.num_features, generator=generator)
    return module.eval()


class Pair(nn.Module):
    """A convolution and a batch norm, called in several ways; registered in an order that says nothing."""

    def __init__(self, how: str, *, has_bias: bool = True) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.convolution = nn.Conv2d(4, 4, 3, padding=1, bias=has_bias)
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "norm first":
            return self.convolution(self.norm(x))
        if self.how == "activation between":
            return self.norm(torch.relu(self.convolution(x)))
        if self.how == "seen by another":
            raw = self.convolution(x)
            return self.norm(raw) + raw
        if self.how == "convolution twice":
            return self.norm(self.convolution(self.convolution(x)))
        if self.how == "norm twice":
            return self.norm(self.norm(self.convolution(x)))
        return self.norm(self.convolution(x))


@pytest.mark.parametrize("has_bias", [True, False], ids=["bias", "no bias"])
def test_a_convolution_and_its_batch_norm_become_one_layer(has_bias):
    module = with_statistics(Pair("plain", has_bias=has_bias))
    folded = fold_batch_norm(module)
    x = torch.randn(2, 4, 9, 7)
    torch.testing.assert_close(folded(x), module(x), atol=1e-5, rtol=1e-5)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    assert folded.convolution.bias is not None


@pytest.mark.parametrize(
    "how", ["norm first", "activation between", "seen by another", "convolution twice", "norm twice"]
)
def test_a_batch_norm_that_cannot_be_folded_stays_and_the_output_is_equal(how):
    module = with_statistics(Pair(how))
    folded = fold_batch_norm(module)
    x = torch.randn(2, 4, 9, 7)
    torch.testing.assert_close(folded(x), module(x), atol=1e-5, rtol=1e-5)
    assert isinstance(folded.norm, nn.BatchNorm2d) and foldable_pairs(module) == []


def test_the_module_given_stays_as_it_is():
    module = with_statistics(Pair("plain"))
    before = copy.deepcopy(module.state_dict())
    fold_batch_norm(module)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "num_left"),
    [pytest.param(vision.resnet18, 0, id="resnet18"), pytest.param(vision.densenet121, 62, id="densenet121")],
)
def test_networks_of_torchvision_fold_to_equal_output(make, num_left):
    """DenseNet puts most norms before their convolutions: those stay."""
    torch.manual_seed(0)
    module = with_statistics(make(num_classes=3))
    folded = fold_batch_norm(module)
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), module(x), atol=1e-4, rtol=1e-4)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules()) == num_left
