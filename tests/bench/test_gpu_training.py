"""The benchmark of training on a bare GPU: it runs without the pipeline's packages, and its checks can fail."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import gpu_training_checks
from bench.gpu_training import NUM_CLASSES, made_up_posts, main
from bench.gpu_training_checks import checks, halved, small_city, stopped_at_nan
from bench.step_cost import StepCost, step_cost
from models.settings.train_config import TrainConfig

ROOT = Path(__file__).parent.parent.parent
NOT_THERE = (
    "dagster",
    "daft",
    "deltalake",
    "pyarrow",
    "pandas",
    "pydantic",
    "tqdm",
    "tensorboard",
    "mlflow",
    "cv2",
    "pipeline",
    "assets",
    "tests",
)
CPU = TrainConfig(max_epochs=2, batch_size=64, device="cpu", num_threads=1)
SMALL = small_city(128, 1)


@pytest.mark.slow
def test_it_runs_with_torch_alone():
    code = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({NOT_THERE!r})); "
        "sys.argv = 'gpu_training --posts 40 --epochs 1 --device cpu --no-checks --variants graphs'.split(); "
        "runpy.run_module('bench.gpu_training', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "30 epochs of 40 posts take" in ended.stdout and "every check passed" in ended.stdout
    assert '{"name": "gpu_training graphs"' in ended.stdout.splitlines()[-2]


@pytest.mark.slow
def test_every_check_passes_on_a_processor():
    found = list(checks("cpu"))
    assert len(found) == 4 and all(check.is_passed for check in found), found


def test_a_loop_that_overlooks_nan_does_not_pass(monkeypatch):
    monkeypatch.setattr("models.training.training.Epochs._require_finite", lambda *_: None)
    assert not stopped_at_nan(SMALL, SMALL, CPU).is_passed


@pytest.mark.slow
def test_halves_that_are_not_weighed_do_not_pass(monkeypatch):
    assert halved(SMALL, CPU).is_passed
    monkeypatch.setattr(
        "models.training.training_loss.TrainingLoss.total_weight", lambda self, labels: 1 + len(labels) // 3
    )
    steps = gpu_training_checks._gradients
    monkeypatch.setattr(
        gpu_training_checks,
        "_gradients",
        lambda train, config, parts: [g * parts for g in steps(train, config, parts)],
    )
    assert not halved(SMALL, CPU).is_passed


@pytest.mark.slow
def test_made_up_posts_have_the_lengths_of_instagrams():
    posts = made_up_posts(4000, seed=1)
    for texts in (posts.captions, [" ".join(tags) for tags in posts.hashtags]):
        lengths = [len(text) for text in texts]
        assert 50 < np.median(lengths) < 68 and 160 < np.quantile(lengths, 0.9) < 230
    assert set(posts.labels_N) == set(range(NUM_CLASSES)) and posts.image_ND.shape == (4000, 512)
    few, again, other = (made_up_posts(200, seed=seed) for seed in (1, 1, 2))
    assert few.sha256() == again.sha256() != other.sha256()


@pytest.mark.slow
def test_the_cost_of_a_step_grows_with_its_posts():
    """At least what the picture's layer and the head multiply, three times: forward and both gradients."""
    cost = step_cost(made_up_posts(16, seed=1), NUM_CLASSES)
    assert cost.batch_size == 16 and cost.num_kernels > 100
    assert cost.gflop_per_post > 3 * 2 * 512 * 256 / 1e9
    assert cost.mbytes_per_step > 3 * 4 * cost.num_parameters / 1e6, "weights, gradients and moments at least"


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        pytest.param(100, "neither bounds it", id="slow"),
        pytest.param(90_000, "matrix products bound it", id="products"),
    ],
)
def test_what_bounds_a_rate_is_named(rate, expected):
    cost = StepCost(batch_size=100, gflop_per_post=1.0, mbytes_per_step=10.0, num_kernels=50, num_parameters=1)
    assert expected in cost.bound(rate, 100.0, 1000.0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_reported(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_training", "--device", "cuda"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2 and "torch sees no GPU" in capsys.readouterr().err
