"""Digests of tensors see names, types, shapes and every byte, and nothing else."""

import pytest
import torch

from models.data.digest import tensors_sha256

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1)}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"a": TENSORS["a"], "c": TENSORS["b"]}, id="name"),
        pytest.param({**TENSORS, "a": TENSORS["a"].reshape(3, 2)}, id="shape"),
        pytest.param({**TENSORS, "b": torch.tensor(1, dtype=torch.int32)}, id="type"),
        pytest.param({**TENSORS, "a": TENSORS["a"].index_fill(0, torch.tensor(1), -0.0)}, id="values"),
        pytest.param({"a": TENSORS["a"]}, id="missing"),
    ],
)
def test_a_difference_is_seen(other):
    assert tensors_sha256(other) != tensors_sha256(TENSORS)


def test_order_and_memory_layout_are_not_seen():
    transposed = {"b": TENSORS["b"], "a": TENSORS["a"].T.contiguous().T}
    assert tensors_sha256(transposed) == tensors_sha256(TENSORS)


def test_an_empty_tensor_has_a_digest_of_its_name_and_type():
    empty = {**TENSORS, "c": torch.empty(0, dtype=torch.float64)}
    assert len({tensors_sha256(each) for each in (TENSORS, empty, {**TENSORS, "c": torch.empty(0)})}) == 3
