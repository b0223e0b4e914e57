"""Batch norm folded into the convolution before it: in evaluation both are linear, so one layer does for two.

Which pairs there are is read from the traced graph (torch.fx), not from the order in which layers were registered.
Shape letters: none.
"""

import copy
from collections import Counter
from typing import cast

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """A copy, evaluating, with equal output: folded convolutions have a bias, their batch norms are gone (Identity).

    A batch norm that follows something else stays as it is.
    """
    folded = copy.deepcopy(module).eval()
    for convolution, norm in foldable_pairs(folded):
        layers = cast(nn.Conv2d, folded.get_submodule(convolution)), cast(nn.BatchNorm2d, folded.get_submodule(norm))
        fused = fuse_conv_bn_eval(*layers)
        folded.set_submodule(convolution, fused)
        folded.set_submodule(norm, nn.Identity())
    return folded


def foldable_pairs(module: nn.Module) -> list[tuple[str, str]]:
    """Names of (Conv2d, BatchNorm2d): the norm sees the convolution's output, nobody else does, each runs once."""
    layers = [node for node in fx.symbolic_trace(module).graph.nodes if node.op == "call_module"]
    num_runs = Counter(str(node.target) for node in layers)
    pairs = []
    for node in layers:
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        convolution, norm = str(before.target), str(node.target)
        kinds = [type(module.get_submodule(name)) for name in (convolution, norm)]
        if kinds == [nn.Conv2d, nn.BatchNorm2d] and num_runs[convolution] == num_runs[norm] == 1:
            pairs.append((convolution, norm))
    return pairs
