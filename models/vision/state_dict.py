"""The strict check of a state dict: a network gets tensors of its own names and shapes, all finite, and no others."""

from collections.abc import Iterator, Mapping

from torch import Tensor

COUNTER = "num_batches_tracked"
"""batch norm's count of training steps: not in every published file, and nothing depends on it"""
SHOWN = 3
"""differences that a message names"""


def require_mapping(state: object, *, network: str, origin: str, advice: str) -> dict[str, object]:
    """The entries by name of what was read from a file.

    Raises:
        ValueError: it is no mapping.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"{origin} holds a {type(state).__name__}, not a state dict of {network}. {advice}")
    return {str(name): value for name, value in state.items()}


def require_tensors(
    state: Mapping[str, object], shapes: Mapping[str, tuple[int, ...]], *, network: str, origin: str, advice: str
) -> dict[str, Tensor]:
    """The tensors in the order of `shapes`, float32; counters of batch norm keep their type.

    Raises:
        ValueError: a tensor is missing, has another shape, holds no finite numbers or does not belong to the network.
            The message names the first differences and ends with `advice`.
    """
    problems = list(_differences(state, shapes, network))
    if problems:
        more = f" and {len(problems) - SHOWN} more differences" if len(problems) > SHOWN else ""
        raise ValueError(f"{origin} is not {network}: it {'; it '.join(problems[:SHOWN])}{more}. {advice}")
    tensors = {name: state[name] for name in shapes}
    return {
        name: tensor if name.endswith(COUNTER) else tensor.float()
        for name, tensor in tensors.items()
        if isinstance(tensor, Tensor)
    }


def _differences(state: Mapping[str, object], shapes: Mapping[str, tuple[int, ...]], network: str) -> Iterator[str]:
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    yield from (f"holds {name} ({type(state[name]).__name__}), no tensor" for name in state if name not in tensors)
    yield from (f"lacks {name}" for name in shapes if name not in state)
    yield from (f"holds {name}, unknown to {network}" for name in tensors if name not in shapes)
    for name in shapes:
        if name not in tensors:
            continue
        if tuple(tensors[name].shape) != shapes[name]:
            yield f"has {name} of shape {tuple(tensors[name].shape)}, not {shapes[name]}"
        elif not bool(tensors[name].isfinite().all()):
            yield f"has {name} with values that are not finite"
