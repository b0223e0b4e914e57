"""Where a network runs and how its batches are sized: chosen rightly, refused clearly, and with equal results."""

import importlib.util
import logging
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import Tensor, nn

from models.settings import machine
from models.vision.running import DeviceLostError, Runner, Running, choose_running
from models.vision.torch_network import TorchNetwork

NEEDS_OPENVINO = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
RUNTIMES = ["torch", pytest.param("openvino", marks=NEEDS_OPENVINO)]
NO_BF16, AVX512_BF16 = "flags\t\t: fpu avx2 avx512f avx512bw", "flags\t\t: fpu avx512f avx512_bf16"
INTEL = "vendor_id\t: GenuineIntel"
ARM_BF16 = "Features\t: fp asimd sve bf16"
TOLERANCE = {"fp32": 1e-5, "bf16": 0.02}
"""bf16 has 8 bits of mantissa: 2^-9 for each rounding; three layers of values about 1"""


class Small(nn.Module):
    """Pixels in, a map in out, as the pipeline's networks do; values about 1."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.last = nn.Conv2d(16, 2, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.first(pixels.float() / 255))))
        return torch.sigmoid(self.last(x))


@pytest.fixture(scope="module")
def small():
    return Small().eval()


def pixels(number: int, height: int = 24, width: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    return torch.randint(0, 256, (number, 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """Lets a test say what the processor can do, and takes any GPU away."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def tell(flags: str, kind: str = "x86_64") -> None:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{flags}\n")
        monkeypatch.setattr(machine, "PROCESSOR_FACTS", tmp_path / "cpuinfo")
        monkeypatch.setattr(machine.platform, "machine", lambda: kind)

    return tell


@pytest.fixture
def has_openvino(monkeypatch):
    def tell(has_it: bool) -> None:
        monkeypatch.setattr(machine, "has_openvino", lambda: has_it)

    return tell


@pytest.mark.fault("M10")
@pytest.mark.parametrize(
    ("flags", "kind", "is_installed", "expected"),
    [
        pytest.param(AVX512_BF16, "x86_64", True, "openvino bf16 on cpu", id="all there"),
        pytest.param(AVX512_BF16, "x86_64", False, "torch bf16 on cpu", id="no openvino"),
        pytest.param(NO_BF16, "x86_64", True, "openvino fp32 on cpu", id="no bf16 instructions"),
        pytest.param(NO_BF16, "x86_64", False, "torch fp32 on cpu", id="neither"),
        pytest.param("flags : amx_bf16", "x86_64", False, "torch bf16 on cpu", id="amx"),
        pytest.param(f"{INTEL}\n{AVX512_BF16}", "x86_64", True, "openvino fp32 on cpu", id="Intel's without AMX"),
        pytest.param(f"{INTEL}\n{AVX512_BF16} amx_bf16", "x86_64", True, "openvino bf16 on cpu", id="Intel's"),
        pytest.param(ARM_BF16, "aarch64", False, "torch bf16 on cpu", id="arm"),
        pytest.param(ARM_BF16, "aarch64", True, "openvino fp32 on cpu", id="openvino has no bf16 on arm"),
    ],
)
def test_without_a_gpu_auto_takes_the_quickest_that_the_processor_has(
    processor, has_openvino, flags, kind, is_installed, expected
):
    processor(flags, kind)
    has_openvino(is_installed)
    assert str(choose_running()) == expected


def test_a_processor_that_says_nothing_gets_fp32(processor, monkeypatch, tmp_path):
    processor(AVX512_BF16)
    monkeypatch.setattr(machine, "PROCESSOR_FACTS", tmp_path / "missing")
    assert choose_running(runtime="torch").precision == "fp32"


def test_what_is_asked_for_overrides_the_choice(processor, has_openvino):
    processor(AVX512_BF16)
    has_openvino(True)
    assert choose_running("torch", "fp32", "cpu") == Running("torch", "cpu", "fp32")
    assert choose_running("openvino", "fp32") == Running("openvino", "cpu", "fp32")
    assert choose_running(precision="int8") == Running("openvino", "cpu", "int8")


def test_bf16_without_instructions_is_done_when_asked_for_and_said_to_be_slow(processor, has_openvino, caplog):
    processor(NO_BF16)
    has_openvino(False)
    assert choose_running(precision="bf16").precision == "bf16"
    assert "slower in it than in fp32" in caplog.text


