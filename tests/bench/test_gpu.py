"""The bare-GPU benchmark: it needs torch and torchvision only, and without a GPU its checks run on the processor."""

import os
import subprocess
import sys
import textwrap

import pytest
import torch

from bench.gpu_checks import Check, correlation, fourier_check, intersection_over_union

NOT_NEEDED = (
    "dagster daft deltalake pipeline assets safetensors cv2 onnx pandas pyarrow pydantic sklearn scipy yaml openvino"
).split()
CHILD = """
    import sys
    for name in {names}:
        sys.modules[name] = None  # as if it were not installed
    sys.argv = ["bench.gpu"]
    from bench import gpu
    from models.vision import lama, lama_weights, u2net, u2net_weights
    # shallow and narrow networks: the time of a capture goes with the number of layers
    lama._BLOCKS, lama_weights._BLOCKS = lama._BLOCKS[:2], lama_weights._BLOCKS[:4]
    u2net.U2NET_STAGES.update({{name: stage._replace(height=2) for name, stage in u2net.U2NETP_STAGES.items()}})
    u2net_weights.STAGES["u2net"] = u2net_weights.STAGES["u2netp"]
    u2net_weights.SIDE_INPUTS["u2net"] = u2net_weights.SIDE_INPUTS["u2netp"]
    u2net_weights.BLOCKS.update(dict.fromkeys(u2net_weights.BLOCKS, "in 1 2:2 1d"), RSU4F="in 1 2:8 1d")
    raise SystemExit(gpu.main())
"""


@pytest.mark.slow
@pytest.mark.fault("M9")
@pytest.mark.fault("M10")
def test_without_a_gpu_and_with_torch_alone_it_says_so_and_makes_its_checks():
    child = textwrap.dedent(CHILD).format(names=NOT_NEEDED)
    done = subprocess.run(
        [sys.executable, "-c", child],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": "."},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("no GPU: ") and lines[-1] == "every check passed"
    for name in ("u2net: batch 1 against 8", "u2net: masks in bf16", "lama: compiled", "vgg19: bf16", "Fourier"):
        assert any(line.startswith("ok") and name in line for line in lines), name
    for name in ("u2net", "lama", "vgg19"):
        assert any(line.startswith(f"{name} 32 px") and "of the limit" in line for line in lines)


@pytest.mark.parametrize(
    ("found", "is_at_least", "is_passed"),
    [
        (0.5, False, True),
        (1.5, False, False),
        (float("nan"), False, False),
        (1.5, True, True),
        (0.5, True, False),
        (float("nan"), True, False),
    ],
)
def test_a_check_fails_on_the_wrong_side_of_its_bound_and_on_what_is_no_number(found, is_at_least, is_passed):
    assert Check("some", found, 1.0, is_at_least).is_passed is is_passed


def test_masks_and_values_are_compared_as_their_names_say():
    one, two = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    assert intersection_over_union(one, two) == pytest.approx(1 / 3)
    assert intersection_over_union(one & False, two & False) == 1.0
    values = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert correlation(values, 3 * values + 1) == pytest.approx(1)
    assert abs(correlation(values, values.flip(0))) < 0.5


def test_the_fourier_transform_is_compared_with_torchs():
    assert fourier_check("cpu").is_passed
