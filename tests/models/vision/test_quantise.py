"""Networks in int8: made from pictures, nearly those in fp32, and what is said where they cannot be made."""

import importlib.util
import sys

import pytest
import torch
from torch import nn

from models.vision import int8
from models.vision.int8 import import_nncf, quantise
from models.vision.running import Runner, Running

NEEDS_OPENVINO = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
NEEDS_NNCF = pytest.mark.skipif(
    importlib.util.find_spec("nncf") is None, reason="needs the extra `int8`: no NNCF here"
)


class Small(nn.Module):
    """Bytes in, a map out, as our networks for pictures are called."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))

    def forward(self, pixels_N3SS):
        return torch.sigmoid(self.layers(pixels_N3SS.float() / 255))


def pictures(num, seed=0):
    return list(torch.randint(0, 256, (num, 1, 3, 16, 16), dtype=torch.uint8, generator=torch.manual_seed(seed)))


@NEEDS_NNCF
@pytest.mark.slow
@pytest.mark.fault("I50")
def test_a_network_in_int8_is_nearly_the_one_in_fp32_in_batches_of_any_size_and_the_same_when_made_again(tmp_path):
    module = Small().eval()
    paths = [tmp_path / name / "net.xml" for name in ("first", "again")]
    versions = [quantise(module, pictures(8), path, architecture="small") for path in paths]
    assert versions[0].startswith("nncf ") and "openvino" in versions[0]
    for ending in (".xml", ".bin"):
        first, again = (path.with_suffix(ending).read_bytes() for path in paths)
        assert first == again
    asked = torch.cat(pictures(5, seed=1))
    exact = Runner(module, Running("openvino", "cpu", "fp32"))(asked)
    one, many = (Runner(paths[0], Running("openvino", "cpu", "int8"), batch_size=size)(asked) for size in (1, 4))
    assert 0 < (one - exact).abs().max() < 0.02
    torch.testing.assert_close(one, many, atol=1e-5, rtol=0)
    assert sys.modules["openvino_telemetry"] is None


@pytest.mark.fault("I51")
def test_without_nncf_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(int8, "import_openvino", lambda: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install nncf .* or choose precision=auto"):
        import_nncf()