@pytest.mark.fault("M10")
@pytest.mark.parametrize(
    ("asked", "match"),
    [
        pytest.param({"runtime": "openvino"}, "pip install openvino", id="openvino not installed"),
        pytest.param({"device": "cuda"}, "torch sees no GPU here", id="no GPU"),
        pytest.param({"runtime": "openvino", "device": "cuda"}, "processor only", id="openvino on a GPU"),
        pytest.param({"precision": "int8"}, "pip install openvino", id="int8 without openvino"),
        pytest.param({"precision": "int8", "device": "cuda"}, "processor only", id="int8 on a GPU"),
        pytest.param({"precision": "int8", "runtime": "torch"}, "processor only", id="int8 in torch"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_way_out(processor, has_openvino, asked, match):
    processor(AVX512_BF16)
    has_openvino(False)
    with pytest.raises(ValueError, match=match):
        choose_running(**asked)


@pytest.fixture
def lost_driver(processor, monkeypatch):
    """A GPU that torch still counts and that answers nothing."""
    processor(AVX512_BF16)
    ones = torch.ones

    def refuse(*args, **kwargs):
        if str(kwargs.get("device")) == "cuda":
            raise RuntimeError("CUDA error: unknown error\nCompile with TORCH_USE_CUDA_DSA")
        return ones(*args, **kwargs)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", refuse)


@pytest.mark.fault("M10")
def test_a_lost_driver_leaves_auto_with_the_processor_and_says_so(lost_driver, caplog):
    assert choose_running().device == "cpu"
    assert "does not answer (CUDA error: unknown error)" in caplog.text


@pytest.mark.fault("M10")
def test_a_lost_driver_is_an_error_where_the_gpu_was_asked_for(lost_driver):
    with pytest.raises(ValueError, match=r"does not answer \(CUDA error: unknown error\); choose device=auto or cpu"):
        choose_running(device="cuda")


class Fails(nn.Module):
    """Doubles its input, unless there are more than `limit` items: then it raises."""

    def __init__(self, limit: int, error: type[RuntimeError] = torch.OutOfMemoryError, text: str = "full") -> None:
        super().__init__()
        self.limit, self.error, self.text = limit, error, text
        self.num_seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.num_seen.append(len(x))
        if len(x) > self.limit:
            raise self.error(self.text)
        return x * 2.0

    def __deepcopy__(self, memo):
        return self  # so that the test sees what the copy saw


@pytest.mark.fault("M10")
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_out_of_memory_halves_the_batch_until_it_fits_and_loses_nothing(limit, caplog):
    module = Fails(limit)
    runner = Runner(module, Running("torch", "cpu", "fp32"), batch_size=8)
    x = torch.arange(21.0)[:, None]
    assert torch.equal(runner(x), x * 2)
    assert runner.batch_size == {1: 1, 2: 2, 3: 2, 7: 4}[limit]
    assert "Out of memory with 8 pictures at a time: on with 4." in caplog.text
    module.num_seen.clear()
    assert torch.equal(runner(x), x * 2)
    assert max(module.num_seen) == runner.batch_size  # learnt once: a later call does not fail again


@pytest.mark.fault("M10")
def test_out_of_memory_with_a_single_picture_is_an_error_that_says_what_to_do():
    runner = Runner(Fails(0), Running("torch", "cpu", "fp32"), batch_size=4)
    with pytest.raises(torch.OutOfMemoryError, match=r"single picture \(full\).*choose smaller pictures"):
        runner(torch.zeros(3, 1))


@pytest.mark.fault("M10")
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_result_of_a_small_batch_is_that_of_the_big_one(small, runtime, precision):
    x = pixels(11)
    one, many = (Runner(small, Running(runtime, "cpu", precision), batch_size=size)(x) for size in (1, 8))
    torch.testing.assert_close(one, many, atol=TOLERANCE[precision], rtol=0)


@pytest.mark.fault("M10")
def test_a_gpu_lost_on_the_way_is_named_as_such(monkeypatch):
    runner = Runner(
        Fails(0, RuntimeError, "CUDA error: unspecified launch failure\nmore"), Running("torch", "cpu", "fp32")
    )
    with pytest.raises(RuntimeError, match=r"^CUDA error"):
        runner(torch.zeros(1, 1))  # on the processor it is some error of the network's own
    runner.running = Running("torch", "cuda", "bf16")
    with pytest.raises(DeviceLostError, match=r"launch failure.*what was committed is kept.*device=cpu"):
        runner(torch.zeros(1, 1))


def test_another_error_of_the_network_stays_what_it_is():
    runner = Runner(Fails(0, RuntimeError, "shapes differ"), Running("torch", "cpu", "fp32"))
    with pytest.raises(RuntimeError, match=r"^shapes differ"):
        runner(torch.zeros(1, 1))


@pytest.mark.fault("M9")
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_every_runtime_precision_and_batch_gives_the_same(small, runtime, precision, batch_size):
    x = pixels(9)
    with torch.inference_mode():
        expected = small(x)
    found = Runner(small, Running(runtime, "cpu", precision), batch_size=batch_size)(x)
    assert found.dtype == torch.float32 and found.shape == expected.shape
    torch.testing.assert_close(found, expected, atol=TOLERANCE[precision], rtol=0)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_bf16_is_really_bf16_and_fp32_really_fp32(small, runtime):
    """OpenVINO takes bf16 by itself where nobody says otherwise: the error shows what was computed."""
    if runtime == "openvino" and not machine.is_quick_in_bf16("openvino"):
        pytest.skip("this processor has no bf16 of its own")
    x = pixels(2)
    with torch.inference_mode():
        expected = small(x)
    error = {
        precision: float((Runner(small, Running(runtime, "cpu", precision))(x) - expected).abs().max())
        for precision in ("fp32", "bf16")
    }
    assert error["fp32"] < 1e-5 < error["bf16"] * 0.1


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_pictures_of_many_sizes_go_through_one_runner(small, runtime):
    runner = Runner(small, Running(runtime, "cpu", "fp32"))
    for height, width in [(8, 8), (16, 8), (8, 24), (32, 8), (8, 40), (8, 8)]:
        x = pixels(1, height, width)
        with torch.inference_mode():
            torch.testing.assert_close(runner(x), small(x), atol=1e-5, rtol=0)


class TwoInputs(nn.Module):
    """A picture with a mask, as LaMa takes them."""

    def forward(self, picture: Tensor, mask: Tensor) -> Tensor:
        return picture.float() * mask.float()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_of_two_inputs_gets_them_together(runtime):
    picture, mask = pixels(5), torch.rand(5, 1, 24, 40) > 0.5
    runner = Runner(TwoInputs(), Running(runtime, "cpu", "fp32"), batch_size=2)
    assert torch.equal(runner(picture, mask.to(torch.uint8)), picture.float() * mask)


def test_the_module_given_stays_as_it_is(small):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    Runner(small, Running("torch", "cpu", "bf16"))(pixels(1))
    assert all(torch.equal(tensor, before[name]) for name, tensor in small.state_dict().items())
    assert all(parameter.requires_grad for parameter in small.parameters())


class Compiler:
    """What torch.compile hands a network's graph to; notes for which shapes, and can fail."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.is_broken, self.shapes = is_broken, []

    def __call__(self, graph, example_inputs):
        if self.is_broken:
            raise OSError("no C compiler found")
        self.shapes.append([tuple(tensor.shape) for tensor in example_inputs if tensor.dtype == torch.uint8])
        return graph.forward


@pytest.mark.slow
def test_a_shape_is_compiled_when_it_comes_again_and_gives_the_same(small):
    compiler = Compiler()
    network = TorchNetwork(small, "cpu", "fp32", backend=compiler)
    x, last = pixels(4), pixels(2)
    first = network((x,))
    assert compiler.shapes == []
    network((last,))
    torch.testing.assert_close(network((x,)), first, atol=1e-6, rtol=0)
    assert compiler.shapes == [[(4, 3, 24, 40)]]


def test_a_failed_compile_says_so_once_and_the_network_runs_all_the_same(small, caplog):
    network = TorchNetwork(small, "cpu", "fp32", backend=Compiler(is_broken=True))
    x = pixels(2)
    results = [network((x,)) for _ in range(4)]
    assert all(torch.equal(result, results[0]) for result in results)
    warnings = [record for record in caplog.records if "torch.compile failed" in record.getMessage()]
    assert (
        len(warnings) == 1
        and warnings[0].levelno == logging.WARNING
        and "no C compiler found" in warnings[0].getMessage()
    )


CHILD = """
    import sys, types, warnings
    class Telemetry:
        def __getattr__(self, name):
            raise SystemExit("called home")
    # what stands for the package that reports: where it is imported, the test sees it
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name.partition(".")[0] == "openvino_telemetry":
                raise SystemExit("openvino_telemetry was imported")
    sys.meta_path.insert(0, Finder)
    warnings.simplefilter("always")
    import torch
    from models.vision.running import Runner, Running, choose_running
    choose_running()
    assert "openvino" not in sys.modules, "imported before it was used"
    module = torch.nn.Conv2d(3, 2, 3)
    print(Runner(module, Running("openvino", "cpu", "fp32"))(torch.zeros(1, 3, 8, 8)).shape)
"""


@pytest.mark.slow
@NEEDS_OPENVINO
def test_openvino_is_imported_only_where_it_is_used_and_neither_calls_home_nor_warns_of_its_tracing():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "torch.Size([1, 2, 6, 6])"), done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.gpu
@pytest.mark.fault("M9")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_gpu_gives_what_the_processor_gives(small, precision):
    x = pixels(9)
    with torch.inference_mode():
        expected = small(x)
    runner = Runner(small, Running("torch", "cuda", precision), batch_size=4)
    for _ in range(2):  # the second time compiled
        torch.testing.assert_close(runner(x), expected, atol=TOLERANCE["bf16"], rtol=0)
